// Sets the detector up, with its interpreter and arena.

#ifndef KERAS_SAL_MODEL_NAME_SET_UP_H_
#define KERAS_SAL_MODEL_NAME_SET_UP_H_

#include "detector.h"
#include "log.h"

namespace keras_sal {
namespace model_name {

// Returns the detector, ready to step, or null if the set-up failed: then `log` says at which stage.
// All of it is static memory, and there is one detector; a further call starts it afresh. With
// KERAS_SAL_SELF_TEST the self-test runs, too, and `log` gets its result.
Detector* SetUp(LogFunction log);

// The same; messages go where those of TensorFlow Lite Micro go.
Detector* SetUp();

}  // namespace model_name
}  // namespace keras_sal

#endif  // KERAS_SAL_MODEL_NAME_SET_UP_H_
