// The golden sound, as `keras_sal.export.firmware.golden` computes it, and its features.

#if defined(KERAS_SAL_SELF_TEST)

#include <stdint.h>
#include <string.h>

#include "micro_frontend.h"
#include "self_test.h"
#include "self_test_data.h"

namespace keras_sal {
namespace model_name {
namespace {

constexpr int kSyllableSamples = 4000;

struct Sound {
  uint32_t state, phase, time;
};

// A rising sawtooth in syllables, over noise of three levels.
int16_t NextSample(Sound* sound) {
  const uint32_t syllable = sound->time / kSyllableSamples;
  sound->state = sound->state * 1664525u + 1013904223u;
  sound->phase += (sound->time << 12) + (1u << 23);
  ++sound->time;
  const int noise = static_cast<int16_t>(sound->state >> 16) >> (4 + 3 * (syllable % 3));
  const int tone = syllable % 2 != 0 ? static_cast<int16_t>(sound->phase >> 16) >> 2 : 0;
  return static_cast<int16_t>(tone + noise);
}

uint32_t HashOf(const float* frame) {
  uint32_t hash = 2166136261u;
  for (int k = 0; k < kFeatures; ++k) {
    uint32_t word;
    memcpy(&word, frame + k, sizeof(word));
    hash = (hash ^ word) * 16777619u;
  }
  return hash;
}

}  // namespace

int GoldenFrame(int step, float* frame) {
  static MicroFrontend frontend;
  static Sound sound;
  static int index;
  if (step == 0) {
    frontend.Reset();
    sound = {kGoldenSeed, 0, 0};
    index = 0;
  }
  for (int filled = 0; filled < kFrameValues;) {
    int16_t samples[kStepSamples];
    for (int i = 0; i < kStepSamples; ++i) samples[i] = NextSample(&sound);
    if (!frontend.Step(samples, frame + filled)) continue;
    if (HashOf(frame + filled) != kGoldenFeatures[index]) return index;
    filled += kFeatures;
    ++index;
  }
  return -1;
}

}  // namespace model_name
}  // namespace keras_sal

#endif  // KERAS_SAL_SELF_TEST
