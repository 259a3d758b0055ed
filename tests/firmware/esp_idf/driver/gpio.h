// What the example uses of ESP-IDF's driver of pins, declared as there.

#ifndef KERAS_SAL_TESTS_GPIO_H_
#define KERAS_SAL_TESTS_GPIO_H_

#include <stdint.h>

typedef int esp_err_t;
#define ESP_OK 0
#define ESP_ERR_TIMEOUT 0x107

typedef enum { GPIO_NUM_NC = -1, GPIO_NUM_0 = 0, GPIO_NUM_MAX = 49 } gpio_num_t;
typedef enum { GPIO_MODE_OUTPUT = 2 } gpio_mode_t;

extern "C" {
esp_err_t gpio_reset_pin(gpio_num_t pin);
esp_err_t gpio_set_direction(gpio_num_t pin, gpio_mode_t mode);
esp_err_t gpio_set_level(gpio_num_t pin, uint32_t level);
}

#endif  // KERAS_SAL_TESTS_GPIO_H_
