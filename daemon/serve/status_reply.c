/* The answer to "status": what is served, how it goes, what the limits are. */
#include <unistd.h>

#include "base/clock.h"
#include "daemon/serve/server.h"

enum { LONGEST_DEADLINE_MS = 3600000 };

static struct ferry_wire_histogram summarize(const struct ferry_histogram *histogram) {
    return (struct ferry_wire_histogram){
        .count = histogram->count,
        .p50 = ferry_histogram_at(histogram, 500),
        .p90 = ferry_histogram_at(histogram, 900),
        .p99 = ferry_histogram_at(histogram, 990),
        .maximum = histogram->maximum,
    };
}

static void describe_decoding(struct ferry_server *server, uint32_t index,
                              struct ferry_wire_status_model *described) {
    struct ferry_decode_queue *queue = ferry_pipeline_decode_queue(server->pipeline, index);
    if (queue == NULL)
        return;
    struct ferry_decode_counters counters = ferry_decode_queue_count(queue);
    described->decode_running = counters.now.running;
    described->decode_waiting = counters.now.waiting;
    described->decode_blocks_used = counters.now.blocks_used;
    described->decode_blocks = counters.blocks;
    described->decode_steps = counters.steps;
    described->decode_preempted = counters.now.preempted;
    described->decode_computed_tokens = counters.computed_tokens;
    described->decode_new_tokens = counters.new_tokens;
}

static struct ferry_wire_status_model describe(struct ferry_server *server, uint32_t index) {
    const struct ferry_loaded_model *model = server->models[index];
    const struct ferry_model_info *info = model->info;
    struct ferry_wire_status_model described = {
        .name = model->name,
        .digest = model->digest,
        .task = model->task,
        .engine = ferry_model_engine(model),
        .precision = ferry_model_precision(model),
        .device = info->device,
        .pooling = model->pooling,
        .proof = ferry_model_proof(model),
        .max_length = model->max_length,
        .width = info->width,
        .vocabulary_size = (uint32_t)model->vocabulary_size,
        .fixed_length = info->fixed_length,
        .fixed_batch = info->fixed_batch,
        .workers = ferry_pipeline_workers(server->pipeline, index),
        .normalize = model->normalize,
        .pads = info->pads,
        .equal_lengths_only = info->equal_lengths_only,
        .padding_affects_result = info->padding_affects_result,
    };
    describe_decoding(server, index, &described);
    return described;
}

static struct ferry_wire_status_limits limits_of(const struct ferry_server *server,
                                                 uint32_t budget) {
    const struct ferry_server_settings *settings = server->settings;
    return (struct ferry_wire_status_limits){
        .max_request_bytes = settings->max_request_bytes,
        .max_items = settings->wire.max_items,
        .max_ids_per_item = settings->wire.max_ids_per_item,
        .queue_items = settings->queue.items,
        .queue_tokens = settings->queue.tokens,
        .queue_bytes = settings->queue.bytes,
        .batch_tokens = budget,
        .default_deadline_ms = settings->default_deadline_ms,
        .max_deadline_ms = LONGEST_DEADLINE_MS,
    };
}

static void fill_counters(struct ferry_server *server, struct ferry_wire_status *status) {
    const struct ferry_server_statistics *statistics = &server->statistics;
    for (int i = 0; i < FERRY_STATUS_COUNT; i++)
        status->requests[i] = statistics->answered[i];
    status->items = statistics->items;
    status->tokens = statistics->tokens;
    status->padded_tokens = statistics->padded_tokens;
    status->queued_items = server->admission.used.items;
    status->queued_tokens = server->admission.used.tokens;
    status->queued_bytes = server->admission.used.bytes;
    status->tokenize = summarize(&statistics->tokenize);
    status->queue = summarize(&statistics->queue);
    status->compute = summarize(&statistics->compute);
    status->total = summarize(&statistics->total);
    ferry_server_endpoint_counters(server->endpoint, &status->endpoint);
}

void ferry_server_answer_status(struct ferry_server *server, struct ferry_request *request) {
    struct ferry_wire_status_model *models =
        ferry_arena_allocate(&request->arena, server->model_count * sizeof *models);
    if (models == NULL) {
        ferry_request_answer_error(request, FERRY_OUT_OF_MEMORY, "no memory for the reply", 0);
        return;
    }
    struct ferry_wire_status status = {
        .version = FERRY_VERSION,
        .state = server->draining ? "draining" : "ready",
        .pid = (uint32_t)getpid(),
        .uptime_s = (uint64_t)((server->now - server->started_ns) / FERRY_NANOSECONDS_PER_SECOND),
        .endpoints = server->settings->endpoints,
        .endpoint_count = server->settings->endpoint_count,
        .models = models,
        .model_count = server->model_count,
    };
    uint32_t budget = 0;
    for (uint32_t i = 0; i < server->model_count; i++) {
        struct ferry_model_queue_counters counters =
            ferry_model_queue_count(ferry_pipeline_queue(server->pipeline, i));
        models[i] = describe(server, i);
        status.batches += counters.batches;
        status.duplicates += counters.duplicates;
        budget = i == 0 ? counters.budget : budget;
    }
    status.limits = limits_of(server, budget);
    fill_counters(server, &status);
    if (ferry_wire_reply_status(&request->wire.id, &status, &request->reply) != FERRY_OK)
        ferry_request_answer_error(request, FERRY_OUT_OF_MEMORY, "no memory for the reply", 0);
}
