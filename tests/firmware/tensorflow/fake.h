// An interpreter that stands in for TensorFlow Lite Micro: it crashes in an arena that is too small,
// as that one may, and counts what it makes.

#ifndef KERAS_SAL_TESTS_FAKE_H_
#define KERAS_SAL_TESTS_FAKE_H_

#include <stddef.h>
#include <stdint.h>

struct Fake {
  size_t least_arena_bytes = 0;  // crashes below
  uint32_t version = 3;
  bool registers = true;
  bool allocates = true;
  int made = 0;  // interpreters that live
  int registered = 0;
};

Fake& TheFake();

#endif  // KERAS_SAL_TESTS_FAKE_H_
