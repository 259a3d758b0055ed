// The header of a WAV file.

#ifndef KERAS_SAL_PROGRAM_WAV_H_
#define KERAS_SAL_PROGRAM_WAV_H_

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <algorithm>

// Reads the header up to the samples. Returns null, or what is wrong with the file. `*samples` is
// how many there are.
inline const char* ReadWavHeader(FILE* file, uint32_t sample_rate, uint32_t* samples) {
  const auto number = [](const unsigned char* bytes, int size) {
    uint32_t value = 0;
    for (int i = size; i-- > 0;) value = value << 8 | bytes[i];
    return value;
  };
  unsigned char riff[12];
  if (fread(riff, 1, 12, file) != 12 || memcmp(riff, "RIFF", 4) != 0 ||
      memcmp(riff + 8, "WAVE", 4) != 0) {
    return "it is no WAV file";
  }
  bool known = false;
  unsigned char chunk[8];
  while (fread(chunk, 1, 8, file) == 8) {
    const uint32_t size = number(chunk + 4, 4);
    if (memcmp(chunk, "data", 4) == 0) {
      if (!known) return "it has no format before its samples";
      *samples = size / 2;
      return nullptr;
    }
    uint32_t left = size + size % 2;
    if (memcmp(chunk, "fmt ", 4) == 0) {
      constexpr uint32_t kPcm = 1, kExtensible = 0xfffe;
      unsigned char format[16];
      if (size < 16 || fread(format, 1, 16, file) != 16) return "its format is cut off";
      left -= 16;
      const uint32_t kind = number(format, 2);
      if ((kind != kPcm && kind != kExtensible) || number(format + 2, 2) != 1 ||
          number(format + 4, 4) != sample_rate || number(format + 14, 2) != 16) {
        return "it must have 16 bits, one channel and 16,000 samples a second";
      }
      known = true;
    }
    for (unsigned char skipped[256]; left > 0;) {
      const uint32_t piece = std::min<uint32_t>(left, sizeof(skipped));
      if (fread(skipped, 1, piece, file) != piece) return "it is cut off";
      left -= piece;
    }
  }
  return "it has no samples";
}

#endif  // KERAS_SAL_PROGRAM_WAV_H_
