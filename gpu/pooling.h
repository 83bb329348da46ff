/* Token rows to one row a sequence, on the CPU. Padding never takes part: only the sequence's own
 * tokens are read. Definitions as in sentence-transformers' Pooling module. */
#ifndef FERRY_GPU_POOLING_H
#define FERRY_GPU_POOLING_H

#include "gpu/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* tokens: [length, width], length > 0; row: [width]. Not for FERRY_POOLING_NONE. A value that is
 * not a number in a token that takes part gives one in the row. */
void ferry_pool_sequence(const float *tokens, uint32_t length, size_t width,
                         enum ferry_pooling pooling, float *row);

/* True when every value is finite. */
bool ferry_all_finite(const float *values, size_t count);

#ifdef __cplusplus
}
#endif
#endif
