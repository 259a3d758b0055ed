// The features of the model: 40 numbers of 16-bit samples every 10 ms, in integer arithmetic.
//
// The features are those of TensorFlow Lite Micro's micro front-end, to the bit. The tables that it
// computes in float32 at the start are constants here. No heap, exceptions or RTTI; C++11.

#ifndef KERAS_SAL_MICRO_FRONTEND_H_
#define KERAS_SAL_MICRO_FRONTEND_H_

#include <stdint.h>

#include "frontend.h"

namespace keras_sal {

// A window of 480 samples every 160: Fourier transform, mel filters, noise suppression, automatic
// gain control (PCAN) and logarithm. One object takes about 2.2 KB; make it static.
class MicroFrontend {
 public:
  // Forgets all samples so far.
  void Reset();

  // Takes samples until a frame is complete or none is left, and returns how many it took.
  // `*complete` says whether it has written `kFeatures` features to `frame`. The first frame takes
  // `kWindowSamples` samples, every further one `kStepSamples`.
  int Read(const int16_t* samples, int count, float* frame, bool* complete);

  // Takes the next `kStepSamples` samples and writes `kFeatures` features to `frame`. False until
  // the first window is full. Use either `Step` or `Read` on a stream.
  bool Step(const int16_t* samples, float* frame);

 private:
  struct Complex {
    int16_t real, imag;
  };

  static constexpr int kPoints = 256;  // of the complex transform of 512 real numbers

  int Load();
  void Transform();
  void Butterfly(int first, int apart, int angle);
  void Separate();
  void Filter(int shift, float* frame);
  uint32_t Denoise(uint32_t signal, int channel);

  int16_t samples_[kWindowSamples] = {};
  int filled_ = 0;
  Complex points_[kPoints] = {};
  uint32_t noise_[kFeatures] = {};
};

}  // namespace keras_sal

#endif  // KERAS_SAL_MICRO_FRONTEND_H_
