/* ferry bench: one thread loads the daemon over --clients connections and measures.
 *
 * Closed loop: each client keeps --in-flight requests going; the next one starts when one ends.
 * Open loop (--rate): requests are due at the times of a Poisson process, whatever the daemon does,
 * and latency counts from the time a request was due, so that a stall is charged to every request
 * it held up (no coordinated omission). */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "clients/cli/bench_report.h"
#include "clients/cli/bench_texts.h"
#include "clients/cli/commands.h"

enum { MOST_REQUESTS = 1 << 16, MOST_CLIENTS = 1024, DEFAULT_DURATION_MS = 10000 };

struct bench_request {
    struct bench_request *next_free;
    uint32_t client;
    int64_t due; /* when it should be sent; latency counts from here */
    bool is_measured;
};

struct bench {
    const struct cli_options *options;
    struct ferry_client **clients;
    struct ferry_queue *queue;
    struct bench_texts texts;
    struct bench_request *requests; /* [request_count] */
    size_t request_count;
    struct bench_request *free_requests;
    size_t outstanding;
    int64_t measure_from, end;
    uint64_t measured; /* requests submitted that count */
    int64_t last_reply;
    uint32_t next_client;
    uint64_t random;
    bool is_gone; /* the daemon does not answer any more */
    struct bench_result result;
};

/* ---- one request ---- */

static bool may_submit(const struct bench *bench, int64_t due) {
    return due < bench->end && !bench->is_gone &&
           (bench->options->count == 0 || bench->measured < bench->options->count);
}

static void count_error(struct bench *bench, enum ferry_status status, const char *text) {
    if (bench->result.error_count++ == 0)
        memccpy(bench->result.first_error, text, '\0', sizeof bench->result.first_error);
    bench->result.errors[status]++;
    bench->is_gone = bench->is_gone || status == FERRY_UNAVAILABLE;
}

static void give_back(struct bench *bench, struct bench_request *request) {
    request->next_free = bench->free_requests;
    bench->free_requests = request;
}

static void submit(struct bench *bench, struct bench_request *request, int64_t due) {
    static const enum ferry_client_operation operations[] = {
        FERRY_CLIENT_EMBED, FERRY_CLIENT_TOKENIZE, FERRY_CLIENT_PING};
    struct ferry_client_request asked = cli_request(bench->options);
    asked.operation = operations[bench->options->operation];
    if (asked.operation != FERRY_CLIENT_PING) {
        asked.items = bench_texts_next(&bench->texts, bench->options->batch);
        asked.item_count = bench->options->batch;
    }
    request->due = due;
    request->is_measured = due >= bench->measure_from;
    bench->measured += request->is_measured;
    struct ferry_error error;
    enum ferry_status status = ferry_client_submit(bench->clients[request->client], &asked,
                                                   bench->queue, request, NULL, &error);
    if (status == FERRY_OK) {
        bench->outstanding++;
        return;
    }
    count_error(bench, status, error.text);
    give_back(bench, request);
}

static void count_reply(struct bench *bench, const struct bench_request *request,
                        const struct ferry_reply *reply, int64_t now) {
    struct bench_result *result = &bench->result;
    if (!latency_samples_add(&result->latency, now - request->due))
        count_error(bench, FERRY_OUT_OF_MEMORY, "no memory for latencies");
    result->requests++;
    size_t count = ferry_reply_count(reply);
    for (size_t at = 0; at < count; at++) {
        result->tokens += ferry_reply_tokens(reply, at);
        result->truncated += ferry_reply_truncated(reply, at);
    }
    result->texts += count;
    result->failed_texts += ferry_reply_error_count(reply);
    result->padded_tokens += ferry_reply_padded_tokens(reply);
    struct ferry_reply_times times;
    ferry_reply_get_times(reply, &times);
    result->times.tokenize += times.tokenize;
    result->times.queue += times.queue;
    result->times.compute += times.compute;
    result->times.total += times.total;
    bench->last_reply = now;
}

/* Takes what has finished; in a closed loop each end is the next beginning. */
static void take_completions(struct bench *bench, bool is_closed_loop) {
    struct ferry_completion completion;
    while (ferry_queue_next(bench->queue, 0, &completion)) {
        struct bench_request *request = completion.tag;
        int64_t now = ferry_clock_now();
        bench->outstanding--;
        if (completion.status != FERRY_OK)
            count_error(bench, completion.status, completion.error.text);
        else if (request->is_measured)
            count_reply(bench, request, completion.reply, now);
        ferry_reply_free(completion.reply);
        if (is_closed_loop && may_submit(bench, now))
            submit(bench, request, now);
        else
            give_back(bench, request);
    }
}

/* Waits for a completion, at most until this time. */
static void wait_until(struct bench *bench, int64_t when) {
    int64_t left = when - ferry_clock_now();
    if (left <= 0)
        return;
    struct timespec time = {.tv_sec = left / FERRY_NANOSECONDS_PER_SECOND,
                            .tv_nsec = left % FERRY_NANOSECONDS_PER_SECOND};
    struct pollfd wait = {.fd = ferry_queue_event_fd(bench->queue), .events = POLLIN};
    ppoll(&wait, 1, &time, NULL); /* a signal only makes this loop turn once more */
}

/* Every request ends by its deadline, so this does too. */
static void drain(struct bench *bench) {
    while (bench->outstanding > 0) {
        wait_until(bench, ferry_clock_now() + FERRY_NANOSECONDS_PER_SECOND);
        take_completions(bench, false);
    }
}

/* ---- the two kinds of load ---- */

