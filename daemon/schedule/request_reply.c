/* The last step of a request: from what its items came to, to the body of the reply. */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/schedule/decode_reply.h"
#include "daemon/schedule/request.h"
#include "daemon/tasks/embed_rows.h"

static uint32_t microseconds(int64_t nanoseconds) {
    int64_t result = nanoseconds / FERRY_NANOSECONDS_PER_MICROSECOND;
    return result < 0 ? 0 : result > UINT32_MAX ? UINT32_MAX : (uint32_t)result;
}

static void close_times(struct ferry_request *request, int64_t now) {
    request->times = (struct ferry_wire_times){
        .tokenize = microseconds(request->tokenize_ns),
        .queue = microseconds(atomic_load(&request->queue_ns)),
        .compute = microseconds(atomic_load(&request->compute_ns)),
        .total = microseconds(now - request->arrived_ns),
    };
}

static uint32_t count_failed(const struct ferry_request *request) {
    uint32_t failed = 0;
    for (uint32_t i = 0; i < request->wire.item_count; i++)
        failed += request->items[i].status != FERRY_OK;
    return failed;
}

bool ferry_request_truth(struct ferry_request *request, int64_t now,
                         struct ferry_wire_truth *ret_truth) {
    uint32_t failed = count_failed(request);
    struct ferry_wire_item_error *errors = NULL;
    if (failed > 0) {
        errors = ferry_arena_allocate(&request->arena, failed * sizeof *errors);
        if (errors == NULL)
            return false;
        uint32_t at = 0;
        for (uint32_t i = 0; i < request->wire.item_count; i++) {
            const struct ferry_item *item = &request->items[i];
            if (item->status != FERRY_OK)
                errors[at++] = (struct ferry_wire_item_error){
                    .index = i,
                    .status = item->status,
                    .message = item->error_text ? item->error_text : "out of memory"};
        }
    }
    const struct ferry_loaded_model *model = request->model;
    close_times(request, now);
    *ret_truth = (struct ferry_wire_truth){
        .model = {.name = model->name,
                  .digest = model->digest,
                  .engine = ferry_model_engine(model),
                  .precision = ferry_model_precision(model),
                  .device = model->info->device,
                  .padding_affects_result = model->info->padding_affects_result},
        .times = request->times,
        .tokens = request->tokens,
        .truncated = request->truncated,
        .item_count = request->wire.item_count,
        .padded_tokens = atomic_load(&request->padded_tokens),
        .errors = errors,
        .error_count = failed,
    };
    return true;
}

void ferry_request_answer_error(struct ferry_request *request, enum ferry_status status,
                                const char *text, uint32_t retry_after_ms) {
    request->reply.size = 0;
    request->status = status;
    if (ferry_wire_reply_error(&request->wire.id, status, text, retry_after_ms, &request->reply) !=
        FERRY_OK)
        ferry_log(FERRY_LOG_ERROR, "no memory even for an error reply: the client gets none");
}

static const char *failure_text(enum ferry_status status, const struct ferry_request *request,
                                char text[FERRY_ERROR_TEXT_BYTES]) {
    switch (status) {
    case FERRY_DEADLINE:
        snprintf(text, FERRY_ERROR_TEXT_BYTES,
                 "the deadline of %lld ms passed before everything was computed",
                 (long long)((request->deadline_ns - request->arrived_ns) /
                             FERRY_NANOSECONDS_PER_MILLISECOND));
        return text;
    case FERRY_CANCELLED:
        return "cancelled by its client";
    case FERRY_DEVICE_LOST:
        return "the device failed and the daemon restarts: send the request again";
    case FERRY_SHUTTING_DOWN:
        return "the daemon is stopping: send the request again when it is back";
    default:
        return "no memory for this request: send fewer items at once";
    }
}

static enum ferry_status encode_embed(struct ferry_request *request,
                                      const struct ferry_wire_truth *truth) {
    struct ferry_wire_matrix matrix = {
        .dtype = request->wire.dtype,
        .rows = request->wire.item_count,
        .columns = request->model->info->width,
        .data = request->matrix,
        .size = request->row_bytes * request->wire.item_count,
        .scales = request->scales,
    };
    return ferry_wire_reply_embed(&request->wire.id, truth, &matrix, &request->reply);
}

static enum ferry_status encode(struct ferry_request *request,
                                const struct ferry_wire_truth *truth) {
    return request->wire.operation == FERRY_OPERATION_EMBED ? encode_embed(request, truth)
                                                            : ferry_decode_encode(request, truth);
}

void ferry_request_answer(struct ferry_request *request) {
    char text[FERRY_ERROR_TEXT_BYTES];
    enum ferry_status failure = ferry_request_failure(request);
    if (failure != FERRY_OK) {
        close_times(request, ferry_clock_now());
        ferry_request_answer_error(request, failure, failure_text(failure, request, text), 0);
        return;
    }
    struct ferry_wire_truth truth;
    enum ferry_status status = FERRY_OUT_OF_MEMORY;
    if (ferry_request_truth(request, ferry_clock_now(), &truth))
        status = encode(request, &truth);
    request->status = status;
    if (status != FERRY_OK)
        ferry_request_answer_error(request, status,
                                   "no room for the reply: send fewer items at once", 0);
}
