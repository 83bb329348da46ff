#include "daemon/schedule/text_stage.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "daemon/schedule/decode_prepare.h"
#include "daemon/schedule/model_queue.h"
#include "daemon/tasks/detokenize_items.h"
#include "daemon/tasks/embed_rows.h"
#include "daemon/tasks/text_to_ids.h"
#include "daemon/tasks/tokenize_items.h"

/* Working memory that a tokenizer session keeps from request to request. */
enum { KEPT_SESSION_BYTES = 1 << 20 };

enum ferry_status ferry_text_stage_init(struct ferry_text_stage *stage,
                                        struct ferry_loaded_model *const *models,
                                        uint32_t model_count, size_t word_cache_bytes,
                                        uint64_t hash_seed, struct ferry_error *error) {
    *stage = (struct ferry_text_stage){.model_count = model_count, .hash_seed = hash_seed};
    stage->sessions = calloc(model_count, sizeof(struct ferry_tokenizer_session *));
    if (stage->sessions == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for tokenizer sessions");
    for (uint32_t i = 0; i < model_count; i++) {
        if (models[i]->tokenizer == NULL)
            continue;
        enum ferry_status status = ferry_tokenizer_session_create(
            models[i]->tokenizer, word_cache_bytes, &stage->sessions[i], error);
        if (status != FERRY_OK) {
            ferry_text_stage_free(stage);
            return status;
        }
    }
    return FERRY_OK;
}

void ferry_text_stage_free(struct ferry_text_stage *stage) {
    for (uint32_t i = 0; stage->sessions != NULL && i < stage->model_count; i++)
        ferry_tokenizer_session_free(stage->sessions[i]);
    free(stage->sessions);
    stage->sessions = NULL;
}

static uint64_t hash_sequence(uint64_t seed, const struct ferry_item_ids *ids) {
    uint64_t hash = ferry_hash(ids->ids, ids->length * sizeof *ids->ids, seed);
    return ids->type_ids == NULL ? hash : ferry_hash(ids->type_ids, ids->length, hash);
}

static void set_batch_item(struct ferry_item *item, const struct ferry_item_ids *ids,
                           uint64_t seed) {
    const struct ferry_request *request = item->request;
    item->batch = (struct ferry_batch_item){
        .ids = ids->ids,
        .type_ids = ids->type_ids,
        .length = ids->length,
        .priority =
            request->wire.priority == FERRY_WIRE_BULK ? FERRY_BATCH_BULK : FERRY_BATCH_INTERACTIVE,
        .hash = hash_sequence(seed, ids),
        .arrived_ns = request->arrived_ns,
        .deadline_ns = request->deadline_ns,
    };
}

static bool allocate_matrix(struct ferry_request *request) {
    size_t rows = request->wire.item_count;
    request->row_bytes = ferry_embed_row_bytes(request->wire.dtype, request->model->info->width);
    request->matrix = ferry_arena_allocate(&request->arena, rows * request->row_bytes);
    if (request->matrix == NULL)
        return false;
    memset(request->matrix, 0, rows * request->row_bytes);
    if (request->wire.dtype != FERRY_WIRE_INT8)
        return true;
    request->scales = ferry_arena_allocate(&request->arena, rows * sizeof *request->scales);
    if (request->scales == NULL)
        return false;
    memset(request->scales, 0, rows * sizeof *request->scales);
    return true;
}

static bool prepare_embed(struct ferry_text_stage *stage, struct ferry_request *request) {
    const struct ferry_loaded_model *model = request->model;
    struct ferry_tokenizer_session *session = stage->sessions[request->queue->index];
    struct ferry_id_limits limits = {model->max_length, model->vocabulary_size};
    uint32_t ready = 0;
    uint64_t tokens = 0;
    /* Nobody needs the other items of a request that is given up. */
    for (uint32_t i = 0; i < request->wire.item_count && ferry_request_failure(request) == FERRY_OK;
         i++) {
        struct ferry_item *item = &request->items[i];
        struct ferry_item_ids ids;
        struct ferry_error error;
        enum ferry_status status =
            ferry_text_to_ids(session, &request->wire, &request->wire.items[i], &limits,
                              &request->arena, &ids, &error);
        if (status != FERRY_OK) {
            ferry_item_fail(item, status, error.text);
            continue;
        }
        set_batch_item(item, &ids, stage->hash_seed);
        request->tokens[i] = ids.length;
        request->truncated[i] = ids.truncated;
        tokens += ids.length;
        ready++;
    }
    if (!allocate_matrix(request))
        ferry_request_fail(request, FERRY_OUT_OF_MEMORY);
    request->token_count = tokens;
    atomic_store(&request->unfinished, ready);
    return ready > 0 && ferry_request_failure(request) == FERRY_OK;
}

static void answer_tokenize(struct ferry_text_stage *stage, struct ferry_request *request) {
    struct ferry_wire_tokens *tokens =
        ferry_arena_allocate(&request->arena, request->wire.item_count * sizeof *tokens);
    if (tokens == NULL) {
        ferry_request_answer_error(request, FERRY_OUT_OF_MEMORY, "no memory for the tokens", 0);
        return;
    }
    for (uint32_t i = 0; i < request->wire.item_count; i++) {
        struct ferry_error error;
        bool truncated = false;
        enum ferry_status status =
            ferry_tokenize_item(stage->sessions[request->queue->index], request->model->tokenizer,
                                &request->wire, &request->wire.items[i], request->model->max_length,
                                &request->arena, &tokens[i], &truncated, &error);
        if (status != FERRY_OK) {
            tokens[i] = (struct ferry_wire_tokens){0};
            ferry_item_fail(&request->items[i], status, error.text);
        }
        request->tokens[i] = tokens[i].count;
        request->truncated[i] = truncated;
    }
    struct ferry_wire_truth truth;
    enum ferry_status status = FERRY_OUT_OF_MEMORY;
    request->tokenize_ns = ferry_clock_now() - request->arrived_ns;
    if (ferry_request_truth(request, ferry_clock_now(), &truth))
        status = ferry_wire_reply_tokenize(&request->wire.id, &truth, tokens, &request->reply);
    request->status = status;
    if (status != FERRY_OK)
        ferry_request_answer_error(request, status,
                                   "no room for the reply: send fewer or shorter texts at once", 0);
}

static void answer_detokenize(struct ferry_text_stage *stage, struct ferry_request *request) {
    struct ferry_view *texts =
        ferry_arena_allocate(&request->arena, request->wire.item_count * sizeof *texts);
    if (texts == NULL) {
        ferry_request_answer_error(request, FERRY_OUT_OF_MEMORY, "no memory for the texts", 0);
        return;
    }
    for (uint32_t i = 0; i < request->wire.item_count; i++) {
        struct ferry_error error;
        enum ferry_status status = ferry_detokenize_item(
            stage->sessions[request->queue->index], &request->wire.items[i],
            request->wire.skip_special_tokens, &request->arena, &texts[i], &error);
        if (status != FERRY_OK) {
            texts[i] = (struct ferry_view){.data = "", .size = 0};
            ferry_item_fail(&request->items[i], status, error.text);
            continue;
        }
        request->tokens[i] = request->wire.items[i].id_count;
    }
    struct ferry_wire_truth truth;
    enum ferry_status status = FERRY_OUT_OF_MEMORY;
    request->tokenize_ns = ferry_clock_now() - request->arrived_ns;
    if (ferry_request_truth(request, ferry_clock_now(), &truth))
        status = ferry_wire_reply_detokenize(&request->wire.id, &truth, texts, &request->reply);
    request->status = status;
    if (status != FERRY_OK)
        ferry_request_answer_error(request, status,
                                   "no room for the reply: send fewer items at once", 0);
}

static bool answer_or_prepare(struct ferry_text_stage *stage, struct ferry_request *request,
                              int64_t begin) {
    if (request->wire.operation == FERRY_OPERATION_TOKENIZE) {
        answer_tokenize(stage, request);
        return false;
    }
    if (request->wire.operation == FERRY_OPERATION_DETOKENIZE) {
        answer_detokenize(stage, request);
        return false;
    }
    bool ready = request->decode != NULL
                     ? ferry_decode_prepare(stage->sessions[request->queue->index], request)
                     : prepare_embed(stage, request);
    request->ready_ns = ferry_clock_now();
    request->tokenize_ns = request->ready_ns - begin;
    if (!ready)
        ferry_request_answer(request);
    return ready;
}

bool ferry_text_stage_run(struct ferry_text_stage *stage, struct ferry_request *request) {
    int64_t begin = ferry_clock_now();
    if (begin > request->deadline_ns)
        ferry_request_fail(request, FERRY_DEADLINE);
    if (ferry_request_failure(request) == FERRY_OK && !ferry_request_prepare_items(request))
        ferry_request_fail(request, FERRY_OUT_OF_MEMORY);
    if (ferry_request_failure(request) != FERRY_OK) {
        ferry_request_answer(request);
        return false;
    }
    struct ferry_tokenizer_session *session = stage->sessions[request->queue->index];
    bool ready = answer_or_prepare(stage, request, begin);
    if (session != NULL)
        ferry_tokenizer_session_trim(session, KEPT_SESSION_BYTES);
    return ready;
}
