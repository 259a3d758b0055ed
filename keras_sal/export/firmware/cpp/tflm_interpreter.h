// The interpreter of TensorFlow Lite Micro, as the detector uses it.

#ifndef KERAS_SAL_MODEL_NAME_TFLM_INTERPRETER_H_
#define KERAS_SAL_MODEL_NAME_TFLM_INTERPRETER_H_

#include <stddef.h>
#include <stdint.h>

#include <new>

#include "detector_settings.h"
#include "interpreter.h"
#include "op_resolver.h"
#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#include "tensorflow/lite/schema/schema_generated.h"

// TF_LITE_STATIC_MEMORY changes the layout of TfLiteTensor, so it must be defined here if and only if
// TensorFlow Lite Micro was compiled with it: by its own makefile and in the component of ESP-IDF it
// is, in Arduino's library and Zephyr's module it is not.
#if !defined(KERAS_SAL_TFLM_STATIC_MEMORY)
#if defined(ARDUINO) || defined(__ZEPHYR__)
#define KERAS_SAL_TFLM_STATIC_MEMORY 0
#else
#define KERAS_SAL_TFLM_STATIC_MEMORY 1
#endif
#endif
#if KERAS_SAL_TFLM_STATIC_MEMORY && !defined(TF_LITE_STATIC_MEMORY)
#error "Define TF_LITE_STATIC_MEMORY, or KERAS_SAL_TFLM_STATIC_MEMORY=0 if TensorFlow Lite Micro was compiled without it."
#elif !KERAS_SAL_TFLM_STATIC_MEMORY && defined(TF_LITE_STATIC_MEMORY)
#error "Do not define TF_LITE_STATIC_MEMORY, or define KERAS_SAL_TFLM_STATIC_MEMORY=1 if TensorFlow Lite Micro was compiled with it."
#endif

namespace keras_sal {
namespace model_name {

// `model` and `arena` must outlive it. Make one static object of it: nothing is freed at its end.
class TflmInterpreter : public Interpreter {
 public:
  TflmInterpreter(const unsigned char* model, uint8_t* arena, size_t arena_bytes)
      : model_(model), arena_(arena), arena_bytes_(arena_bytes) {}
  TflmInterpreter(const TflmInterpreter&) = delete;
  TflmInterpreter& operator=(const TflmInterpreter&) = delete;

  // Makes the interpreter and its tensors in the arena, which must have `kLeastArenaBytes`: in a
  // smaller one TensorFlow Lite Micro may crash. A further call starts afresh.
  Setup Begin() {
    End();
    if (arena_ == nullptr || arena_bytes_ < kLeastArenaBytes ||
        reinterpret_cast<uintptr_t>(arena_) % kArenaAlignment != 0) {
      return Setup::kArena;
    }
    const tflite::Model* model = tflite::GetModel(model_);
    if (model->version() != TFLITE_SCHEMA_VERSION) return Setup::kSchema;
    if (!registered_ && !RegisterOperators(&resolver_)) return Setup::kOperators;
    registered_ = true;
    tflite::MicroAllocator* allocator = tflite::MicroAllocator::Create(arena_, arena_bytes_);
    if (allocator == nullptr) return Setup::kAllocation;
    tflite::MicroResourceVariables* variables = nullptr;
    if (kNumResourceVariables > 0) {
      variables = tflite::MicroResourceVariables::Create(allocator, kNumResourceVariables);
      if (variables == nullptr) return Setup::kAllocation;
    }
    interpreter_ =
        new (memory_) tflite::MicroInterpreter(model, resolver_, allocator, variables);
    if (interpreter_->AllocateTensors() == kTfLiteOk) return Setup::kReady;
    End();
    return Setup::kAllocation;
  }

  // Of the arena, after `Begin`. Making the tensors took more than this.
  size_t arena_used_bytes() const {
    return interpreter_ == nullptr ? 0 : interpreter_->arena_used_bytes();
  }

  Tensor Input(int index) override {
    if (interpreter_ == nullptr || index < 0) return Tensor{nullptr, 0};
    return Memory(interpreter_->input(static_cast<size_t>(index)));
  }
  Tensor Output(int index) override {
    if (interpreter_ == nullptr || index < 0) return Tensor{nullptr, 0};
    return Memory(interpreter_->output(static_cast<size_t>(index)));
  }
  bool Invoke() override { return interpreter_ != nullptr && interpreter_->Invoke() == kTfLiteOk; }
  bool Reset() override {
    if (interpreter_ == nullptr) return false;
    return kNumResourceVariables == 0 || interpreter_->Reset() == kTfLiteOk;
  }

 private:
  static Tensor Memory(TfLiteTensor* tensor) {
    if (tensor == nullptr) return Tensor{nullptr, 0};
    return Tensor{tensor->data.raw, tensor->bytes};
  }

  void End() {
    if (interpreter_ != nullptr) interpreter_->~MicroInterpreter();
    interpreter_ = nullptr;
  }

  const unsigned char* model_;
  uint8_t* arena_;
  size_t arena_bytes_;
  OpResolver resolver_;
  bool registered_ = false;
  tflite::MicroInterpreter* interpreter_ = nullptr;  // in `memory_`, once `Begin` has made it
  alignas(tflite::MicroInterpreter) unsigned char memory_[sizeof(tflite::MicroInterpreter)];
};

}  // namespace model_name
}  // namespace keras_sal

#endif  // KERAS_SAL_MODEL_NAME_TFLM_INTERPRETER_H_
