// An example that detects in the samples of a microphone.
//
// Write the two functions that are declared first. Arduino calls `setup` and `loop`; on other
// platforms the end of this file calls them.

#include <stdint.h>

#if defined(ARDUINO)
#include <Arduino.h>  // says which linkage `setup` and `loop` have
#endif

#include "detector.h"
#include "frontend.h"
#include "micro_frontend.h"
#include "model_data.h"
#include "self_test.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tflm_interpreter.h"

// Waits for the next `count` samples: 16 bits, 16 kHz, one channel. Return false to stop.
bool ReadSamples(int16_t* samples, int count);

// Called for every detection. `score` is the mean posterior that reached the threshold.
void OnDetection(const char* name, float score);

namespace {

namespace model = keras_sal::model_name;

static_assert(model::kFrameValues % keras_sal::kFeatures == 0,
              "a step must take whole frames of the front-end");

alignas(model::kArenaAlignment) uint8_t arena[model::kArenaBytes];
keras_sal::MicroFrontend frontend;
model::Detector* detector = nullptr;  // null if the set-up failed
bool running = true;

}  // namespace

void setup() {
  static model::TflmInterpreter interpreter(model::kModelData, arena, sizeof(arena));
  static model::Detector made(&interpreter);
  keras_sal::Setup setup = interpreter.Begin();
  if (setup == keras_sal::Setup::kReady) setup = made.Begin();
  if (setup != keras_sal::Setup::kReady) {
    MicroPrintf("No detector: %s.", keras_sal::TextOf(setup));
    return;
  }
  detector = &made;
#if defined(KERAS_SAL_SELF_TEST)
  const model::Difference found = model::SelfTest(detector);
  if (found.part == model::Difference::kNothing) {
    MicroPrintf("Self-test: OK.");
  } else {
    MicroPrintf("Self-test: %s %d.", model::TextOf(found.part), found.index);
  }
#endif
}

void loop() {
  static int16_t samples[keras_sal::kStepSamples];
  static float frame[model::kFrameValues];
  static int filled = 0;
  running = detector != nullptr && ReadSamples(samples, keras_sal::kStepSamples);
  if (!running || !frontend.Step(samples, frame + filled)) return;
  filled += keras_sal::kFeatures;
  if (filled < model::kFrameValues) return;  // a step may take several frames
  filled = 0;
  running = detector->Step(frame);
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
  for (setup(); running;) loop();
  return detector == nullptr ? 1 : 0;
}
#endif
