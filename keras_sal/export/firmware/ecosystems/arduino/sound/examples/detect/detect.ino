// Detects in the sound of the microphone of an Arduino Nano 33 BLE Sense, and shows detections by
// its orange light for half a second.

#include <Arduino.h>
#include <PDM.h>

#include <stdarg.h>
#include <stdio.h>

#include <model_name.h>

namespace model = keras_sal::model_name;

static keras_sal::RingBuffer<int16_t, 8192> sound;  // half a second
static model::Listener listener;
static bool running = false;
static unsigned long lit_since = 0;

static void Log(const char* format, ...) {
  char text[128];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof(text), format, values);
  va_end(values);
  Serial.println(text);
}

static void OnDetection(const char* name, float score) {
  Serial.print(name);
  Serial.print(", score ");
  Serial.println(static_cast<double>(score), 3);
  digitalWrite(LED_BUILTIN, HIGH);
  lit_since = millis();
}

// Called by an interrupt: takes what the microphone has, or its driver stops.
static void OnSound() {
  static int16_t samples[256];
  while (PDM.available() > 0) {
    const int bytes = PDM.read(samples, sizeof(samples));
    if (bytes <= 0) return;
    sound.Write(samples, static_cast<uint32_t>(bytes) / sizeof(int16_t));
  }
}

void setup() {
  Serial.begin(115200);
  while (!Serial && millis() < 3000) {
  }
  pinMode(LED_BUILTIN, OUTPUT);
  model::Detector* detector = model::SetUp(Log);
  if (detector == nullptr) return;
  listener.Begin(detector, OnDetection);
  PDM.onReceive(OnSound);
  if (!PDM.begin(1, keras_sal::kSampleRate)) {
    Log("The microphone could not be started.");
    return;
  }
  running = true;
  Log("Listening.");
}

void loop() {
  if (millis() - lit_since >= 500) digitalWrite(LED_BUILTIN, LOW);
  if (!running) return;
  running = listener.Hear(&sound, Log);
  if (!running) Log("The detector failed.");
}
