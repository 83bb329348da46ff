#include "daemon/tasks/prompt_ids.h"

uint32_t ferry_prompt_room(const struct ferry_wire_request *request,
                           const struct ferry_prompt_limits *limits) {
    uint32_t room = limits->ids.max_length;
    if (request->operation == FERRY_OPERATION_SCORE || room <= 1)
        return room;
    uint32_t wanted = 1;
    if (request->operation == FERRY_OPERATION_GENERATE &&
        request->truncate != FERRY_WIRE_TRUNCATE_ERROR)
        wanted = request->generation.max_new_tokens;
    if (wanted > limits->most_new_tokens)
        wanted = limits->most_new_tokens;
    return room - (wanted < room / 2 ? wanted : room / 2);
}

static enum ferry_status empty_prompt(const struct ferry_wire_request *request,
                                      const struct ferry_prompt_limits *limits,
                                      struct ferry_arena *arena, struct ferry_item_ids *ret_ids,
                                      struct ferry_error *error) {
    if (request->operation == FERRY_OPERATION_SCORE)
        return ferry_fail(error, FERRY_INVALID_INPUT, "there are no tokens to score");
    if (limits->begin_id < 0)
        return ferry_fail(error, FERRY_INVALID_INPUT,
                          "the prompt has no tokens, and the model's ferry.json names no begin_id "
                          "to begin with");
    int32_t *id = ferry_arena_allocate(arena, sizeof *id);
    if (id == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a token id");
    *id = limits->begin_id;
    *ret_ids = (struct ferry_item_ids){.ids = id, .length = 1};
    return FERRY_OK;
}

enum ferry_status ferry_prompt_ids(struct ferry_tokenizer_session *session,
                                   const struct ferry_wire_request *request,
                                   const struct ferry_wire_item *item,
                                   const struct ferry_prompt_limits *limits,
                                   struct ferry_arena *arena, struct ferry_item_ids *ret_ids,
                                   struct ferry_error *error) {
    if (item->pair.data != NULL)
        return ferry_fail(error, FERRY_INVALID_INPUT,
                          "a pair of texts cannot be continued or "
                          "scored: send one text");
    bool is_text = item->text.data != NULL;
    if (is_text && session == NULL)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "this model has no tokenizer: send ids instead of texts");
    if (is_text ? item->text.size == 0 : item->id_count == 0)
        return empty_prompt(request, limits, arena, ret_ids, error);
    struct ferry_id_limits ids = limits->ids;
    ids.max_length = ferry_prompt_room(request, limits);
    if (!request->windows)
        return ferry_text_to_ids(session, request, item, &ids, arena, ret_ids, error);
    struct ferry_wire_request whole = *request; /* max_tokens is then the size of a window */
    whole.max_tokens = 0;
    ids.max_length = UINT32_MAX;
    return ferry_text_to_ids(session, &whole, item, &ids, arena, ret_ids, error);
}

enum ferry_status ferry_score_windows_cut(const struct ferry_wire_request *request, uint32_t length,
                                          uint32_t max_length,
                                          struct ferry_score_windows *ret_windows,
                                          struct ferry_error *error) {
    uint32_t window = max_length;
    if (request->max_tokens > 0 && request->max_tokens < window)
        window = request->max_tokens;
    *ret_windows = (struct ferry_score_windows){.window = length, .count = 1};
    if (!request->windows || length <= window)
        return FERRY_OK;
    uint32_t shared = request->stride > 0 ? request->stride : 1;
    if (shared >= window)
        return ferry_fail(error, FERRY_INVALID_INPUT,
                          "a stride of %u leaves no room in a window of %u tokens", shared, window);
    uint32_t step = window - shared;
    *ret_windows = (struct ferry_score_windows){
        .window = window, .shared = shared, .count = 1 + (length - window + step - 1) / step};
    return FERRY_OK;
}

struct ferry_score_window ferry_score_windows_at(const struct ferry_score_windows *windows,
                                                 uint32_t length, uint32_t index) {
    uint32_t begin = index * (windows->window - windows->shared);
    uint32_t left = length - begin;
    return (struct ferry_score_window){.begin = begin,
                                       .length = left < windows->window ? left : windows->window,
                                       .skipped = index == 0 ? 0 : windows->shared};
}
