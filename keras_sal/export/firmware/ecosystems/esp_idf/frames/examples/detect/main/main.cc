// Detects in frames of features, and shows detections by a light.

#include <stdarg.h>
#include <stdio.h>

#include "light.h"
#include "model_name.h"

namespace {

namespace model = keras_sal::model_name;

Light light;

@log@

@read_frame@

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
