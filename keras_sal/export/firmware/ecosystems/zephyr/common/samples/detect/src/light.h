// The light of the board, which shows detections for half a second.

#ifndef KERAS_SAL_SAMPLE_LIGHT_H_
#define KERAS_SAL_SAMPLE_LIGHT_H_

#include <zephyr/drivers/gpio.h>
#include <zephyr/kernel.h>

class Light {
 public:
  void Begin() {
    if (spec_.port != nullptr) gpio_pin_configure_dt(&spec_, GPIO_OUTPUT_INACTIVE);
  }

  void Show() {
    since_ = k_uptime_get();
    Set(true);
  }

  // To be called now and then.
  void Update() {
    if (on_ && k_uptime_get() - since_ >= 500) Set(false);
  }

 private:
  void Set(bool on) {
    on_ = on;
    if (spec_.port != nullptr) gpio_pin_set_dt(&spec_, on ? 1 : 0);
  }

  const gpio_dt_spec spec_ = GPIO_DT_SPEC_GET_OR(DT_ALIAS(led0), gpios, {});
  int64_t since_ = 0;
  bool on_ = false;
};

#endif  // KERAS_SAL_SAMPLE_LIGHT_H_
