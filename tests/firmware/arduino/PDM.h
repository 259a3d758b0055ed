// The microphone library of Arduino's Nano 33 BLE, as far as the example uses it.

#ifndef KERAS_SAL_TESTS_PDM_H_
#define KERAS_SAL_TESTS_PDM_H_

#include <stddef.h>

class PDMClass {
 public:
  int begin(int channels, int sample_rate);
  int available();
  int read(void* buffer, size_t size);
  void onReceive(void (*function)());
};

extern PDMClass PDM;

#endif  // KERAS_SAL_TESTS_PDM_H_
