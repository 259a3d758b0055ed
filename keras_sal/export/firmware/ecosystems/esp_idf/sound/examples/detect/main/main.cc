// Detects in the sound of an I2S microphone, and shows detections by a light. Pins are set by
// `idf.py menuconfig`, below "Detector example".

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "driver/i2s_std.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#include "light.h"
#include "model_name.h"
#include "sdkconfig.h"

namespace {

namespace model = keras_sal::model_name;

constexpr uint32_t kPiece = 160;  // samples that are read at once, 10 ms
constexpr uint32_t kMicrophoneStack = 4096;
constexpr UBaseType_t kMicrophonePriority = 10;  // above that of the detector, the main task's

keras_sal::RingBuffer<int16_t, 8192> sound;  // half a second
TaskHandle_t detecting = nullptr;
Light light;

@log@

void OnDetection(const char* name, float score) {
  printf("%s, score %.3f\n", name, static_cast<double>(score));
  light.Show();
}

// The upper 16 of 32 bits, amplified and saturated.
int16_t SampleOf(int32_t word) {
  const int32_t sample = word >> (16 - CONFIG_DETECTOR_GAIN_BITS);
  if (sample > INT16_MAX) return INT16_MAX;
  if (sample < INT16_MIN) return INT16_MIN;
  return static_cast<int16_t>(sample);
}

// A task: moves sound from the microphone to the ring buffer. It must never wait for the detector.
void ReadMicrophone(void* channel) {
  static int32_t words[kPiece];
  static int16_t samples[kPiece];
  for (;;) {
    size_t bytes = 0;
    const esp_err_t error = i2s_channel_read(static_cast<i2s_chan_handle_t>(channel), words,
                                             sizeof(words), &bytes, 1000);
    if (error != ESP_OK && error != ESP_ERR_TIMEOUT) break;
    const uint32_t count = static_cast<uint32_t>(bytes / sizeof(int32_t));
    for (uint32_t i = 0; i < count; ++i) samples[i] = SampleOf(words[i]);
    sound.Write(samples, count);
    xTaskNotifyGive(detecting);
  }
  Log("The microphone stopped.");
  vTaskDelete(nullptr);
}

// Null if the microphone can't be started.
i2s_chan_handle_t StartMicrophone() {
  const i2s_chan_config_t channel_config =
      I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_AUTO, I2S_ROLE_MASTER);
  i2s_chan_handle_t channel = nullptr;
  if (i2s_new_channel(&channel_config, nullptr, &channel) != ESP_OK) return nullptr;

  const i2s_std_clk_config_t clock = I2S_STD_CLK_DEFAULT_CONFIG(keras_sal::kSampleRate);
  const i2s_std_slot_config_t slot =
      I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_32BIT, I2S_SLOT_MODE_MONO);
  i2s_std_config_t config = {};
  config.clk_cfg = clock;
  config.slot_cfg = slot;
  config.slot_cfg.slot_mask = I2S_STD_SLOT_LEFT;
  config.gpio_cfg.mclk = I2S_GPIO_UNUSED;
  config.gpio_cfg.bclk = static_cast<gpio_num_t>(CONFIG_DETECTOR_I2S_BCLK_GPIO);
  config.gpio_cfg.ws = static_cast<gpio_num_t>(CONFIG_DETECTOR_I2S_WS_GPIO);
  config.gpio_cfg.dout = I2S_GPIO_UNUSED;
  config.gpio_cfg.din = static_cast<gpio_num_t>(CONFIG_DETECTOR_I2S_DATA_GPIO);
  if (i2s_channel_init_std_mode(channel, &config) != ESP_OK) return nullptr;
  return i2s_channel_enable(channel) == ESP_OK ? channel : nullptr;
}

}  // namespace

extern "C" void app_main() {
  light.Begin();
  model::Detector* detector = model::SetUp(Log);
  if (detector == nullptr) return;
  static model::Listener listener;
  listener.Begin(detector, OnDetection);
  detecting = xTaskGetCurrentTaskHandle();
  i2s_chan_handle_t microphone = StartMicrophone();
  if (microphone == nullptr ||
      xTaskCreate(ReadMicrophone, "microphone", kMicrophoneStack, microphone, kMicrophonePriority,
                  nullptr) != pdPASS) {
    Log("The microphone could not be started.");
    return;
  }
  Log("Listening.");
  for (;;) {
    ulTaskNotifyTake(pdTRUE, portMAX_DELAY);
    if (!listener.Hear(&sound, Log)) break;
    light.Update();
  }
  Log("The detector failed.");
}
