/* Reading the replies of language models. Nothing here fails: what is not there is false. */
#include <stdlib.h>

#include "clients/c/client_parts.h"
#include "ipc/wire_names.h"

static const struct ferry_wire_reply *wire_of(const struct ferry_reply *reply, size_t index,
                                              size_t *ret_index_in_piece) {
    const struct request_piece *piece = ferry_reply_piece_of(reply, index, ret_index_in_piece);
    return piece == NULL || piece->too_large ? NULL : &piece->wire;
}

void ferry_part_free(struct ferry_part *user_part) {
    if (user_part == NULL)
        return;
    struct stream_part *part = (struct stream_part *)user_part; /* its first member */
    ferry_client_reply_free(part->message);
    ferry_arena_free(&part->arena);
    free(part);
}

bool ferry_reply_get_score(const struct ferry_reply *reply, size_t index,
                           struct ferry_reply_score *ret_score) {
    size_t local;
    const struct ferry_wire_reply *wire = wire_of(reply, index, &local);
    if (wire == NULL || wire->scores == NULL)
        return false;
    const struct ferry_wire_score *score = &wire->scores[local];
    *ret_score = (struct ferry_reply_score){.count = score->count,
                                            .ids = score->ids,
                                            .logprobs = score->logprobs,
                                            .top = score->top,
                                            .top_ids = score->top_ids,
                                            .top_logprobs = score->top_logprobs,
                                            .scored = score->scored,
                                            .logprob_sum = score->logprob_sum,
                                            .perplexity = score->perplexity};
    return true;
}

bool ferry_reply_get_next(const struct ferry_reply *reply, size_t index,
                          struct ferry_reply_next *ret_next) {
    size_t local;
    const struct ferry_wire_reply *wire = wire_of(reply, index, &local);
    if (wire == NULL || wire->nexts == NULL)
        return false;
    const struct ferry_wire_next *next = &wire->nexts[local];
    *ret_next = (struct ferry_reply_next){next->count, next->ids, next->logprobs};
    return true;
}

struct ferry_reply_choice ferry_reply_choice_of(const struct ferry_wire_choice *wire) {
    return (struct ferry_reply_choice){
        .text = wire->text.data,
        .text_bytes = wire->text.size,
        .count = wire->count,
        .ids = wire->ids,
        .logprobs = wire->logprobs,
        .top = wire->top,
        .top_ids = wire->top_ids,
        .top_logprobs = wire->top_logprobs,
        .finish_reason =
            wire->finish == FERRY_WIRE_FINISH_NONE ? NULL : ferry_wire_finish_names[wire->finish]};
}

bool ferry_reply_get_choice(const struct ferry_reply *reply, size_t index, size_t choice,
                            struct ferry_reply_choice *ret_choice) {
    size_t local;
    const struct ferry_wire_reply *wire = wire_of(reply, index, &local);
    if (wire == NULL || !wire->has_choices || choice >= wire->choices.n)
        return false;
    *ret_choice = ferry_reply_choice_of(&wire->choices.choices[local * wire->choices.n + choice]);
    return true;
}

uint64_t ferry_reply_seed(const struct ferry_reply *reply, size_t index) {
    size_t local;
    const struct ferry_wire_reply *wire = wire_of(reply, index, &local);
    return wire == NULL ? 0 : wire->choices.seed;
}
