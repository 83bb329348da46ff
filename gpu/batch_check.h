/* Checks of a batch that every engine makes before it computes: an id outside the vocabulary that
 * reaches a CUDA device costs the whole process. */
#ifndef FERRY_GPU_BATCH_CHECK_H
#define FERRY_GPU_BATCH_CHECK_H

#include "gpu/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_batch_limits {
    int32_t vocabulary_size;
    uint32_t max_length;
    uint32_t width;
    uint8_t max_type_id;
    bool rows_per_token;
};

/* INVALID_INPUT: the sequence, position and value that is out of range. INTERNAL: the caller's own
 * mistake (no sequences, offsets that do not grow, too little room for the rows). */
FERRY_MUST_CHECK enum ferry_status ferry_batch_check(const struct ferry_batch *batch,
                                                     const struct ferry_batch_result *result,
                                                     const struct ferry_batch_limits *limits,
                                                     struct ferry_error *error);

#ifdef __cplusplus
}
#endif
#endif
