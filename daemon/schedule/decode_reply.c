#include "daemon/schedule/decode_reply.h"

#include <math.h>
#include <string.h>

/* The vocabulary's texts of ids; NULL without a tokenizer. False without memory. */
static bool token_texts(struct ferry_request *request, const int32_t *ids, uint32_t count,
                        const struct ferry_view **ret_texts) {
    const struct ferry_tokenizer *tokenizer = request->model->tokenizer;
    *ret_texts = NULL;
    if (tokenizer == NULL)
        return true;
    struct ferry_view *texts = ferry_arena_allocate(&request->arena, count * sizeof *texts);
    if (texts == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        size_t size = 0;
        const char *text = ferry_tokenizer_token_text(tokenizer, ids[i], &size);
        texts[i] = (struct ferry_view){.data = text ? text : "", .size = (uint32_t)size};
    }
    *ret_texts = texts;
    return true;
}

static void add_up(struct ferry_wire_score *score) {
    for (uint32_t i = 0; i < score->count; i++) {
        if (isnan(score->logprobs[i]))
            continue;
        score->logprob_sum += (double)score->logprobs[i];
        score->scored++;
    }
    score->perplexity =
        score->scored == 0 ? (double)NAN : exp(-score->logprob_sum / (double)score->scored);
}

static bool make_score(struct ferry_request *request, const struct ferry_item *item,
                       struct ferry_wire_score *score) {
    *score = (struct ferry_wire_score){.perplexity = (double)NAN};
    if (item->status != FERRY_OK)
        return true;
    *score = (struct ferry_wire_score){.ids = item->prompt,
                                       .logprobs = item->logprobs,
                                       .top_ids = item->top_ids,
                                       .top_logprobs = item->top_logprobs,
                                       .count = item->prompt_length,
                                       .top = item->sequences[0].top};
    add_up(score);
    return token_texts(request, item->prompt, item->prompt_length, &score->tokens);
}

static enum ferry_status encode_score(struct ferry_request *request,
                                      const struct ferry_wire_truth *truth) {
    uint32_t count = request->wire.item_count;
    struct ferry_wire_score *scores = ferry_arena_allocate(&request->arena, count * sizeof *scores);
    for (uint32_t i = 0; i < count; i++)
        if (scores == NULL || !make_score(request, &request->items[i], &scores[i]))
            return FERRY_OUT_OF_MEMORY;
    return ferry_wire_reply_score(&request->wire.id, truth, scores, &request->reply);
}

static enum ferry_status encode_next(struct ferry_request *request,
                                     const struct ferry_wire_truth *truth) {
    uint32_t count = request->wire.item_count;
    struct ferry_wire_next *nexts = ferry_arena_allocate(&request->arena, count * sizeof *nexts);
    if (nexts == NULL)
        return FERRY_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < count; i++) {
        const struct ferry_item *item = &request->items[i];
        nexts[i] = (struct ferry_wire_next){0};
        if (item->status != FERRY_OK)
            continue;
        const struct ferry_sequence *sequence = &item->sequences[0];
        nexts[i].ids = sequence->top_ids;
        nexts[i].logprobs = sequence->top_logprobs;
        nexts[i].count = sequence->top;
        if (!token_texts(request, nexts[i].ids, nexts[i].count, &nexts[i].tokens))
            return FERRY_OUT_OF_MEMORY;
    }
    return ferry_wire_reply_next(&request->wire.id, truth, nexts, &request->reply);
}

/* The tokens [from, until) of what the sequence tells, and the bytes [begin, end) of its text. */
static struct ferry_wire_choice piece_of(const struct ferry_sequence *sequence, uint32_t from,
                                         uint32_t until, size_t begin, size_t end) {
    struct ferry_wire_choice piece = {.ids = sequence->ids + sequence->told_from + from,
                                      .count = until - from,
                                      .finish = sequence->finish};
    if (sequence->text.stream.tokenizer != NULL) {
        const char *text = (const char *)sequence->text.text.data;
        piece.text =
            (struct ferry_view){.data = text ? text + begin : "", .size = (uint32_t)(end - begin)};
    }
    if (sequence->logprobs != NULL)
        piece.logprobs = sequence->logprobs + from;
    if (sequence->top_ids != NULL) {
        piece.top = sequence->top;
        piece.top_ids = sequence->top_ids + (size_t)from * sequence->top;
        piece.top_logprobs = sequence->top_logprobs + (size_t)from * sequence->top;
    }
    return piece;
}

static enum ferry_status encode_generate(struct ferry_request *request,
                                         const struct ferry_wire_truth *truth) {
    uint32_t items = request->wire.item_count;
    uint32_t n = request->wire.generation.choices;
    struct ferry_wire_choice *choices =
        ferry_arena_allocate(&request->arena, (size_t)items * n * sizeof *choices);
    if (choices == NULL)
        return FERRY_OUT_OF_MEMORY;
    memset(choices, 0, (size_t)items * n * sizeof *choices);
    for (uint32_t i = 0; i < items; i++) {
        const struct ferry_item *item = &request->items[i];
        for (uint32_t choice = 0; item->status == FERRY_OK && choice < n; choice++) {
            const struct ferry_sequence *sequence = &item->sequences[choice];
            choices[i * n + choice] =
                piece_of(sequence, 0, sequence->text.token_count, 0, sequence->text.text.size);
        }
    }
    struct ferry_wire_choices all = {.choices = choices, .n = n, .seed = request->seed};
    return ferry_wire_reply_generate(&request->wire.id, truth, &all, &request->reply);
}

enum ferry_status ferry_decode_encode(struct ferry_request *request,
                                      const struct ferry_wire_truth *truth) {
    switch (request->wire.operation) {
    case FERRY_OPERATION_SCORE:
        return encode_score(request, truth);
    case FERRY_OPERATION_NEXT:
        return encode_next(request, truth);
    default:
        return encode_generate(request, truth);
    }
}

bool ferry_sequence_next_part(const struct ferry_sequence *sequence,
                              struct ferry_wire_part *ret_part) {
    const struct ferry_choice_text *text = &sequence->text;
    bool is_last = sequence->has_ended && !sequence->sent_last;
    if (sequence->score_until > 0) /* the echoed prompt has no log-probabilities yet */
        return false;
    if (text->safe_tokens <= sequence->sent_tokens && text->safe <= sequence->sent_bytes &&
        !is_last)
        return false;
    *ret_part = (struct ferry_wire_part){
        .index = sequence->item->index,
        .choice = sequence->choice,
        .piece = piece_of(sequence, sequence->sent_tokens, text->safe_tokens, sequence->sent_bytes,
                          text->safe),
        .is_last = is_last,
    };
    return true;
}

void ferry_sequence_part_sent(struct ferry_sequence *sequence, const struct ferry_wire_part *part) {
    sequence->sent_tokens += part->piece.count;
    sequence->sent_bytes += part->piece.text.size;
    sequence->sent_last = part->is_last;
}
