// Runs a bundle in TensorFlow Lite Micro over sound.bin. Writes the features to features.bin, and
// posterior, score and detection of each step and class to outputs.bin; says what it measured.
//
// job.bin holds two int32: bytes of the arena, and whether to stop after one step.

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "detector.h"
#include "frontend.h"
#include "micro_frontend.h"
#include "model_data.h"
#include "self_test.h"
#include "tflm_interpreter.h"

namespace {

namespace model = keras_sal::model_bundle;

constexpr size_t kMostArenaBytes = 128 << 10;

struct Job {
  int32_t arena_bytes, one_step;
};

#if defined(__arm__)
constexpr int kPaintedWords = 4096, kPaintedCalls = 50;
constexpr uint32_t kPaint = 0x5AA5C33C;
constexpr uint32_t kMostTicks = 0xFFFFFF;
constexpr int kInstructionsATick = 40;  // one a nanosecond, at 25 MHz

volatile uint32_t& Register(uintptr_t address) {
  return *reinterpret_cast<volatile uint32_t*>(address);
}

uint32_t Ticks() { return kMostTicks - Register(0xE000E018); }

void StartTicks() {
  Register(0xE000E014) = kMostTicks;
  Register(0xE000E018) = 0;
  Register(0xE000E010) = 5;  // SysTick on, at the clock of the processor
}

// Words of the stack below this function.
__attribute__((noinline)) uint32_t* Below() {
  return static_cast<uint32_t*>(__builtin_frame_address(0)) - kPaintedWords;
}
#endif

// Counts the instructions of calls, and the bytes of stack of the first ones.
struct Meter {
  uint64_t instructions = 0;
  uint32_t most_instructions = 0, calls = 0, stack_bytes = 0;

  template <typename Call>
  __attribute__((noinline)) auto operator()(const Call& call) {
#if defined(__arm__)
    uint32_t* const lowest = Below();
    const bool paints = calls < kPaintedCalls;
    for (int i = 0; paints && i < kPaintedWords - 64; ++i) lowest[i] = kPaint;
    const uint32_t start = Ticks();
#endif
    const auto result = call();
    ++calls;
#if defined(__arm__)
    const uint32_t spent = ((Ticks() - start) & kMostTicks) * kInstructionsATick;
    instructions += spent;
    if (spent > most_instructions) most_instructions = spent;
    int free = 0;
    while (paints && free < kPaintedWords && lowest[free] == kPaint) ++free;
    const uint32_t used = 4 * static_cast<uint32_t>(kPaintedWords - free);
    if (paints && used > stack_bytes) stack_bytes = used;
#endif
    return result;
  }

  void Say(const char* name) const {
    const uint64_t mean = calls == 0 ? 0 : instructions / calls;
    printf("%s_instructions %lu\n", name, static_cast<unsigned long>(mean));
    printf("%s_most_instructions %lu\n", name, static_cast<unsigned long>(most_instructions));
    printf("%s_stack_bytes %lu\n", name, static_cast<unsigned long>(stack_bytes));
  }
};

alignas(model::kArenaAlignment) uint8_t arena[kMostArenaBytes];
keras_sal::MicroFrontend frontend;
Meter setup_meter, frontend_meter, step_meter;

bool Write(const model::Detector& detector, FILE* outputs) {
  for (int c = 0; c < model::kClasses; ++c) {
    const float row[3] = {detector.posterior(c), detector.score(c),
                          detector.detected(c) ? 1.0f : 0.0f};
    if (fwrite(row, sizeof(row), 1, outputs) != 1) return false;
  }
  return true;
}

// Runs over the sound; the exit code.
int Listen(model::Detector* detector) {
  FILE* sound = fopen("sound.bin", "rb");
  FILE* features = fopen("features.bin", "wb");
  FILE* outputs = fopen("outputs.bin", "wb");
  if (sound == nullptr || features == nullptr || outputs == nullptr) return 10;
  static int16_t samples[keras_sal::kStepSamples];
  static float frame[model::kFrameValues];
  int filled = 0;
  while (fread(samples, sizeof(samples), 1, sound) == 1) {
    float* const next = frame + filled;
    if (!frontend_meter([&] { return frontend.Step(samples, next); })) continue;
    if (fwrite(next, sizeof(float), keras_sal::kFeatures, features) != keras_sal::kFeatures) return 11;
    filled += keras_sal::kFeatures;
    if (filled < model::kFrameValues) continue;
    filled = 0;
    if (!step_meter([&] { return detector->Step(frame); })) return 12;
    if (!Write(*detector, outputs)) return 13;
  }
  return fclose(features) == 0 && fclose(outputs) == 0 ? 0 : 14;
}

}  // namespace

int main() {
  Job job;
  FILE* file = fopen("job.bin", "rb");
  if (file == nullptr || fread(&job, sizeof(job), 1, file) != 1) return 2;
  if (job.arena_bytes < 0 || static_cast<size_t>(job.arena_bytes) > kMostArenaBytes) return 3;
#if defined(__arm__)
  StartTicks();
#endif
  static model::TflmInterpreter interpreter(model::kModelData, arena,
                                            static_cast<size_t>(job.arena_bytes));
  static model::Detector detector(&interpreter);
  if (setup_meter([] { return interpreter.Begin(); }) != keras_sal::Setup::kReady) return 4;
  if (detector.Begin() != keras_sal::Setup::kReady) return 5;
  if (job.one_step != 0) {
    static const float silence[model::kFrameValues] = {};
    return detector.Step(silence) ? 0 : 6;
  }
  const model::Difference found = model::SelfTest(&detector);
  printf("self_test %d\nself_test_index %d\n", found.part, found.index);
  printf("arena_bytes_used %lu\n", static_cast<unsigned long>(interpreter.arena_used_bytes()));
  printf("detector_bytes %lu\n", static_cast<unsigned long>(sizeof(model::Detector)));
  const int code = Listen(&detector);
  setup_meter.Say("setup");
  frontend_meter.Say("frontend");
  step_meter.Say("step");
  return code;
}
