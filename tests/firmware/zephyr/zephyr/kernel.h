// What the sample uses of Zephyr's kernel, declared as there.

#ifndef KERAS_SAL_TESTS_KERNEL_H_
#define KERAS_SAL_TESTS_KERNEL_H_

#include <stddef.h>
#include <stdint.h>

struct device {
  const char* name;
};
struct k_mem_slab {
  size_t block_size;
};
struct k_sem {
  unsigned int count;
};
struct k_thread {
  int number;
};
struct z_thread_stack_element {
  char data;
};
typedef struct z_thread_stack_element k_thread_stack_t;
typedef struct {
  int64_t ticks;
} k_timeout_t;
typedef struct k_thread* k_tid_t;
typedef void (*k_thread_entry_t)(void* first, void* second, void* third);

#define K_NO_WAIT (k_timeout_t{0})
#define K_FOREVER (k_timeout_t{-1})
#define K_MEM_SLAB_DEFINE_STATIC(name, size, count, align) static struct k_mem_slab name = {size}
#define K_SEM_DEFINE(name, first, limit) struct k_sem name = {first}
#define K_THREAD_STACK_DEFINE(name, size) struct z_thread_stack_element name[size]
#define K_THREAD_STACK_SIZEOF(name) sizeof(name)
#define DT_NODELABEL(label) label
#define DT_ALIAS(alias) alias
#define FAKE_JOINED(node) fake_##node
#define FAKE(node) FAKE_JOINED(node)
#define DEVICE_DT_GET(node) (&FAKE(node))

extern "C" {
extern const struct device fake_dmic_dev;
bool device_is_ready(const struct device* dev);
int64_t k_uptime_get();
void k_mem_slab_free(struct k_mem_slab* slab, void* block);
int k_sem_take(struct k_sem* sem, k_timeout_t timeout);
void k_sem_give(struct k_sem* sem);
k_tid_t k_thread_create(struct k_thread* thread, k_thread_stack_t* stack, size_t stack_size,
                        k_thread_entry_t entry, void* first, void* second, void* third,
                        int priority, uint32_t options, k_timeout_t delay);
}

#endif  // KERAS_SAL_TESTS_KERNEL_H_
