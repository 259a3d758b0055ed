// Between a thread that hears and one that detects: sound comes when the detector waits for it, so
// that none is lost, and the program ends with the sound.

#ifndef KERAS_SAL_TESTS_HAND_OVER_H_
#define KERAS_SAL_TESTS_HAND_OVER_H_

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <condition_variable>
#include <mutex>

class HandOver {
 public:
  // The detector waits until there is something new.
  void Take() {
    std::unique_lock<std::mutex> lock(mutex_);
    waits_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this]() { return given_; });
    given_ = waits_ = false;
  }

  void Give() {
    std::unique_lock<std::mutex> lock(mutex_);
    given_ = true;
    changed_.notify_all();
  }

  // Reads samples of sound.bin once the detector waits. At their end the program ends.
  uint32_t Hear(int16_t* samples, uint32_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this]() { return waits_ && !given_; });
    if (sound_ == nullptr) sound_ = fopen("sound.bin", "rb");
    if (sound_ == nullptr) exit(1);
    const size_t got = fread(samples, sizeof(int16_t), count, sound_);
    if (got == 0) {
      fflush(stdout);
      _Exit(0);
    }
    heard_ += static_cast<uint32_t>(got);
    return static_cast<uint32_t>(got);
  }

  // What a clock says that goes by the sound.
  uint32_t now_ms() {
    std::unique_lock<std::mutex> lock(mutex_);
    return heard_ / 16;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool waits_ = false, given_ = false;
  uint32_t heard_ = 0;
  FILE* sound_ = nullptr;
};

#endif  // KERAS_SAL_TESTS_HAND_OVER_H_
