// A queue from one producer, such as the interrupt of a microphone, to one consumer, the detector.
// No heap, locks, exceptions or RTTI; C++11.

#ifndef KERAS_SAL_RING_BUFFER_H_
#define KERAS_SAL_RING_BUFFER_H_

#include <stdint.h>

#include <atomic>

namespace keras_sal {

// Holds up to `kCapacity` items, a power of 2. The producer never waits: what finds no room is lost,
// counted, and reported by `TakeLost`. One thread or interrupt may call `Write`, one other thread
// the rest.
template <typename Item, uint32_t kCapacity>
class RingBuffer {
 public:
  static_assert(kCapacity > 0 && (kCapacity & (kCapacity - 1)) == 0 && kCapacity < 1u << 31,
                "the capacity must be a power of 2");

  // Takes as many items as there is room for, and returns how many. The others are lost.
  uint32_t Write(const Item* items, uint32_t count) {
    const uint32_t written = written_.load(std::memory_order_relaxed);
    const uint32_t room = kCapacity - (written - read_.load(std::memory_order_acquire));
    const uint32_t taken = count < room ? count : room;
    for (uint32_t i = 0; i < taken; ++i) items_[(written + i) % kCapacity] = items[i];
    written_.store(written + taken, std::memory_order_release);
    if (taken < count) {
      lost_.store(lost_.load(std::memory_order_relaxed) + (count - taken),
                  std::memory_order_relaxed);
    }
    return taken;
  }

  // Gives up to `count` of the oldest items, and returns how many.
  uint32_t Read(Item* items, uint32_t count) {
    const uint32_t read = read_.load(std::memory_order_relaxed);
    const uint32_t held = written_.load(std::memory_order_acquire) - read;
    const uint32_t given = count < held ? count : held;
    for (uint32_t i = 0; i < given; ++i) items[i] = items_[(read + i) % kCapacity];
    read_.store(read + given, std::memory_order_release);
    return given;
  }

  // How many items were lost since the last call.
  uint32_t TakeLost() {
    const uint32_t lost = lost_.load(std::memory_order_relaxed);
    const uint32_t more = lost - reported_;
    reported_ = lost;
    return more;
  }

  // How many items it holds, for the consumer.
  uint32_t size() const {
    return written_.load(std::memory_order_acquire) - read_.load(std::memory_order_relaxed);
  }

 private:
  Item items_[kCapacity] = {};
  std::atomic<uint32_t> written_{0};  // these three count on, modulo 2^32
  std::atomic<uint32_t> read_{0};
  std::atomic<uint32_t> lost_{0};
  uint32_t reported_ = 0;
};

}  // namespace keras_sal

#endif  // KERAS_SAL_RING_BUFFER_H_
