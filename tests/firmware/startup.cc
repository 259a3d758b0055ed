// Starts a program on a Cortex-M of QEMU, its files and exit by semihosting.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

extern "C" {
extern uint32_t stack_top, data_start, data_end, data_load, bss_start, bss_end;
int main();
void initialise_monitor_handles();
void __libc_init_array();
void _init() {}
void _fini() {}
void* __dso_handle = nullptr;
void __cxa_pure_virtual() { _Exit(98); }

void Reset_Handler() {
  *reinterpret_cast<volatile uint32_t*>(0xE000ED88) |= 0xF << 20;  // the FPU on
  __asm volatile("dsb\nisb");
  memcpy(&data_start, &data_load,
         reinterpret_cast<uintptr_t>(&data_end) - reinterpret_cast<uintptr_t>(&data_start));
  memset(&bss_start, 0,
         reinterpret_cast<uintptr_t>(&bss_end) - reinterpret_cast<uintptr_t>(&bss_start));
  initialise_monitor_handles();
  __libc_init_array();
  exit(main());
}

void Fault_Handler() { _Exit(99); }

__attribute__((section(".vectors"), used)) const void* const vectors[] = {
    &stack_top,
    reinterpret_cast<const void*>(Reset_Handler),
    reinterpret_cast<const void*>(Fault_Handler),
    reinterpret_cast<const void*>(Fault_Handler),
    reinterpret_cast<const void*>(Fault_Handler),
    reinterpret_cast<const void*>(Fault_Handler),
    reinterpret_cast<const void*>(Fault_Handler),
};
}
