// An Arduino whose microphone hears sound.bin: 256 samples an interrupt, one every loop.

#include <stdio.h>
#include <stdlib.h>

#include "Arduino.h"
#include "PDM.h"

static FILE* sound = nullptr;
static void (*receive)() = nullptr;
static int16_t block[256];
static size_t held = 0;  // bytes
static unsigned long now = 0;

SerialPort Serial;
PDMClass PDM;

unsigned long millis() { return now; }
void pinMode(int, int) {}
void digitalWrite(int pin, int level) {
  static int last = LOW;
  if (pin != LED_BUILTIN) abort();
  if (level != last) printf("light %d at %lu ms\n", level, now);
  last = level;
}
void SerialPort::begin(unsigned long) {}
void SerialPort::print(const char* text) { printf("%s", text); }
void SerialPort::println(const char* text) { printf("%s\n", text); }
void SerialPort::println(double number, int digits) { printf("%.*f\n", digits, number); }

int PDMClass::begin(int channels, int sample_rate) {
  sound = fopen("sound.bin", "rb");
  return sound != nullptr && channels == 1 && sample_rate == 16000 ? 1 : 0;
}
int PDMClass::available() { return static_cast<int>(held); }
int PDMClass::read(void* buffer, size_t size) {
  const size_t taken = size < held ? size : held;
  char* to = static_cast<char*>(buffer);
  for (size_t i = 0; i < taken; ++i) to[i] = reinterpret_cast<char*>(block)[i];
  held -= taken;
  return static_cast<int>(taken);
}
void PDMClass::onReceive(void (*function)()) { receive = function; }

int main() {
  setup();
  while (sound != nullptr && (held = 2 * fread(block, 2, 256, sound)) > 0) {
    receive();
    if (held != 0) return 1;  // the driver would stop
    now += 16;
    loop();
  }
  return 0;
}
