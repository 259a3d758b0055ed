// Hears sound.bin through a ring buffer, in the pieces of chunks.bin (-1 for a new stream), with an
// interpreter that replays replay.bin, and prints the detections and messages.

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "listener.h"
#include "replay.h"

namespace {

keras_sal::RingBuffer<int16_t, 1024> sound;

void Log(const char* format, ...) {
  va_list values;
  va_start(values, format);
  vprintf(format, values);
  va_end(values);
  printf("\n");
}

void OnDetection(const char* name, float score) {
  printf("%s %.9g\n", name, static_cast<double>(score));
}

// More samples than a step takes, as for a detector that is slower than real time.
void HearMore() {
  static const int16_t silence[600] = {};
  static int steps = 0;
  if (++steps > 1000) exit(12);
  sound.Write(silence, 600);
}

}  // namespace

int main() {
  FILE* replayed = fopen("replay.bin", "rb");
  FILE* samples = fopen("sound.bin", "rb");
  FILE* chunks = fopen("chunks.bin", "rb");
  if (replayed == nullptr || samples == nullptr || chunks == nullptr) return 1;
  static Replay interpreter(replayed);
  interpreter.skipped_bytes =
      static_cast<long>(sizeof(int32_t) + model::kFrameValues * sizeof(float));
  static model::Detector detector(&interpreter);
  static model::Listener listener;
  if (listener.Hear(nullptr, 0)) return 2;  // has no detector yet
  if (detector.Begin() != keras_sal::Setup::kReady) return 3;
  static const int16_t silence[2000] = {};
  if (listener.Begin(nullptr, OnDetection) || listener.Hear(silence, 2000)) return 9;
  if (listener.Begin(&detector, nullptr) || listener.Hear(silence, 2000)) return 10;
  if (!listener.Begin(&detector, OnDetection)) return 11;
  int32_t size;
  while (fread(&size, sizeof(size), 1, chunks) == 1) {
    if (size < 0) {
      if (!listener.Reset()) return 4;
      continue;
    }
    static int16_t chunk[4096];
    const uint32_t count = static_cast<uint32_t>(size);
    if (fread(chunk, sizeof(int16_t), count, samples) != count) return 5;
    sound.Write(chunk, count);
    if (!listener.Hear(&sound, Log)) return 6;
  }
  if (interpreter.wrong) return 8;
  interpreter.meanwhile = HearMore;
  sound.Write(silence, 960);
  if (!listener.Hear(&sound, nullptr)) return 13;
  interpreter.fails = true;
  if (listener.Hear(silence, 2000)) return 7;
  return 0;
}
