#include "daemon/schedule/decode_worker.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/schedule/decode_run.h"
#include "daemon/schedule/worker_thread.h"

struct ferry_decode_worker {
    struct ferry_worker_thread thread;
    struct ferry_decode_queue *queue;
    const struct ferry_loaded_model *model;
    ferry_device_lost_function *on_lost;
    void *context;
    struct ferry_decode_policy *policy;
    struct ferry_decode_plan plan;
    struct ferry_decode_run run;
    struct ferry_decode_counters counters;
    struct ferry_request_chain done; /* finished since they were last handed over */
    struct ferry_sequence *leaving;  /* found by a sweep */
    uint64_t held_back;              /* sequences that the policy does not have yet */
    int64_t now;
    _Atomic int64_t busy_since_ns;
    int64_t logged_ns; /* when a failure was last logged */
};

/* ---- requests come and go ---- */

static void hand_over(struct ferry_decode_worker *worker) {
    if (worker->done.first != NULL)
        ferry_done_list_push(worker->queue->done, worker->done.first, worker->done.last);
    worker->done = (struct ferry_request_chain){0};
}

static void count_computed(struct ferry_request *request) {
    request->token_count = 0;
    for (uint32_t i = 0; i < request->wire.item_count; i++)
        for (uint32_t s = 0; s < request->items[i].sequence_count; s++)
            request->token_count += request->items[i].sequences[s].decode.length;
}

static void finish_sequences(struct ferry_decode_worker *worker, struct ferry_request *request,
                             uint32_t count) {
    if (atomic_fetch_sub(&request->unfinished, count) != count)
        return;
    int64_t begun = atomic_load(&request->begun_ns);
    if (begun > 0)
        atomic_store(&request->compute_ns, worker->now - begun);
    count_computed(request);
    ferry_request_answer(request);
    ferry_request_chain_append(&worker->done, request);
}

static struct ferry_sequence *next_held_back(struct ferry_request *request) {
    for (; request->next_item < request->wire.item_count; request->next_item++) {
        struct ferry_item *item = &request->items[request->next_item];
        while (request->next_sequence < item->sequence_count) {
            struct ferry_sequence *sequence = &item->sequences[request->next_sequence++];
            if (!sequence->is_over)
                return sequence;
        }
        request->next_sequence = 0;
    }
    return NULL;
}

/* Lets up to `count` more sequences of the request into the policy. Returns how many were given up
 * on the way, with their item or the whole request. */
static uint32_t let_more_in(struct ferry_decode_worker *worker, struct ferry_request *request,
                            uint32_t count) {
    uint32_t given_up = 0;
    struct ferry_sequence *sequence;
    while (count > 0 && (sequence = next_held_back(request)) != NULL) {
        worker->held_back--;
        if (ferry_request_failure(request) != FERRY_OK || sequence->item->status != FERRY_OK) {
            sequence->is_over = true;
            given_up++;
            continue;
        }
        ferry_decode_policy_add(worker->policy, &sequence->decode);
        count--;
    }
    return given_up;
}

static void leave(struct ferry_decode_worker *worker, struct ferry_sequence *sequence) {
    struct ferry_request *request = sequence->item->request;
    uint32_t slot = ferry_decode_policy_remove(worker->policy, &sequence->decode);
    if (slot != FERRY_DECODE_NO_SLOT)
        worker->run.engine->decoder_release(worker->run.decoder, slot);
    sequence->is_over = true;
    finish_sequences(worker, request, 1 + let_more_in(worker, request, 1));
}

/* A request may have hundreds of thousands of sequences, and each step looks at all that the policy
 * has: so it never has more of one request than could run side by side. */
static void add_request(struct ferry_decode_worker *worker, struct ferry_request *request) {
    worker->held_back += atomic_load(&request->unfinished);
    uint32_t slots = worker->model->decoder_info->max_sequences;
    uint32_t given_up = let_more_in(worker, request, slots);
    if (given_up > 0)
        finish_sequences(worker, request, given_up);
}

static void let_in(struct ferry_decode_worker *worker, const struct ferry_decode_news *news) {
    struct ferry_request *request = news->requests;
    while (request != NULL) {
        struct ferry_request *next = request->next;
        if (news->closed != FERRY_OK)
            ferry_request_fail(request, news->closed);
        if (ferry_request_failure(request) != FERRY_OK)
            finish_sequences(worker, request, atomic_load(&request->unfinished));
        else
            add_request(worker, request);
        request = next;
    }
}

