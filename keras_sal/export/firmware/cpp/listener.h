// Sound in, detections out: the front-end and the detector together.

#ifndef KERAS_SAL_MODEL_NAME_LISTENER_H_
#define KERAS_SAL_MODEL_NAME_LISTENER_H_

#include <stdint.h>

#include "detector.h"
#include "frontend.h"
#include "log.h"
#include "micro_frontend.h"
#include "ring_buffer.h"

namespace keras_sal {
namespace model_name {

static_assert(kFrameValues % kFeatures == 0, "a step must take whole frames of the front-end");

// Takes sound of 16 bits, 16 kHz and one channel, in pieces of any length.
class Listener {
 public:
  // Called with each detection: the name of the class, and the mean posterior that reached the
  // threshold.
  using OnDetection = void (*)(const char* name, float score);

  // Starts the first stream. `detector` must be ready. False if it or `on_detection` is null; then
  // `Hear` fails, too.
  bool Begin(Detector* detector, OnDetection on_detection) {
    detector_ = detector;
    on_detection_ = on_detection;
    frontend_.Reset();
    filled_ = 0;
    return IsReady();
  }

  // Starts a new stream, after the sound was interrupted. False if the detector fails.
  bool Reset() {
    return Begin(detector_, on_detection_) && detector_->Reset();
  }

  // Takes all samples. False if the detector failed.
  bool Hear(const int16_t* samples, int count) {
    while (count > 0) {
      bool complete = false;
      const int taken = frontend_.Read(samples, count, frame_ + filled_, &complete);
      samples += taken;
      count -= taken;
      if (complete && !Step()) return false;
    }
    return IsReady();
  }

  // Takes the samples that a ring buffer holds when it is called, and logs how many were lost. Those
  // that come meanwhile wait for the next call, so that it ends however slow the detector is.
  template <uint32_t kCapacity>
  bool Hear(RingBuffer<int16_t, kCapacity>* sound, LogFunction log) {
    int16_t samples[kStepSamples];
    const uint32_t lost = sound->TakeLost();
    if (lost > 0 && log != nullptr) {
      log("%d samples were lost: the detector is too slow.", static_cast<int>(lost));
    }
    for (uint32_t left = sound->size(); left > 0;) {
      const uint32_t most = static_cast<uint32_t>(kStepSamples);
      const uint32_t count = sound->Read(samples, left < most ? left : most);
      if (!Hear(samples, static_cast<int>(count))) return false;
      left -= count;
    }
    return IsReady();
  }

 private:
  bool IsReady() const { return detector_ != nullptr && on_detection_ != nullptr; }

  // Takes a frame of the front-end; a step of the model may need several.
  bool Step() {
    filled_ += kFeatures;
    if (filled_ < kFrameValues) return true;
    filled_ = 0;
    if (!IsReady() || !detector_->Step(frame_)) return false;
    for (int c = 0; c < kClasses; ++c) {
      if (detector_->detected(c)) on_detection_(kClassNames[c], detector_->score(c));
    }
    return true;
  }

  Detector* detector_ = nullptr;
  OnDetection on_detection_ = nullptr;
  MicroFrontend frontend_;
  float frame_[kFrameValues] = {};
  int filled_ = 0;
};

}  // namespace model_name
}  // namespace keras_sal

#endif  // KERAS_SAL_MODEL_NAME_LISTENER_H_
