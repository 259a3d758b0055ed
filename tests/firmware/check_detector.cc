// Runs the detector of a bundle over replay.bin and writes posteriors, scores and detections to
// outputs.bin.
//
// The interpreter replays the outputs of TensorFlow Lite Micro in Python, and checks that it gets
// the same inputs as there. As in an arena, inputs and outputs share their memory.

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "detector.h"

namespace model = keras_sal::model_bundle;

namespace {

using model::Value;

enum Event : int32_t { kNothing = 0, kReset = 1, kFailure = 2, kNotFinite = 3, kSpoiled = 4 };

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
  another.Forget(model::kPosteriorOutput);
  static model::Detector refused(&another);
  if (refused.Begin() != keras_sal::Setup::kTensors) return 3;
  const float nothing[model::kFrameValues] = {};
  if (refused.Step(nothing) || refused.Reset()) return 11;

  static Replay interpreter(file);
  static model::Detector detector(&interpreter);
  if (detector.posterior() != 0.0f || detector.score() != 0.0f || detector.detected()) return 12;
  if (detector.Step(nothing)) return 13;
  if (detector.Begin() != keras_sal::Setup::kReady || interpreter.resets != 1) return 4;
  for (int c : {-1, model::kClasses}) {
    if (detector.posterior(c) != 0.0f || detector.score(c) != 0.0f || detector.detected(c)) return 14;
  }
  int32_t event = kNothing;
  float frame[model::kFrameValues];
  while (fread(&event, sizeof(event), 1, file) == 1) {
    if (event == kReset && !detector.Reset()) return 5;
    if (fread(frame, sizeof(float), model::kFrameValues, file) != model::kFrameValues) {
      return 6;
    }
    interpreter.fails = event == kFailure;
    interpreter.spoils = event == kSpoiled;
    const bool fails = event == kFailure || event == kNotFinite || event == kSpoiled;
    if (detector.Step(frame) == fails) return 7;
    if (interpreter.wrong) return 8;
    for (int c = 0; c < model::kClasses; ++c) {
      const float output[3] = {detector.posterior(c), detector.score(c),
                               detector.detected(c) ? 1.0f : 0.0f};
      if (fwrite(output, sizeof(output), 1, outputs) != 1) return 9;
    }
  }
  fclose(file);
  return fclose(outputs) == 0 ? 0 : 10;
}
