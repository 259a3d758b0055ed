// The detector: features of one frame in, detections out. No heap, exceptions or RTTI; C++11.

#ifndef KERAS_SAL_MODEL_NAME_DETECTOR_H_
#define KERAS_SAL_MODEL_NAME_DETECTOR_H_

#include "detector_settings.h"
#include "interpreter.h"
#include "trigger.h"

namespace keras_sal {
namespace model_name {

// Quantizes a frame, runs the model, carries its state, and feeds a trigger for each class.
//
//   Detector detector(&interpreter);
//   if (detector.Begin() != Setup::kReady) ... // once
//   if (!detector.Step(frame)) ...             // every frame
//   if (detector.detected()) ...
class Detector {
 public:
  // `interpreter` must outlive the detector.
  explicit Detector(Interpreter* interpreter) : interpreter_(interpreter) {}

  // Starts the first stream. `Setup::kTensors` if the interpreter does not hold the model of these
  // settings. Nothing else may be called before.
  Setup Begin();

  // Starts a new stream: sets the states to their zero points and arms the triggers.
  bool Reset();

  // Takes `kFrameValues` features, those of several inputs in the order of `kFrames`. False if a
  // feature or a posterior is not finite (NaN or infinity), the interpreter failed or `Begin` did;
  // then nothing has changed, and the next frame may be tried.
  bool Step(const float* frame);

  // Whether the class was detected on the last frame. There is no class below 0 or from `kClasses`
  // on: it is never detected, and its score and posterior are 0.
  bool detected(int class_index = 0) const { return IsClass(class_index) && detected_[class_index]; }

  // The smoothed posterior of the class, which is compared with the threshold.
  float score(int class_index = 0) const {
    return IsClass(class_index) ? triggers_[class_index].score() : 0.0f;
  }

  // The posterior of the class on the last frame.
  float posterior(int class_index = 0) const {
    return IsClass(class_index) ? posteriors_[class_index] : 0.0f;
  }

 private:
  static bool IsClass(int index) { return index >= 0 && index < kClasses; }

  Interpreter* interpreter_;
  bool ready_ = false;
  Value states_[kStateValues] = {};
  float posteriors_[kClasses] = {};
  bool detected_[kClasses] = {};
  int early_ = 0;  // outputs still to come that belong to no frame
  Trigger triggers_[kClasses];
  float history_[kClasses][kSmoothFrames] = {};
};

}  // namespace model_name
}  // namespace keras_sal

#endif  // KERAS_SAL_MODEL_NAME_DETECTOR_H_
