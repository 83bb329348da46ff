/* Fuzz target: a reply's body from a daemon that cannot be trusted. Whatever is accepted must hold
 * together: every array as long as it says, all of it readable. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/wire_reply_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "fuzz_wire_reply: broken promise: %s (line %d)\n", #condition,         \
                    __LINE__);                                                                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Reads every byte, so that the sanitizer sees what does not belong to us. */
static volatile uint64_t sum;

static void touch(const void *bytes, size_t size) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        sum += at[i];
}

static void touch_text(const char *text) {
    REQUIRE(text != NULL);
    touch(text, strlen(text));
}

static void touch_tokens(const struct ferry_wire_tokens *tokens) {
    touch(tokens->ids, tokens->count * sizeof *tokens->ids);
    touch(tokens->type_ids, tokens->count);
    touch(tokens->special, tokens->count);
    if (tokens->offsets != NULL)
        touch(tokens->offsets, (size_t)tokens->count * 2 * sizeof *tokens->offsets);
    for (uint32_t i = 0; i < tokens->count; i++)
        touch(tokens->tokens[i].data, tokens->tokens[i].size);
    REQUIRE(tokens->window_count == 0 || tokens->windows != NULL);
    for (uint32_t i = 0; i < tokens->window_count; i++) {
        REQUIRE(tokens->windows[i].windows == NULL);
        touch_tokens(&tokens->windows[i]);
    }
}

static void touch_views(const struct ferry_view *views, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        touch(views[i].data, views[i].size);
}

static void touch_score(const struct ferry_wire_score *score) {
    size_t top = (size_t)score->count * score->top * 4;
    REQUIRE(score->scored <= score->count);
    touch(score->ids, score->count * sizeof *score->ids);
    touch(score->logprobs, score->count * sizeof *score->logprobs);
    touch(score->top_ids, top);
    touch(score->top_logprobs, top);
    if (score->tokens != NULL)
        touch_views(score->tokens, score->count);
}

static void touch_next(const struct ferry_wire_next *next) {
    touch(next->ids, next->count * sizeof *next->ids);
    touch(next->logprobs, next->count * sizeof *next->logprobs);
    if (next->tokens != NULL)
        touch_views(next->tokens, next->count);
}

static void touch_choice(const struct ferry_wire_choice *choice) {
    size_t top = (size_t)choice->count * choice->top * 4;
    REQUIRE(choice->finish <= FERRY_WIRE_FINISH_STOP);
    touch(choice->text.data, choice->text.size);
    touch(choice->ids, choice->count * sizeof *choice->ids);
    if (choice->logprobs != NULL)
        touch(choice->logprobs, choice->count * sizeof *choice->logprobs);
    touch(choice->top_ids, top);
    touch(choice->top_logprobs, top);
}

/* A part, or the results of a language model. */
static void touch_language(const struct ferry_wire_reply *reply) {
    uint32_t items = reply->truth.item_count;
    for (uint32_t i = 0; reply->scores != NULL && i < items; i++)
        touch_score(&reply->scores[i]);
    for (uint32_t i = 0; reply->nexts != NULL && i < items; i++)
        touch_next(&reply->nexts[i]);
    REQUIRE(reply->choices.n <= FERRY_WIRE_MAX_CHOICES);
    for (size_t i = 0; reply->has_choices && i < (size_t)items * reply->choices.n; i++)
        touch_choice(&reply->choices.choices[i]);
    if (!reply->is_part)
        return;
    REQUIRE(reply->status == FERRY_OK && reply->part.choice < FERRY_WIRE_MAX_CHOICES);
    REQUIRE(reply->part.is_last == (reply->part.piece.finish != FERRY_WIRE_FINISH_NONE));
    touch_choice(&reply->part.piece);
}

static void touch_truth(const struct ferry_wire_truth *truth) {
    touch_text(truth->model.name);
    touch_text(truth->model.digest);
    touch_text(truth->model.engine);
    touch_text(truth->model.precision);
    touch_text(truth->model.device);
    touch(truth->tokens, truth->item_count * sizeof *truth->tokens);
    for (uint32_t i = 0; i < truth->item_count; i++)
        REQUIRE(truth->truncated[i] <= 1);
    for (uint32_t i = 0; i < truth->error_count; i++) {
        REQUIRE(truth->errors[i].index < truth->item_count);
        touch_text(truth->errors[i].message);
    }
}

static void touch_server(const struct ferry_wire_status *server) {
    touch_text(server->version);
    touch_text(server->state);
    for (uint32_t i = 0; i < server->endpoint_count; i++)
        touch_text(server->endpoints[i]);
    for (uint32_t i = 0; i < server->model_count; i++) {
        touch_text(server->models[i].name);
        touch_text(server->models[i].digest);
        touch_text(server->models[i].task);
        touch_text(server->models[i].pooling);
        touch_text(server->models[i].proof);
    }
}

static void touch_reply(const struct ferry_wire_reply *reply) {
    uint32_t items = reply->truth.item_count;
    REQUIRE(reply->status < FERRY_STATUS_COUNT);
    if (reply->message != NULL)
        touch_text(reply->message);
    if (reply->has_truth)
        touch_truth(&reply->truth);
    if (reply->has_matrix) {
        REQUIRE(reply->has_truth && reply->matrix.rows == items);
        touch(reply->matrix.data, reply->matrix.size);
        if (reply->matrix.dtype == FERRY_WIRE_INT8)
            touch(reply->matrix.scales, items * sizeof(float));
    }
    for (uint32_t i = 0; reply->items != NULL && i < items; i++)
        touch_tokens(&reply->items[i]);
    for (uint32_t i = 0; reply->texts != NULL && i < items; i++)
        touch(reply->texts[i].data, reply->texts[i].size);
    if (reply->server != NULL)
        touch_server(reply->server);
    touch_language(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ferry_arena arena;
    struct ferry_wire_reply reply;
    struct ferry_wire_id id;
    struct ferry_error error = {FERRY_OK, ""};
    ferry_arena_init(&arena, 1 << 20);
    bool has_id = ferry_wire_reply_read_id(data, size, &id);
    enum ferry_status status = ferry_wire_reply_read(data, size, &arena, &reply, &error);
    if (status == FERRY_OK) {
        REQUIRE(has_id == (reply.id.size > 0));
        touch_reply(&reply);
    } else {
        REQUIRE(status == FERRY_BAD_DATA || status == FERRY_OUT_OF_MEMORY);
        REQUIRE(error.status == status && error.text[0] != '\0');
    }
    ferry_arena_free(&arena);
    return 0;
}
