// Detects in frames of features from standard input: numbers of 32-bit floating point in the byte
// order of this machine, frame after frame. Prints the frame of each detection, its class and score.

#include <stdarg.h>
#include <stdio.h>

#include "model_name.h"

namespace {

namespace model = keras_sal::model_name;

@log@

}  // namespace

int main() {
  model::Detector* detector = model::SetUp(Log);
  if (detector == nullptr) return 1;
  constexpr size_t kValues = static_cast<size_t>(model::kFrameValues);
  static float frame[kValues];
  for (long index = 0; fread(frame, sizeof(float), kValues, stdin) == kValues; ++index) {
    if (!detector->Step(frame)) {
      Log("The detector failed at frame %d.", static_cast<int>(index));
      return 1;
    }
    for (int c = 0; c < model::kClasses; ++c) {
      if (!detector->detected(c)) continue;
      printf("%ld  %s  %.6f\n", index, model::kClassNames[c],
             static_cast<double>(detector->score(c)));
    }
  }
  return 0;
}
