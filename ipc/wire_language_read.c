/* The replies of language models, read by a client. */
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "ipc/wire_names.h"
#include "ipc/wire_reply_parts.h"

/* The alternatives of each token: [count * top]. */
static enum ferry_status check_top(const char *what, uint32_t count, uint32_t id_count,
                                   uint32_t logprob_count, uint32_t *ret_top,
                                   struct ferry_error *error) {
    bool rectangular = count == 0 ? id_count == 0 : id_count % count == 0;
    if (!rectangular || id_count != logprob_count)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "reply: %s: %u top_ids and %u top_logprobs for %u tokens", what, id_count,
                          logprob_count, count);
    *ret_top = count == 0 ? 0 : id_count / count;
    return FERRY_OK;
}

struct score_reading {
    struct ferry_arena *arena;
    struct ferry_wire_score *score;
    uint32_t logprob_count, token_count, top_id_count, top_logprob_count;
};

static enum ferry_status read_score_pair(void *context, const struct ferry_msgpack_token *key,
                                         const struct ferry_wire_value *value,
                                         struct ferry_error *error) {
    struct score_reading *reading = context;
    struct ferry_wire_score *score = reading->score;
    struct ferry_arena *arena = reading->arena;
    if (ferry_wire_key_is(key, "ids"))
        return ferry_wire_read_numbers(value, arena, &score->ids, &score->count, error);
    if (ferry_wire_key_is(key, "logprobs"))
        return ferry_wire_read_numbers(value, arena, &score->logprobs, &reading->logprob_count,
                                       error);
    if (ferry_wire_key_is(key, "top_ids"))
        return ferry_wire_read_numbers(value, arena, &score->top_ids, &reading->top_id_count,
                                       error);
    if (ferry_wire_key_is(key, "top_logprobs"))
        return ferry_wire_read_numbers(value, arena, &score->top_logprobs,
                                       &reading->top_logprob_count, error);
    if (ferry_wire_key_is(key, "scored"))
        return ferry_wire_read_uint32(value, &score->scored, error);
    if (ferry_wire_key_is(key, "logprob_sum"))
        return ferry_wire_read_double(value, &score->logprob_sum, error);
    if (ferry_wire_key_is(key, "perplexity"))
        return ferry_wire_read_double(value, &score->perplexity, error);
    if (!ferry_wire_key_is(key, "tokens"))
        return FERRY_OK;
    struct ferry_view *views = NULL;
    enum ferry_status status =
        ferry_wire_read_views(value, arena, &views, &reading->token_count, error);
    score->tokens = views;
    return status;
}

static enum ferry_status read_score(const struct ferry_wire_value *value, struct ferry_arena *arena,
                                    struct ferry_wire_score *score, struct ferry_error *error) {
    struct score_reading reading = {.arena = arena, .score = score};
    score->perplexity = (double)NAN;
    enum ferry_status status = ferry_wire_each_pair(value, read_score_pair, &reading, error);
    if (status != FERRY_OK)
        return status;
    if (reading.logprob_count != score->count || score->scored > score->count ||
        (score->tokens != NULL && reading.token_count != score->count))
        return ferry_fail(error, FERRY_BAD_DATA,
                          "reply: scores: %u ids with %u logprobs, %u of them scored, %u tokens",
                          score->count, reading.logprob_count, score->scored, reading.token_count);
    return check_top("scores", score->count, reading.top_id_count, reading.top_logprob_count,
                     &score->top, error);
}

enum ferry_status ferry_wire_read_scores(const struct ferry_wire_value *value,
                                         struct ferry_arena *arena,
                                         struct ferry_wire_score **ret_scores, uint32_t *ret_count,
                                         struct ferry_error *error) {
    struct ferry_wire_value element = *value;
    struct ferry_wire_score *scores = NULL;
    enum ferry_status status = ferry_wire_open_array(&element, ret_count, error);
    if (status == FERRY_OK)
        status = ferry_wire_allocate(arena, *ret_count, sizeof *scores, &scores, error);
    for (uint32_t i = 0; status == FERRY_OK && i < *ret_count; i++) {
        status = read_score(&element, arena, &scores[i], error);
        if (status == FERRY_OK)
            status = ferry_wire_next_element(&element, error);
    }
    *ret_scores = scores;
    return status;
}

