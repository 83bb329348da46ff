#include "gpu/packed/cpu/kernel_tables.h"

#define KERNEL_FLOATS 4
#define KERNEL_ROWS 4
#ifndef KERNEL_SLICE
#define KERNEL_SLICE 512
#endif
#define KERNEL_TABLE ferry_kernels_generic
#define KERNEL_NAME "generic"
#include "gpu/packed/cpu/kernel_body.h"
