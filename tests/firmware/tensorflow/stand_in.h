// What both interpreters that stand in for TensorFlow Lite Micro have in common; for one source of a
// program.

#ifndef KERAS_SAL_TESTS_STAND_IN_H_
#define KERAS_SAL_TESTS_STAND_IN_H_

#include <stdarg.h>
#include <stdio.h>

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

void MicroPrintf(const char* format, ...) {
  va_list values;
  va_start(values, format);
  vprintf(format, values);
  va_end(values);
  printf("\n");
}

namespace tflite {

const Model* GetModel(const void* buffer) { return static_cast<const Model*>(buffer); }

MicroResourceVariables* MicroResourceVariables::Create(MicroAllocator* allocator, int) {
  return reinterpret_cast<MicroResourceVariables*>(allocator);
}

TfLiteStatus MicroInterpreter::Reset() { return kTfLiteOk; }

size_t MicroInterpreter::arena_used_bytes() const { return 16; }

}  // namespace tflite

#endif  // KERAS_SAL_TESTS_STAND_IN_H_
