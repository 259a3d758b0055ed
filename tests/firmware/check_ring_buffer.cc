// Runs a ring buffer between two threads: what comes out is what went in, less what was counted as
// lost. Then the edges, in one thread.

#include <stdint.h>
#include <stdio.h>

#include <thread>

#include "ring_buffer.h"

namespace {

constexpr uint32_t kItems = 200000;

// Numbers in pieces of changing length; those that find no room are not sent again.
template <uint32_t kCapacity>
int Run(bool slow_consumer) {
  static keras_sal::RingBuffer<uint32_t, kCapacity> buffer;
  std::atomic<bool> done(false);
  std::thread producer([&done]() {
    uint32_t piece[37];
    uint32_t next = 0;
    for (uint32_t length = 1; next < kItems; length = length * 5 % 37 + 1) {
      for (uint32_t i = 0; i < length; ++i) piece[i] = next++;
      buffer.Write(piece, length);
    }
    done = true;
  });
  uint32_t got[29];
  uint32_t received = 0, lost = 0, least = 0;
  for (bool more = true; more;) {
    more = !done;  // once more after the last was written
    while (const uint32_t count = buffer.Read(got, slow_consumer ? 1 : 29)) {
      for (uint32_t i = 0; i < count; ++i) {
        if (got[i] < least) return 1;  // the order is kept, and nothing comes twice
        least = got[i] + 1;
      }
      received += count;
      if (slow_consumer) std::this_thread::yield();
    }
    lost += buffer.TakeLost();
  }
  producer.join();
  const uint32_t sent = received + lost;
  if (sent < kItems || sent > kItems + 37) return 2;
  if (buffer.size() != 0 || buffer.TakeLost() != 0) return 3;
  printf("%u lost of %u\n", static_cast<unsigned>(lost), static_cast<unsigned>(sent));
  return 0;
}

int Edges() {
  static keras_sal::RingBuffer<int16_t, 4> buffer;
  const int16_t items[] = {1, 2, 3, 4, 5, 6};
  int16_t got[6] = {};
  if (buffer.Read(got, 6) != 0 || buffer.Write(items, 0) != 0) return 10;
  if (buffer.Write(items, 6) != 4 || buffer.size() != 4 || buffer.Write(items, 1) != 0) return 11;
  if (buffer.TakeLost() != 3 || buffer.TakeLost() != 0) return 12;
  if (buffer.Read(got, 3) != 3 || got[0] != 1 || got[2] != 3) return 13;
  if (buffer.Write(items + 4, 2) != 2 || buffer.size() != 3) return 14;
  if (buffer.Read(got, 6) != 3 || got[0] != 4 || got[1] != 5 || got[2] != 6) return 15;
  return buffer.size() == 0 && buffer.TakeLost() == 0 ? 0 : 16;
}

}  // namespace

int main() {
  if (const int wrong = Edges()) return wrong;
  if (const int wrong = Run<8>(true)) return 20 + wrong;
  if (const int wrong = Run<64>(false)) return 30 + wrong;
  if (const int wrong = Run<1u << 18>(false)) return 40 + wrong;  // room for all
  return 0;
}
