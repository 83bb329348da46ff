/* The decode loop with all its threads, the fake decoder with a small cache, delays and failures,
 * and this program as the io thread: score, next and generate, streamed and not, cancelled,
 * expired, closed while busy. Every request comes out exactly once; every sequence has the tokens
 * that it has alone; parts of a stream, read while the sequence grows, make up its tokens. Runs
 * under ThreadSanitizer too; FERRY_PIPELINE_REQUESTS makes it longer. */
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/schedule/decode_reply.h"
#include "daemon/schedule/pipeline.h"

enum { VOCABULARY = 64, LENGTH = 48, PROMPTS = 40, MOST_NEW = 12, OPEN_REQUESTS = 120, ITEMS = 4 };

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
    struct ferry_loaded_model *model;
    struct ferry_request_pool pool;
    struct ferry_request *open[OPEN_REQUESTS];
    unsigned open_count, submitted, answered;
    unsigned parts;
    int32_t prompts[PROMPTS][LENGTH];
    uint32_t lengths[PROMPTS];
    int32_t known[PROMPTS][MOST_NEW]; /* greedy; as first seen */
    uint32_t known_count[PROMPTS];
};

static void fail(const struct run *run, const char *what) {
    fprintf(stderr, "%s: %s\n", run->plan->name, what);
    exit(1);
}

static uint32_t draw(struct run *run, uint32_t bound) {
    run->random = run->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(run->random >> 33) % bound;
}

static struct ferry_loaded_model *open_model(const char *script) {
    struct ferry_loaded_model *model = calloc(1, sizeof *model);
    struct ferry_model_spec spec = {.name = "small",
                                    .inputs = {{FERRY_INPUT_IDS, FERRY_INT64}},
                                    .input_count = 1,
                                    .output_shape = FERRY_OUTPUT_LOGITS,
                                    .max_length = LENGTH,
                                    .width = VOCABULARY,
                                    .vocabulary_size = VOCABULARY};
    struct ferry_engine_options options = {.device = "cpu", .script = script};
    struct ferry_decoder_options decoder = {.max_sequences = 0};
    struct ferry_error error;
    if (model == NULL)
        exit(1);
    model->engine = ferry_fake_engine();
    if (model->engine->model_load(&spec, &options, &model->engine_model, &error) != FERRY_OK ||
        model->engine->decoder_create(model->engine_model, &decoder, &model->decoder, &error) !=
            FERRY_OK) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    strcpy(model->name, "small");
    model->task = "generate";
    model->pooling = "none";
    model->info = model->engine->model_info(model->engine_model);
    model->decoder_info = model->engine->decoder_info(model->decoder);
    model->vocabulary_size = VOCABULARY;
    model->max_length = LENGTH;
    model->decoding.begin_id = -1;
    return model;
}

static void close_model(struct ferry_loaded_model *model) {
    model->engine->decoder_free(model->decoder);
    model->engine->model_free(model->engine_model);
    free(model);
}

static void make_prompts(struct run *run) {
    for (uint32_t i = 0; i < PROMPTS; i++) {
        run->lengths[i] = 1 + draw(run, LENGTH - MOST_NEW - 1);
        for (uint32_t at = 0; at < run->lengths[i]; at++)
            run->prompts[i][at] = (int32_t)draw(run, VOCABULARY);
    }
}

