// From posteriors to detections: mean, threshold, on-frames, hysteresis, refractory time.

#ifndef KERAS_SAL_TRIGGER_H_
#define KERAS_SAL_TRIGGER_H_

namespace keras_sal {

struct TriggerRule {
  float threshold;        // on while the score is at least this
  float release;          // armed again once the score is below this
  int smooth_frames;      // the score is the mean of so many posteriors
  int on_frames;          // fires when on for so many frames in a row
  int refractory_frames;  // from one detection to the next at least so many frames
};

// The trigger of one class. Arithmetic is that of `keras_sal.detection.trigger` in Python, to the bit: do not
// compile it with -ffast-math.
class Trigger {
 public:
  // `history` has room for `rule->smooth_frames` posteriors; both must outlive the trigger.
  void Begin(const TriggerRule* rule, float* history);

  // Starts a new stream.
  void Reset();

  // Takes the next posterior; true if the trigger fires on it.
  bool Feed(float posterior);

  // The mean of the last posteriors; those before the stream count as 0.
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
