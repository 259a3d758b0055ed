// Detects in a WAV file, or in raw samples from standard input: 16 bits in the byte order of this
// machine, 16 kHz, one channel. Prints the time of each detection in the sound, its class and score.

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>

#include "model_name.h"
#include "wav.h"

namespace {

namespace model = keras_sal::model_name;

constexpr uint32_t kPiece = static_cast<uint32_t>(keras_sal::kStepSamples);
uint64_t heard = 0;  // samples

@log@

void OnDetection(const char* name, float score) {
  const double time_s = static_cast<double>(heard) / keras_sal::kSampleRate;
  printf("%.3f s  %s  %.6f\n", time_s, name, static_cast<double>(score));
  fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    Log("usage: %s FILE.wav, or - for raw samples from standard input", arguments[0]);
    return 2;
  }
  const bool raw = strcmp(arguments[1], "-") == 0;
  FILE* file = raw ? stdin : fopen(arguments[1], "rb");
  if (file == nullptr) {
    Log("%s can't be opened.", arguments[1]);
    return 2;
  }
  uint32_t left = UINT32_MAX;
  if (!raw) {
    if (const char* wrong = ReadWavHeader(file, keras_sal::kSampleRate, &left)) {
      Log("%s can't be used: %s.", arguments[1], wrong);
      return 2;
    }
  }
  model::Detector* detector = model::SetUp(Log);
  if (detector == nullptr) return 1;
  static model::Listener listener;
  listener.Begin(detector, OnDetection);
  int16_t samples[kPiece];
  while (raw || left > 0) {
    const size_t wanted = raw ? kPiece : std::min(left, kPiece);
    const size_t got = fread(samples, sizeof(int16_t), wanted, file);
    heard += got;
    if (!listener.Hear(samples, static_cast<int>(got))) {
      Log("The detector failed.");
      return 1;
    }
    if (got < wanted) break;
    left -= static_cast<uint32_t>(got);
  }
  if (!raw) fclose(file);
  return 0;
}