struct next_reading {
    struct ferry_arena *arena;
    struct ferry_wire_next *next;
    uint32_t logprob_count, token_count;
};

static enum ferry_status read_next_pair(void *context, const struct ferry_msgpack_token *key,
                                        const struct ferry_wire_value *value,
                                        struct ferry_error *error) {
    struct next_reading *reading = context;
    struct ferry_wire_next *next = reading->next;
    if (ferry_wire_key_is(key, "ids"))
        return ferry_wire_read_numbers(value, reading->arena, &next->ids, &next->count, error);
    if (ferry_wire_key_is(key, "logprobs"))
        return ferry_wire_read_numbers(value, reading->arena, &next->logprobs,
                                       &reading->logprob_count, error);
    if (!ferry_wire_key_is(key, "tokens"))
        return FERRY_OK;
    struct ferry_view *views = NULL;
    enum ferry_status status =
        ferry_wire_read_views(value, reading->arena, &views, &reading->token_count, error);
    next->tokens = views;
    return status;
}

static enum ferry_status read_next(const struct ferry_wire_value *value, struct ferry_arena *arena,
                                   struct ferry_wire_next *next, struct ferry_error *error) {
    struct next_reading reading = {.arena = arena, .next = next};
    enum ferry_status status = ferry_wire_each_pair(value, read_next_pair, &reading, error);
    if (status != FERRY_OK)
        return status;
    if (reading.logprob_count != next->count ||
        (next->tokens != NULL && reading.token_count != next->count))
        return ferry_fail(error, FERRY_BAD_DATA,
                          "reply: nexts: %u ids with %u logprobs and %u tokens", next->count,
                          reading.logprob_count, reading.token_count);
    return FERRY_OK;
}

enum ferry_status ferry_wire_read_nexts(const struct ferry_wire_value *value,
                                        struct ferry_arena *arena,
                                        struct ferry_wire_next **ret_nexts, uint32_t *ret_count,
                                        struct ferry_error *error) {
    struct ferry_wire_value element = *value;
    struct ferry_wire_next *nexts = NULL;
    enum ferry_status status = ferry_wire_open_array(&element, ret_count, error);
    if (status == FERRY_OK)
        status = ferry_wire_allocate(arena, *ret_count, sizeof *nexts, &nexts, error);
    for (uint32_t i = 0; status == FERRY_OK && i < *ret_count; i++) {
        status = read_next(&element, arena, &nexts[i], error);
        if (status == FERRY_OK)
            status = ferry_wire_next_element(&element, error);
    }
    *ret_nexts = nexts;
    return status;
}

static enum ferry_status read_choice_text(const struct ferry_wire_value *value,
                                          struct ferry_view *ret_text, struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_wire_read_token(value, FERRY_MSGPACK_STR, &token, error);
    if (status != FERRY_OK)
        return status;
    if (ferry_utf8_valid_prefix((const char *)token.data, token.size) != token.size)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: %s: not valid UTF-8", value->name);
    *ret_text = (struct ferry_view){(const char *)token.data, token.size};
    return FERRY_OK;
}

static enum ferry_status read_finish(const struct ferry_wire_value *value,
                                     enum ferry_wire_finish *ret_finish,
                                     struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_wire_read_token(value, FERRY_MSGPACK_STR, &token, error);
    if (status != FERRY_OK)
        return status;
    int index = ferry_wire_name_index(ferry_wire_finish_names, token.data, token.size);
    if (index <= FERRY_WIRE_FINISH_NONE) {
        char text[FERRY_PRINTABLE_BYTES];
        return ferry_fail(error, FERRY_BAD_DATA, "reply: finish_reason: \"%s\" is not known",
                          ferry_printable(token.data, token.size, text));
    }
    *ret_finish = (enum ferry_wire_finish)index;
    return FERRY_OK;
}

