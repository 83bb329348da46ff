#include "gpu/logits_row.h"

#include <stdlib.h>

#include "gpu/row_passes.h"

static bool allocate(struct ferry_row_scratch *scratch) {
    const size_t blocks = ferry_row_blocks(scratch->vocabulary);
    const size_t count = blocks * FERRY_ROW_BLOCK;
    scratch->scores = calloc(count, sizeof *scratch->scores);
    scratch->weights = calloc(count, sizeof *scratch->weights);
    scratch->ids = calloc(count, sizeof *scratch->ids);
    scratch->keys = calloc(count, sizeof *scratch->keys);
    scratch->block_best = calloc(blocks, sizeof *scratch->block_best);
    scratch->block_sums = calloc(blocks, sizeof *scratch->block_sums);
    scratch->pairs = calloc(count, sizeof *scratch->pairs);
    scratch->spare = calloc(count, sizeof *scratch->spare);
    return scratch->scores != NULL && scratch->weights != NULL && scratch->ids != NULL &&
           scratch->keys != NULL && scratch->block_best != NULL && scratch->block_sums != NULL &&
           scratch->pairs != NULL && scratch->spare != NULL;
}

enum ferry_status ferry_row_scratch_create(uint32_t vocabulary,
                                           struct ferry_row_scratch **ret_scratch,
                                           struct ferry_error *error) {
    if (vocabulary == 0 || vocabulary > INT32_MAX - FERRY_ROW_BLOCK)
        return ferry_fail(error, FERRY_INTERNAL, "a row of %u logits", vocabulary);
    struct ferry_row_scratch *scratch = calloc(1, sizeof *scratch);
    if (scratch != NULL)
        scratch->vocabulary = vocabulary;
    if (scratch == NULL || !allocate(scratch)) {
        ferry_row_scratch_free(scratch);
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory to sample from %u logits",
                          vocabulary);
    }
    *ret_scratch = scratch;
    return FERRY_OK;
}

void ferry_row_scratch_free(struct ferry_row_scratch *scratch) {
    if (scratch == NULL)
        return;
    free(scratch->scores);
    free(scratch->weights);
    free(scratch->ids);
    free(scratch->keys);
    free(scratch->block_best);
    free(scratch->block_sums);
    free(scratch->pairs);
    free(scratch->spare);
    free(scratch);
}

int32_t ferry_row_best(struct ferry_row_scratch *scratch, const float *logits,
                       uint32_t vocabulary) {
    struct ferry_row_range range = ferry_row_scan(scratch, logits, vocabulary);
    if (!ferry_row_is_usable(range))
        return -1;
    return (int32_t)ferry_row_first(scratch, logits, vocabulary, ferry_row_number(range.most));
}

void ferry_row_top(struct ferry_row_scratch *scratch, const float *logits, uint32_t vocabulary,
                   double normaliser, uint32_t top, int32_t *ids, float *logprobs) {
    uint32_t count = ferry_row_select(scratch, logits, vocabulary, top);
    for (uint32_t at = 0; at < count; at++) {
        uint32_t id = (uint32_t)scratch->ids[at];
        /* The largest first; adding 0 makes -0 equal to 0. */
        uint32_t key = (uint32_t)ferry_row_key(logits[id] + 0.0f) ^ UINT32_C(0x7FFFFFFF);
        scratch->pairs[at] = (uint64_t)key << 32 | id;
    }
    ferry_row_sort(scratch, count);
    for (uint32_t at = 0; at < top; at++) {
        ids[at] = (int32_t)(uint32_t)scratch->pairs[at];
        logprobs[at] = (float)((double)logits[ids[at]] - normaliser);
    }
}
