#include "tests/unit/clients/exchange_scenario.h"

#include <stdlib.h>
#include <string.h>

static enum ferry_status remember_sent(void *context, const void *body, size_t size) {
    struct scenario *scenario = context;
    if (!scenario->connected)
        return FERRY_UNAVAILABLE;
    if (scenario->socket_is_full)
        return FERRY_BUSY;
    cr_assert_lt(scenario->sent_count, (size_t)SCENARIO_MOST);
    uint8_t *copy = ferry_arena_allocate(&scenario->arena, size);
    memcpy(copy, body, size);
    struct ferry_wire_limits limits = {.max_items = 10000, .max_ids_per_item = 10000};
    struct ferry_wire_request request;
    struct ferry_error error;
    cr_assert_eq(ferry_wire_request_decode(copy, size, &limits, &scenario->arena, &request, &error),
                 FERRY_OK, "%s", error.text);
    if (request.operation == FERRY_OPERATION_PING)
        scenario->ping_count++;
    else if (request.operation == FERRY_OPERATION_CANCEL)
        scenario->cancelled[scenario->cancelled_count++] = request.cancel_target;
    else
        scenario->sent[scenario->sent_count++] = request;
    return FERRY_OK;
}

static void remember_part(void *context, struct stream_part *part) {
    struct scenario *scenario = context;
    cr_assert_lt(scenario->part_count, (size_t)SCENARIO_MOST);
    cr_assert_eq(scenario->finished_count, 0u, "a part came after the end");
    scenario->parts[scenario->part_count++] = part;
}

static void remember_finished(void *context, struct ferry_reply *reply) {
    struct scenario *scenario = context;
    for (size_t at = 0; at < scenario->finished_count; at++)
        cr_assert_neq(scenario->finished[at], reply, "a call finished twice");
    scenario->finished[scenario->finished_count++] = reply;
}

struct scenario *scenario_create(void) {
    struct scenario *scenario = calloc(1, sizeof *scenario);
    scenario->settings = (struct client_settings){.deadline_ns = SECONDS(30),
                                                  .generate_deadline_ns = SECONDS(600),
                                                  .patience_ns = SECONDS(4),
                                                  .heartbeat_ns = SECONDS(1),
                                                  .max_attempts = 4,
                                                  .max_in_flight = 1024,
                                                  .items_per_piece = 4,
                                                  .bytes_per_piece = 1000,
                                                  .max_pending_bytes = 1 << 20,
                                                  .max_reply_bytes = 1 << 20};
    scenario->next_id = 1;
    scenario->connected = true;
    ferry_arena_init(&scenario->arena, 256 << 20);
    struct exchange_output output = {.send = remember_sent,
                                     .deliver = remember_part,
                                     .finish = remember_finished,
                                     .context = scenario};
    exchange_init(&scenario->exchange, &scenario->settings, &output, "ipc:///test", 1);
    return scenario;
}

void scenario_free(struct scenario *scenario) {
    exchange_fail_all(&scenario->exchange, FERRY_CANCELLED, "end of the test");
    for (size_t at = 0; at < scenario->part_count; at++)
        ferry_part_free(&scenario->parts[at]->part);
    for (size_t at = 0; at < scenario->finished_count; at++)
        ferry_reply_free(scenario->finished[at]);
    for (size_t at = 0; at < scenario->reply_count; at++)
        ferry_buffer_free(&scenario->replies[at]);
    ferry_arena_free(&scenario->arena);
    free(scenario);
}

uint64_t scenario_submit(struct scenario *scenario, size_t items, uint32_t deadline_ms) {
    struct ferry_client_item *texts = calloc(items, sizeof *texts);
    for (size_t at = 0; at < items; at++)
        texts[at] = (struct ferry_client_item){.text = "text", .text_bytes = 4};
    struct ferry_client_request request = {.operation = FERRY_CLIENT_EMBED,
                                           .items = texts,
                                           .item_count = items,
                                           .deadline_ms = deadline_ms};
    uint64_t ticket = scenario_submit_request(scenario, &request);
    free(texts);
    return ticket;
}

uint64_t scenario_submit_request(struct scenario *scenario,
                                 const struct ferry_client_request *request) {
    struct ferry_reply *reply;
    struct ferry_error error;
    cr_assert_eq(
        ferry_reply_create(request, &scenario->settings, &scenario->next_id, &reply, &error),
        FERRY_OK, "%s", error.text);
    reply->ticket = reply->pieces[0].id;
    reply->deadline += scenario->now - reply->submitted; /* the scripted clock's time */
    reply->submitted = scenario->now;
    uint64_t ticket = reply->ticket;
    exchange_add(&scenario->exchange, reply, scenario->now);
    scenario_advance(scenario);
    return ticket;
}

