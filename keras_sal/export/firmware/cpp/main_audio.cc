// An example that detects in the samples of a microphone.
//
// Write the two functions that are declared first. Arduino calls `setup` and `loop`; on other
// platforms the end of this file calls them.

#include <stdint.h>

#include "detector.h"
#include "frontend.h"
#include "micro_frontend.h"
#include "model_data.h"
#include "op_resolver.h"
#include "tflm_interpreter.h"

// Waits for the next `count` samples: 16 bits, 16 kHz, one channel. Return false to stop.
bool ReadSamples(int16_t* samples, int count);

// Called for every detection. `score` is the mean posterior that reached the threshold.
void OnDetection(const char* name, float score);

namespace {

alignas(16) uint8_t arena[keras_sal::kArenaBytes];
keras_sal::MicroFrontend frontend;
keras_sal::Detector* detector = nullptr;  // null if the set-up failed
bool running = true;

}  // namespace

void setup() {
  static keras_sal::OpResolver resolver;
  if (!keras_sal::RegisterOperators(&resolver)) return;
  static keras_sal::TflmInterpreter interpreter(keras_sal::kModelData, resolver, arena,
                                                sizeof(arena));
  static keras_sal::Detector made(&interpreter);
  if (interpreter.Begin() && made.Begin()) detector = &made;
}

void loop() {
  static int16_t samples[keras_sal::kStepSamples];
  static float frame[keras_sal::kFrameValues];
  static int filled = 0;
  running = detector != nullptr && ReadSamples(samples, keras_sal::kStepSamples);
  if (!running || !frontend.Step(samples, frame + filled)) return;
  filled += keras_sal::kFeatures;
  if (filled < keras_sal::kFrameValues) return;  // a step may take several frames
  filled = 0;
  running = detector->Step(frame);
  for (int c = 0; running && c < keras_sal::kClasses; ++c) {
    if (detector->detected(c)) OnDetection(keras_sal::kClassNames[c], detector->score(c));
  }
}

#if defined(ARDUINO)  // has a main of its own
#elif defined(ESP_PLATFORM)
extern "C" void app_main() {
  for (setup(); running;) loop();
}
#else
int main() {
  for (setup(); running;) loop();
  return 0;
}
#endif
