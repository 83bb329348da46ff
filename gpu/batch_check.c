#include "gpu/batch_check.h"

static enum ferry_status check_offsets(const struct ferry_batch *batch, uint32_t max_length,
                                       struct ferry_error *error) {
    for (uint32_t sequence = 0; sequence < batch->sequences; sequence++) {
        uint32_t begin = batch->offsets[sequence];
        uint32_t end = batch->offsets[sequence + 1];
        if (end < begin)
            return ferry_fail(error, FERRY_INTERNAL, "offset %u of the batch is smaller than %u",
                              end, begin);
        if (end == begin)
            return ferry_fail(error, FERRY_INVALID_INPUT, "sequence %u of the batch has no ids",
                              sequence);
        if (end - begin > max_length)
            return ferry_fail(error, FERRY_INVALID_INPUT,
                              "sequence %u of the batch has %u ids, the model takes at most %u",
                              sequence, end - begin, max_length);
    }
    return FERRY_OK;
}

/* One comparison a value in the common case: a negative id is a large unsigned one. */
static bool all_below(const int32_t *ids, size_t count, uint32_t limit) {
    uint32_t largest = 0;
    for (size_t at = 0; at < count; at++)
        largest = (uint32_t)ids[at] > largest ? (uint32_t)ids[at] : largest;
    return largest < limit;
}

static uint32_t sequence_of(const struct ferry_batch *batch, uint32_t at) {
    uint32_t sequence = 0;
    while (batch->offsets[sequence + 1] <= at)
        sequence++;
    return sequence;
}

static enum ferry_status name_bad_id(const struct ferry_batch *batch, int32_t vocabulary_size,
                                     struct ferry_error *error) {
    uint32_t at = batch->offsets[0];
    while (batch->ids[at] >= 0 && batch->ids[at] < vocabulary_size)
        at++;
    uint32_t sequence = sequence_of(batch, at);
    return ferry_fail(error, FERRY_INVALID_INPUT,
                      "sequence %u of the batch, position %u: id %d is outside the vocabulary of "
                      "%d ids",
                      sequence, at - batch->offsets[sequence], batch->ids[at], vocabulary_size);
}

static enum ferry_status check_type_ids(const struct ferry_batch *batch, uint8_t max_type_id,
                                        struct ferry_error *error) {
    if (batch->type_ids == NULL)
        return FERRY_OK;
    for (uint32_t at = batch->offsets[0]; at < batch->offsets[batch->sequences]; at++) {
        if (batch->type_ids[at] <= max_type_id)
            continue;
        uint32_t sequence = sequence_of(batch, at);
        return ferry_fail(error, FERRY_INVALID_INPUT,
                          "sequence %u of the batch, position %u: type id %u, the model knows 0 to "
                          "%u",
                          sequence, at - batch->offsets[sequence], batch->type_ids[at],
                          max_type_id);
    }
    return FERRY_OK;
}

enum ferry_status ferry_batch_check(const struct ferry_batch *batch,
                                    const struct ferry_batch_result *result,
                                    const struct ferry_batch_limits *limits,
                                    struct ferry_error *error) {
    if (batch->sequences == 0)
        return ferry_fail(error, FERRY_INTERNAL, "a batch without sequences");
    enum ferry_status status = check_offsets(batch, limits->max_length, error);
    if (status != FERRY_OK)
        return status;
    size_t tokens = batch->offsets[batch->sequences] - batch->offsets[0];
    size_t rows = limits->rows_per_token ? tokens : batch->sequences;
    if (result->rows_capacity < rows * limits->width)
        return ferry_fail(error, FERRY_INTERNAL,
                          "room for %zu floats, the batch has %zu rows of %u",
                          result->rows_capacity, rows, limits->width);
    if (!all_below(batch->ids + batch->offsets[0], tokens, (uint32_t)limits->vocabulary_size))
        return name_bad_id(batch, limits->vocabulary_size, error);
    return check_type_ids(batch, limits->max_type_id, error);
}
