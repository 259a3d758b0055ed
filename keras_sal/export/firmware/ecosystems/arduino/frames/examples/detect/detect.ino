// Detects in frames of features, and shows detections by the light of the board for half a second.

#include <Arduino.h>

#include <stdarg.h>
#include <stdio.h>

#include <model_name.h>

namespace model = keras_sal::model_name;

static model::Detector* detector = nullptr;
static unsigned long lit_since = 0;

static void Log(const char* format, ...) {
  char text[128];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof(text), format, values);
  va_end(values);
  Serial.println(text);
}

// Write this function: if your sensor has a new frame, it writes its `count` features, computed as
// for training, and returns true.
static bool ReadFrame(float* frame, int count) {
  (void)frame;
  (void)count;
  return false;
}

void setup() {
  Serial.begin(115200);
  while (!Serial && millis() < 3000) {
  }
  pinMode(LED_BUILTIN, OUTPUT);
  detector = model::SetUp(Log);
}

void loop() {
  static float frame[model::kFrameValues];
  if (millis() - lit_since >= 500) digitalWrite(LED_BUILTIN, LOW);
  if (detector == nullptr || !ReadFrame(frame, model::kFrameValues)) return;
  if (!detector->Step(frame)) {
    Log("The detector failed.");
    detector = nullptr;
    return;
  }
  for (int c = 0; c < model::kClasses; ++c) {
    if (!detector->detected(c)) continue;
    Serial.print(model::kClassNames[c]);
    Serial.print(", score ");
    Serial.println(static_cast<double>(detector->score(c)), 3);
    digitalWrite(LED_BUILTIN, HIGH);
    lit_since = millis();
  }
}
