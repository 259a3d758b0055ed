#include "set_up.h"

#include <stdint.h>

#include "model_data.h"
#include "self_test.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tflm_interpreter.h"

namespace keras_sal {
namespace model_name {
namespace {

alignas(kArenaAlignment) uint8_t arena[kArenaBytes];
TflmInterpreter interpreter(kModelData, arena, sizeof(arena));
Detector detector(&interpreter);

void SayNothing(const char*, ...) {}

#if defined(KERAS_SAL_SELF_TEST)
void Test(LogFunction log) {
  const Difference found = SelfTest(&detector);
  if (found.part == Difference::kNothing) {
    log("Self-test: OK.");
  } else {
    log("Self-test: %s %d.", TextOf(found.part), found.index);
  }
}
#else
void Test(LogFunction) {}
#endif

}  // namespace

Detector* SetUp(LogFunction log) {
  if (log == nullptr) log = SayNothing;
  Setup setup = interpreter.Begin();
  if (setup == Setup::kReady) setup = detector.Begin();
  if (setup != Setup::kReady) {
    log("No detector: %s.", TextOf(setup));
    return nullptr;
  }
  Test(log);
  return &detector;
}

#if defined(TF_LITE_STRIP_ERROR_STRINGS)  // then MicroPrintf is no function
Detector* SetUp() { return SetUp(nullptr); }
#else
Detector* SetUp() { return SetUp(MicroPrintf); }
#endif

}  // namespace model_name
}  // namespace keras_sal
