#include "daemon/schedule/device_worker.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/schedule/batch_run.h"
#include "daemon/schedule/worker_thread.h"
#include "daemon/tasks/embed_rows.h"

struct ferry_device_worker {
    struct ferry_worker_thread thread;
    struct ferry_model_queue *queue;
    const struct ferry_batch_policy *policy;
    ferry_device_lost_function *on_lost;
    void *context;
    struct ferry_formed_batch batch;
    struct ferry_batch_run run;
    float *normalized; /* [width] */
    _Atomic int64_t busy_since_ns;
    sem_t started;
    int64_t logged_ns; /* when a failure was last logged */
    unsigned unlogged; /* failures since then */
    enum ferry_status start_status;
    struct ferry_error start_error;
};

static void raise_to(_Atomic int64_t *value, int64_t at_least) {
    int64_t seen = atomic_load_explicit(value, memory_order_relaxed);
    while (seen < at_least && !atomic_compare_exchange_weak(value, &seen, at_least)) {
    }
}

/* Each item carries its part of the batch's padding; together they carry all of it. */
static uint64_t padding_part(uint64_t padded_tokens, uint32_t index, uint32_t count) {
    return padded_tokens / count + (index < padded_tokens % count);
}

/* A row may answer several items, so it is normalised in a copy. */
static void write_row(struct ferry_device_worker *worker, struct ferry_request *request,
                      uint32_t index, const float *row) {
    uint32_t width = worker->run.width;
    if (request->normalize) {
        memcpy(worker->normalized, row, width * sizeof *row);
        ferry_embed_normalize(worker->normalized, width);
        row = worker->normalized;
    }
    ferry_embed_encode_row(request->wire.dtype, row, width,
                           request->matrix + index * request->row_bytes,
                           request->scales ? &request->scales[index] : NULL);
}

struct batch_times {
    int64_t begin, end;
};

static void finish_item(struct ferry_device_worker *worker, uint32_t at, struct batch_times times,
                        struct ferry_request_chain *done) {
    struct ferry_item *item = (struct ferry_item *)worker->batch.items[at];
    struct ferry_request *request = item->request;
    struct ferry_batch_run *run = &worker->run;
    uint32_t row = worker->batch.row_of_item[at];
    enum ferry_status status = run->row_status[row];
    if (status == FERRY_OK) {
        write_row(worker, request, item->index, run->rows + (size_t)row * run->width);
    } else if (status == FERRY_DEVICE_LOST) {
        ferry_request_fail(request, status);
    } else {
        request->tokens[item->index] = 0;
        ferry_item_fail(item, status, ferry_batch_run_error(run, row));
    }
    atomic_fetch_add(&request->padded_tokens,
                     padding_part(run->padded_tokens, at, worker->batch.item_count));
    raise_to(&request->queue_ns, times.begin - request->ready_ns);
    raise_to(&request->compute_ns, times.end - times.begin);
    ferry_item_finished(item, done);
}

static void finish_batch(struct ferry_device_worker *worker, struct batch_times times) {
    struct ferry_request_chain done = {0};
    for (uint32_t at = 0; at < worker->batch.item_count; at++)
        finish_item(worker, at, times, &done);
    if (done.first != NULL)
        ferry_done_list_push(worker->queue->done, done.first, done.last);
}

/* Failures come in crowds: at most one line a second and worker. What an engine says about a bad
 * batch may name what is in it, so only debug logs tell it. */
static bool may_log(struct ferry_device_worker *worker, int64_t now) {
    worker->unlogged++;
    if (now - worker->logged_ns < FERRY_NANOSECONDS_PER_SECOND)
        return false;
    worker->logged_ns = now;
    return true;
}

