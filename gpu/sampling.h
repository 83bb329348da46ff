/* The next token of a sequence, chosen from the logits of its last one. The definitions and their
 * order are those of transformers 5.23 (generate with do_sample, one beam): repetition penalty,
 * forbidden ids, temperature, top-k (ties of the k-th stay), top-p (at least one token stays; of
 * equal logits at the boundary the highest ids stay, as a stable ascending sort has it), min-p. */
#ifndef FERRY_GPU_SAMPLING_H
#define FERRY_GPU_SAMPLING_H

#include "gpu/engine.h"
#include "gpu/logits_row.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_choice {
    const float *logits; /* [vocabulary], of the model; not changed */
    uint32_t vocabulary;
    const int32_t *ids; /* [length]: the sequence so far */
    uint32_t length;    /* the position whose token is chosen */
    const struct ferry_sampling *sampling;
    const int32_t *forbidden; /* [forbidden_count] */
    uint32_t forbidden_count;
};

/* The chosen id, or -1: the row is not usable (see ferry_row_best), or nothing is left of it when
 * the forbidden ids are gone. Temperature 0: the first of the most probable. Otherwise a number
 * drawn by Philox4x32-10 from seed and position alone decides: the kept tokens, in the order of
 * their ids, share out the interval [0, 1). A temperature so small that a logit divided by it
 * overflows is taken for 0. */
int32_t ferry_sample(struct ferry_row_scratch *scratch, const struct ferry_choice *choice);

/* For tests: the probability with which ferry_sample picks each id; 0 where it is filtered out.
 * Temperature 0: 1 for one id. False where ferry_sample gives -1. */
bool ferry_sampling_distribution(struct ferry_row_scratch *scratch,
                                 const struct ferry_choice *choice, double *probabilities);

#ifdef __cplusplus
}
#endif
#endif
