#include "gpu/packed/cpu/kernel_tables.h"

#define KERNEL_FLOATS 8
#define KERNEL_ROWS 4
#ifndef KERNEL_SLICE
#define KERNEL_SLICE 512
#endif
#define KERNEL_TABLE ferry_kernels_avx2
#define KERNEL_NAME "avx2"
#include "gpu/packed/cpu/kernel_body.h"
