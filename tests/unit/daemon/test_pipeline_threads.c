/* The pipeline with all its threads, the fake engine with delays and failures, and this program as
 * the io thread: requests of all sizes, cancelled, expired, refused, shut down while busy. Every
 * request must come out exactly once, with an answer that is allowed, and every row must be the row
 * of its own text. Runs under ThreadSanitizer too; FERRY_PIPELINE_REQUESTS makes it longer. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/schedule/pipeline.h"
#include "tests/unit/daemon/small_model.h"

enum { TEXTS = 200, MAX_ITEMS_OF_A_REQUEST = 40, OPEN_REQUESTS = 400, MODELS = 2 };

struct plan {
    const char *name;
    const char *script;
    unsigned allowed;     /* bits of statuses that a request may come out with */
    unsigned items_fail;  /* bits of statuses that an item may have */
    unsigned close_after; /* requests, then everything is closed; 0: never */
};

struct run {
    const struct plan *plan;
    uint64_t random;
    struct ferry_pipeline *pipeline;
    struct ferry_loaded_model *models[MODELS];
    struct ferry_request_pool pool;
    struct ferry_request *open[OPEN_REQUESTS];
    unsigned open_count, submitted, answered;
    unsigned seen; /* bits of statuses that came out */
    char texts[TEXTS][160];
    uint8_t rows[TEXTS][SMALL_MODEL_WIDTH * sizeof(float)]; /* bit by bit the same */
    bool known[TEXTS];
};

static void fail(const struct run *run, const char *what) {
    fprintf(stderr, "%s: %s\n", run->plan->name, what);
    exit(1);
}

static uint64_t draw(struct run *run, uint64_t bound) {
    run->random = run->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (run->random >> 33) % bound;
}

static void make_texts(struct run *run) {
    for (int i = 0; i < TEXTS; i++) {
        int words = 1 + i % 30;
        for (int k = 0; k < words; k++) {
            size_t used = strlen(run->texts[i]);
            snprintf(run->texts[i] + used, sizeof run->texts[i] - used, "w%d ",
                     (i * 7 + k * k) % SMALL_MODEL_WORDS);
        }
    }
}

static void fill(struct run *run, struct ferry_request *request) {
    struct ferry_wire_request *wire = &request->wire;
    uint32_t model = (uint32_t)draw(run, MODELS);
    ferry_wire_request_init(wire, FERRY_OPERATION_EMBED);
    wire->item_count = (uint32_t)(1 + draw(run, draw(run, 4) ? 3 : MAX_ITEMS_OF_A_REQUEST));
    wire->items = ferry_arena_allocate(&request->arena, wire->item_count * sizeof *wire->items);
    if (wire->items == NULL)
        fail(run, "out of memory");
    memset(wire->items, 0, wire->item_count * sizeof *wire->items);
    for (uint32_t i = 0; i < wire->item_count; i++) {
        const char *text = run->texts[draw(run, TEXTS)];
        wire->items[i].text = (struct ferry_view){text, (uint32_t)strlen(text)};
        if (draw(run, 50) == 0)
            wire->items[i].text = (struct ferry_view){"\xFF", 1};
    }
    wire->priority = draw(run, 2) ? FERRY_WIRE_BULK : FERRY_WIRE_INTERACTIVE;
    request->model = run->models[model];
    request->queue = ferry_pipeline_queue(run->pipeline, model);
    request->normalize = false;
    if (draw(run, 10) == 0)
        request->deadline_ns =
            request->arrived_ns + (int64_t)draw(run, 5) * FERRY_NANOSECONDS_PER_MILLISECOND;
}

static void submit(struct run *run) {
    struct ferry_request *request = ferry_request_acquire(&run->pool, NULL, ferry_clock_now());
    if (request == NULL)
        fail(run, "out of memory");
    fill(run, request);
    if (ferry_pipeline_submit(run->pipeline, request) == FERRY_SUBMIT_FULL) {
        ferry_request_release(&run->pool, request);
        return;
    }
    run->open[run->open_count++] = request;
    run->submitted++;
}

static unsigned text_of(const struct run *run, const struct ferry_wire_item *item) {
    return (unsigned)((item->text.data - run->texts[0]) / (long)sizeof run->texts[0]);
}

static void check_row(struct run *run, const struct ferry_request *request, uint32_t index) {
    const struct ferry_wire_item *item = &request->wire.items[index];
    const struct ferry_item *result = &request->items[index];
    if (item->text.size == 1) {
        if (result->status != FERRY_INVALID_INPUT)
            fail(run, "broken UTF-8 was accepted");
        return;
    }
    if (result->status != FERRY_OK) {
        if (!(run->plan->items_fail & 1u << result->status))
            fail(run, ferry_status_name(result->status));
        return;
    }
    uint8_t row[SMALL_MODEL_WIDTH * sizeof(float)];
    memcpy(row, request->matrix + index * request->row_bytes, sizeof row);
    unsigned text = text_of(run, item);
    if (!run->known[text])
        memcpy(run->rows[text], row, sizeof row);
    run->known[text] = true;
    if (memcmp(run->rows[text], row, sizeof row) != 0)
        fail(run, "a row of another text");
}

