#include "daemon/schedule/pipeline.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bounded_queue.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "daemon/schedule/decode_worker.h"
#include "daemon/schedule/device_worker.h"
#include "daemon/schedule/text_stage.h"

struct text_worker {
    pthread_t thread;
    struct ferry_pipeline *pipeline;
    struct ferry_text_stage stage;
    bool running;
};

struct model_lane {
    struct ferry_model_queue queue;
    struct ferry_batch_policy policy;
    struct ferry_device_worker **workers; /* [worker_count] */
    uint32_t worker_count;
    struct ferry_decode_queue decode; /* of a model that decodes: then it has no device workers */
    struct ferry_decode_policy_limits decode_limits;
    struct ferry_decode_worker *decode_worker;
    bool decodes;
    struct ferry_request_chain prepared; /* by the io thread, until the next flush */
    bool initialised;
};

struct ferry_pipeline {
    struct ferry_pipeline_options options;
    struct model_lane *lanes; /* [model_count] */
    uint32_t model_count;
    struct ferry_done_list done;
    struct ferry_bounded_queue *texts;
    struct text_worker *text_workers; /* [options.text_workers] */
    struct ferry_text_stage stage;    /* the io thread's own */
    atomic_bool device_lost;
    atomic_int closed; /* enum ferry_status: what text workers answer everything with; OK: open */
};

/* A batch of its own costs about as much as so many tokens: measured on the CPU (MiniLM: 16 texts
 * of 16 tokens run 2 times as fast together as alone); on a GPU a batch below some thousand tokens
 * leaves most of the device idle. */
enum {
    CPU_OVERHEAD_TOKENS = 32,
    CPU_BATCH_TOKENS = 1024,
    GPU_OVERHEAD_TOKENS = 2048,
    GPU_BATCH_TOKENS = 16384
};
/* A step's share for prompts: what streams stand still for while a long prompt is computed. Without
 * a cache: the positions of a step. */
enum { CPU_STEP_TOKENS = 64, GPU_STEP_TOKENS = 2048, UNCACHED_STEP_TOKENS = 2048 };
/* Memory that the io thread prepares itself, for each byte of text that it tokenizes itself. */
enum { INLINE_MEMORY_FACTOR = 64 };

static bool is_on_gpu(const struct ferry_loaded_model *model) {
    return strncmp(model->info->device, "cuda", 4) == 0;
}

static struct ferry_decode_policy_limits
decode_limits_of(const struct ferry_loaded_model *model,
                 const struct ferry_pipeline_options *options) {
    const struct ferry_decoder_info *info = model->decoder_info;
    uint32_t wanted = options->step_tokens;
    if (wanted == 0)
        wanted = info->block_tokens == 0 ? UNCACHED_STEP_TOKENS
                 : is_on_gpu(model)      ? GPU_STEP_TOKENS
                                         : CPU_STEP_TOKENS;
    return (struct ferry_decode_policy_limits){
        .max_sequences = info->max_sequences,
        .step_tokens = wanted < info->max_step_tokens ? wanted : info->max_step_tokens,
        .max_step_tokens = info->max_step_tokens,
        .block_tokens = info->block_tokens,
        .blocks = info->blocks,
        .one_at_a_time = info->whole_generation,
        .bulk_limit_ns = options->bulk_limit_ns,
    };
}

static struct ferry_batch_policy policy_of(const struct ferry_loaded_model *model,
                                           const struct ferry_pipeline_options *options) {
    const struct ferry_model_info *info = model->info;
    bool gpu = is_on_gpu(model);
    uint32_t budget = options->batch_tokens;
    if (budget == 0)
        budget = gpu ? GPU_BATCH_TOKENS : CPU_BATCH_TOKENS;
    return (struct ferry_batch_policy){
        .max_length = model->max_length,
        .token_budget = budget > model->max_length ? budget : model->max_length,
        .max_sequences = options->batch_sequences,
        .fixed_length = info->fixed_length,
        .fixed_batch = info->fixed_batch,
        .pads = info->pads,
        .equal_lengths_only = info->equal_lengths_only,
        .overhead_tokens = gpu ? GPU_OVERHEAD_TOKENS : CPU_OVERHEAD_TOKENS,
        .bulk_limit_ns = options->bulk_limit_ns,
    };
}

