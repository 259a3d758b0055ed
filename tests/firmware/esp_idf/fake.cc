// An ESP32-S3 whose I2S microphone hears sound.bin, softly; its tasks are threads.

#include <stdio.h>
#include <stdlib.h>

#include <thread>

#include "driver/gpio.h"
#include "driver/i2s_std.h"
#include "freertos/task.h"
#include "hand_over.h"
#include "sdkconfig.h"

extern "C" void app_main();

static HandOver hand_over;
static int channel, task;

static void Check(bool holds) {
  if (!holds) abort();
}

esp_err_t gpio_reset_pin(gpio_num_t) { return ESP_OK; }
esp_err_t gpio_set_direction(gpio_num_t, gpio_mode_t) { return ESP_OK; }
esp_err_t gpio_set_level(gpio_num_t pin, uint32_t level) {
  Check(pin == CONFIG_DETECTOR_LED_GPIO);
  printf("light %u at %u ms\n", static_cast<unsigned>(level),
         static_cast<unsigned>(hand_over.now_ms()));
  return ESP_OK;
}

esp_err_t i2s_new_channel(const i2s_chan_config_t*, i2s_chan_handle_t* sending,
                          i2s_chan_handle_t* receiving) {
  Check(sending == nullptr);
  *receiving = reinterpret_cast<i2s_chan_handle_t>(&channel);
  return ESP_OK;
}
esp_err_t i2s_channel_init_std_mode(i2s_chan_handle_t, const i2s_std_config_t* config) {
  Check(config->clk_cfg.sample_rate_hz == 16000 && config->slot_cfg.slot_mask == I2S_STD_SLOT_LEFT);
  Check(config->gpio_cfg.bclk == 41 && config->gpio_cfg.ws == 42 && config->gpio_cfg.din == 2);
  return ESP_OK;
}
esp_err_t i2s_channel_enable(i2s_chan_handle_t) { return ESP_OK; }
esp_err_t i2s_channel_read(i2s_chan_handle_t, void* to, size_t size, size_t* bytes_read, uint32_t) {
  int16_t samples[512];
  const uint32_t count = hand_over.Hear(samples, static_cast<uint32_t>(size / sizeof(int32_t)));
  int32_t* words = static_cast<int32_t*>(to);
  for (uint32_t i = 0; i < count; ++i) words[i] = samples[i] * (1 << 14);
  *bytes_read = count * sizeof(int32_t);
  return ESP_OK;
}

BaseType_t xTaskCreate(TaskFunction_t code, const char*, uint32_t, void* argument, UBaseType_t,
                       TaskHandle_t*) {
  std::thread(code, argument).detach();
  return pdPASS;
}
void vTaskDelete(TaskHandle_t) {}
TaskHandle_t xTaskGetCurrentTaskHandle() { return reinterpret_cast<TaskHandle_t>(&task); }
BaseType_t xTaskNotifyGive(TaskHandle_t) {
  hand_over.Give();
  return pdPASS;
}
uint32_t ulTaskNotifyTake(BaseType_t, TickType_t) {
  hand_over.Take();
  return 1;
}
TickType_t xTaskGetTickCount() { return hand_over.now_ms() / 10; }

int main() {
  app_main();
  return 0;
}