static void report(struct ferry_device_worker *worker, int64_t now) {
    const struct ferry_batch_run *run = &worker->run;
    const char *model = worker->queue->model->name;
    if (run->error.status == FERRY_DEVICE_LOST) {
        worker->on_lost(worker->context, run->error.text);
        return;
    }
    if (run->failed_cost > 0)
        ferry_model_queue_lower_budget(worker->queue, run->failed_cost);
    ferry_log(FERRY_LOG_DEBUG, "model %s: %s", model, run->error.text);
    if (!may_log(worker, now))
        return;
    if (run->failed_cost > 0)
        ferry_log(FERRY_LOG_WARNING,
                  "model %s: out of memory at %llu positions; batches stay below half of that",
                  model, (unsigned long long)run->failed_cost);
    else
        ferry_log(FERRY_LOG_WARNING,
                  "model %s: the engine failed, the batch was cut to find the items at fault "
                  "(%u times since the last such line)",
                  model, worker->unlogged);
    worker->unlogged = 0;
}

static enum ferry_status prepare(struct ferry_device_worker *worker) {
    const struct ferry_loaded_model *model = worker->queue->model;
    uint32_t width = model->info->width;
    worker->normalized = malloc(width * sizeof *worker->normalized);
    if (worker->normalized == NULL ||
        ferry_formed_batch_init(worker->policy, &worker->batch) != FERRY_OK ||
        ferry_batch_run_init(&worker->run, model->engine, worker->policy, width) != FERRY_OK)
        return ferry_fail(&worker->start_error, FERRY_OUT_OF_MEMORY,
                          "model %s: no memory for a device worker", model->name);
    return model->engine->worker_create(model->engine_model, &worker->run.engine_worker,
                                        &worker->start_error);
}

static void *work(void *argument) {
    struct ferry_device_worker *worker = argument;
    enum ferry_status status = prepare(worker);
    worker->start_status = status;
    sem_post(&worker->started);
    while (status == FERRY_OK && ferry_model_queue_next_batch(worker->queue, &worker->batch)) {
        struct batch_times times = {.begin = ferry_clock_now()};
        atomic_store(&worker->busy_since_ns, times.begin);
        ferry_batch_run(&worker->run, &worker->batch);
        atomic_store(&worker->busy_since_ns, INT64_MAX);
        times.end = ferry_clock_now();
        if (worker->run.error.status != FERRY_OK)
            report(worker, times.end);
        finish_batch(worker, times);
    }
    ferry_worker_thread_ends(&worker->thread);
    return NULL;
}

static void free_worker(struct ferry_device_worker *worker) {
    worker->queue->model->engine->worker_free(worker->run.engine_worker);
    ferry_batch_run_free(&worker->run);
    ferry_formed_batch_free(&worker->batch);
    free(worker->normalized);
    sem_destroy(&worker->started);
    free(worker);
}

enum ferry_status ferry_device_worker_start(struct ferry_model_queue *queue,
                                            const struct ferry_batch_policy *policy,
                                            ferry_device_lost_function *on_lost, void *context,
                                            struct ferry_device_worker **ret_worker,
                                            struct ferry_error *error) {
    struct ferry_device_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a device worker");
    worker->queue = queue;
    worker->policy = policy;
    worker->on_lost = on_lost;
    worker->context = context;
    atomic_init(&worker->busy_since_ns, INT64_MAX);
    sem_init(&worker->started, 0, 0);
    worker->logged_ns = INT64_MIN / 2;
    enum ferry_status status = ferry_worker_thread_start(&worker->thread, work, worker, error);
    if (status != FERRY_OK) {
        free_worker(worker);
        return status;
    }
    while (sem_wait(&worker->started) != 0 && errno == EINTR) {
    }
    if (worker->start_status != FERRY_OK) {
        status = worker->start_status;
        if (error != NULL)
            *error = worker->start_error;
        (void)ferry_worker_thread_join(&worker->thread, INT64_MAX);
        free_worker(worker);
        return status;
    }
    *ret_worker = worker;
    return FERRY_OK;
}

int64_t ferry_device_worker_busy_since(const struct ferry_device_worker *worker) {
    return atomic_load(&worker->busy_since_ns);
}

bool ferry_device_worker_join(struct ferry_device_worker *worker, int64_t deadline_ns) {
    if (worker == NULL)
        return true;
    if (!ferry_worker_thread_join(&worker->thread, deadline_ns))
        return false;
    free_worker(worker);
    return true;
}
