// The interface of an interpreter. `tflm_interpreter.h` implements it with TensorFlow Lite Micro.

#ifndef KERAS_SAL_INTERPRETER_H_
#define KERAS_SAL_INTERPRETER_H_

#include <stddef.h>

namespace keras_sal {

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
