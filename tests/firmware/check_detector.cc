// Runs the detector of a bundle over replay.bin and writes posteriors, scores and detections to
// outputs.bin.

#include <stdint.h>
#include <stdio.h>

#include "detector.h"
#include "replay.h"

namespace {

enum Event : int32_t { kNothing = 0, kReset = 1, kFailure = 2, kNotFinite = 3, kSpoiled = 4 };

}  // namespace

int main() {
  FILE* file = fopen("replay.bin", "rb");
  FILE* outputs = fopen("outputs.bin", "wb");
  if (file == nullptr || outputs == nullptr) return 2;

  static Replay another(file);
  another.Forget(model::kPosteriorOutput);
  static model::Detector refused(&another);
  if (refused.Begin() != keras_sal::Setup::kTensors) return 3;
  const float nothing[model::kFrameValues] = {};
  if (refused.Step(nothing) || refused.Reset()) return 11;

  static Replay interpreter(file);
  static model::Detector detector(&interpreter);
  if (detector.posterior() != 0.0f || detector.score() != 0.0f || detector.detected()) return 12;
  if (detector.Step(nothing)) return 13;
  if (detector.Begin() != keras_sal::Setup::kReady || interpreter.resets != 1) return 4;
  const int no_classes[] = {-1, model::kClasses};
  for (int c : no_classes) {
    if (detector.posterior(c) != 0.0f || detector.score(c) != 0.0f || detector.detected(c)) return 14;
  }
  int32_t event = kNothing;
  float frame[model::kFrameValues];
  while (fread(&event, sizeof(event), 1, file) == 1) {
    if (event == kReset && !detector.Reset()) return 5;
    if (fread(frame, sizeof(float), model::kFrameValues, file) != model::kFrameValues) {
      return 6;
    }
    interpreter.fails = event == kFailure;
    interpreter.spoils = event == kSpoiled;
    const bool fails = event == kFailure || event == kNotFinite || event == kSpoiled;
    if (detector.Step(frame) == fails) return 7;
    if (interpreter.wrong) return 8;
    for (int c = 0; c < model::kClasses; ++c) {
      const float output[3] = {detector.posterior(c), detector.score(c),
                               detector.detected(c) ? 1.0f : 0.0f};
      if (fwrite(output, sizeof(output), 1, outputs) != 1) return 9;
    }
  }
  fclose(file);
  return fclose(outputs) == 0 ? 0 : 10;
}
