/* From logits to what an entry of a step wants: the part that all decoders share. */
#ifndef FERRY_GPU_DECODE_OUTPUT_H
#define FERRY_GPU_DECODE_OUTPUT_H

#include "gpu/engine.h"
#include "gpu/logits_row.h"

#ifdef __cplusplus
extern "C" {
#endif

/* SAMPLE: chooses the token that follows the entry's last one from that one's logits [vocabulary];
 * sets new_ids, new_count and, where wanted, logprobs and the most probable tokens. A row without
 * an answer sets the entry's status to ENGINE. */
void ferry_decode_sample(struct ferry_row_scratch *scratch, const float *logits,
                         uint32_t vocabulary, struct ferry_decode_entry *entry);

/* SCORE: scores the new token number `at` (counted from `cached`) by its logits. Rows may come in
 * any order and from one thread at a time for a scratch; several threads may work on different rows
 * of an entry. False: the row has no answer; the entry's status is the caller's to set. */
FERRY_MUST_CHECK bool ferry_decode_score(struct ferry_row_scratch *scratch, const float *logits,
                                         uint32_t vocabulary,
                                         const struct ferry_decode_entry *entry, uint32_t at);

#ifdef __cplusplus
}
#endif
#endif
