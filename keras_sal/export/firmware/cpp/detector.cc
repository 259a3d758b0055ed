#include "detector.h"

#include <stdint.h>
#include <string.h>

#include <limits>

namespace keras_sal {
namespace model_name {
namespace {

// Converts a feature to the type of the input: rounded half away from zero, saturated.
template <typename Integer>
void Quantize(float feature, const FrameTensor& tensor, Integer* value) {
  constexpr int32_t kLowest = std::numeric_limits<Integer>::min();
  constexpr int32_t kHighest = std::numeric_limits<Integer>::max();
  constexpr float kFar = 1e6f;  // saturates whatever the zero point is
  float scaled = feature / tensor.scale;
  scaled += scaled < 0.0f ? -0.5f : 0.5f;
  if (scaled < -kFar) scaled = -kFar;
  if (scaled > kFar) scaled = kFar;
  int32_t rounded = static_cast<int32_t>(scaled) + tensor.zero_point;
  if (rounded < kLowest) rounded = kLowest;
  if (rounded > kHighest) rounded = kHighest;
  *value = static_cast<Integer>(rounded);
}

inline void Quantize(float feature, const FrameTensor&, float* value) { *value = feature; }

bool IsFinite(float value) { return value - value == 0.0f; }

// The integers of a quantized model are always finite.
template <typename Integer>
bool IsFinite(Integer) {
  return true;
}

size_t BytesOf(int values) { return static_cast<size_t>(values) * sizeof(Value); }

bool Holds(const Tensor& tensor, int values) {
  return tensor.data != nullptr && tensor.bytes == BytesOf(values);
}

// Whether the interpreter holds the model of these settings.
bool HasTensors(Interpreter* interpreter) {
  if (interpreter == nullptr) return false;
  for (int i = 0; i < kNumFrames; ++i) {
    if (!Holds(interpreter->Input(kFrames[i].input), kFrames[i].values)) return false;
  }
  for (int i = 0; i < kNumStates; ++i) {
    if (!Holds(interpreter->Input(kStates[i].input), kStates[i].values)) return false;
    if (!Holds(interpreter->Output(kStates[i].output), kStates[i].values)) return false;
  }
  return Holds(interpreter->Output(kPosteriorOutput), kClasses);
}

}  // namespace

Setup Detector::Begin() {
  ready_ = false;
  if (!HasTensors(interpreter_)) return Setup::kTensors;
  for (int c = 0; c < kClasses; ++c) triggers_[c].Begin(&kTriggerRules[c], history_[c]);
  ready_ = true;
  if (Reset()) return Setup::kReady;
  ready_ = false;
  return Setup::kState;
}

bool Detector::Reset() {
  if (!ready_) return false;
  Value* state = states_;
  for (int i = 0; i < kNumStates; ++i) {
    for (int k = 0; k < kStates[i].values; ++k) *state++ = kStates[i].zero;
  }
  for (int c = 0; c < kClasses; ++c) {
    posteriors_[c] = 0.0f;
    detected_[c] = false;
    triggers_[c].Reset();
  }
  early_ = kDelayFrames;
  return interpreter_->Reset();
}

bool Detector::Step(const float* frame) {
  if (!ready_) return false;
  for (int k = 0; k < kFrameValues; ++k) {
    if (!IsFinite(frame[k])) return false;
  }
  for (int i = 0; i < kNumFrames; ++i) {
    Value* input = static_cast<Value*>(interpreter_->Input(kFrames[i].input).data);
    for (int k = 0; k < kFrames[i].values; ++k) Quantize(*frame++, kFrames[i], input++);
  }
  const Value* state = states_;
  for (int i = 0; i < kNumStates; ++i) {
    memcpy(interpreter_->Input(kStates[i].input).data, state, BytesOf(kStates[i].values));
    state += kStates[i].values;
  }
  if (!interpreter_->Invoke()) return false;
  const Value* output = static_cast<const Value*>(interpreter_->Output(kPosteriorOutput).data);
  for (int c = 0; c < kClasses; ++c) {
    if (!IsFinite(output[c])) return false;
  }

  // Inputs and outputs may share memory, so all states leave it before any comes back.
  Value* next = states_;
  for (int i = 0; i < kNumStates; ++i) {
    memcpy(next, interpreter_->Output(kStates[i].output).data, BytesOf(kStates[i].values));
    next += kStates[i].values;
  }
  if (early_ > 0) {
    --early_;
    return true;
  }
  for (int c = 0; c < kClasses; ++c) {
    posteriors_[c] = PosteriorOf(output[c]);
    detected_[c] = triggers_[c].Feed(posteriors_[c]);
  }
  return true;
}

}  // namespace model_name
}  // namespace keras_sal
