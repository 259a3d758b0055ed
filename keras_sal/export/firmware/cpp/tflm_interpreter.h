// The interpreter of TensorFlow Lite Micro, as the detector uses it.

#ifndef KERAS_SAL_TFLM_INTERPRETER_H_
#define KERAS_SAL_TFLM_INTERPRETER_H_

#include <stddef.h>
#include <stdint.h>

#include "interpreter.h"
#include "op_resolver.h"
#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace keras_sal {

// `model`, `resolver` and `arena` must outlive it. Make one static object of it.
class TflmInterpreter : public Interpreter {
 public:
  TflmInterpreter(const unsigned char* model, const OpResolver& resolver, uint8_t* arena,
                  size_t arena_bytes)
      : model_(tflite::GetModel(model)),
        allocator_(tflite::MicroAllocator::Create(arena, arena_bytes)),
        interpreter_(model_, resolver, allocator_, Variables(allocator_)) {}

  // Allocates the tensors. False if the arena is too small or the file has another schema version.
  bool Begin() {
    return model_->version() == TFLITE_SCHEMA_VERSION &&
           interpreter_.AllocateTensors() == kTfLiteOk;
  }

  Tensor Input(int index) override { return Memory(interpreter_.input(index)); }
  Tensor Output(int index) override { return Memory(interpreter_.output(index)); }
  bool Invoke() override { return interpreter_.Invoke() == kTfLiteOk; }
  bool Reset() override {
    return kNumResourceVariables == 0 || interpreter_.Reset() == kTfLiteOk;
  }

 private:
  static Tensor Memory(TfLiteTensor* tensor) {
    if (tensor == nullptr) return Tensor{nullptr, 0};
    return Tensor{tensor->data.raw, tensor->bytes};
  }

  static tflite::MicroResourceVariables* Variables(tflite::MicroAllocator* allocator) {
    if (kNumResourceVariables == 0) return nullptr;
    return tflite::MicroResourceVariables::Create(allocator, kNumResourceVariables);
  }

  const tflite::Model* model_;
  tflite::MicroAllocator* allocator_;
  tflite::MicroInterpreter interpreter_;
};

}  // namespace keras_sal

#endif  // KERAS_SAL_TFLM_INTERPRETER_H_