enum ferry_status ferry_wire_read_choice_pair(void *context, const struct ferry_msgpack_token *key,
                                              const struct ferry_wire_value *value,
                                              struct ferry_error *error) {
    struct ferry_wire_choice_reading *reading = context;
    struct ferry_wire_choice *choice = reading->choice;
    struct ferry_arena *arena = reading->arena;
    if (ferry_wire_key_is(key, "text"))
        return read_choice_text(value, &choice->text, error);
    if (ferry_wire_key_is(key, "ids"))
        return ferry_wire_read_numbers(value, arena, &choice->ids, &choice->count, error);
    if (ferry_wire_key_is(key, "logprobs"))
        return ferry_wire_read_numbers(value, arena, &choice->logprobs, &reading->logprob_count,
                                       error);
    if (ferry_wire_key_is(key, "top_ids"))
        return ferry_wire_read_numbers(value, arena, &choice->top_ids, &reading->top_id_count,
                                       error);
    if (ferry_wire_key_is(key, "top_logprobs"))
        return ferry_wire_read_numbers(value, arena, &choice->top_logprobs,
                                       &reading->top_logprob_count, error);
    if (ferry_wire_key_is(key, "finish_reason"))
        return read_finish(value, &choice->finish, error);
    return FERRY_OK;
}

enum ferry_status ferry_wire_check_choice(const struct ferry_wire_choice_reading *reading,
                                          struct ferry_error *error) {
    struct ferry_wire_choice *choice = reading->choice;
    if (choice->logprobs != NULL && reading->logprob_count != choice->count)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: choices: %u ids with %u logprobs",
                          choice->count, reading->logprob_count);
    return check_top("choices", choice->count, reading->top_id_count, reading->top_logprob_count,
                     &choice->top, error);
}

/* The choices of one item, at most n_limit of them. */
static enum ferry_status read_item_choices(const struct ferry_wire_value *value, uint32_t n,
                                           struct ferry_arena *arena,
                                           struct ferry_wire_choice *choices,
                                           struct ferry_error *error) {
    struct ferry_wire_value element = *value;
    uint32_t count = 0;
    enum ferry_status status = ferry_wire_open_array(&element, &count, error);
    if (status == FERRY_OK && count != n)
        status = ferry_fail(error, FERRY_BAD_DATA,
                            "reply: choices: %u of one item, %u of the first", count, n);
    for (uint32_t i = 0; status == FERRY_OK && i < n; i++) {
        struct ferry_wire_choice_reading reading = {.arena = arena, .choice = &choices[i]};
        status = ferry_wire_each_pair(&element, ferry_wire_read_choice_pair, &reading, error);
        if (status == FERRY_OK)
            status = ferry_wire_check_choice(&reading, error);
        if (status == FERRY_OK)
            status = ferry_wire_next_element(&element, error);
    }
    return status;
}

/* How many choices the first item has, which every item must have. */
static enum ferry_status read_n(const struct ferry_wire_value *first, uint32_t *ret_n,
                                struct ferry_error *error) {
    struct ferry_wire_value element = *first;
    enum ferry_status status = ferry_wire_open_array(&element, ret_n, error);
    if (status == FERRY_OK && *ret_n > FERRY_WIRE_MAX_CHOICES)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: choices: %u of an item, at most %d",
                          *ret_n, FERRY_WIRE_MAX_CHOICES);
    return status;
}

enum ferry_status ferry_wire_read_choices(const struct ferry_wire_value *value,
                                          struct ferry_arena *arena,
                                          struct ferry_wire_choices *ret_choices,
                                          uint32_t *ret_count, struct ferry_error *error) {
    struct ferry_wire_value element = *value;
    struct ferry_wire_choice *choices = NULL;
    uint32_t n = 0;
    enum ferry_status status = ferry_wire_open_array(&element, ret_count, error);
    if (status == FERRY_OK && *ret_count > 0)
        status = read_n(&element, &n, error);
    if (status == FERRY_OK)
        status =
            ferry_wire_allocate(arena, (size_t)*ret_count * n, sizeof *choices, &choices, error);
    for (uint32_t i = 0; status == FERRY_OK && i < *ret_count; i++) {
        status = read_item_choices(&element, n, arena, &choices[(size_t)i * n], error);
        if (status == FERRY_OK)
            status = ferry_wire_next_element(&element, error);
    }
    ret_choices->choices = choices;
    ret_choices->n = n;
    return status;
}
