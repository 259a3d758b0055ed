// The golden frames of features, as `keras_sal.export.firmware.golden` computes them.

#if defined(KERAS_SAL_SELF_TEST)

#include <stdint.h>

#include "self_test.h"
#include "self_test_data.h"

namespace keras_sal {
namespace model_name {

int GoldenFrame(int step, float* frame) {
  static uint32_t state;
  if (step == 0) state = kGoldenSeed;
  for (int k = 0; k < kFrameValues; ++k) {
    state = state * 1664525u + 1013904223u;
    frame[k] = static_cast<float>(static_cast<int32_t>(state >> 24) - 128) * kGoldenFrameStep;
  }
  return -1;
}

}  // namespace model_name
}  // namespace keras_sal

#endif  // KERAS_SAL_SELF_TEST
