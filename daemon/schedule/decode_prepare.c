#include "daemon/schedule/decode_prepare.h"

#include "base/hash.h"
#include "daemon/schedule/sequence.h"

/* What has to be computed; a score of a single token is known without. */
static uint32_t count_open(const struct ferry_item *item) {
    uint32_t open = 0;
    for (uint32_t i = 0; i < item->sequence_count; i++)
        open += !item->sequences[i].is_over;
    return open;
}

static void give_up(struct ferry_item *item) {
    for (uint32_t i = 0; i < item->sequence_count; i++)
        item->sequences[i].is_over = true;
}

static enum ferry_status prepare_item(struct ferry_tokenizer_session *session,
                                      struct ferry_item *item, struct ferry_error *error) {
    struct ferry_request *request = item->request;
    const struct ferry_loaded_model *model = request->model;
    struct ferry_prompt_limits limits = {
        .ids = {model->max_length, model->vocabulary_size},
        .begin_id = model->decoding.begin_id,
        .most_new_tokens = model->decoding.combined ? model->decoding.max_new_tokens : UINT32_MAX};
    struct ferry_item_ids prompt;
    enum ferry_status status =
        ferry_prompt_ids(session, &request->wire, &request->wire.items[item->index], &limits,
                         &request->arena, &prompt, error);
    if (status == FERRY_OK)
        status = ferry_sequences_make(item, &prompt, error);
    if (status != FERRY_OK)
        return status;
    request->tokens[item->index] = prompt.length;
    request->truncated[item->index] = prompt.truncated;
    return FERRY_OK;
}

bool ferry_decode_prepare(struct ferry_tokenizer_session *session, struct ferry_request *request) {
    const struct ferry_wire_generation *generation = &request->wire.generation;
    request->seed = generation->has_seed ? generation->seed : ferry_hash_random_seed();
    uint32_t open = 0;
    uint64_t tokens = 0;
    for (uint32_t i = 0; i < request->wire.item_count && ferry_request_failure(request) == FERRY_OK;
         i++) {
        struct ferry_item *item = &request->items[i];
        struct ferry_error error;
        enum ferry_status status = prepare_item(session, item, &error);
        if (status != FERRY_OK) {
            ferry_item_fail(item, status, error.text);
            give_up(item);
            continue;
        }
        open += count_open(item);
        for (uint32_t s = 0; s < item->sequence_count; s++)
            tokens += item->sequences[s].capacity;
    }
    request->token_count = tokens;
    atomic_store(&request->unfinished, open);
    return open > 0 && ferry_request_failure(request) == FERRY_OK;
}
