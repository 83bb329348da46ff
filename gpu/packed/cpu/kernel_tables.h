/* The tables that the files of the instruction sets define. */
#ifndef FERRY_GPU_PACKED_CPU_KERNEL_TABLES_H
#define FERRY_GPU_PACKED_CPU_KERNEL_TABLES_H

#include "gpu/packed/cpu/cpu_kernels.h"

extern const struct ferry_cpu_kernels ferry_kernels_generic;
#if defined(__x86_64__)
extern const struct ferry_cpu_kernels ferry_kernels_avx2;
extern const struct ferry_cpu_kernels ferry_kernels_avx512;
#endif

#endif
