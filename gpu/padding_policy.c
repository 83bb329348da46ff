#include "gpu/padding_policy.h"

struct ferry_padding_rules ferry_padding_decide(const struct ferry_trace_findings *findings,
                                                uint32_t wanted_length) {
    bool length_varies = findings->length_varies_padded || findings->length_varies_unpadded;
    uint32_t longest = length_varies ? findings->longest : findings->length;
    return (struct ferry_padding_rules){
        .fixed_length = length_varies ? 0 : findings->length,
        .fixed_batch = findings->batch_varies ? 0 : findings->batch,
        .max_length = wanted_length < longest ? wanted_length : longest,
        .equal_lengths_only = length_varies && !findings->length_varies_padded,
        .padding_affects_result = !length_varies && !findings->padding_is_masked,
    };
}

static uint32_t length_of(const struct ferry_batch *batch, uint32_t sequence) {
    return batch->offsets[sequence + 1] - batch->offsets[sequence];
}

static uint32_t sequences_that_fit(const struct ferry_padding_rules *rules,
                                   const struct ferry_batch *batch, uint32_t first) {
    uint32_t end = batch->sequences;
    if (rules->fixed_batch != 0 && end - first > rules->fixed_batch)
        end = first + rules->fixed_batch;
    if (!rules->equal_lengths_only)
        return end - first;
    uint32_t next = first + 1;
    while (next < end && length_of(batch, next) == length_of(batch, first))
        next++;
    return next - first;
}

struct ferry_padding_step ferry_padding_next(const struct ferry_padding_rules *rules,
                                             const struct ferry_batch *batch, uint32_t first) {
    struct ferry_padding_step step = {.first = first};
    step.count = sequences_that_fit(rules, batch, first);
    step.rows = rules->fixed_batch != 0 ? rules->fixed_batch : step.count;
    step.length = rules->fixed_length;
    for (uint32_t sequence = first; sequence < first + step.count; sequence++)
        if (length_of(batch, sequence) > step.length)
            step.length = length_of(batch, sequence);
    return step;
}
