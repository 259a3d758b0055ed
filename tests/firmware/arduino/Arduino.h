// What the example uses of an Arduino core, declared as cores of ArduinoCore-API do.

#ifndef KERAS_SAL_TESTS_ARDUINO_H_
#define KERAS_SAL_TESTS_ARDUINO_H_

#include <stdint.h>

extern "C" {
void setup();
void loop();
unsigned long millis();
void pinMode(int pin, int mode);
void digitalWrite(int pin, int level);
}

#define LOW 0
#define HIGH 1
#define OUTPUT 1
#define LED_BUILTIN 13

class SerialPort {
 public:
  void begin(unsigned long rate);
  operator bool() const { return true; }
  void print(const char* text);
  void println(const char* text);
  void println(double number, int digits);
};

extern SerialPort Serial;

#endif  // KERAS_SAL_TESTS_ARDUINO_H_
