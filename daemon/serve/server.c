#include "daemon/serve/server.h"

#include "base/clock.h"
#include "base/log.h"

enum {
    MESSAGES_A_TURN = 64, /* then replies are sent, however many requests wait */
    IDLE_REQUESTS = 1024, /* kept for reuse */
    LAST_WAIT_MS = 2000,  /* for batches that are being computed when time is up */
    WATCHES_A_TIMEOUT = 4,
    LONGEST_WAIT_MS = 1000 /* the loop looks around at least so often while it drains */
};
/* One request may hold the bytes of its message several times over, as ids, rows and windows. */
static const size_t ARENA_FACTOR = 8;
/* A request that a text worker has is not in the batcher yet, which tells the next deadline. */
static const int64_t DEADLINE_LOOK_NS = 100 * FERRY_NANOSECONDS_PER_MILLISECOND;

enum ferry_status ferry_server_init(struct ferry_server *server,
                                    const struct ferry_server_settings *settings,
                                    struct ferry_loaded_model *const *models, uint32_t model_count,
                                    struct ferry_pipeline *pipeline,
                                    struct ferry_server_endpoint *endpoint) {
    size_t queue_bytes = settings->queue.bytes;
    size_t arena_bytes = settings->max_request_bytes * ARENA_FACTOR;
    *server = (struct ferry_server){
        .settings = settings,
        .models = models,
        .model_count = model_count,
        .pipeline = pipeline,
        .endpoint = endpoint,
        .pool = {.free_maximum = IDLE_REQUESTS,
                 .arena_maximum = arena_bytes < queue_bytes ? arena_bytes : queue_bytes,
                 .reply_maximum = queue_bytes},
        .admission = {.limit = settings->queue},
        .started_ns = ferry_clock_now(),
        .next_deadline_ns = FERRY_BATCH_NO_DEADLINE,
        .next_watch_ns = INT64_MAX,
    };
    return ferry_request_table_init(&server->table, settings->queue.items);
}

void ferry_server_free(struct ferry_server *server) {
    ferry_request_table_free(&server->table);
    ferry_request_pool_free(&server->pool);
}

void ferry_server_send(struct ferry_server *server, struct ferry_request *request) {
    server->statistics.answered[request->status]++;
    if (request->reply.size > 0) {
        ferry_server_endpoint_reply(server->endpoint, request->message, &request->reply);
        request->message = NULL;
    }
    ferry_request_release(&server->pool, request);
}

static void unlink_active(struct ferry_server *server, struct ferry_request *request) {
    *(request->older ? &request->older->newer : &server->oldest) = request->newer;
    *(request->newer ? &request->newer->older : &server->newest) = request->older;
    server->active--;
    ferry_request_table_remove(request);
}

static void count(struct ferry_server *server, const struct ferry_request *request) {
    struct ferry_server_statistics *statistics = &server->statistics;
    if (request->status == FERRY_OK) {
        statistics->items += request->wire.item_count;
        statistics->tokens += request->token_count;
        statistics->padded_tokens += request->padded_tokens;
    }
    ferry_histogram_add(&statistics->tokenize, request->times.tokenize);
    ferry_histogram_add(&statistics->queue, request->times.queue);
    ferry_histogram_add(&statistics->compute, request->times.compute);
    ferry_histogram_add(&statistics->total, request->times.total);
}

static void send_done(struct ferry_server *server) {
    struct ferry_done_list *done = ferry_pipeline_done(server->pipeline);
    struct ferry_request *request = ferry_done_list_take(done);
    struct ferry_request *progress = ferry_done_list_take_progress(done); /* after what is done */
    struct ferry_request *streamed;
    while ((streamed = ferry_progress_next(&progress)) != NULL)
        ferry_server_stream(server, streamed);
    while (request != NULL) {
        struct ferry_request *next = request->next;
        unlink_active(server, request);
        ferry_admission_leave(&server->admission, &request->load, request->token_count,
                              server->now);
        count(server, request);
        ferry_server_end_stream(server, request);
        ferry_server_send(server, request);
        request = next;
    }
}

/* True when there may be more. */
static bool receive_some(struct ferry_server *server) {
    int received = 0;
    struct ferry_message *message;
    while (received < MESSAGES_A_TURN &&
           (message = ferry_server_endpoint_receive(server->endpoint)) != NULL) {
        ferry_server_handle(server, message);
        received++;
    }
    ferry_pipeline_flush(server->pipeline);
    return received == MESSAGES_A_TURN;
}

