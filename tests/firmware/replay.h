// An interpreter that replays the outputs of TensorFlow Lite Micro in Python, and checks that it gets
// the same inputs as there. As in an arena, inputs and outputs share their memory.

#ifndef KERAS_SAL_TESTS_REPLAY_H_
#define KERAS_SAL_TESTS_REPLAY_H_

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "detector.h"

namespace model = keras_sal::model_bundle;

using model::Value;

constexpr int kMostTensors = 16;
constexpr int kMostValues = 4096;

class Replay : public keras_sal::Interpreter {
 public:
  explicit Replay(FILE* file) : file_(file) {
    for (int i = 0; i < model::kNumFrames; ++i) {
      inputs_[model::kFrames[i].input] = model::kFrames[i].values;
    }
    for (int i = 0; i < model::kNumStates; ++i) {
      inputs_[model::kStates[i].input] = model::kStates[i].values;
      outputs_[model::kStates[i].output] = model::kStates[i].values;
    }
    outputs_[model::kPosteriorOutput] = model::kClasses;
  }

  keras_sal::Tensor Input(int index) override { return At(inputs_, index); }
  keras_sal::Tensor Output(int index) override { return At(outputs_, index); }

  bool Invoke() override {
    if (meanwhile != nullptr) meanwhile();
    if (fails) {
      memset(memory_, 0x5a, sizeof(memory_));
      return false;
    }
    if (spoils) {
      memset(memory_, 0xff, sizeof(memory_));  // floats that are NaN
      return true;
    }
    if (fseek(file_, skipped_bytes, SEEK_CUR) != 0) wrong = true;
    if (!Read(inputs_) || memcmp(memory_, read_, Total(inputs_) * sizeof(Value)) != 0) wrong = true;
    memset(memory_, 0xa5, sizeof(memory_));
    if (!Read(outputs_)) wrong = true;
    memcpy(memory_, read_, Total(outputs_) * sizeof(Value));
    return true;
  }

  bool Reset() override {
    ++resets;
    return true;
  }

  void Forget(int output) { outputs_[output] = 0; }

  long skipped_bytes = 0;  // in the file before the inputs
  void (*meanwhile)() = nullptr;  // what happens in the time of a step
  bool fails = false;
  bool spoils = false;
  bool wrong = false;
  int resets = 0;

 private:
  static int Total(const int* sizes) {
    int total = 0;
    for (int i = 0; i < kMostTensors; ++i) total += sizes[i];
    return total;
  }

  keras_sal::Tensor At(const int* sizes, int index) {
    if (sizes[index] == 0) return {nullptr, 0};
    Value* at = memory_;
    for (int i = 0; i < index; ++i) at += sizes[i];
    return {at, sizes[index] * sizeof(Value)};
  }

  bool Read(const int* sizes) {
    const size_t total = Total(sizes);
    return fread(read_, sizeof(Value), total, file_) == total;
  }

  FILE* file_;
  int inputs_[kMostTensors] = {};
  int outputs_[kMostTensors] = {};
  Value memory_[kMostValues] = {};
  Value read_[kMostValues];
};

#endif  // KERAS_SAL_TESTS_REPLAY_H_
