// The two functions that `main.cc` needs: sound comes from sound.bin, and the scores of detections
// go to detections.bin.

#include <stdint.h>
#include <stdio.h>

bool ReadSamples(int16_t* samples, int count);
void OnDetection(const char* name, float score);

bool ReadSamples(int16_t* samples, int count) {
  static FILE* const sound = fopen("sound.bin", "rb");
  const size_t wanted = static_cast<size_t>(count);
  return sound != nullptr && fread(samples, sizeof(*samples), wanted, sound) == wanted;
}

void OnDetection(const char*, float score) {
  static FILE* const detections = fopen("detections.bin", "wb");
  if (detections == nullptr) return;
  fwrite(&score, sizeof(score), 1, detections);
  fflush(detections);
}
