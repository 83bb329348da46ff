#include <string.h>

#include "ipc/wire_reply_parts.h"

struct tokens_reading {
    struct ferry_arena *arena;
    struct ferry_wire_tokens *tokens;
    uint32_t id_count, type_id_count, special_count, token_count, offset_count;
    bool is_window; /* windows have no windows */
};

static enum ferry_status read_bytes(const struct ferry_wire_value *value, const uint8_t **ret_bytes,
                                    uint32_t *ret_count, struct ferry_error *error) {
    struct ferry_msgpack_token token;
    enum ferry_status status = ferry_wire_read_token(value, FERRY_MSGPACK_BIN, &token, error);
    *ret_bytes = token.data;
    *ret_count = token.size;
    return status;
}

enum ferry_status ferry_wire_read_views(const struct ferry_wire_value *value,
                                        struct ferry_arena *arena, struct ferry_view **ret_views,
                                        uint32_t *ret_count, struct ferry_error *error) {
    struct ferry_wire_value element = *value;
    struct ferry_view *views = NULL;
    uint32_t count = 0;
    enum ferry_status status = ferry_wire_open_array(&element, &count, error);
    if (status == FERRY_OK)
        status = ferry_wire_allocate(arena, count, sizeof *views, &views, error);
    for (uint32_t i = 0; status == FERRY_OK && i < count; i++) {
        struct ferry_msgpack_token token;
        status = ferry_wire_read_token(&element, FERRY_MSGPACK_STR, &token, error);
        if (status == FERRY_OK)
            status = ferry_wire_next_element(&element, error);
        if (status == FERRY_OK)
            views[i] = (struct ferry_view){(const char *)token.data, token.size};
    }
    *ret_views = views;
    *ret_count = count;
    return status;
}

static enum ferry_status read_tokens(const struct ferry_wire_value *value, bool is_window,
                                     struct ferry_arena *arena, struct ferry_wire_tokens *tokens,
                                     struct ferry_error *error);

static enum ferry_status read_token_array(const struct ferry_wire_value *value, bool is_window,
                                          struct ferry_arena *arena,
                                          struct ferry_wire_tokens **ret_items, uint32_t *ret_count,
                                          struct ferry_error *error) {
    struct ferry_wire_value element = *value;
    struct ferry_wire_tokens *items = NULL;
    uint32_t count = 0;
    enum ferry_status status = ferry_wire_open_array(&element, &count, error);
    if (status == FERRY_OK)
        status = ferry_wire_allocate(arena, count, sizeof *items, &items, error);
    for (uint32_t i = 0; status == FERRY_OK && i < count; i++) {
        status = read_tokens(&element, is_window, arena, &items[i], error);
        if (status == FERRY_OK)
            status = ferry_wire_next_element(&element, error);
    }
    *ret_items = items;
    *ret_count = count;
    return status;
}

static enum ferry_status read_windows(struct tokens_reading *reading,
                                      const struct ferry_wire_value *value,
                                      struct ferry_error *error) {
    struct ferry_wire_tokens *windows = NULL;
    if (reading->is_window)
        return ferry_fail(error, FERRY_BAD_DATA, "reply: items: a window has windows");
    enum ferry_status status = read_token_array(value, true, reading->arena, &windows,
                                                &reading->tokens->window_count, error);
    reading->tokens->windows = windows;
    return status;
}

static enum ferry_status read_pair(void *context, const struct ferry_msgpack_token *key,
                                   const struct ferry_wire_value *value,
                                   struct ferry_error *error) {
    struct tokens_reading *reading = context;
    struct ferry_wire_tokens *tokens = reading->tokens;
    if (ferry_wire_key_is(key, "ids"))
        return ferry_wire_read_numbers(value, reading->arena, &tokens->ids, &reading->id_count,
                                       error);
    if (ferry_wire_key_is(key, "type_ids"))
        return read_bytes(value, &tokens->type_ids, &reading->type_id_count, error);
    if (ferry_wire_key_is(key, "special"))
        return read_bytes(value, &tokens->special, &reading->special_count, error);
    if (ferry_wire_key_is(key, "offsets"))
        return ferry_wire_read_numbers(value, reading->arena, &tokens->offsets,
                                       &reading->offset_count, error);
    if (ferry_wire_key_is(key, "windows"))
        return read_windows(reading, value, error);
    if (!ferry_wire_key_is(key, "tokens"))
        return FERRY_OK;
    struct ferry_view *views = NULL;
    enum ferry_status status =
        ferry_wire_read_views(value, reading->arena, &views, &reading->token_count, error);
    tokens->tokens = views;
    return status;
}

static enum ferry_status read_tokens(const struct ferry_wire_value *value, bool is_window,
                                     struct ferry_arena *arena, struct ferry_wire_tokens *tokens,
                                     struct ferry_error *error) {
    struct tokens_reading reading = {.arena = arena, .tokens = tokens, .is_window = is_window};
    enum ferry_status status = ferry_wire_each_pair(value, read_pair, &reading, error);
    if (status != FERRY_OK)
        return status;
    uint32_t count = reading.id_count;
    if (reading.type_id_count != count || reading.special_count != count ||
        reading.token_count != count ||
        (tokens->offsets != NULL && reading.offset_count != count * UINT64_C(2)))
        return ferry_fail(error, FERRY_BAD_DATA,
                          "reply: items: ids, type_ids, special, tokens and offsets do not have "
                          "the same length");
    tokens->count = count;
    return FERRY_OK;
}

enum ferry_status ferry_wire_read_token_items(const struct ferry_wire_value *value,
                                              struct ferry_arena *arena,
                                              struct ferry_wire_tokens **ret_items,
                                              uint32_t *ret_count, struct ferry_error *error) {
    return read_token_array(value, false, arena, ret_items, ret_count, error);
}
