// Detects in frames of features, and shows detections by the light `led0`.

#include <stdarg.h>

#include <zephyr/kernel.h>
#include <zephyr/sys/printk.h>

#include "light.h"
#include "model_name.h"

namespace {

namespace model = keras_sal::model_name;

Light light;

@log@

@read_frame@

}  // namespace

int main() {
  light.Begin();
  model::Detector* detector = model::SetUp(Log);
  if (detector == nullptr) return 0;
  static float frame[model::kFrameValues];
  while (ReadFrame(frame, model::kFrameValues)) {
    if (!detector->Step(frame)) break;
    for (int c = 0; c < model::kClasses; ++c) {
      if (!detector->detected(c)) continue;
      printk("%s, score %d / 1000\n", model::kClassNames[c],
             static_cast<int>(1000.0f * detector->score(c)));
      light.Show();
    }
    light.Update();
  }
  Log("No more frames.");
  return 0;
}
