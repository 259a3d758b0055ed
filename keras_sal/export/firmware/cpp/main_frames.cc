// An example that detects in frames of features.
//
// Write the two functions that are declared first. Arduino calls `setup` and `loop`; on other
// platforms the end of this file calls them.

#if defined(ARDUINO)
#include <Arduino.h>  // says which linkage `setup` and `loop` have
#endif

#include "detector.h"
#include "set_up.h"

// Waits for the next frame and writes its `count` features, computed as for training. Return false
// to stop.
bool ReadFrame(float* frame, int count);

// Called for every detection. `score` is the mean posterior that reached the threshold.
void OnDetection(const char* name, float score);

namespace {

namespace model = keras_sal::model_name;

model::Detector* detector = nullptr;
bool running = false;

}  // namespace

void setup() {
  detector = model::SetUp();
  running = detector != nullptr;
}

void loop() {
  static float frame[model::kFrameValues];
  running = running && ReadFrame(frame, model::kFrameValues) && detector->Step(frame);
  for (int c = 0; running && c < model::kClasses; ++c) {
    if (detector->detected(c)) OnDetection(model::kClassNames[c], detector->score(c));
  }
}

#if defined(ARDUINO)  // has a main of its own
#elif defined(ESP_PLATFORM)
extern "C" void app_main() {
  for (setup(); running;) loop();
}
#else
int main() {
  setup();
  if (!running) return 1;
  while (running) loop();
  return 0;
}
#endif
