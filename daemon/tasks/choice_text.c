#include "daemon/tasks/choice_text.h"

#include <string.h>

static bool has_text(const struct ferry_choice_text *choice) {
    return choice->stream.tokenizer != NULL;
}

enum ferry_status ferry_choice_text_begin(struct ferry_choice_text *choice,
                                          const struct ferry_tokenizer *tokenizer,
                                          const struct ferry_wire_request *request,
                                          uint32_t token_capacity, size_t text_maximum,
                                          struct ferry_arena *arena, struct ferry_error *error) {
    *choice = (struct ferry_choice_text){.stop = request->generation.stop,
                                         .stop_count = request->generation.stop_count,
                                         .token_capacity = token_capacity};
    ferry_buffer_init(&choice->text, text_maximum);
    if (tokenizer == NULL && choice->stop_count > 0)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "stop: this model has no tokenizer, so there is no text to stop at; use "
                          "stop_ids");
    if (tokenizer == NULL)
        return FERRY_OK;
    choice->ends = ferry_arena_allocate(arena, token_capacity * sizeof *choice->ends);
    if (choice->ends == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the text of a choice");
    return ferry_text_stream_begin(&choice->stream, tokenizer, request->skip_special_tokens, error);
}

static bool stands_at(const struct ferry_choice_text *choice, const struct ferry_view *stop,
                      size_t at) {
    return choice->text.size - at >= stop->size &&
           memcmp(choice->text.data + at, stop->data, stop->size) == 0;
}

/* A stop string may begin at this place and go on beyond the text. */
static bool may_begin_at(const struct ferry_choice_text *choice, size_t at) {
    size_t left = choice->text.size - at;
    for (uint32_t i = 0; i < choice->stop_count; i++)
        if (choice->stop[i].size > left &&
            memcmp(choice->text.data + at, choice->stop[i].data, left) == 0)
            return true;
    return false;
}

static bool find_stop(struct ferry_choice_text *choice, size_t *ret_at) {
    for (size_t at = choice->searched; at < choice->text.size; at++)
        for (uint32_t i = 0; i < choice->stop_count; i++)
            if (stands_at(choice, &choice->stop[i], at)) {
                *ret_at = at;
                return true;
            }
    return false;
}

static size_t longest_stop(const struct ferry_choice_text *choice) {
    size_t longest = 0;
    for (uint32_t i = 0; i < choice->stop_count; i++)
        longest = choice->stop[i].size > longest ? choice->stop[i].size : longest;
    return longest;
}

/* Tokens whose text ends by `bytes`. Ends never fall. */
static uint32_t tokens_within(const struct ferry_choice_text *choice, uint32_t from, size_t bytes) {
    uint32_t count = from;
    while (count < choice->token_count && choice->ends[count] <= bytes)
        count++;
    return count;
}

/* The text ends at `at`; of the tokens those stay that it needs. */
static void cut(struct ferry_choice_text *choice, size_t at) {
    uint32_t kept = tokens_within(choice, choice->safe_tokens, at);
    uint32_t covered = kept == 0 ? 0 : choice->ends[kept - 1];
    if (covered < at && kept < choice->token_count)
        choice->ends[kept++] = (uint32_t)at;
    choice->token_count = kept;
    choice->text.size = at;
    choice->stopped = true;
}

static void find_safe(struct ferry_choice_text *choice) {
    size_t longest = longest_stop(choice);
    size_t size = choice->text.size;
    size_t at = choice->searched;
    if (longest > 0 && size - at >= longest)
        at = size - longest + 1;
    while (at < size && !may_begin_at(choice, at))
        at++;
    choice->searched = at;
    choice->safe = at;
    choice->safe_tokens = tokens_within(choice, choice->safe_tokens, at);
}

enum ferry_status ferry_choice_text_add(struct ferry_choice_text *choice, const int32_t *ids,
                                        uint32_t count, bool may_stop, struct ferry_error *error) {
    for (uint32_t i = 0; i < count && !choice->stopped; i++) {
        if (!has_text(choice)) {
            choice->safe_tokens = ++choice->token_count;
            continue;
        }
        enum ferry_status status =
            ferry_text_stream_push(&choice->stream, ids[i], &choice->text, error);
        /* A model may have more ids than its tokenizer: those have no text. */
        if (status != FERRY_OK && status != FERRY_INVALID_INPUT)
            return status;
        choice->ends[choice->token_count++] = (uint32_t)choice->text.size;
        size_t at = 0;
        if (!may_stop)
            choice->searched = choice->text.size;
        else if (find_stop(choice, &at))
            cut(choice, at);
        find_safe(choice);
    }
    return FERRY_OK;
}

enum ferry_status ferry_choice_text_end(struct ferry_choice_text *choice,
                                        struct ferry_error *error) {
    if (has_text(choice) && !choice->stopped) {
        enum ferry_status status = ferry_text_stream_end(&choice->stream, &choice->text, error);
        if (status != FERRY_OK)
            return status;
        if (choice->token_count > 0)
            choice->ends[choice->token_count - 1] = (uint32_t)choice->text.size;
    }
    choice->safe = choice->text.size;
    choice->safe_tokens = choice->token_count;
    return FERRY_OK;
}

void ferry_choice_text_free(struct ferry_choice_text *choice) {
    ferry_buffer_free(&choice->text);
}