static void route(struct ferry_pipeline *pipeline, struct ferry_text_stage *stage,
                  struct ferry_request *request) {
    struct ferry_model_queue *queue = request->queue;
    request->next = NULL;
    if (!ferry_text_stage_run(stage, request))
        ferry_done_list_push(&pipeline->done, request, request);
    else if (request->decode != NULL)
        ferry_decode_queue_add(request->decode, request);
    else
        ferry_model_queue_add(queue, request);
}

static void *tokenize_texts(void *argument) {
    struct text_worker *worker = argument;
    struct ferry_pipeline *pipeline = worker->pipeline;
    struct ferry_request *request;
    while ((request = ferry_bounded_queue_pop(pipeline->texts)) != NULL) {
        int closed = atomic_load(&pipeline->closed);
        if (closed != FERRY_OK)
            ferry_request_fail(request, (enum ferry_status)closed);
        route(pipeline, &worker->stage, request);
    }
    return NULL;
}

static void on_device_lost(void *context, const char *text) {
    struct ferry_pipeline *pipeline = context;
    if (atomic_exchange(&pipeline->device_lost, true))
        return;
    ferry_log(FERRY_LOG_ERROR, "device lost, the daemon must restart: %s", text);
    ferry_pipeline_close(pipeline, FERRY_DEVICE_LOST);
    ferry_done_list_ring(&pipeline->done);
}

static enum ferry_status start_decoding(struct ferry_pipeline *pipeline, struct model_lane *lane,
                                        const struct ferry_loaded_model *model,
                                        struct ferry_error *error) {
    lane->decode_limits = decode_limits_of(model, &pipeline->options);
    ferry_decode_queue_init(&lane->decode, model, &pipeline->done);
    lane->decodes = true;
    return ferry_decode_worker_start(&lane->decode, &lane->decode_limits, on_device_lost, pipeline,
                                     &lane->decode_worker, error);
}

