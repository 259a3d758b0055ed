// The features of the model, computed by the micro front-end of TensorFlow Lite Micro.

#ifndef KERAS_SAL_MICRO_FRONTEND_H_
#define KERAS_SAL_MICRO_FRONTEND_H_

#include <stddef.h>
#include <stdint.h>

#include "frontend.h"
#include "tensorflow/lite/experimental/microfrontend/lib/frontend.h"
#include "tensorflow/lite/experimental/microfrontend/lib/frontend_util.h"

namespace keras_sal {

class MicroFrontend {
 public:
  // Allocates the buffers on the heap. Call it once. False if there is no memory.
  bool Begin() {
    FrontendConfig config = {};
    FillFrontendConfig(&config);
    return FrontendPopulateState(&config, &state_, kSampleRate) == 1;
  }

  // Forgets all samples so far.
  void Reset() { FrontendReset(&state_); }

  // Takes the next `kStepSamples` samples and writes `kFeatures` features to `frame`. False until
  // the first window is full.
  bool Step(const int16_t* samples, float* frame) {
    size_t read = 0;
    const FrontendOutput output =
        FrontendProcessSamples(&state_, samples, static_cast<size_t>(kStepSamples), &read);
    if (output.size != static_cast<size_t>(kFeatures)) return false;
    for (int i = 0; i < kFeatures; ++i) frame[i] = FeatureOf(output.values[i]);
    return true;
  }

 private:
  FrontendState state_ = {};
};

}  // namespace keras_sal

#endif  // KERAS_SAL_MICRO_FRONTEND_H_
