// What the example uses of FreeRTOS in ESP-IDF, declared as there.

#ifndef KERAS_SAL_TESTS_FREERTOS_H_
#define KERAS_SAL_TESTS_FREERTOS_H_

#include <stdint.h>

typedef int BaseType_t;
typedef unsigned int UBaseType_t;
typedef uint32_t TickType_t;

#define pdTRUE ((BaseType_t)1)
#define pdPASS (pdTRUE)
#define portMAX_DELAY ((TickType_t)0xffffffffUL)
#define pdMS_TO_TICKS(time_ms) ((TickType_t)((time_ms) / 10))

#endif  // KERAS_SAL_TESTS_FREERTOS_H_
