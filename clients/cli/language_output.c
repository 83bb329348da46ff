#include "clients/cli/language_output.h"

static void put_ids(struct json_text *json, const int32_t *ids, size_t count) {
    json_open(json, '[');
    for (size_t at = 0; at < count; at++)
        json_put_signed(json, ids[at]);
    json_close(json, ']');
}

static void put_floats(struct json_text *json, const float *numbers, size_t count) {
    json_open(json, '[');
    for (size_t at = 0; at < count; at++)
        json_put_float(json, numbers[at]);
    json_close(json, ']');
}

/* "top_ids" and "top_logprobs": an array for each token. */
static void put_top(struct json_text *json, const int32_t *ids, const float *logprobs, size_t count,
                    size_t top) {
    if (top == 0)
        return;
    json_name(json, "top_ids");
    json_open(json, '[');
    for (size_t at = 0; at < count; at++)
        put_ids(json, ids + at * top, top);
    json_close(json, ']');
    json_name(json, "top_logprobs");
    json_open(json, '[');
    for (size_t at = 0; at < count; at++)
        put_floats(json, logprobs + at * top, top);
    json_close(json, ']');
}

/* "ids", and "tokens" unless the model has no tokenizer. */
static void put_tokens(struct json_text *json, const struct ferry_reply *reply, size_t at,
                       const int32_t *ids, size_t count) {
    size_t bytes = 0;
    json_name(json, "ids");
    put_ids(json, ids, count);
    if (ferry_reply_token(reply, at, 0, 0, &bytes) == NULL)
        return;
    json_name(json, "tokens");
    json_open(json, '[');
    for (size_t position = 0; position < count; position++) {
        const char *text = ferry_reply_token(reply, at, 0, position, &bytes);
        json_put_string(json, text, bytes);
    }
    json_close(json, ']');
}

void language_put_score(struct json_text *json, const struct ferry_reply *reply, size_t at) {
    struct ferry_reply_score score;
    if (!ferry_reply_get_score(reply, at, &score))
        return;
    put_tokens(json, reply, at, score.ids, score.count);
    json_name(json, "logprobs");
    put_floats(json, score.logprobs, score.count);
    json_name(json, "scored");
    json_put_unsigned(json, score.scored);
    json_name(json, "logprob_sum");
    json_put_double(json, score.logprob_sum);
    json_name(json, "perplexity");
    json_put_double(json, score.perplexity);
    put_top(json, score.top_ids, score.top_logprobs, score.count, score.top);
}

void language_put_next(struct json_text *json, const struct ferry_reply *reply, size_t at) {
    struct ferry_reply_next next;
    if (!ferry_reply_get_next(reply, at, &next))
        return;
    put_tokens(json, reply, at, next.ids, next.count);
    json_name(json, "logprobs");
    put_floats(json, next.logprobs, next.count);
}

static void put_choice(struct json_text *json, const struct ferry_reply_choice *choice) {
    if (choice->text != NULL) {
        json_name(json, "text");
        json_put_string(json, choice->text, choice->text_bytes);
    }
    json_name(json, "ids");
    put_ids(json, choice->ids, choice->count);
    if (choice->logprobs != NULL) {
        json_name(json, "logprobs");
        put_floats(json, choice->logprobs, choice->count);
    }
    put_top(json, choice->top_ids, choice->top_logprobs, choice->count, choice->top);
    if (choice->finish_reason != NULL) {
        json_name(json, "finish_reason");
        json_put_text(json, choice->finish_reason);
    }
}

void language_put_generation(struct json_text *json, const struct ferry_reply *reply, size_t at) {
    struct ferry_reply_choice choice, second;
    if (!ferry_reply_get_choice(reply, at, 0, &choice))
        return;
    if (!ferry_reply_get_choice(reply, at, 1, &second)) {
        put_choice(json, &choice);
    } else {
        json_name(json, "choices");
        json_open(json, '[');
        for (size_t number = 0; ferry_reply_get_choice(reply, at, number, &choice); number++) {
            json_open(json, '{');
            put_choice(json, &choice);
            json_close(json, '}');
        }
        json_close(json, ']');
    }
    json_name(json, "seed");
    json_put_unsigned(json, ferry_reply_seed(reply, at));
}

void language_put_part(struct json_text *json, const struct ferry_part *part) {
    json_name(json, "choice");
    json_put_unsigned(json, part->choice);
    put_choice(json, &part->piece);
}