static void run_closed_loop(struct bench *bench) {
    while (bench->free_requests != NULL && may_submit(bench, ferry_clock_now())) {
        struct bench_request *request = bench->free_requests;
        bench->free_requests = request->next_free;
        submit(bench, request, ferry_clock_now());
    }
    while (bench->outstanding > 0) {
        wait_until(bench, ferry_clock_now() + FERRY_NANOSECONDS_PER_SECOND);
        take_completions(bench, true);
    }
}

static int64_t next_arrival(struct bench *bench, int64_t previous) {
    double seconds = -log(bench_random(&bench->random)) / bench->options->rate;
    return previous + (int64_t)(seconds * (double)FERRY_NANOSECONDS_PER_SECOND);
}

static void submit_arrival(struct bench *bench, int64_t due) {
    struct bench_request *request = bench->free_requests;
    if (request == NULL) {
        bench->measured += due >= bench->measure_from;
        count_error(bench, FERRY_BUSY, "65536 requests are waiting: the rate is too high");
        return;
    }
    bench->free_requests = request->next_free;
    request->client = bench->next_client;
    bench->next_client = (bench->next_client + 1) % bench->options->clients;
    if (due >= bench->measure_from && ferry_clock_now() - due > FERRY_NANOSECONDS_PER_MILLISECOND)
        bench->result.late++;
    submit(bench, request, due);
}

static void run_open_loop(struct bench *bench) {
    int64_t due = next_arrival(bench, ferry_clock_now());
    while (may_submit(bench, due)) {
        take_completions(bench, false);
        if (ferry_clock_now() < due) {
            wait_until(bench, due);
            continue;
        }
        submit_arrival(bench, due);
        due = next_arrival(bench, due);
    }
    drain(bench);
}

/* ---- set-up ---- */

static enum ferry_status make_requests(struct bench *bench, struct ferry_error *error) {
    const struct cli_options *options = bench->options;
    uint64_t wanted = (uint64_t)options->clients * options->in_flight;
    if (options->clients > MOST_CLIENTS || wanted > MOST_REQUESTS)
        return ferry_fail(error, FERRY_USAGE, "at most %d clients and %d requests in flight",
                          MOST_CLIENTS, MOST_REQUESTS);
    bench->request_count = options->rate > 0 ? MOST_REQUESTS : (size_t)wanted;
    bench->requests = calloc(bench->request_count, sizeof *bench->requests);
    bench->clients = calloc(options->clients, sizeof(struct ferry_client *));
    if (bench->requests == NULL || bench->clients == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the requests");
    for (size_t at = bench->request_count; at-- > 0;) {
        bench->requests[at].client = (uint32_t)(at % options->clients);
        give_back(bench, &bench->requests[at]);
    }
    return FERRY_OK;
}

/* A ping each: connecting is no part of what is measured, and a missing daemon shows at once. */
static enum ferry_status connect_clients(struct bench *bench, struct ferry_error *error) {
    for (uint32_t at = 0; at < bench->options->clients; at++) {
        enum ferry_status status = cli_connect(bench->options, &bench->clients[at], error);
        if (status == FERRY_OK)
            status = ferry_client_ping(bench->clients[at], 0, NULL, error);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

static enum ferry_status open_bench(struct bench *bench, struct ferry_error *error) {
    enum ferry_status status = make_requests(bench, error);
    if (status == FERRY_OK)
        status = bench_texts_open(bench->options, &bench->texts, error);
    if (status == FERRY_OK)
        status = ferry_queue_create(&bench->queue, error);
    if (status == FERRY_OK)
        status = connect_clients(bench, error);
    return status;
}

static void close_bench(struct bench *bench) {
    ferry_queue_free(bench->queue);
    for (uint32_t at = 0; bench->clients != NULL && at < bench->options->clients; at++)
        ferry_client_free(bench->clients[at]);
    free(bench->clients);
    free(bench->requests);
    bench_texts_close(&bench->texts);
    latency_samples_free(&bench->result.latency);
}

static void set_times(struct bench *bench) {
    const struct cli_options *options = bench->options;
    /* A count alone ends the run; the hour is there so that nothing runs for ever. */
    int64_t duration_ms = options->duration_ms > 0 ? options->duration_ms
                          : options->count > 0     ? 3600000
                                                   : DEFAULT_DURATION_MS;
    bench->measure_from =
        ferry_clock_now() + options->warm_up_ms * FERRY_NANOSECONDS_PER_MILLISECOND;
    bench->end = bench->measure_from + duration_ms * FERRY_NANOSECONDS_PER_MILLISECOND;
    bench->last_reply = bench->measure_from;
    bench->random = ((uint64_t)options->seed + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

static enum ferry_status measure(struct bench *bench, struct ferry_error *error) {
    set_times(bench);
    if (bench->options->rate > 0)
        run_open_loop(bench);
    else
        run_closed_loop(bench);
    bench->result.seconds =
        (double)(bench->last_reply - bench->measure_from) / (double)FERRY_NANOSECONDS_PER_SECOND;
    enum ferry_status status = bench_report(
        bench->options, ferry_client_endpoint_name(bench->clients[0]), &bench->result, error);
    for (int at = FERRY_STATUS_COUNT - 1; at > 0 && status == FERRY_OK; at--)
        if (bench->result.errors[at] > 0)
            status = ferry_fail(error, (enum ferry_status)at, "%llu requests failed; the first: %s",
                                (unsigned long long)bench->result.error_count,
                                bench->result.first_error);
    return status;
}

int cli_run_bench(const struct cli_options *options) {
    struct bench bench = {.options = options};
    struct ferry_error error;
    enum ferry_status status = open_bench(&bench, &error);
    if (status == FERRY_OK)
        status = measure(&bench, &error);
    close_bench(&bench);
    return status == FERRY_OK ? 0 : cli_complain(&error);
}
