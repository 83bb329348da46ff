/* Who made the processor. */
#ifndef FERRY_GPU_TORCH_CPU_VENDOR_H
#define FERRY_GPU_TORCH_CPU_VENDOR_H

#include <stdbool.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <string.h>

static inline bool ferry_cpu_is_amd(void) {
    unsigned level;
    unsigned ebx;
    unsigned ecx;
    unsigned edx;
    if (!__get_cpuid(0, &level, &ebx, &ecx, &edx))
        return false;
    return memcmp(&ebx, "Auth", 4) == 0 && memcmp(&edx, "enti", 4) == 0 &&
           memcmp(&ecx, "cAMD", 4) == 0;
}
#else
static inline bool ferry_cpu_is_amd(void) {
    return false;
}
#endif

#endif
