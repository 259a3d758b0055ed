// Detects in frames of features, and shows detections by a light.

#include <stdarg.h>
#include <stdio.h>

#include "light.h"
#include "model_name.h"

namespace {

namespace model = keras_sal::model_name;

Light light;

void Log(const char* format, ...) {
  va_list values;
  va_start(values, format);
  vprintf(format, values);
  va_end(values);
  printf("\n");
}

// Write this function: it waits for the next frame of your sensor, and writes its `count` features,
// computed as for training. As long as it returns false there are none, and the example ends.
bool ReadFrame(float* frame, int count) {
  (void)frame;
  (void)count;
  return false;
}

}  // namespace

extern "C" void app_main() {
  light.Begin();
  model::Detector* detector = model::SetUp(Log);
  if (detector == nullptr) return;
  static float frame[model::kFrameValues];
  while (ReadFrame(frame, model::kFrameValues)) {
    if (!detector->Step(frame)) break;
    for (int c = 0; c < model::kClasses; ++c) {
      if (!detector->detected(c)) continue;
      printf("%s, score %.3f\n", model::kClassNames[c], static_cast<double>(detector->score(c)));
      light.Show();
    }
    light.Update();
  }
  Log("No more frames.");
}
