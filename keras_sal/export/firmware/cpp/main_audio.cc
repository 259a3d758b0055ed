// An example that detects in the samples of a microphone.
//
// Write the two functions that are declared first. Arduino calls `setup` and `loop`; on other
// platforms the end of this file calls them.

#include <stdint.h>

#if defined(ARDUINO)
#include <Arduino.h>  // says which linkage `setup` and `loop` have
#endif

#include "frontend.h"
#include "listener.h"
#include "set_up.h"

// Waits for the next `count` samples: 16 bits, 16 kHz, one channel. Return false to stop.
bool ReadSamples(int16_t* samples, int count);

// Called for every detection. `score` is the mean posterior that reached the threshold.
void OnDetection(const char* name, float score);

namespace {

namespace model = keras_sal::model_name;

model::Listener listener;
bool running = false;

}  // namespace

void setup() {
  model::Detector* detector = model::SetUp();
  listener.Begin(detector, OnDetection);
  running = detector != nullptr;
}

void loop() {
  static int16_t samples[keras_sal::kStepSamples];
  running = running && ReadSamples(samples, keras_sal::kStepSamples) &&
            listener.Hear(samples, keras_sal::kStepSamples);
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
