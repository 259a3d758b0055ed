#if defined(KERAS_SAL_SELF_TEST)

#include "self_test.h"

#include <math.h>

#include "self_test_data.h"

namespace keras_sal {
namespace model_name {
namespace {

constexpr int kDetected = 1, kFired = 2;

// Compares a step with the golden one.
Difference::Part Compare(const Detector& detector, Trigger* trigger, int class_index,
                         const GoldenStep& golden) {
  const float posterior = detector.posterior(class_index);
  if (!(fabsf(posterior - golden.posterior) <= kPosteriorTolerance)) return Difference::kPosterior;
  const int detected = detector.detected(class_index) ? kDetected : 0;
  if (detected != (golden.marks & kDetected)) return Difference::kDetection;
  const int fired = trigger->Feed(posterior) ? kFired : 0;
  return fired == (golden.marks & kFired) ? Difference::kNothing : Difference::kTrigger;
}

}  // namespace

Difference SelfTest(Detector* detector) {
  static float frame[kFrameValues];
  static float history[kClasses][kSmoothFrames];
  static Trigger triggers[kClasses];
  for (int c = 0; c < kClasses; ++c) triggers[c].Begin(&kGoldenRules[c], history[c]);
  if (!detector->Reset()) return {Difference::kStep, 0, 0};
  for (int step = 0; step < kDelayFrames + kGoldenSteps; ++step) {
    const int wrong = GoldenFrame(step, frame);
    if (wrong >= 0) return {Difference::kFeatures, wrong, 0};
    if (!detector->Step(frame)) return {Difference::kStep, step, 0};
    if (step < kDelayFrames) continue;
    for (int c = 0; c < kClasses; ++c) {
      const GoldenStep& golden = kGolden[step - kDelayFrames][c];
      const Difference::Part part = Compare(*detector, &triggers[c], c, golden);
      if (part != Difference::kNothing) return {part, step, c};
    }
  }
  if (!detector->Reset()) return {Difference::kStep, kDelayFrames + kGoldenSteps, 0};
  return {Difference::kNothing, 0, 0};
}

}  // namespace model_name
}  // namespace keras_sal

#endif  // KERAS_SAL_SELF_TEST
