#include "daemon/tasks/tokenize_items.h"

#include <string.h>

#include "daemon/tasks/text_to_ids.h"

static void *copy(struct ferry_arena *arena, const void *bytes, size_t size) {
    void *memory = ferry_arena_allocate(arena, size);
    if (memory != NULL && size > 0)
        memcpy(memory, bytes, size);
    return memory;
}

static struct ferry_view *token_texts(const struct ferry_tokenizer *tokenizer,
                                      const struct ferry_encoding *encoding,
                                      struct ferry_arena *arena) {
    struct ferry_view *texts = ferry_arena_allocate(arena, encoding->count * sizeof *texts);
    for (uint32_t i = 0; texts != NULL && i < encoding->count; i++) {
        size_t size = 0;
        texts[i].data = ferry_tokenizer_token_text(tokenizer, encoding->ids[i], &size);
        texts[i].size = (uint32_t)size;
    }
    return texts;
}

/* Copies one window out of the session. False without memory. */
static bool keep_window(const struct ferry_tokenizer *tokenizer,
                        const struct ferry_encoding *encoding, struct ferry_arena *arena,
                        struct ferry_wire_tokens *tokens) {
    uint32_t count = encoding->count;
    *tokens = (struct ferry_wire_tokens){
        .ids = copy(arena, encoding->ids, count * sizeof *encoding->ids),
        .type_ids = copy(arena, encoding->type_ids, count),
        .special = copy(arena, encoding->special_mask, count),
        .tokens = token_texts(tokenizer, encoding, arena),
        .count = count,
    };
    if (encoding->offsets != NULL) {
        _Static_assert(sizeof *encoding->offsets == 2 * sizeof(uint32_t), "pairs of uint32");
        tokens->offsets = copy(arena, encoding->offsets, count * sizeof *encoding->offsets);
        if (tokens->offsets == NULL)
            return false;
    }
    return tokens->ids && tokens->type_ids && tokens->special && tokens->tokens;
}

static bool keep_windows(const struct ferry_tokenizer *tokenizer,
                         const struct ferry_encodings *encodings, bool windows,
                         struct ferry_arena *arena, struct ferry_wire_tokens *tokens) {
    if (!keep_window(tokenizer, &encodings->windows[0], arena, tokens))
        return false;
    if (!windows)
        return true;
    uint32_t more = encodings->count - 1;
    struct ferry_wire_tokens *rest = ferry_arena_allocate(arena, more * sizeof *rest);
    for (uint32_t i = 0; rest != NULL && i < more; i++)
        if (!keep_window(tokenizer, &encodings->windows[i + 1], arena, &rest[i]))
            return false;
    tokens->windows = rest;
    tokens->window_count = more;
    return rest != NULL;
}

/* More than that the arena cannot keep: then they need not be made. */
static uint32_t window_tokens_that_fit(const struct ferry_arena *arena) {
    size_t tokens = arena->maximum / (sizeof(int32_t) + 2 + sizeof(struct ferry_view));
    return tokens == 0 ? 1 : tokens > UINT32_MAX ? UINT32_MAX : (uint32_t)tokens;
}

enum ferry_status ferry_tokenize_item(struct ferry_tokenizer_session *session,
                                      const struct ferry_tokenizer *tokenizer,
                                      const struct ferry_wire_request *request,
                                      const struct ferry_wire_item *item, uint32_t max_length,
                                      struct ferry_arena *arena,
                                      struct ferry_wire_tokens *ret_tokens, bool *ret_truncated,
                                      struct ferry_error *error) {
    if (item->text.data == NULL)
        return ferry_fail(error, FERRY_UNSUPPORTED, "tokenize takes texts, not ids");
    struct ferry_encode_options options = ferry_encode_options_of(request, max_length);
    options.add_special_tokens = request->add_special_tokens;
    options.offsets = request->offsets ? FERRY_OFFSETS_CHARACTERS : FERRY_OFFSETS_NONE;
    options.windows = request->windows;
    options.stride = request->stride;
    options.max_window_tokens = window_tokens_that_fit(arena);
    struct ferry_encodings encodings;
    enum ferry_status status =
        ferry_tokenizer_encode(session, item->text.data, item->text.size, item->pair.data,
                               item->pair.size, &options, &encodings, error);
    if (status != FERRY_OK)
        return status;
    bool truncated = encodings.windows[0].truncated;
    if (truncated && request->truncate == FERRY_WIRE_TRUNCATE_ERROR)
        return ferry_fail(error, FERRY_TOO_LONG,
                          "longer than the limit of %u tokens, and \"truncate\" is \"error\"",
                          options.max_tokens);
    if (!keep_windows(tokenizer, &encodings, request->windows, arena, ret_tokens))
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the tokens of this text");
    *ret_truncated = truncated;
    return FERRY_OK;
}
