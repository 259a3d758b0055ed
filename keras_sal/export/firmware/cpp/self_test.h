// The self-test: golden sound or frames through front-end, model and trigger, compared with what
// Python computed. It is compiled only if KERAS_SAL_SELF_TEST is defined, for all files; then
// `main.cc` runs it and prints what it found. It takes about 3 KB of flash.

#ifndef KERAS_SAL_MODEL_NAME_SELF_TEST_H_
#define KERAS_SAL_MODEL_NAME_SELF_TEST_H_

#include "detector.h"

namespace keras_sal {
namespace model_name {

// The first difference.
struct Difference {
  enum Part {
    kNothing,    // all is as in Python
    kFeatures,   // of frame `index`
    kStep,       // step `index` failed
    kPosterior,  // of step `index`
    kDetection,  // at step `index`, by the detector
    kTrigger,    // at step `index`, by a trigger with a lower threshold, which fires
  };
  Part part;
  int index;
  int class_index;
};

inline const char* TextOf(Difference::Part part) {
  switch (part) {
    case Difference::kNothing: return "OK";
    case Difference::kFeatures: return "other features in frame";
    case Difference::kStep: return "failed at step";
    case Difference::kPosterior: return "another posterior at step";
    case Difference::kDetection: return "another detection at step";
    case Difference::kTrigger: return "the trigger differs at step";
  }
  return "unknown";
}

// Runs the test with a detector after `Begin`, and resets it.
Difference SelfTest(Detector* detector);

// Writes the golden frame of a step, which must be the one after the last or 0. Returns the index
// of the first frame of the front-end whose features differ, or -1.
int GoldenFrame(int step, float* frame);

}  // namespace model_name
}  // namespace keras_sal

#endif  // KERAS_SAL_MODEL_NAME_SELF_TEST_H_