void scenario_advance(struct scenario *scenario) {
    exchange_advance(&scenario->exchange, scenario->now, scenario->connected);
}

void scenario_pass(struct scenario *scenario, int64_t nanoseconds) {
    int64_t end = scenario->now + nanoseconds;
    while (scenario->now < end) {
        int timeout_ms = exchange_timeout_ms(&scenario->exchange, scenario->now);
        int64_t step = MILLISECONDS(timeout_ms >= 0 && timeout_ms < 50 ? timeout_ms : 50);
        scenario->now += step > 0 ? step : MILLISECONDS(1);
        if (scenario->now > end)
            scenario->now = end;
        scenario_advance(scenario);
    }
}

static void receive(struct scenario *scenario, const struct ferry_buffer *body) {
    exchange_receive(&scenario->exchange, NULL, body->data, body->size, scenario->now);
    scenario_advance(scenario);
}

static struct ferry_buffer *new_reply(struct scenario *scenario) {
    cr_assert_lt(scenario->reply_count, (size_t)SCENARIO_MOST);
    struct ferry_buffer *body = &scenario->replies[scenario->reply_count++];
    ferry_buffer_init(body, 1 << 20);
    return body;
}

void scenario_answer(struct scenario *scenario, size_t at) {
    const struct ferry_wire_request *request = &scenario->sent[at];
    struct ferry_buffer *body = new_reply(scenario);
    uint32_t tokens[64], count = request->item_count;
    uint8_t truncated[64] = {0};
    float rows[64][2];
    for (uint32_t item = 0; item < count; item++) {
        tokens[item] = 3;
        rows[item][0] = (float)at;
        rows[item][1] = (float)item;
    }
    struct ferry_wire_truth truth = {.model = {.name = "test",
                                               .digest = "0",
                                               .engine = "fake",
                                               .precision = "f32",
                                               .device = "cpu"},
                                     .tokens = tokens,
                                     .truncated = truncated,
                                     .item_count = count};
    struct ferry_wire_matrix matrix = {.dtype = FERRY_WIRE_F32,
                                       .rows = count,
                                       .columns = 2,
                                       .data = rows,
                                       .size = count * sizeof rows[0]};
    cr_assert_eq(ferry_wire_reply_embed(&request->id, &truth, &matrix, body), FERRY_OK);
    receive(scenario, body);
}

void scenario_send_part(struct scenario *scenario, size_t at, const struct ferry_wire_part *part) {
    struct ferry_buffer *body = new_reply(scenario);
    cr_assert_eq(ferry_wire_part_encode(&scenario->sent[at].id, part, body), FERRY_OK);
    receive(scenario, body);
}

void scenario_answer_generate(struct scenario *scenario, size_t at, uint32_t n) {
    const struct ferry_wire_request *request = &scenario->sent[at];
    struct ferry_buffer *body = new_reply(scenario);
    uint32_t count = request->item_count;
    uint32_t *tokens = calloc(count, sizeof *tokens);
    uint8_t *truncated = calloc(count, 1);
    struct ferry_wire_choice *choices = calloc((size_t)count * n, sizeof *choices);
    for (size_t choice = 0; choice < (size_t)count * n; choice++)
        choices[choice] =
            (struct ferry_wire_choice){.text = {"", 0}, .finish = FERRY_WIRE_FINISH_END};
    struct ferry_wire_truth truth = {
        .model = {.name = "test", .digest = "0", .engine = "", .precision = "", .device = ""},
        .tokens = tokens,
        .truncated = truncated,
        .item_count = count};
    struct ferry_wire_choices result = {choices, n, 40 + at};
    cr_assert_eq(ferry_wire_reply_generate(&request->id, &truth, &result, body), FERRY_OK);
    free(choices);
    free(truncated);
    free(tokens);
    receive(scenario, body);
}

void scenario_refuse(struct scenario *scenario, size_t at, enum ferry_status status,
                     uint32_t retry_after_ms) {
    struct ferry_buffer *body = new_reply(scenario);
    cr_assert_eq(
        ferry_wire_reply_error(&scenario->sent[at].id, status, "refused", retry_after_ms, body),
        FERRY_OK);
    receive(scenario, body);
}

const struct ferry_reply *scenario_only_finished(const struct scenario *scenario) {
    cr_assert_eq(scenario->finished_count, 1u, "%zu calls finished", scenario->finished_count);
    return scenario->finished[0];
}
