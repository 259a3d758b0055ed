// A light that shows detections for half a second.

#ifndef KERAS_SAL_EXAMPLE_LIGHT_H_
#define KERAS_SAL_EXAMPLE_LIGHT_H_

#include "driver/gpio.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "sdkconfig.h"

class Light {
 public:
  void Begin() {
    if (!kWired) return;
    gpio_reset_pin(kPin);
    gpio_set_direction(kPin, GPIO_MODE_OUTPUT);
  }

  void Show() {
    since_ = xTaskGetTickCount();
    Set(true);
  }

  // To be called now and then.
  void Update() {
    if (on_ && xTaskGetTickCount() - since_ >= pdMS_TO_TICKS(500)) Set(false);
  }

 private:
  static constexpr bool kWired = CONFIG_DETECTOR_LED_GPIO >= 0;
  static constexpr gpio_num_t kPin = static_cast<gpio_num_t>(CONFIG_DETECTOR_LED_GPIO);

  void Set(bool on) {
    on_ = on;
    if (kWired) gpio_set_level(kPin, on ? 1 : 0);
  }

  TickType_t since_ = 0;
  bool on_ = false;
};

#endif  // KERAS_SAL_EXAMPLE_LIGHT_H_
