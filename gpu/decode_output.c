#include "gpu/decode_output.h"

#include <math.h>

#include "gpu/sampling.h"

/* After ferry_row_best of the row. */
static void report(struct ferry_row_scratch *scratch, const float *logits, uint32_t vocabulary,
                   double normaliser, const struct ferry_decode_entry *entry, uint32_t at) {
    if (entry->top > 0)
        ferry_row_top(scratch, logits, vocabulary, normaliser, entry->top,
                      entry->top_ids + (size_t)at * entry->top,
                      entry->top_logprobs + (size_t)at * entry->top);
}

void ferry_decode_sample(struct ferry_row_scratch *scratch, const float *logits,
                         uint32_t vocabulary, struct ferry_decode_entry *entry) {
    const struct ferry_choice choice = {.logits = logits,
                                        .vocabulary = vocabulary,
                                        .ids = entry->ids,
                                        .length = entry->length,
                                        .sampling = entry->sampling,
                                        .forbidden = entry->forbidden,
                                        .forbidden_count = entry->forbidden_count};
    int32_t id = ferry_sample(scratch, &choice);
    entry->new_count = id >= 0 ? 1 : 0;
    entry->status = id >= 0 ? FERRY_OK : FERRY_ENGINE;
    if (id < 0)
        return;
    entry->new_ids[0] = id;
    if (entry->logprobs == NULL && entry->top == 0)
        return;
    int32_t best = ferry_row_best(scratch, logits, vocabulary);
    double normaliser = ferry_row_normaliser(logits, vocabulary, best);
    if (entry->logprobs != NULL)
        entry->logprobs[0] = (float)((double)logits[id] - normaliser);
    report(scratch, logits, vocabulary, normaliser, entry, 0);
}

bool ferry_decode_score(struct ferry_row_scratch *scratch, const float *logits, uint32_t vocabulary,
                        const struct ferry_decode_entry *entry, uint32_t at) {
    int32_t best = ferry_row_best(scratch, logits, vocabulary);
    if (best < 0)
        return false;
    const int32_t target = entry->logprobs != NULL ? entry->targets[at] : -1;
    if (entry->logprobs != NULL)
        entry->logprobs[at] = NAN;
    if (target < 0 && entry->top == 0)
        return true;
    double normaliser = ferry_row_normaliser(logits, vocabulary, best);
    if (target >= 0)
        entry->logprobs[at] = (float)((double)logits[target] - normaliser);
    report(scratch, logits, vocabulary, normaliser, entry, at);
    return true;
}