static enum ferry_status start_lane(struct ferry_pipeline *pipeline, uint32_t index,
                                    const struct ferry_loaded_model *model,
                                    struct ferry_error *error) {
    struct model_lane *lane = &pipeline->lanes[index];
    lane->policy = policy_of(model, &pipeline->options);
    lane->initialised = true;
    if (ferry_model_queue_init(&lane->queue, model, index, &lane->policy, &pipeline->done) !=
        FERRY_OK)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the queue of model %s",
                          model->name);
    if (model->decoder != NULL)
        return start_decoding(pipeline, lane, model, error);
    uint32_t count = pipeline->options.device_workers;
    if (count == 0)
        count = model->info->suggested_workers > 0 ? model->info->suggested_workers : 1;
    lane->workers = calloc(count, sizeof(struct ferry_device_worker *));
    if (lane->workers == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for %u device workers", count);
    for (; lane->worker_count < count; lane->worker_count++) {
        enum ferry_status status =
            ferry_device_worker_start(&lane->queue, &lane->policy, on_device_lost, pipeline,
                                      &lane->workers[lane->worker_count], error);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

static enum ferry_status start_text_workers(struct ferry_pipeline *pipeline,
                                            struct ferry_loaded_model *const *models, uint64_t seed,
                                            struct ferry_error *error) {
    const struct ferry_pipeline_options *options = &pipeline->options;
    if (ferry_bounded_queue_create(options->text_queue_requests, &pipeline->texts) != FERRY_OK)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the text queue");
    pipeline->text_workers = calloc(options->text_workers, sizeof *pipeline->text_workers);
    if (pipeline->text_workers == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for text workers");
    for (uint32_t i = 0; i < options->text_workers; i++) {
        struct text_worker *worker = &pipeline->text_workers[i];
        worker->pipeline = pipeline;
        enum ferry_status status = ferry_text_stage_init(
            &worker->stage, models, pipeline->model_count, options->word_cache_bytes, seed, error);
        if (status != FERRY_OK)
            return status;
        int failed = pthread_create(&worker->thread, NULL, tokenize_texts, worker);
        if (failed != 0)
            return ferry_fail(error, FERRY_INTERNAL, "pthread_create: %s", strerror(failed));
        worker->running = true;
    }
    return FERRY_OK;
}

static enum ferry_status start_all(struct ferry_pipeline *pipeline,
                                   struct ferry_loaded_model *const *models,
                                   struct ferry_error *error) {
    uint64_t seed = ferry_hash_random_seed();
    enum ferry_status status = ferry_done_list_init(&pipeline->done, error);
    if (status == FERRY_OK)
        status = ferry_text_stage_init(&pipeline->stage, models, pipeline->model_count,
                                       pipeline->options.word_cache_bytes, seed, error);
    for (uint32_t i = 0; status == FERRY_OK && i < pipeline->model_count; i++)
        status = start_lane(pipeline, i, models[i], error);
    if (status == FERRY_OK)
        status = start_text_workers(pipeline, models, seed, error);
    return status;
}

enum ferry_status ferry_pipeline_start(struct ferry_loaded_model *const *models,
                                       uint32_t model_count,
                                       const struct ferry_pipeline_options *options,
                                       struct ferry_pipeline **ret_pipeline,
                                       struct ferry_error *error) {
    struct ferry_pipeline *pipeline = calloc(1, sizeof *pipeline);
    if (pipeline == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the pipeline");
    pipeline->options = *options;
    pipeline->model_count = model_count;
    pipeline->done.bell = -1;
    pipeline->lanes = calloc(model_count, sizeof *pipeline->lanes);
    if (pipeline->lanes == NULL) {
        free(pipeline);
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for %u models", model_count);
    }
    /* Signals go to the main thread: what is started here inherits a mask without any. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    enum ferry_status status = start_all(pipeline, models, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (status != FERRY_OK) {
        ferry_pipeline_stop(pipeline, INT64_MAX);
        return status;
    }
    *ret_pipeline = pipeline;
    return FERRY_OK;
}

static bool stop_lane(struct model_lane *lane, int64_t deadline_ns) {
    if (!lane->initialised)
        return true;
    ferry_model_queue_stop(&lane->queue);
    for (uint32_t i = 0; i < lane->worker_count; i++) {
        if (!ferry_device_worker_join(lane->workers[i], deadline_ns))
            return false;
        lane->workers[i] = NULL;
    }
    if (!lane->decodes)
        return true;
    ferry_decode_queue_stop(&lane->decode);
    if (!ferry_decode_worker_join(lane->decode_worker, deadline_ns))
        return false;
    lane->decode_worker = NULL;
    return true;
}

static void free_lane(struct model_lane *lane) {
    free(lane->workers);
    if (lane->decodes)
        ferry_decode_queue_free(&lane->decode);
    if (lane->initialised)
        ferry_model_queue_free(&lane->queue);
}

bool ferry_pipeline_stop(struct ferry_pipeline *pipeline, int64_t deadline_ns) {
    if (pipeline == NULL)
        return true;
    if (pipeline->texts != NULL)
        ferry_bounded_queue_close(pipeline->texts);
    for (uint32_t i = 0; pipeline->text_workers != NULL && i < pipeline->options.text_workers;
         i++) {
        if (pipeline->text_workers[i].running)
            pthread_join(pipeline->text_workers[i].thread, NULL);
        pipeline->text_workers[i].running = false;
    }
    for (uint32_t i = 0; i < pipeline->model_count; i++)
        if (!stop_lane(&pipeline->lanes[i], deadline_ns))
            return false;
    for (uint32_t i = 0; pipeline->text_workers != NULL && i < pipeline->options.text_workers; i++)
        ferry_text_stage_free(&pipeline->text_workers[i].stage);
    for (uint32_t i = 0; i < pipeline->model_count; i++)
        free_lane(&pipeline->lanes[i]);
    ferry_text_stage_free(&pipeline->stage);
    ferry_bounded_queue_free(pipeline->texts);
    ferry_done_list_free(&pipeline->done);
    free(pipeline->text_workers);
    free(pipeline->lanes);
    free(pipeline);
    return true;
}

struct ferry_model_queue *ferry_pipeline_queue(struct ferry_pipeline *pipeline, uint32_t model) {
    return &pipeline->lanes[model].queue;
}

struct ferry_decode_queue *ferry_pipeline_decode_queue(struct ferry_pipeline *pipeline,
                                                       uint32_t model) {
    return pipeline->lanes[model].decodes ? &pipeline->lanes[model].decode : NULL;
}

uint32_t ferry_pipeline_workers(const struct ferry_pipeline *pipeline, uint32_t model) {
    return pipeline->lanes[model].decodes ? 1 : pipeline->lanes[model].worker_count;
}

static uint64_t text_bytes(const struct ferry_wire_request *wire) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < wire->item_count; i++)
        bytes += (uint64_t)wire->items[i].text.size + wire->items[i].pair.size +
                 (uint64_t)wire->items[i].id_count;
    return bytes;
}

/* Short work for the io thread. Windows may repeat a short text thousands of times, and choices,
 * new tokens and their alternatives make of a short prompt what takes much longer than tokenizing.
 */
static bool is_short(const struct ferry_pipeline *pipeline, const struct ferry_request *request) {
    uint32_t most = pipeline->options.inline_text_bytes;
    if (request->wire.windows || text_bytes(&request->wire) > most)
        return false;
    return request->decode == NULL || request->load.bytes <= (uint64_t)most * INLINE_MEMORY_FACTOR;
}

enum ferry_submitted ferry_pipeline_submit(struct ferry_pipeline *pipeline,
                                           struct ferry_request *request) {
    if (!is_short(pipeline, request))
        return ferry_bounded_queue_push(pipeline->texts, request) ? FERRY_SUBMIT_QUEUED
                                                                  : FERRY_SUBMIT_FULL;
    if (ferry_text_stage_run(&pipeline->stage, request))
        ferry_request_chain_append(&pipeline->lanes[request->queue->index].prepared, request);
    else
        ferry_done_list_push(&pipeline->done, request, request);
    return FERRY_SUBMIT_READY;
}

void ferry_pipeline_flush(struct ferry_pipeline *pipeline) {
    for (uint32_t i = 0; i < pipeline->model_count; i++) {
        struct model_lane *lane = &pipeline->lanes[i];
        if (lane->prepared.first == NULL)
            continue;
        struct ferry_request *first = lane->prepared.first;
        lane->prepared = (struct ferry_request_chain){0};
        if (lane->decodes)
            ferry_decode_queue_add(&lane->decode, first);
        else
            ferry_model_queue_add(&lane->queue, first);
    }
}

void ferry_pipeline_cancel(struct ferry_pipeline *pipeline, struct ferry_request *request) {
    ferry_pipeline_flush(pipeline);
    if (request->decode != NULL)
        ferry_decode_queue_cancel(request->decode, request);
    else
        ferry_model_queue_cancel(request->queue, request);
}

int64_t ferry_pipeline_expire(struct ferry_pipeline *pipeline, int64_t now) {
    int64_t next = FERRY_BATCH_NO_DEADLINE;
    for (uint32_t i = 0; i < pipeline->model_count; i++) {
        int64_t at = ferry_model_queue_expire(&pipeline->lanes[i].queue, now);
        next = at < next ? at : next;
    }
    return next;
}

void ferry_pipeline_close(struct ferry_pipeline *pipeline, enum ferry_status status) {
    int open = FERRY_OK;
    atomic_compare_exchange_strong(&pipeline->closed, &open, (int)status);
    for (uint32_t i = 0; i < pipeline->model_count; i++) {
        if (pipeline->lanes[i].initialised)
            ferry_model_queue_close(&pipeline->lanes[i].queue, status);
        if (pipeline->lanes[i].decodes)
            ferry_decode_queue_close(&pipeline->lanes[i].decode, status);
    }
}

static int64_t busy_since(const struct model_lane *lane) {
    int64_t since = INT64_MAX;
    if (lane->decode_worker != NULL)
        since = ferry_decode_worker_busy_since(lane->decode_worker);
    for (uint32_t i = 0; i < lane->worker_count; i++) {
        int64_t begun = ferry_device_worker_busy_since(lane->workers[i]);
        since = begun < since ? begun : since;
    }
    return since;
}

void ferry_pipeline_watch(struct ferry_pipeline *pipeline, int64_t now) {
    int64_t limit = pipeline->options.engine_timeout_ns;
    for (uint32_t i = 0; limit > 0 && i < pipeline->model_count; i++) {
        int64_t since = busy_since(&pipeline->lanes[i]);
        if (since > now - limit)
            continue;
        char text[FERRY_ERROR_TEXT_BYTES];
        snprintf(text, sizeof text, "model %s: one step runs for %lld ms (--engine-timeout-ms)",
                 pipeline->lanes[i].queue.model->name,
                 (long long)((now - since) / FERRY_NANOSECONDS_PER_MILLISECOND));
        on_device_lost(pipeline, text);
        return;
    }
}

bool ferry_pipeline_device_lost(const struct ferry_pipeline *pipeline) {
    return atomic_load(&pipeline->device_lost);
}

struct ferry_done_list *ferry_pipeline_done(struct ferry_pipeline *pipeline) {
    return &pipeline->done;
}
