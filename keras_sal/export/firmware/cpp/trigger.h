// The trigger from posteriors to detections: mean, threshold, on-frames, hysteresis, refractory
// time.

#ifndef KERAS_SAL_TRIGGER_H_
#define KERAS_SAL_TRIGGER_H_

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ > 0)
#error "Compile the detector, and what includes it, without -ffast-math and -Ofast."
#endif

namespace keras_sal {

struct TriggerRule {
  float threshold;        // a frame is on if its score is at least this
  float release;          // armed again when the score is below this
  int smooth_frames;      // number of posteriors whose mean is the score
  int on_frames;          // number of consecutive frames that must be on
  int refractory_frames;  // least number of frames from one detection to the next
};

// The trigger of one class. It computes the same as `keras_sal.detection.trigger` in Python, to the
// bit.
class Trigger {
 public:
  // `history` has room for `rule->smooth_frames` posteriors; both must outlive the trigger.
  void Begin(const TriggerRule* rule, float* history);

  // Starts a new stream.
  void Reset();

  // Takes the next posterior. True if the trigger fires.
  bool Feed(float posterior);

  // The mean of the last posteriors; those before the start of the stream count as 0.
  float score() const { return score_; }

 private:
  float Mean() const;

  const TriggerRule* rule_ = nullptr;
  float* history_ = nullptr;
  float score_ = 0.0f;
  int newest_ = 0;
  int on_ = 0;
  int wait_ = 0;
  bool latched_ = false;
};

}  // namespace keras_sal

#endif  // KERAS_SAL_TRIGGER_H_
