// Sets an interpreter up in arenas of all sizes, and in every way that fails.

#include <stddef.h>
#include <stdint.h>

#include "detector.h"
#include "model_data.h"
#include "tensorflow/fake.h"
#include "tflm_interpreter.h"

namespace {

namespace model = keras_sal::model_bundle;
using keras_sal::Setup;

alignas(model::kArenaAlignment) uint8_t arena[2 * model::kArenaBytes + 16];

Setup Try(size_t bytes, size_t offset = 0) {
  model::TflmInterpreter interpreter(model::kModelData, arena + offset, bytes);
  return interpreter.Begin();
}

}  // namespace

int main() {
  Fake& fake = TheFake();
  fake.least_arena_bytes = model::kLeastArenaBytes;
  for (size_t bytes = 0; bytes <= 2 * model::kArenaBytes; ++bytes) {
    const bool enough = bytes >= model::kLeastArenaBytes;
    if (Try(bytes) != (enough ? Setup::kReady : Setup::kArena)) return 2;
  }
  if (model::kArenaBytes < model::kLeastArenaBytes) return 3;
  for (size_t offset = 1; offset < 16; ++offset) {
    if (Try(model::kArenaBytes, offset) != Setup::kArena) return 4;
  }
  fake.version = 4;
  if (Try(model::kArenaBytes) != Setup::kSchema) return 5;
  fake.version = 3;
  fake.registers = false;
  if (Try(model::kArenaBytes) != Setup::kOperators) return 6;
  fake.registers = true;
  fake.allocates = false;
  fake.made = 0;
  if (Try(model::kArenaBytes) != Setup::kAllocation || fake.made != 0) return 7;
  fake.allocates = true;

  model::TflmInterpreter interpreter(model::kModelData, arena, model::kArenaBytes);
  if (interpreter.Invoke() || interpreter.Reset() || interpreter.arena_used_bytes() != 0) return 8;
  if (interpreter.Input(0).data != nullptr || interpreter.Output(0).data != nullptr) return 9;
  fake.registered = 0;
  for (int k = 0; k < 3; ++k) {
    if (interpreter.Begin() != Setup::kReady || fake.made != 1) return 10;
  }
  const int registered = fake.registered;
  if (interpreter.Begin() != Setup::kReady || fake.registered != registered) return 11;
  if (!interpreter.Invoke() || !interpreter.Reset() || interpreter.arena_used_bytes() == 0) return 12;
  if (interpreter.Input(-1).data != nullptr) return 13;

  model::Detector detector(&interpreter);  // the fake has no tensors
  if (detector.Begin() != Setup::kTensors) return 14;
  model::Detector without(nullptr);
  return without.Begin() == Setup::kTensors ? 0 : 15;
}
