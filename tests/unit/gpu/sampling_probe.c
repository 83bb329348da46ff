/* gpu/sampling.h and gpu/logits_row.h as a shared object that Python tests load. */
#include <stdlib.h>

#include "gpu/sampling.h"

#define EXPORTED __attribute__((visibility("default")))

/* Without prototypes elsewhere: called from Python alone. */
EXPORTED struct ferry_row_scratch *probe_create(uint32_t vocabulary);
EXPORTED void probe_free(struct ferry_row_scratch *scratch);
EXPORTED int32_t probe_sample(struct ferry_row_scratch *scratch, const struct ferry_choice *choice);
EXPORTED bool probe_distribution(struct ferry_row_scratch *scratch,
                                 const struct ferry_choice *choice, double *probabilities);
EXPORTED void probe_draws(struct ferry_row_scratch *scratch, struct ferry_choice *choice,
                          uint32_t draws, int32_t *ids);
EXPORTED int32_t probe_logprobs(struct ferry_row_scratch *scratch, const float *logits,
                                uint32_t vocabulary, float *logprobs);
EXPORTED void probe_top(struct ferry_row_scratch *scratch, const float *logits, uint32_t vocabulary,
                        uint32_t top, int32_t *ids, float *logprobs);

struct ferry_row_scratch *probe_create(uint32_t vocabulary) {
    struct ferry_row_scratch *scratch = NULL;
    if (ferry_row_scratch_create(vocabulary, &scratch, NULL) != FERRY_OK)
        abort();
    return scratch;
}

void probe_free(struct ferry_row_scratch *scratch) {
    ferry_row_scratch_free(scratch);
}

int32_t probe_sample(struct ferry_row_scratch *scratch, const struct ferry_choice *choice) {
    return ferry_sample(scratch, choice);
}

bool probe_distribution(struct ferry_row_scratch *scratch, const struct ferry_choice *choice,
                        double *probabilities) {
    return ferry_sampling_distribution(scratch, choice, probabilities);
}

/* At positions 0, 1, 2, ...: only without a repetition penalty. */
void probe_draws(struct ferry_row_scratch *scratch, struct ferry_choice *choice, uint32_t draws,
                 int32_t *ids) {
    for (choice->length = 0; choice->length < draws; choice->length++)
        ids[choice->length] = ferry_sample(scratch, choice);
}

int32_t probe_logprobs(struct ferry_row_scratch *scratch, const float *logits, uint32_t vocabulary,
                       float *logprobs) {
    int32_t best = ferry_row_best(scratch, logits, vocabulary);
    if (best < 0)
        return best;
    double normaliser = ferry_row_normaliser(logits, vocabulary, best);
    for (uint32_t id = 0; id < vocabulary; id++)
        logprobs[id] = (float)((double)logits[id] - normaliser);
    return best;
}

void probe_top(struct ferry_row_scratch *scratch, const float *logits, uint32_t vocabulary,
               uint32_t top, int32_t *ids, float *logprobs) {
    int32_t best = ferry_row_best(scratch, logits, vocabulary);
    ferry_row_top(scratch, logits, vocabulary, ferry_row_normaliser(logits, vocabulary, best), top,
                  ids, logprobs);
}
