// What the bundle uses of the micro front-end, declared only: enough to compile against.

#ifndef TENSORFLOW_LITE_EXPERIMENTAL_MICROFRONTEND_LIB_FRONTEND_H_
#define TENSORFLOW_LITE_EXPERIMENTAL_MICROFRONTEND_LIB_FRONTEND_H_

#include <stddef.h>
#include <stdint.h>

extern "C" {

struct FrontendState {
  int anything;
};

struct FrontendOutput {
  const uint16_t* values;
  size_t size;
};

struct FrontendConfig {
  struct { size_t size_ms, step_size_ms; } window;
  struct { int num_channels; float upper_band_limit, lower_band_limit; int output_scale_shift; } filterbank;
  struct {
    int smoothing_bits;
    float even_smoothing, odd_smoothing, min_signal_remaining;
  } noise_reduction;
  struct { int enable_pcan; float strength, offset; int gain_bits; } pcan_gain_control;
  struct { int enable_log, scale_shift; } log_scale;
};

FrontendOutput FrontendProcessSamples(FrontendState* state, const int16_t* samples,
                                      size_t num_samples, size_t* num_samples_read);
void FrontendReset(FrontendState* state);
int FrontendPopulateState(const FrontendConfig* config, FrontendState* state, int sample_rate);

}  // extern "C"

#endif  // TENSORFLOW_LITE_EXPERIMENTAL_MICROFRONTEND_LIB_FRONTEND_H_
