// Runs triggers over cases.bin and writes scores and detections to outputs.bin.

#include <stdint.h>
#include <stdio.h>

#include "trigger.h"

namespace {

constexpr int kMostSmoothFrames = 64;

struct Case {
  float threshold, release;
  int32_t smooth_frames, on_frames, refractory_frames, frames;
};

}  // namespace

int main() {
  FILE* cases = fopen("cases.bin", "rb");
  FILE* outputs = fopen("outputs.bin", "wb");
  if (cases == nullptr || outputs == nullptr) return 2;
  Case now;
  while (fread(&now, sizeof(now), 1, cases) == 1) {
    if (now.smooth_frames > kMostSmoothFrames) return 3;
    const keras_sal::TriggerRule rule = {now.threshold, now.release, now.smooth_frames,
                                         now.on_frames, now.refractory_frames};
    float history[kMostSmoothFrames];
    keras_sal::Trigger trigger;
    trigger.Begin(&rule, history);
    for (int t = 0; t < now.frames; ++t) {
      float output[2];
      if (fread(&output[0], sizeof(float), 1, cases) != 1) return 4;
      const bool fired = trigger.Feed(output[0]);
      output[0] = trigger.score();
      output[1] = fired ? 1.0f : 0.0f;
      if (fwrite(output, sizeof(output), 1, outputs) != 1) return 5;
    }
  }
  fclose(cases);
  return fclose(outputs) == 0 ? 0 : 6;
}
