// Zephyr's messages, declared as there.

#ifndef KERAS_SAL_TESTS_PRINTK_H_
#define KERAS_SAL_TESTS_PRINTK_H_

#include <stdarg.h>

extern "C" {
__attribute__((format(printf, 1, 2))) void printk(const char* format, ...);
__attribute__((format(printf, 1, 0))) void vprintk(const char* format, va_list values);
}

#endif  // KERAS_SAL_TESTS_PRINTK_H_
