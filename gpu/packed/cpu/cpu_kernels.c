#include "gpu/packed/cpu/cpu_kernels.h"

#include <string.h>

#include "gpu/packed/cpu/kernel_tables.h"

#if defined(__x86_64__)
static int has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}

static int has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

const struct ferry_cpu_kernels *ferry_best_cpu_kernels(void) {
#if defined(__x86_64__)
    if (has_avx512())
        return &ferry_kernels_avx512;
    if (has_avx2())
        return &ferry_kernels_avx2;
#endif
    return &ferry_kernels_generic;
}

const struct ferry_cpu_kernels *ferry_cpu_kernels_named(const char *name) {
#if defined(__x86_64__)
    if (strcmp(name, "avx512") == 0)
        return has_avx512() ? &ferry_kernels_avx512 : NULL;
    if (strcmp(name, "avx2") == 0)
        return has_avx2() ? &ferry_kernels_avx2 : NULL;
#endif
    return strcmp(name, "generic") == 0 ? &ferry_kernels_generic : NULL;
}
