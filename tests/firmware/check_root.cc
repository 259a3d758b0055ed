// Compares the square root of the front-end with its definition, around squares and at the ends.

#include <initializer_list>

#include "micro_frontend.cc"

namespace {

// Whether `root` is the nearest integer to the root of `number`, or the largest of half the bits.
template <typename Number>
bool IsRoot(Number number, uint64_t most) {
  const unsigned __int128 root = keras_sal::RootOf<Number>(number);
  const unsigned __int128 four = static_cast<unsigned __int128>(number) * 4;
  if (root > most) return false;
  const bool below = root == 0 || (2 * root - 1) * (2 * root - 1) < four;
  const bool above = root == most || four < (2 * root + 1) * (2 * root + 1);
  return below && above;
}

}  // namespace

int main() {
  for (uint32_t k = 0; k <= 0xFFFF; ++k) {
    const uint32_t square = k * k;
    for (uint32_t near : {square - 1, square, square + 1, square + k, square + k + 1}) {
      if (!IsRoot<uint32_t>(near, 0xFFFF)) return 2;
    }
  }
  uint64_t random = 1;
  for (int i = 0; i < 100000; ++i) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    if (!IsRoot<uint64_t>(random >> (random & 31), 0xFFFFFFFF)) return 3;
  }
  return IsRoot<uint64_t>(~uint64_t{0}, 0xFFFFFFFF) && IsRoot<uint32_t>(0, 0xFFFF) ? 0 : 4;
}
