#include "tensorflow/fake.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

Fake& TheFake() {
  static Fake fake;
  return fake;
}

void MicroPrintf(const char* format, ...) {
  va_list values;
  va_start(values, format);
  vprintf(format, values);
  va_end(values);
  printf("\n");
}

namespace tflite {

uint32_t Model::version() const { return TheFake().version; }

const Model* GetModel(const void* buffer) { return static_cast<const Model*>(buffer); }

MicroAllocator* MicroAllocator::Create(uint8_t* arena, size_t arena_size) {
  if (arena_size < TheFake().least_arena_bytes) abort();
  if (reinterpret_cast<uintptr_t>(arena) % 16 != 0) abort();
  return reinterpret_cast<MicroAllocator*>(arena);
}

MicroResourceVariables* MicroResourceVariables::Create(MicroAllocator* allocator, int) {
  return reinterpret_cast<MicroResourceVariables*>(allocator);
}

MicroInterpreter::MicroInterpreter(const Model*, const MicroOpResolver&, MicroAllocator*,
                                   MicroResourceVariables*, MicroProfilerInterface*) {
  ++TheFake().made;
}
MicroInterpreter::~MicroInterpreter() { --TheFake().made; }
TfLiteStatus MicroInterpreter::AllocateTensors() {
  return TheFake().allocates ? kTfLiteOk : kTfLiteError;
}
TfLiteStatus MicroInterpreter::Invoke() { return kTfLiteOk; }
TfLiteStatus MicroInterpreter::Reset() { return kTfLiteOk; }
TfLiteTensor* MicroInterpreter::input(size_t) { return nullptr; }
TfLiteTensor* MicroInterpreter::output(size_t) { return nullptr; }
size_t MicroInterpreter::arena_used_bytes() const { return 16; }

TfLiteStatus AddOperator() {
  ++TheFake().registered;
  return TheFake().registers ? kTfLiteOk : kTfLiteError;
}

}  // namespace tflite
