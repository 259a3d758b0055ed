#include "trigger.h"

namespace keras_sal {

void Trigger::Begin(const TriggerRule* rule, float* history) {
  rule_ = rule;
  history_ = history;
  Reset();
}

void Trigger::Reset() {
  for (int i = 0; i < rule_->smooth_frames; ++i) history_[i] = 0.0f;
  score_ = 0.0f;
  newest_ = on_ = wait_ = 0;
  latched_ = false;
}

bool Trigger::Feed(float posterior) {
  newest_ = newest_ + 1 < rule_->smooth_frames ? newest_ + 1 : 0;
  history_[newest_] = posterior;
  score_ = Mean();
  if (!(score_ >= rule_->threshold)) {  // a NaN is not on
    on_ = 0;
  } else if (on_ < rule_->on_frames) {
    ++on_;
  }
  if (score_ < rule_->release) latched_ = false;
  if (wait_ > 0) --wait_;
  if (on_ < rule_->on_frames || wait_ > 0 || latched_) return false;
  wait_ = rule_->refractory_frames;
  latched_ = true;
  return true;
}

float Trigger::Mean() const {
  float sum = history_[newest_];  // newest first, as in Python: the order changes the rounding
  int at = newest_;
  for (int lag = 1; lag < rule_->smooth_frames; ++lag) {
    at = (at > 0 ? at : rule_->smooth_frames) - 1;
    sum += history_[at];
  }
  return sum / static_cast<float>(rule_->smooth_frames);
}

}  // namespace keras_sal