static void fill(struct run *run, struct ferry_request *request) {
    static const enum ferry_operation operations[] = {FERRY_OPERATION_SCORE, FERRY_OPERATION_NEXT,
                                                      FERRY_OPERATION_GENERATE,
                                                      FERRY_OPERATION_GENERATE};
    struct ferry_wire_request *wire = &request->wire;
    ferry_wire_request_init(wire, operations[draw(run, 4)]);
    wire->item_count = 1 + draw(run, ITEMS);
    wire->items = ferry_arena_allocate(&request->arena, wire->item_count * sizeof *wire->items);
    if (wire->items == NULL)
        fail(run, "out of memory");
    memset(wire->items, 0, wire->item_count * sizeof *wire->items);
    for (uint32_t i = 0; i < wire->item_count; i++) {
        uint32_t prompt = draw(run, PROMPTS);
        wire->items[i].ids = run->prompts[prompt];
        wire->items[i].id_count = run->lengths[prompt];
    }
    wire->priority = draw(run, 3) == 0 ? FERRY_WIRE_BULK : FERRY_WIRE_INTERACTIVE;
    wire->generation.max_new_tokens = 1 + draw(run, MOST_NEW);
    wire->generation.stream = draw(run, 2) == 0;
    wire->generation.choices = 1 + draw(run, 2);
    request->model = run->model;
    request->queue = ferry_pipeline_queue(run->pipeline, 0);
    request->decode = ferry_pipeline_decode_queue(run->pipeline, 0);
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

/* As the io thread does it: what has come since the last part. */
static void read_along(struct run *run, struct ferry_request *request) {
    if (request->items == NULL || !request->wire.generation.stream)
        return;
    for (uint32_t i = 0; i < request->wire.item_count; i++)
        for (uint32_t s = 0; s < request->items[i].sequence_count; s++) {
            struct ferry_sequence *sequence = &request->items[i].sequences[s];
            struct ferry_wire_part part;
            pthread_mutex_lock(&request->decode->stream_lock);
            bool there = ferry_sequence_next_part(sequence, &part);
            for (uint32_t at = 0; there && at < part.piece.count; at++)
                if (part.piece.ids[at] < 0 || part.piece.ids[at] >= VOCABULARY)
                    fail(run, "a part has ids that are not there");
            pthread_mutex_unlock(&request->decode->stream_lock);
            if (there)
                ferry_sequence_part_sent(sequence, &part);
            run->parts += there;
        }
}

static void check_choice(struct run *run, const struct ferry_request *request,
                         const struct ferry_item *item, const struct ferry_sequence *sequence) {
    uint32_t prompt = (uint32_t)((request->wire.items[item->index].ids - run->prompts[0]) / LENGTH);
    uint32_t count = sequence->text.token_count;
    const int32_t *got = sequence->ids + sequence->prompt_length;
    if (count != request->wire.generation.max_new_tokens)
        fail(run, "a choice of another length");
    for (uint32_t at = 0; at < count; at++) {
        if (at == run->known_count[prompt])
            run->known[prompt][run->known_count[prompt]++] = got[at];
        if (run->known[prompt][at] != got[at])
            fail(run, "tokens of another prompt");
    }
    if (request->wire.generation.stream && sequence->sent_tokens > count)
        fail(run, "more tokens were streamed than there are");
}

static void check_item(struct run *run, const struct ferry_request *request,
                       const struct ferry_item *item) {
    if (item->status != FERRY_OK) {
        if (!(run->plan->items_fail & 1u << item->status))
            fail(run, item->error_text);
        return;
    }
    for (uint32_t s = 0; s < item->sequence_count; s++)
        if (request->wire.operation == FERRY_OPERATION_GENERATE)
            check_choice(run, request, item, &item->sequences[s]);
    for (uint32_t at = 1; at < item->prompt_length; at++)
        if (request->wire.operation == FERRY_OPERATION_SCORE && !(item->logprobs[at] <= 0))
            fail(run, "a token was not scored");
}

static void take_back(struct run *run, struct ferry_request *request) {
    unsigned at = 0;
    while (at < run->open_count && run->open[at] != request)
        at++;
    if (at == run->open_count)
        fail(run, "a request came out twice");
    run->open[at] = run->open[--run->open_count];
    run->answered++;
    if (request->reply.size == 0)
        fail(run, "a request came out without a reply");
    if (!(run->plan->allowed & 1u << request->status))
        fail(run, ferry_status_name(request->status));
    for (uint32_t i = 0; request->status == FERRY_OK && i < request->wire.item_count; i++)
        check_item(run, request, &request->items[i]);
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
    struct ferry_request *progress = ferry_done_list_take_progress(done);
    struct ferry_request *streamed;
    while ((streamed = ferry_progress_next(&progress)) != NULL)
        read_along(run, streamed);
    while (request != NULL) {
        struct ferry_request *next = request->next;
        take_back(run, request);
        request = next;
    }
}

static void drive(struct run *run, unsigned requests) {
    bool closed = false;
    while (run->submitted < requests || run->open_count > 0) {
        for (uint32_t burst = draw(run, 8); burst > 0; burst--)
            if (run->submitted < requests && run->open_count < OPEN_REQUESTS)
                submit(run);
        if (draw(run, 6) == 0 && run->open_count > 0)
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
    make_prompts(&run);
    run.model = open_model(plan->script);
    struct ferry_pipeline_options options = {.text_workers = 2,
                                             .text_queue_requests = 128,
                                             .inline_text_bytes = 60,
                                             .batch_sequences = 16,
                                             .step_tokens = 24,
                                             .bulk_limit_ns = FERRY_NANOSECONDS_PER_MILLISECOND};
    struct ferry_error error;
    if (ferry_pipeline_start(&run.model, 1, &options, &run.pipeline, &error) != FERRY_OK)
        fail(&run, error.text);
    drive(&run, requests);
    struct ferry_decode_counters counters =
        ferry_decode_queue_count(ferry_pipeline_decode_queue(run.pipeline, 0));
    if (!ferry_pipeline_stop(run.pipeline, INT64_MAX))
        fail(&run, "the pipeline did not stop");
    ferry_request_pool_free(&run.pool);
    close_model(run.model);
    printf("%s: %u requests, %u answered, %u parts, %llu steps, %llu sent back\n", plan->name,
           run.submitted, run.answered, run.parts, (unsigned long long)counters.steps,
           (unsigned long long)counters.now.preempted);
    if (run.submitted != run.answered)
        fail(&run, "not every request was answered");
}

#define BIT(status) (1u << FERRY_##status)
#define USUAL (BIT(OK) | BIT(DEADLINE) | BIT(CANCELLED))

static const struct plan plans[] = {
    {"quick decoder", "max_sequences=8 block_tokens=4 blocks=200", USUAL, 0, 0},
    {"small cache", "max_sequences=16 block_tokens=4 blocks=24 step_us=50", USUAL, 0, 0},
    {"no cache", "max_sequences=8 block_tokens=0", USUAL, 0, 0},
    {"bad sequences", "max_sequences=8 poison=20 step_poison=33", USUAL, BIT(ENGINE), 0},
    {"little memory", "max_sequences=8 oom_above=6", USUAL, BIT(OUT_OF_MEMORY), 0},
    {"device lost", "max_sequences=8 step_us=50 lost_at=60", USUAL | BIT(DEVICE_LOST), 0, 0},
    {"closed while busy", "max_sequences=8 step_us=200", USUAL | BIT(SHUTTING_DOWN), 0, 100},
};

int main(void) {
    const char *text = getenv("FERRY_PIPELINE_REQUESTS");
    unsigned requests = text != NULL && *text != '\0' ? (unsigned)strtoul(text, NULL, 10) : 600;
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
        play(&plans[i], requests);
    return 0;
}