static void look_at(void *context, struct ferry_decode_item *decode) {
    struct ferry_decode_worker *worker = context;
    struct ferry_sequence *sequence = (struct ferry_sequence *)decode;
    struct ferry_request *request = sequence->item->request;
    if (worker->now > request->deadline_ns)
        ferry_request_fail(request, FERRY_DEADLINE);
    if (ferry_request_failure(request) == FERRY_OK && sequence->item->status == FERRY_OK)
        return;
    sequence->next_over = worker->leaving;
    worker->leaving = sequence;
}

static void look_at_closed(void *context, struct ferry_decode_item *decode) {
    const enum ferry_status *closed = context;
    ferry_request_fail(((struct ferry_sequence *)decode)->item->request, *closed);
}

/* Takes out what is given up, past its deadline, or failed with another sequence of its item. */
static void sweep(struct ferry_decode_worker *worker, enum ferry_status closed) {
    if (closed != FERRY_OK)
        ferry_decode_policy_each(worker->policy, look_at_closed, &closed);
    ferry_decode_policy_each(worker->policy, look_at, worker);
    while (worker->leaving != NULL) {
        struct ferry_sequence *sequence = worker->leaving;
        worker->leaving = sequence->next_over;
        leave(worker, sequence);
    }
}

/* ---- a step ---- */

static void note_begin(struct ferry_decode_worker *worker, int64_t begin) {
    for (uint32_t i = 0; i < worker->plan.count; i++) {
        struct ferry_request *request =
            ((struct ferry_sequence *)worker->plan.shares[i].item)->item->request;
        int64_t none = 0;
        if (atomic_compare_exchange_strong(&request->begun_ns, &none, begin))
            atomic_store(&request->queue_ns, begin - request->ready_ns);
    }
}

static void count_tokens(struct ferry_decode_worker *worker,
                         const struct ferry_decode_entry *entry) {
    uint32_t tokens = entry->length - entry->cached;
    uint32_t fresh = entry->wanted == FERRY_DECODE_SAMPLE ? entry->new_count : 0;
    worker->counters.computed_tokens += tokens;
    worker->counters.new_tokens += fresh;
}

/* Under the stream lock where the io thread may be reading along. */
static enum ferry_status take(struct ferry_decode_worker *worker, struct ferry_sequence *sequence,
                              const struct ferry_decode_entry *entry, bool *over,
                              struct ferry_error *error) {
    struct ferry_request *request = sequence->item->request;
    bool whole = worker->model->decoder_info->whole_generation;
    bool streams = request->wire.generation.stream;
    if (streams)
        pthread_mutex_lock(&worker->queue->stream_lock);
    enum ferry_status status = ferry_sequence_take(sequence, entry, whole, over, error);
    if (streams) {
        ferry_sequence_progress(sequence, false);
        pthread_mutex_unlock(&worker->queue->stream_lock);
        ferry_done_list_progress(worker->queue->done, request);
    }
    return status;
}

static void finish_share(struct ferry_decode_worker *worker, uint32_t index) {
    const struct ferry_decode_share *share = &worker->plan.shares[index];
    const struct ferry_decode_entry *entry = &worker->run.entries[index];
    struct ferry_sequence *sequence = (struct ferry_sequence *)share->item;
    struct ferry_error error = worker->run.errors[index];
    bool over = true;
    enum ferry_status status = entry->status;
    if (status == FERRY_BUSY) /* not run: it is planned again, with less */
        return;
    if (status == FERRY_OK) {
        count_tokens(worker, entry);
        ferry_decode_policy_ran(worker->policy, share);
        status = take(worker, sequence, entry, &over, &error);
    }
    if (status == FERRY_DEVICE_LOST)
        ferry_request_fail(sequence->item->request, status);
    else if (status != FERRY_OK)
        ferry_item_fail(sequence->item, status, error.text);
    if (over || status != FERRY_OK)
        leave(worker, sequence);
}