static void take_back(struct run *run, struct ferry_request *request) {
    unsigned at = 0;
    while (at < run->open_count && run->open[at] != request)
        at++;
    if (at == run->open_count)
        fail(run, "a request came out twice");
    run->open[at] = run->open[--run->open_count];
    run->answered++;
    run->seen |= 1u << request->status;
    if (request->reply.size == 0)
        fail(run, "a request came out without a reply");
    if (!(run->plan->allowed & 1u << request->status))
        fail(run, ferry_status_name(request->status));
    for (uint32_t i = 0; request->status == FERRY_OK && i < request->wire.item_count; i++)
        check_row(run, request, i);
    ferry_request_release(&run->pool, request);
}

static void one_turn(struct run *run, bool may_wait) {
    struct ferry_done_list *done = ferry_pipeline_done(run->pipeline);
    struct pollfd bell = {.fd = done->bell, .events = POLLIN};
    if (may_wait && ferry_done_list_prepare_wait(done))
        poll(&bell, 1, 20);
    ferry_done_list_woken(done, true);
    ferry_pipeline_expire(run->pipeline, ferry_clock_now());
    struct ferry_request *request = ferry_done_list_take(done);
    while (request != NULL) {
        struct ferry_request *next = request->next;
        take_back(run, request);
        request = next;
    }
}

static void drive(struct run *run, unsigned requests) {
    bool closed = false;
    while (run->submitted < requests || run->open_count > 0) {
        for (uint64_t burst = draw(run, 20); burst > 0; burst--)
            if (run->submitted < requests && run->open_count < OPEN_REQUESTS)
                submit(run);
        if (draw(run, 3) == 0 && run->open_count > 0)
            ferry_pipeline_cancel(run->pipeline, run->open[draw(run, run->open_count)]);
        ferry_pipeline_flush(run->pipeline);
        if (!closed && run->plan->close_after > 0 && run->submitted >= run->plan->close_after) {
            ferry_pipeline_close(run->pipeline, FERRY_SHUTTING_DOWN);
            closed = true;
        }
        one_turn(run, run->submitted == requests || run->open_count == OPEN_REQUESTS);
    }
}

static void play(const struct plan *plan, unsigned requests) {
    static struct run run;
    memset(&run, 0, sizeof run);
    run.plan = plan;
    run.random = 1;
    run.pool = (struct ferry_request_pool){
        .free_maximum = OPEN_REQUESTS / 2, .arena_maximum = 1 << 20, .reply_maximum = 1 << 20};
    make_texts(&run);
    for (int i = 0; i < MODELS; i++)
        run.models[i] = small_model_open(plan->script);
    struct ferry_pipeline_options options = {.text_workers = 2,
                                             .text_queue_requests = 128,
                                             .inline_text_bytes = 200,
                                             .batch_tokens = 128,
                                             .batch_sequences = 16,
                                             .bulk_limit_ns = FERRY_NANOSECONDS_PER_MILLISECOND};
    struct ferry_error error;
    if (ferry_pipeline_start(run.models, MODELS, &options, &run.pipeline, &error) != FERRY_OK)
        fail(&run, error.text);
    drive(&run, requests);
    if (!ferry_pipeline_stop(run.pipeline, INT64_MAX))
        fail(&run, "the pipeline did not stop");
    ferry_request_pool_free(&run.pool);
    for (int i = 0; i < MODELS; i++)
        small_model_close(run.models[i]);
    printf("%s: %u requests, %u answered\n", plan->name, run.submitted, run.answered);
    if (run.submitted != run.answered)
        fail(&run, "not every request was answered");
    if (plan->close_after > 0 && !(run.seen & 1u << FERRY_SHUTTING_DOWN))
        fail(&run, "nothing was refused after the close");
}

#define BIT(status) (1u << FERRY_##status)
#define USUAL (BIT(OK) | BIT(DEADLINE) | BIT(CANCELLED))

static const struct plan plans[] = {
    {"quick device", "workers=2", USUAL, 0, 0},
    {"slow device", "workers=2 batch_us=300", USUAL, 0, 0},
    {"bad items", "workers=2 batch_us=50 poison=20 poison=33", USUAL, BIT(ENGINE), 0},
    {"little memory", "workers=2 batch_us=50 oom_above=24", USUAL, BIT(OUT_OF_MEMORY), 0},
    {"fixed shapes", "workers=2 batch_us=50 fixed_batch=4 fixed_length=32", USUAL, 0, 0},
    {"equal lengths", "workers=2 batch_us=50 equal_lengths", USUAL, 0, 0},
    {"device lost", "workers=2 batch_us=100 lost_at=40", USUAL | BIT(DEVICE_LOST), 0, 0},
    {"closed while busy", "workers=2 batch_us=500", USUAL | BIT(SHUTTING_DOWN), 0, 300},
};

int main(void) {
    const char *text = getenv("FERRY_PIPELINE_REQUESTS");
    unsigned requests = text != NULL && *text != '\0' ? (unsigned)strtoul(text, NULL, 10) : 1500;
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
        play(&plans[i], requests);
    return 0;
}
