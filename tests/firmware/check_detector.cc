// Runs the detector of a bundle over replay.bin and writes posteriors, scores and detections to
// outputs.bin.
//
// The interpreter replays the outputs of TensorFlow Lite Micro in Python, and checks that it gets
// the same inputs as there. As in an arena, inputs and outputs share their memory.

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "detector.h"

namespace {

using keras_sal::Value;

enum Event : int32_t { kNothing = 0, kReset = 1, kFailure = 2, kNotFinite = 3, kSpoiled = 4 };

constexpr int kMostTensors = 16;
constexpr int kMostValues = 4096;

class Replay : public keras_sal::Interpreter {
 public:
  explicit Replay(FILE* file) : file_(file) {
    for (int i = 0; i < keras_sal::kNumFrames; ++i) {
      inputs_[keras_sal::kFrames[i].input] = keras_sal::kFrames[i].values;
    }
    for (int i = 0; i < keras_sal::kNumStates; ++i) {
      inputs_[keras_sal::kStates[i].input] = keras_sal::kStates[i].values;
      outputs_[keras_sal::kStates[i].output] = keras_sal::kStates[i].values;
    }
    outputs_[keras_sal::kPosteriorOutput] = keras_sal::kClasses;
  }

  keras_sal::Tensor Input(int index) override { return At(inputs_, index); }
  keras_sal::Tensor Output(int index) override { return At(outputs_, index); }

  bool Invoke() override {
    if (fails) {
      memset(memory_, 0x5a, sizeof(memory_));
      return false;
    }
    if (spoils) {
      memset(memory_, 0xff, sizeof(memory_));  // floats that are NaN
      return true;
    }
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

}  // namespace

int main() {
  FILE* file = fopen("replay.bin", "rb");
  FILE* outputs = fopen("outputs.bin", "wb");
  if (file == nullptr || outputs == nullptr) return 2;

  static Replay another(file);
  another.Forget(keras_sal::kPosteriorOutput);
  static keras_sal::Detector refused(&another);
  if (refused.Begin()) return 3;

  static Replay interpreter(file);
  static keras_sal::Detector detector(&interpreter);
  if (!detector.Begin() || interpreter.resets != 1) return 4;
  int32_t event = kNothing;
  float frame[keras_sal::kFrameValues];
  while (fread(&event, sizeof(event), 1, file) == 1) {
    if (event == kReset && !detector.Reset()) return 5;
    if (fread(frame, sizeof(float), keras_sal::kFrameValues, file) != keras_sal::kFrameValues) {
      return 6;
    }
    interpreter.fails = event == kFailure;
    interpreter.spoils = event == kSpoiled;
    const bool fails = event == kFailure || event == kNotFinite || event == kSpoiled;
    if (detector.Step(frame) == fails) return 7;
    if (interpreter.wrong) return 8;
    for (int c = 0; c < keras_sal::kClasses; ++c) {
      const float output[3] = {detector.posterior(c), detector.score(c),
                               detector.detected(c) ? 1.0f : 0.0f};
      if (fwrite(output, sizeof(output), 1, outputs) != 1) return 9;
    }
  }
  fclose(file);
  return fclose(outputs) == 0 ? 0 : 10;
}
