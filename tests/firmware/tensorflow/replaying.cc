// An interpreter that stands in for TensorFlow Lite Micro and replays replay.bin.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "replay.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"

static Replay& TheReplay() {
  static Replay replay(fopen("replay.bin", "rb"));
  replay.skipped_bytes =
      static_cast<long>(sizeof(int32_t) + model::kFrameValues * sizeof(float));
  return replay;
}

static TfLiteTensor* TensorOf(const keras_sal::Tensor& tensor, TfLiteTensor* made) {
  if (tensor.data == nullptr) return nullptr;
  made->data.data = tensor.data;
  made->bytes = tensor.bytes;
  return made;
}

void MicroPrintf(const char* format, ...) {
  va_list values;
  va_start(values, format);
  vprintf(format, values);
  va_end(values);
  printf("\n");
}

namespace tflite {

uint32_t Model::version() const { return TFLITE_SCHEMA_VERSION; }
const Model* GetModel(const void* buffer) { return static_cast<const Model*>(buffer); }
MicroAllocator* MicroAllocator::Create(uint8_t* arena, size_t) {
  return reinterpret_cast<MicroAllocator*>(arena);
}
MicroResourceVariables* MicroResourceVariables::Create(MicroAllocator* allocator, int) {
  return reinterpret_cast<MicroResourceVariables*>(allocator);
}
MicroInterpreter::MicroInterpreter(const Model*, const MicroOpResolver&, MicroAllocator*,
                                   MicroResourceVariables*, MicroProfilerInterface*) {}
MicroInterpreter::~MicroInterpreter() {}
TfLiteStatus MicroInterpreter::AllocateTensors() { return kTfLiteOk; }
TfLiteStatus MicroInterpreter::Invoke() {
  if (!TheReplay().Invoke() || TheReplay().wrong) {
    printf("other inputs than in Python\n");
    exit(3);
  }
  return kTfLiteOk;
}
TfLiteStatus MicroInterpreter::Reset() { return kTfLiteOk; }
TfLiteTensor* MicroInterpreter::input(size_t index) {
  static TfLiteTensor made[kMostTensors];
  return TensorOf(TheReplay().Input(static_cast<int>(index)), &made[index]);
}
TfLiteTensor* MicroInterpreter::output(size_t index) {
  static TfLiteTensor made[kMostTensors];
  return TensorOf(TheReplay().Output(static_cast<int>(index)), &made[index]);
}
size_t MicroInterpreter::arena_used_bytes() const { return 16; }
TfLiteStatus AddOperator() { return kTfLiteOk; }

}  // namespace tflite
