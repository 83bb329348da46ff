/* Large arrays of numbers: zeroed, aligned, in huge pages where the system has them, and taken from
 * the machine only as they are touched. */
#ifndef FERRY_GPU_PACKED_LARGE_MEMORY_H
#define FERRY_GPU_PACKED_LARGE_MEMORY_H

#include <stddef.h>

/* NULL: there is no memory. Size 0 gives a valid address. */
float *ferry_large_floats(size_t count);
/* With the same count. NULL is allowed. */
void ferry_large_floats_free(float *floats, size_t count);

#endif
