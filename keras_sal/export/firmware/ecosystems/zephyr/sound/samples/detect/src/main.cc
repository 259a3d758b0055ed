// Detects in the sound of a digital microphone, the node `dmic_dev` of the devicetree, and shows
// detections by the light `led0`.

#include <stdarg.h>
#include <stdint.h>

#include <zephyr/audio/dmic.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/printk.h>

#include "light.h"
#include "model_name.h"

namespace {

namespace model = keras_sal::model_name;

constexpr uint32_t kPiece = 160;  // samples of a block, 10 ms
constexpr uint16_t kBlockBytes = kPiece * sizeof(int16_t);
constexpr uint32_t kBlocks = 8;
constexpr int kMicrophonePriority = -1;  // above that of the detector, the main thread's

K_MEM_SLAB_DEFINE_STATIC(blocks, kBlockBytes, kBlocks, 4);
K_THREAD_STACK_DEFINE(microphone_stack, 2048);
K_SEM_DEFINE(heard, 0, 1);

keras_sal::RingBuffer<int16_t, 8192> sound;  // half a second
k_thread microphone_thread;
Light light;

@log@

void OnDetection(const char* name, float score) {
  printk("%s, score %d / 1000\n", name, static_cast<int>(1000.0f * score));
  light.Show();
}

// A thread: moves sound from the microphone to the ring buffer. It must never wait for the detector.
void ReadMicrophone(void* device, void*, void*) {
  for (;;) {
    void* block = nullptr;
    size_t bytes = 0;
    const int error = dmic_read(static_cast<const struct device*>(device), 0, &block, &bytes, 1000);
    if (error < 0) {
      Log("The microphone stopped: error %d.", error);
      return;
    }
    sound.Write(static_cast<const int16_t*>(block), static_cast<uint32_t>(bytes / sizeof(int16_t)));
    k_mem_slab_free(&blocks, block);
    k_sem_give(&heard);
  }
}

// Returns 0, or a negative error.
int StartMicrophone(const struct device* device) {
  if (!device_is_ready(device)) return -1;
  pcm_stream_cfg stream = {};
  stream.pcm_rate = keras_sal::kSampleRate;
  stream.pcm_width = 16;
  stream.block_size = kBlockBytes;
  stream.mem_slab = &blocks;
  dmic_cfg config = {};
  config.io.min_pdm_clk_freq = 1000000;
  config.io.max_pdm_clk_freq = 3500000;
  config.io.min_pdm_clk_dc = 40;
  config.io.max_pdm_clk_dc = 60;
  config.streams = &stream;
  config.channel.req_num_streams = 1;
  config.channel.req_num_chan = 1;
  config.channel.req_chan_map_lo = dmic_build_channel_map(0, 0, PDM_CHAN_LEFT);
  const int error = dmic_configure(device, &config);
  return error < 0 ? error : dmic_trigger(device, DMIC_TRIGGER_START);
}

}  // namespace

int main() {
  light.Begin();
  model::Detector* detector = model::SetUp(Log);
  if (detector == nullptr) return 0;
  static model::Listener listener;
  listener.Begin(detector, OnDetection);
  const struct device* microphone = DEVICE_DT_GET(DT_NODELABEL(dmic_dev));
  const int error = StartMicrophone(microphone);
  if (error < 0) {
    Log("The microphone could not be started: error %d.", error);
    return 0;
  }
  k_thread_create(&microphone_thread, microphone_stack, K_THREAD_STACK_SIZEOF(microphone_stack),
                  ReadMicrophone, const_cast<struct device*>(microphone), nullptr, nullptr,
                  kMicrophonePriority, 0, K_NO_WAIT);
  Log("Listening.");
  for (;;) {
    k_sem_take(&heard, K_FOREVER);
    if (!listener.Hear(&sound, Log)) break;
    light.Update();
  }
  Log("The detector failed.");
  return 0;
}
