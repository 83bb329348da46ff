#include "gpu/packed/cpu/kernel_tables.h"

#define KERNEL_FLOATS 16
#define KERNEL_ROWS 8
#ifndef KERNEL_SLICE
#define KERNEL_SLICE 512
#endif
#define KERNEL_TABLE ferry_kernels_avx512
#define KERNEL_NAME "avx512"
#include "gpu/packed/cpu/kernel_body.h"