/* Nobody but the io thread sees that a step does not end. */
static void watch(struct ferry_server *server) {
    int64_t timeout = server->settings->engine_timeout_ns;
    if (timeout == 0 || server->active == 0) {
        server->next_watch_ns = INT64_MAX;
        return;
    }
    if (server->next_watch_ns != INT64_MAX && server->now < server->next_watch_ns)
        return;
    ferry_pipeline_watch(server->pipeline, server->now);
    int64_t pause = timeout / WATCHES_A_TIMEOUT;
    server->next_watch_ns =
        server->now + (pause < FERRY_NANOSECONDS_PER_SECOND ? pause : FERRY_NANOSECONDS_PER_SECOND);
}

static int wait_milliseconds(const struct ferry_server *server) {
    int64_t until = server->next_deadline_ns;
    if (server->next_watch_ns < until)
        until = server->next_watch_ns;
    if (until == FERRY_BATCH_NO_DEADLINE)
        return server->draining ? LONGEST_WAIT_MS : -1;
    int64_t left = (until - server->now) / FERRY_NANOSECONDS_PER_MILLISECOND + 1;
    if (left < 0)
        return 0;
    return left < LONGEST_WAIT_MS ? (int)left : LONGEST_WAIT_MS;
}

static void expire(struct ferry_server *server) {
    int64_t next = ferry_pipeline_expire(server->pipeline, server->now);
    if (server->active > 0 && next > server->now + DEADLINE_LOOK_NS)
        next = server->now + DEADLINE_LOOK_NS;
    server->next_deadline_ns = next;
}

static void one_turn(struct ferry_server *server, bool *more) {
    struct ferry_done_list *done = ferry_pipeline_done(server->pipeline);
    server->now = ferry_clock_now();
    bool sleep = ferry_done_list_prepare_wait(done) && !*more;
    unsigned woken = ferry_server_endpoint_wait(server->endpoint, done->bell,
                                                sleep ? wait_milliseconds(server) : 0);
    ferry_done_list_woken(done, woken & FERRY_WAIT_EXTRA);
    server->now = ferry_clock_now();
    send_done(server);
    *more = receive_some(server);
    watch(server);
    if (server->now > server->next_deadline_ns)
        expire(server);
}

/* What is stuck in a worker is answered here. A text worker still reads the body of its message, so
 * the request keeps that for ever; no worker touches the id. */
static void answer_stuck(struct ferry_server *server, enum ferry_status status) {
    for (struct ferry_request *request = server->oldest; request != NULL;
         request = request->newer) {
        struct ferry_buffer body;
        struct ferry_message *address = ferry_message_copy_address(request->message);
        ferry_buffer_init(&body, 4096);
        if (address != NULL &&
            ferry_wire_reply_error(&request->wire.id, status,
                                   "the daemon ends before this was computed: send it again", 0,
                                   &body) == FERRY_OK) {
            ferry_server_endpoint_reply(server->endpoint, address, &body);
            address = NULL;
        }
        ferry_message_free(address);
        ferry_buffer_free(&body);
        server->statistics.answered[status]++;
    }
}

static bool drain(struct ferry_server *server, const volatile int *stops) {
    bool lost = ferry_pipeline_device_lost(server->pipeline);
    int64_t limit =
        server->now + (lost ? 0 : server->settings->drain_ms * FERRY_NANOSECONDS_PER_MILLISECOND);
    int64_t end = INT64_MAX;
    bool more = false;
    server->draining = true;
    while (server->active > 0 && server->now < end) {
        if (end == INT64_MAX && (lost || *stops > 1 || server->now >= limit)) {
            ferry_log(FERRY_LOG_NOTICE, "%u requests are answered without being computed",
                      server->active);
            ferry_pipeline_close(server->pipeline, lost ? FERRY_DEVICE_LOST : FERRY_SHUTTING_DOWN);
            end = server->now + LAST_WAIT_MS * FERRY_NANOSECONDS_PER_MILLISECOND;
        }
        int64_t next = end != INT64_MAX ? end : limit;
        if (server->next_deadline_ns > next)
            server->next_deadline_ns = next; /* so that the wait ends in time */
        one_turn(server, &more);
        lost = lost || ferry_pipeline_device_lost(server->pipeline);
    }
    if (server->active > 0)
        answer_stuck(server, lost ? FERRY_DEVICE_LOST : FERRY_SHUTTING_DOWN);
    return server->active == 0;
}

bool ferry_server_run(struct ferry_server *server, const volatile int *stops) {
    bool more = false;
    while (*stops == 0 && !ferry_pipeline_device_lost(server->pipeline))
        one_turn(server, &more);
    server->now = ferry_clock_now();
    return drain(server, stops);
}
