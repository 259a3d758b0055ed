// The interface of an interpreter. `tflm_interpreter.h` implements it with TensorFlow Lite Micro.

#ifndef KERAS_SAL_INTERPRETER_H_
#define KERAS_SAL_INTERPRETER_H_

#include <stddef.h>

namespace keras_sal {

// What a set-up ended with: `kReady`, or the stage that failed.
enum class Setup {
  kReady,
  kOperators,   // an operator could not be registered
  kSchema,      // the model is of another version of the file format
  kArena,       // the arena is smaller than the model needs or not aligned to 16 bytes
  kAllocation,  // the interpreter could not allocate the tensors in the arena
  kTensors,     // the model has other inputs and outputs than the detector
  kState,       // the interpreter could not reset the state that it keeps itself
};

inline const char* TextOf(Setup setup) {
  switch (setup) {
    case Setup::kReady: return "ready";
    case Setup::kOperators: return "an operator could not be registered";
    case Setup::kSchema: return "the model is of another version of the file format";
    case Setup::kArena: return "the arena is too small or not aligned to 16 bytes";
    case Setup::kAllocation: return "the tensors could not be allocated in the arena";
    case Setup::kTensors: return "the model has other inputs and outputs than the detector";
    case Setup::kState: return "the state could not be reset";
  }
  return "unknown";
}

// The memory of an input or output; `data` is null if there is no such tensor.
struct Tensor {
  void* data;
  size_t bytes;
};

class Interpreter {
 public:
  virtual Tensor Input(int index) = 0;
  virtual Tensor Output(int index) = 0;

  // Runs the model once; false if it failed.
  virtual bool Invoke() = 0;

  // Resets the state that the model keeps itself; false if it failed.
  virtual bool Reset() = 0;

 protected:
  ~Interpreter() = default;
};

}  // namespace keras_sal

#endif  // KERAS_SAL_INTERPRETER_H_
