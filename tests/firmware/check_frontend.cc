// Runs the front-end over sound.bin, cut as chunks.bin says, and writes the features to
// features.bin. A chunk of -1 samples starts a new stream.

#include <stdint.h>
#include <stdio.h>

#include "micro_frontend.h"

namespace {

constexpr int kMostSamples = 2000;
constexpr int32_t kReset = -1;

keras_sal::MicroFrontend frontend;

}  // namespace

int main() {
  FILE* chunks = fopen("chunks.bin", "rb");
  FILE* sound = fopen("sound.bin", "rb");
  FILE* features = fopen("features.bin", "wb");
  if (chunks == nullptr || sound == nullptr || features == nullptr) return 2;
  int32_t size = 0;
  while (fread(&size, sizeof(size), 1, chunks) == 1) {
    int16_t samples[kMostSamples];
    if (size == kReset) {
      frontend.Reset();
      continue;
    }
    if (size > kMostSamples) return 3;
    const size_t count = static_cast<size_t>(size);
    if (fread(samples, sizeof(samples[0]), count, sound) != count) return 4;
    for (int at = 0; at < size;) {
      float frame[keras_sal::kFeatures];
      bool complete = false;
      const int taken = frontend.Read(samples + at, size - at, frame, &complete);
      if (taken <= 0) return 5;
      if (complete && fwrite(frame, sizeof(frame), 1, features) != 1) return 6;
      at += taken;
    }
  }
  return fclose(features) == 0 ? 0 : 7;
}
