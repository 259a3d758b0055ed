#include "tensorflow/fake.h"

#include <stdlib.h>

#include "tensorflow/stand_in.h"

Fake& TheFake() {
  static Fake fake;
  return fake;
}

namespace tflite {

uint32_t Model::version() const { return TheFake().version; }

MicroAllocator* MicroAllocator::Create(uint8_t* arena, size_t arena_size) {
  if (arena_size < TheFake().least_arena_bytes) abort();
  if (reinterpret_cast<uintptr_t>(arena) % 16 != 0) abort();
  return reinterpret_cast<MicroAllocator*>(arena);
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
TfLiteTensor* MicroInterpreter::input(size_t) { return nullptr; }
TfLiteTensor* MicroInterpreter::output(size_t) { return nullptr; }

TfLiteStatus AddOperator() {
  ++TheFake().registered;
  return TheFake().registers ? kTfLiteOk : kTfLiteError;
}

}  // namespace tflite
