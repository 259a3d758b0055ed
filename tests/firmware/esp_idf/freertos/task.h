// The tasks of FreeRTOS that the example uses, declared as in ESP-IDF.

#ifndef KERAS_SAL_TESTS_TASK_H_
#define KERAS_SAL_TESTS_TASK_H_

#include "freertos/FreeRTOS.h"

typedef struct tskTaskControlBlock* TaskHandle_t;
typedef void (*TaskFunction_t)(void*);

extern "C" {
BaseType_t xTaskCreate(TaskFunction_t code, const char* name, uint32_t stack_bytes, void* argument,
                       UBaseType_t priority, TaskHandle_t* task);
void vTaskDelete(TaskHandle_t task);
TaskHandle_t xTaskGetCurrentTaskHandle();
BaseType_t xTaskNotifyGive(TaskHandle_t task);
uint32_t ulTaskNotifyTake(BaseType_t clear, TickType_t wait);
TickType_t xTaskGetTickCount();
}

#endif  // KERAS_SAL_TESTS_TASK_H_
