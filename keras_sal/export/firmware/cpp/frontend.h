// The parameters of the front-end that the model was trained on: the micro front-end of TensorFlow
// Lite Micro, which computes 40 features of 16-bit samples every 10 ms. Do not change them.

#ifndef KERAS_SAL_FRONTEND_H_
#define KERAS_SAL_FRONTEND_H_

#include <stdint.h>

namespace keras_sal {

constexpr int kSampleRate = 16000;
constexpr int kWindowMs = 30;
constexpr int kStepMs = 10;
constexpr int kStepSamples = kSampleRate / 1000 * kStepMs;
constexpr int kFeatures = 40;
constexpr float kLowerBandHz = 125.0f;
constexpr float kUpperBandHz = 7500.0f;
constexpr int kNoiseSmoothingBits = 10;
constexpr float kNoiseEvenSmoothing = 0.025f;
constexpr float kNoiseOddSmoothing = 0.06f;
constexpr float kNoiseMinSignalRemaining = 0.05f;
constexpr float kPcanStrength = 0.95f;
constexpr float kPcanOffset = 80.0f;
constexpr int kPcanGainBits = 21;
constexpr int kLogScaleShift = 6;

// Converts a value of the front-end's output to a feature of the model.
constexpr float kFeatureScale = 0.0390625f;
inline float FeatureOf(uint16_t value) { return value * kFeatureScale; }

// Fills a `FrontendConfig` of `tensorflow/lite/experimental/microfrontend/lib/frontend_util.h`.
template <typename FrontendConfig>
void FillFrontendConfig(FrontendConfig* config) {
  config->window.size_ms = kWindowMs;
  config->window.step_size_ms = kStepMs;
  config->filterbank.num_channels = kFeatures;
  config->filterbank.lower_band_limit = kLowerBandHz;
  config->filterbank.upper_band_limit = kUpperBandHz;
  config->noise_reduction.smoothing_bits = kNoiseSmoothingBits;
  config->noise_reduction.even_smoothing = kNoiseEvenSmoothing;
  config->noise_reduction.odd_smoothing = kNoiseOddSmoothing;
  config->noise_reduction.min_signal_remaining = kNoiseMinSignalRemaining;
  config->pcan_gain_control.enable_pcan = 1;
  config->pcan_gain_control.strength = kPcanStrength;
  config->pcan_gain_control.offset = kPcanOffset;
  config->pcan_gain_control.gain_bits = kPcanGainBits;
  config->log_scale.enable_log = 1;
  config->log_scale.scale_shift = kLogScaleShift;
}

}  // namespace keras_sal

#endif  // KERAS_SAL_FRONTEND_H_
