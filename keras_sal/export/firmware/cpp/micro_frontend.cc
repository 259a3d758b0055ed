// The arithmetic is that of TensorFlow Lite Micro, tensorflow/lite/experimental/microfrontend, and
// of the 16-bit transform of kissfft that it calls: where they round, truncate and wrap, so does
// this file. It is written anew.

#include "micro_frontend.h"

#include <string.h>

#include <limits>

#include "frontend_tables.h"

#if defined(__GNUC__)  // with -Os a fifth fewer instructions, for 140 bytes
#define KERAS_SAL_INLINE __attribute__((always_inline)) inline
#else
#define KERAS_SAL_INLINE inline
#endif

namespace keras_sal {
namespace {

constexpr int kWindowBits = 12;
constexpr int kPeriod = 512;  // angles are counted in 512ths of a turn
constexpr int32_t kHalf = 16383, kQuarter = 8191;  // in 1 / 32768, a little less than they say
constexpr int kFirstBin = 5;
constexpr int kFilterWeightBits = 12;
constexpr int kNoiseBits = 14;
constexpr uint32_t kNoiseSmoothing[] = {
    static_cast<uint32_t>(kNoiseEvenSmoothing * (1 << kNoiseBits)),
    static_cast<uint32_t>(kNoiseOddSmoothing * (1 << kNoiseBits))};
constexpr uint32_t kNoiseRemaining =
    static_cast<uint32_t>(kNoiseMinSignalRemaining * (1 << kNoiseBits));
constexpr int kGainPositionBits = 10;
constexpr int kScaleBits = 3;  // the transform divides by 2^9, the filters' roots multiply by 2^6
constexpr int kRatioBits = 12;
constexpr int kRatioShift = kPcanGainBits - kScaleBits - kRatioBits;
constexpr int kCompressedBits = 6;
constexpr int kLogBits = 16;
constexpr int kLogSegmentBits = 9;       // 128 segments
constexpr uint32_t kLogOfTwo = 45426;  // in 1 / 65536

struct Wide {
  int32_t real, imag;
};

// The lower 16 bits of a number.
KERAS_SAL_INLINE int16_t Narrow(int32_t value) { return static_cast<int16_t>(static_cast<uint32_t>(value)); }

// A product of numbers in 1 / 32768, rounded.
KERAS_SAL_INLINE int32_t Rounded(int32_t product) { return (product + (1 << 14)) >> 15; }

template <typename Number>
KERAS_SAL_INLINE Wide Times(const Number& number, int32_t factor) {
  return {Rounded(number.real * factor), Rounded(number.imag * factor)};
}

// Turns a number clockwise.
KERAS_SAL_INLINE Wide Turned(const Wide& number, int angle) {
  const int32_t sine = kSine[angle];
  const int32_t cosine = kSine[(angle + kPeriod / 4) % kPeriod];
  return {Rounded(number.real * cosine + number.imag * sine),
          Rounded(number.imag * cosine - number.real * sine)};
}

// The base-4 digits of a position, from 0 to 255, in reverse.
int Reversed(int position) {
  return (position & 3) << 6 | (position & 12) << 2 | (position >> 2 & 12) | position >> 6;
}

// The number of bits of a number without leading zeros.
int BitsOf(uint32_t number) {
  int bits = 0;
  for (int half = 16; half > 0; half /= 2) {
    if (number >> half == 0) continue;
    number >>= half;
    bits += half;
  }
  return bits + (number != 0);
}

// The square root, rounded, as far as half of the bits can hold it.
template <typename Number>
uint32_t RootOf(Number number) {
  constexpr int kBits = std::numeric_limits<Number>::digits;
  constexpr Number kMost = std::numeric_limits<Number>::max() >> kBits / 2;
  Number root = 0, bit = Number{1} << (kBits - 2);
  while (bit > number) bit >>= 2;
  for (; bit != 0; bit >>= 2) {
    const Number tried = root + bit;
    root >>= 1;
    if (number < tried) continue;
    number -= tried;
    root += bit;
  }
  return static_cast<uint32_t>(number > root && root < kMost ? root + 1 : root);
}

// The gain over a noise.
uint32_t GainOf(uint32_t noise) {
  if (noise < 2) return static_cast<uint32_t>(kLowestGains[noise]);
  const int exponent = BitsOf(noise) - 1;
  const GainCurve& curve = kGainCurves[exponent - 1];
  const uint32_t aligned = exponent < kGainPositionBits
                               ? noise << (kGainPositionBits - exponent)
                               : noise >> (exponent - kGainPositionBits);
  const int32_t position = static_cast<int32_t>(aligned & ((1u << kGainPositionBits) - 1));
  const int32_t slope = curve.slope * 32 + (curve.curvature * position >> 5);
  return static_cast<uint32_t>(curve.value + Rounded(slope * position));
}

// The signal over the noise: a square up to twice the noise, then a straight line.
uint32_t Amplified(uint32_t signal, uint32_t noise) {
  const uint64_t product = static_cast<uint64_t>(signal) * GainOf(noise);
  const uint32_t ratio = static_cast<uint32_t>(product >> kRatioShift);
  if (ratio < 2u << kRatioBits) return ratio * ratio >> (2 + 2 * kRatioBits - kCompressedBits);
  return (ratio >> (kRatioBits - kCompressedBits)) - (1u << kCompressedBits);
}

// The natural logarithm in 1 / 64, 0 for a signal of 0.
uint32_t LogOf(uint32_t signal) {
  signal <<= kScaleBits;
  if (signal < 2) return 0;
  const int exponent = BitsOf(signal) - 1;
  const uint32_t beyond = signal - (1u << exponent);
  const int32_t fraction = static_cast<int32_t>(
      exponent < kLogBits ? beyond << (kLogBits - exponent) : beyond >> (exponent - kLogBits));
  const int32_t segment = fraction >> kLogSegmentBits;
  const int32_t position = fraction - (segment << kLogSegmentBits);
  const int32_t excess = kLogExcess[segment], next = kLogExcess[segment + 1];
  const int32_t log2 = (exponent << kLogBits) + fraction + excess +
                       ((next - excess) * position >> kLogBits);  // so, not >> kLogSegmentBits
  constexpr uint32_t kRound = 1u << (kLogBits - 1);
  const uint64_t product = static_cast<uint64_t>(kLogOfTwo) * static_cast<uint32_t>(log2);
  const uint32_t log = static_cast<uint32_t>((product + kRound) >> kLogBits);
  return ((log << kLogScaleShift) + kRound) >> kLogBits;
}

}  // namespace

void MicroFrontend::Reset() {
  filled_ = 0;
  memset(noise_, 0, sizeof(noise_));
}

bool MicroFrontend::Step(const int16_t* samples, float* frame) {
  bool complete = false;
  Read(samples, kStepSamples, frame, &complete);
  return complete;
}

int MicroFrontend::Read(const int16_t* samples, int count, float* frame, bool* complete) {
  *complete = false;
  if (count <= 0) return 0;
  const int missing = kWindowSamples - filled_;
  const int taken = count < missing ? count : missing;
  memcpy(samples_ + filled_, samples, static_cast<size_t>(taken) * sizeof(samples_[0]));
  filled_ += taken;
  if (filled_ < kWindowSamples) return taken;
  const int shift = Load();
  Transform();
  Separate();
  Filter(shift, frame);
  filled_ -= kStepSamples;
  memmove(samples_, samples_ + kStepSamples, static_cast<size_t>(filled_) * sizeof(samples_[0]));
  *complete = true;
  return taken;
}

// Applies the window and shifts the samples up as far as the largest allows. Two of them make a
// point. Returns the shift.
int MicroFrontend::Load() {
  int32_t largest = 0;
  for (int i = 0; i < kWindowSamples; ++i) {
    const int32_t value = samples_[i] * kWindow[i] >> kWindowBits;
    const int32_t size = Narrow(value < 0 ? -value : value);  // that of -32768 is negative
    if (size > largest) largest = size;
  }
  const int shift = 15 - BitsOf(static_cast<uint32_t>(largest));
  memset(points_, 0, sizeof(points_));
  for (int i = 0; i < kWindowSamples; i += 2) {
    const int32_t first = samples_[i] * kWindow[i] >> kWindowBits;
    const int32_t second = samples_[i + 1] * kWindow[i + 1] >> kWindowBits;
    points_[Reversed(i / 2)] = {Narrow(first * (1 << shift)), Narrow(second * (1 << shift))};
  }
  return shift;
}

// The Fourier transform of the points, divided by their number.
void MicroFrontend::Transform() {
  for (int apart = 1; apart < kPoints; apart *= 4) {
    for (int k = 0; k < apart; ++k) {
      for (int first = k; first < kPoints; first += 4 * apart) {
        Butterfly(first, apart, k * kPeriod / (4 * apart));
      }
    }
  }
}

void MicroFrontend::Butterfly(int first, int apart, int angle) {
  Complex* const point = points_ + first;
  const Wide a = Times(point[0], kQuarter);
  const Wide b = Turned(Times(point[apart], kQuarter), angle);
  const Wide c = Turned(Times(point[2 * apart], kQuarter), 2 * angle);
  const Wide d = Turned(Times(point[3 * apart], kQuarter), 3 * angle);
  const Wide sum = {a.real + c.real, a.imag + c.imag}, odd = {b.real + d.real, b.imag + d.imag};
  const Wide gap = {a.real - c.real, a.imag - c.imag}, turn = {b.imag - d.imag, d.real - b.real};
  point[0] = {Narrow(sum.real + odd.real), Narrow(sum.imag + odd.imag)};
  point[apart] = {Narrow(gap.real + turn.real), Narrow(gap.imag + turn.imag)};
  point[2 * apart] = {Narrow(sum.real - odd.real), Narrow(sum.imag - odd.imag)};
  point[3 * apart] = {Narrow(gap.real - turn.real), Narrow(gap.imag - turn.imag)};
}

// Makes the spectrum of the real samples out of that of the points.
void MicroFrontend::Separate() {
  for (int k = 1; k <= kPoints / 2; ++k) {
    Complex& low = points_[k];
    Complex& high = points_[kPoints - k];
    const Wide one = Times(low, kHalf);
    const Wide other = Times(Complex{high.real, Narrow(-high.imag)}, kHalf);
    const Wide even = {one.real + other.real, one.imag + other.imag};
    const Wide turned =
        Turned({one.real - other.real, one.imag - other.imag}, k + kPeriod / 4);
    const Wide odd = {Narrow(turned.real), Narrow(turned.imag)};
    low = {Narrow((even.real + odd.real) >> 1), Narrow((even.imag + odd.imag) >> 1)};
    high = {Narrow((even.real - odd.real) >> 1), Narrow((odd.imag - even.imag) >> 1)};
  }
}

// Gathers the energy of the bins in triangular filters and makes a feature of each.
void MicroFrontend::Filter(int shift, float* frame) {
  const Complex* bin = points_ + kFirstBin;
  const uint16_t* weight = kFilterWeights;
  uint64_t from_below = 0;
  for (int filter = 0; filter <= kFeatures; ++filter) {  // the lowest is no feature
    uint64_t total = 0, down = 0;
    for (int k = 0; k < kFilterBins[filter]; ++k, ++bin, ++weight) {
      const uint32_t energy = static_cast<uint32_t>(bin->real * bin->real) +
                              static_cast<uint32_t>(bin->imag * bin->imag);
      total += energy;
      down += static_cast<uint64_t>(energy) * *weight;
    }
    const uint64_t work = from_below + down;
    from_below = (total << kFilterWeightBits) - down;
    if (filter == 0) continue;
    const int channel = filter - 1;
    const uint32_t root =
        work >> 32 ? RootOf<uint64_t>(work) : RootOf<uint32_t>(static_cast<uint32_t>(work));
    const uint32_t signal = Denoise(root >> shift, channel);
    frame[channel] = FeatureOf(LogOf(Amplified(signal, noise_[channel])));
  }
}

// Updates the mean of a channel and subtracts it.
uint32_t MicroFrontend::Denoise(uint32_t signal, int channel) {
  const uint32_t smoothing = kNoiseSmoothing[channel % 2];
  const uint32_t scaled = signal << kNoiseSmoothingBits;
  const uint64_t sum = static_cast<uint64_t>(scaled) * smoothing +
                       static_cast<uint64_t>(noise_[channel]) * ((1u << kNoiseBits) - smoothing);
  const uint32_t noise = static_cast<uint32_t>(sum >> kNoiseBits);
  noise_[channel] = noise;
  const uint32_t least =
      static_cast<uint32_t>(static_cast<uint64_t>(signal) * kNoiseRemaining >> kNoiseBits);
  const uint32_t rest = noise < scaled ? (scaled - noise) >> kNoiseSmoothingBits : 0;
  return rest > least ? rest : least;
}

}  // namespace keras_sal
