// What the sample uses of Zephyr's driver of pins, declared as there.

#ifndef KERAS_SAL_TESTS_GPIO_H_
#define KERAS_SAL_TESTS_GPIO_H_

#include <stdint.h>

#include <zephyr/kernel.h>

typedef uint32_t gpio_flags_t;
struct gpio_dt_spec {
  const struct device* port;
  uint8_t pin;
  uint16_t dt_flags;
};

#define GPIO_OUTPUT_INACTIVE 1u
#define GPIO_DT_SPEC_GET_OR(node, property, fallback) \
  { .port = &FAKE(node), .pin = 6, .dt_flags = 0, }

extern "C" {
extern const struct device fake_led0;
int gpio_pin_configure_dt(const struct gpio_dt_spec* spec, gpio_flags_t flags);
int gpio_pin_set_dt(const struct gpio_dt_spec* spec, int value);
}

#endif  // KERAS_SAL_TESTS_GPIO_H_
