// Runs the self-test of a bundle with an interpreter that replays replay.bin. Its exit code is the
// kind of the difference.

#include <stdio.h>

#include "detector.h"
#include "replay.h"
#include "self_test.h"

int main() {
  FILE* file = fopen("replay.bin", "rb");
  if (file == nullptr) return 100;
  static Replay interpreter(file);
  interpreter.skipped_bytes = static_cast<long>(sizeof(int32_t) + model::kFrameValues * sizeof(float));
  static model::Detector detector(&interpreter);
  if (detector.Begin() != keras_sal::Setup::kReady) return 101;
  const model::Difference found = model::SelfTest(&detector);
  printf("%s %d\n", model::TextOf(found.part), found.index);
  if (interpreter.wrong && found.part == model::Difference::kNothing) return 102;
  return found.part;
}
