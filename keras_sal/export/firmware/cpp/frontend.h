// The parameters of the front-end that the model was trained on: the micro front-end of TensorFlow
// Lite Micro, which computes 40 features of 16-bit samples every 10 ms. Do not change them.

#ifndef KERAS_SAL_FRONTEND_H_
#define KERAS_SAL_FRONTEND_H_

#include <stdint.h>

namespace keras_sal {

constexpr int kSampleRate = 16000;
constexpr int kWindowMs = 30;
constexpr int kStepMs = 10;
constexpr int kWindowSamples = kSampleRate / 1000 * kWindowMs;
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
inline float FeatureOf(uint32_t value) { return static_cast<float>(value) * kFeatureScale; }

}  // namespace keras_sal

#endif  // KERAS_SAL_FRONTEND_H_
