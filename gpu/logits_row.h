/* One row of logits [vocabulary]: what every decoder needs to know of it. Passes over a whole row
 * are plain loops that the compiler vectorises; on x86-64 the best of three variants is taken at
 * run time. All variants give the same bits. */
#ifndef FERRY_GPU_LOGITS_ROW_H
#define FERRY_GPU_LOGITS_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Scratch memory for rows of up to `vocabulary` numbers; for one thread at a time. Nothing is
 * allocated after create. */
struct ferry_row_scratch;
FERRY_MUST_CHECK enum ferry_status ferry_row_scratch_create(uint32_t vocabulary,
                                                            struct ferry_row_scratch **ret_scratch,
                                                            struct ferry_error *error);
void ferry_row_scratch_free(struct ferry_row_scratch *scratch); /* NULL is allowed */

/* The id of the largest logit, the lowest id among equals. -1: the row has a NaN or +infinity, or
 * nothing but -infinity. A single -infinity is a token of probability 0. */
int32_t ferry_row_best(struct ferry_row_scratch *scratch, const float *logits, uint32_t vocabulary);

/* log(sum(exp(logits))): a token's natural-log probability is its logit minus this. Only for a row
 * that ferry_row_best accepts; `best` is its answer. */
double ferry_row_normaliser(const float *logits, uint32_t vocabulary, int32_t best);

/* The `top` most probable ids (1 to vocabulary) with their log-probabilities, best first, the
 * lowest id first among equals. For a row that ferry_row_best has accepted just before. */
void ferry_row_top(struct ferry_row_scratch *scratch, const float *logits, uint32_t vocabulary,
                   double normaliser, uint32_t top, int32_t *ids, float *logprobs);

#ifdef __cplusplus
}
#endif
#endif