/* What an engine says about a sequence may name what is in it: only debug logs tell it. */
static void report(struct ferry_decode_worker *worker) {
    const struct ferry_decode_run *run = &worker->run;
    const char *name = worker->model->name;
    if (run->device_lost) {
        worker->on_lost(worker->context, run->errors[0].text);
        return;
    }
    if (worker->now - worker->logged_ns < FERRY_NANOSECONDS_PER_SECOND)
        return;
    worker->logged_ns = worker->now;
    if (run->failed_tokens > 0)
        ferry_log(FERRY_LOG_WARNING,
                  "model %s: out of memory at %u tokens; steps stay below half of that", name,
                  run->failed_tokens);
    if (run->failed > 0)
        ferry_log(FERRY_LOG_WARNING, "model %s: the engine failed for %u sequences of a step", name,
                  run->failed);
}

static void step(struct ferry_decode_worker *worker) {
    int64_t begin = ferry_clock_now();
    note_begin(worker, begin);
    atomic_store(&worker->busy_since_ns, begin);
    ferry_decode_run(&worker->run, &worker->plan);
    atomic_store(&worker->busy_since_ns, INT64_MAX);
    worker->now = ferry_clock_now();
    worker->counters.steps++;
    if (worker->run.failed_tokens > 0)
        (void)ferry_decode_policy_lower(worker->policy, worker->run.failed_tokens);
    for (uint32_t i = 0; i < worker->plan.count; i++)
        finish_share(worker, i);
    if (worker->run.device_lost || worker->run.failed_tokens > 0 || worker->run.failed > 0)
        report(worker);
}

static bool is_idle(const struct ferry_decode_worker *worker) {
    struct ferry_decode_counts counts = ferry_decode_policy_count(worker->policy);
    return counts.waiting + counts.running == 0;
}

static struct ferry_decode_counts count_now(const struct ferry_decode_worker *worker) {
    struct ferry_decode_counts counts = ferry_decode_policy_count(worker->policy);
    uint64_t waiting = counts.waiting + worker->held_back;
    counts.waiting = waiting < UINT32_MAX ? (uint32_t)waiting : UINT32_MAX;
    return counts;
}

static void *work(void *argument) {
    struct ferry_decode_worker *worker = argument;
    struct ferry_decode_news news;
    while (ferry_decode_queue_take(worker->queue, is_idle(worker), &news)) {
        worker->now = ferry_clock_now();
        let_in(worker, &news);
        sweep(worker, news.closed);
        if (ferry_decode_policy_plan(worker->policy, worker->now, &worker->plan))
            step(worker);
        worker->counters.now = count_now(worker);
        ferry_decode_queue_tell(worker->queue, &worker->counters);
        hand_over(worker);
    }
    ferry_worker_thread_ends(&worker->thread);
    return NULL;
}

/* ---- starting and ending ---- */

static void free_worker(struct ferry_decode_worker *worker) {
    ferry_decode_run_free(&worker->run);
    ferry_decode_plan_free(&worker->plan);
    ferry_decode_policy_free(worker->policy);
    free(worker);
}

enum ferry_status ferry_decode_worker_start(struct ferry_decode_queue *queue,
                                            const struct ferry_decode_policy_limits *limits,
                                            ferry_device_lost_function *on_lost, void *context,
                                            struct ferry_decode_worker **ret_worker,
                                            struct ferry_error *error) {
    struct ferry_decode_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a decode worker");
    worker->queue = queue;
    worker->model = queue->model;
    worker->on_lost = on_lost;
    worker->context = context;
    worker->counters = queue->counters;
    worker->logged_ns = INT64_MIN / 2;
    atomic_init(&worker->busy_since_ns, INT64_MAX);
    if (ferry_decode_policy_create(limits, &worker->policy) != FERRY_OK ||
        ferry_decode_plan_init(limits, &worker->plan) != FERRY_OK ||
        ferry_decode_run_init(&worker->run, queue->model) != FERRY_OK) {
        free_worker(worker);
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "model %s: no memory for a decode worker",
                          queue->model->name);
    }
    enum ferry_status status = ferry_worker_thread_start(&worker->thread, work, worker, error);
    if (status != FERRY_OK) {
        free_worker(worker);
        return status;
    }
    *ret_worker = worker;
    return FERRY_OK;
}

bool ferry_decode_worker_join(struct ferry_decode_worker *worker, int64_t deadline_ns) {
    if (worker == NULL)
        return true;
    if (!ferry_worker_thread_join(&worker->thread, deadline_ns))
        return false;
    free_worker(worker);
    return true;
}

int64_t ferry_decode_worker_busy_since(const struct ferry_decode_worker *worker) {
    return atomic_load(&worker->busy_since_ns);
}
