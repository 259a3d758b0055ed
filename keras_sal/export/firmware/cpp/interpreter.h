// What a Detector asks of an interpreter. `tflm_interpreter.h` binds it to TensorFlow Lite Micro.

#ifndef KERAS_SAL_INTERPRETER_H_
#define KERAS_SAL_INTERPRETER_H_

#include <stddef.h>

namespace keras_sal {

// The memory of an input or output; no data where there is no such tensor.
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

  // Forgets what the model itself remembers; false if it failed.
  virtual bool Reset() = 0;

 protected:
  ~Interpreter() = default;
};

}  // namespace keras_sal

#endif  // KERAS_SAL_INTERPRETER_H_
