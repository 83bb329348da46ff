/* Calls to language models, with a scripted clock: streams come out whole and in order or fail, and
 * what would give something else when it is split or begun anew is not. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/clients/exchange_scenario.h"

static struct scenario *scenario;

static void begin(void) {
    scenario = scenario_create();
}

static void end(void) {
    scenario_free(scenario);
}

TestSuite(exchange_streams, .init = begin, .fini = end);

static uint64_t submit(size_t items, struct ferry_client_generation generation) {
    struct ferry_client_item *texts = calloc(items, sizeof *texts);
    for (size_t at = 0; at < items; at++)
        texts[at] = (struct ferry_client_item){.text = "text", .text_bytes = 4};
    struct ferry_client_request request = {.operation = FERRY_CLIENT_GENERATE,
                                           .items = texts,
                                           .item_count = items,
                                           .generation = generation};
    uint64_t ticket = scenario_submit_request(scenario, &request);
    free(texts);
    return ticket;
}

static const struct ferry_client_generation streamed = {.stream = true};

/* Number `part` of the request that was sent as number `at`. */
static void send_part(size_t at, uint32_t part, uint32_t index, uint32_t choice, bool is_last) {
    const int32_t id = (int32_t)part;
    const char letter[1] = {(char)('a' + part % 26)};
    struct ferry_wire_part wire = {
        .part = part,
        .index = index,
        .choice = choice,
        .piece = {.text = {letter, 1}, .ids = &id, .count = 1, .finish = FERRY_WIRE_FINISH_LENGTH},
        .is_last = is_last};
    scenario_send_part(scenario, at, &wire);
}

static enum ferry_status only_status(void) {
    return scenario_only_finished(scenario)->status;
}

Test(exchange_streams, parts_come_out_in_order_and_then_the_end) {
    submit(1, streamed);
    cr_assert(scenario->sent[0].generation.stream);
    for (uint32_t part = 0; part < 5; part++) {
        send_part(0, part, 0, 0, part == 4);
        cr_assert_eq(scenario->part_count, part + 1);
        const struct ferry_part *came = &scenario->parts[part]->part;
        cr_assert_eq(came->piece.ids[0], (int32_t)part);
        cr_assert_eq(came->piece.text[0], 'a' + (char)part);
        cr_assert_eq(came->piece.finish_reason != NULL, part == 4);
    }
    scenario_answer_generate(scenario, 0, 1);
    cr_assert_eq(only_status(), FERRY_OK);
    cr_assert_eq(scenario->part_count, 5u);
}

Test(exchange_streams, a_split_stream_tells_the_users_own_indexes) {
    submit(6, streamed); /* pieces of 4 */
    cr_assert_eq(scenario->sent_count, 2u);
    send_part(1, 0, 1, 0, true);
    cr_assert_eq(scenario->parts[0]->part.index, 5u);
    send_part(0, 0, 3, 0, true);
    cr_assert_eq(scenario->parts[1]->part.index, 3u);
    for (uint32_t index = 0; index < 3; index++)
        send_part(0, index + 1, index, 0, true);
    send_part(1, 1, 0, 0, true);
    scenario_answer_generate(scenario, 1, 1);
    scenario_answer_generate(scenario, 0, 1);
    cr_assert_eq(only_status(), FERRY_OK);
    cr_assert_eq(ferry_reply_seed(scenario->finished[0], 0), 40u);
    cr_assert_eq(ferry_reply_seed(scenario->finished[0], 5), 41u);
    struct ferry_reply_choice choice;
    cr_assert(ferry_reply_get_choice(scenario->finished[0], 5, 0, &choice));
    cr_assert_str_eq(choice.finish_reason, "end");
    cr_assert(!ferry_reply_get_choice(scenario->finished[0], 5, 1, &choice));
    cr_assert(!ferry_reply_get_choice(scenario->finished[0], 6, 0, &choice));
}

Test(exchange_streams, a_missing_part_is_an_error) {
    submit(1, streamed);
    send_part(0, 0, 0, 0, false);
    send_part(0, 2, 0, 0, false);
    cr_assert_eq(only_status(), FERRY_BAD_DATA);
    cr_assert_eq(scenario->part_count, 1u);
    cr_assert_eq(scenario->cancelled_count, 1u);
    send_part(0, 1, 0, 0, false); /* nobody's any more */
    cr_assert_eq(scenario->part_count, 1u);
}

Test(exchange_streams, a_part_that_comes_twice_is_an_error) {
    submit(1, streamed);
    send_part(0, 0, 0, 0, false);
    send_part(0, 0, 0, 0, false);
    cr_assert_eq(only_status(), FERRY_BAD_DATA);
}

Test(exchange_streams, an_end_that_is_missing_is_an_error) {
    submit(1, (struct ferry_client_generation){.stream = true, .choices = 2});
    send_part(0, 0, 0, 1, true);
    send_part(0, 1, 0, 0, false);
    scenario_answer_generate(scenario, 0, 2);
    cr_assert_eq(only_status(), FERRY_BAD_DATA);
}

Test(exchange_streams, parts_nobody_asked_for_are_errors) {
    submit(1, (struct ferry_client_generation){.stream = false});
    send_part(0, 0, 0, 0, false);
    cr_assert_eq(only_status(), FERRY_BAD_DATA);
    cr_assert_eq(scenario->part_count, 0u);
}

Test(exchange_streams, parts_of_items_that_are_not_there_are_errors) {
    submit(1, streamed);
    send_part(0, 0, 1, 0, false);
    submit(1, streamed);
    send_part(1, 0, 0, 1, false);
    cr_assert_eq(scenario->finished_count, 2u);
    cr_assert_eq(scenario->finished[0]->status, FERRY_BAD_DATA);
    cr_assert_eq(scenario->finished[1]->status, FERRY_BAD_DATA);
}

Test(exchange_streams, another_number_of_choices_is_an_error) {
    submit(1, (struct ferry_client_generation){.choices = 3});
    scenario_answer_generate(scenario, 0, 2);
    cr_assert_eq(only_status(), FERRY_BAD_DATA);
}

Test(exchange_streams, a_connection_lost_before_the_first_part_begins_anew) {
    submit(1, streamed);
    exchange_connection_lost(&scenario->exchange, scenario->now);
    scenario_pass(scenario, MILLISECONDS(500));
    cr_assert_eq(scenario->sent_count, 2u);
    send_part(1, 0, 0, 0, true);
    scenario_answer_generate(scenario, 1, 1);
    cr_assert_eq(only_status(), FERRY_OK);
}

Test(exchange_streams, a_connection_lost_after_a_part_ends_the_call) {
    submit(1, streamed);
    submit(1, (struct ferry_client_generation){.max_new_tokens = 3});
    send_part(0, 0, 0, 0, false);
    exchange_connection_lost(&scenario->exchange, scenario->now);
    cr_assert_eq(only_status(), FERRY_UNAVAILABLE);
    cr_assert_not_null(strstr(scenario->finished[0]->error.text, "in the middle of a stream"));
    scenario_pass(scenario, SECONDS(1));
    cr_assert_eq(scenario->sent_count, 3u, "what has delivered nothing is sent again");
}

Test(exchange_streams, busy_before_the_first_part_is_tried_again_and_after_it_is_not) {
    submit(1, streamed);
    scenario_refuse(scenario, 0, FERRY_BUSY, 10);
    scenario_pass(scenario, MILLISECONDS(100));
    cr_assert_eq(scenario->sent_count, 2u);
    send_part(1, 0, 0, 0, false);
    scenario_refuse(scenario, 1, FERRY_SHUTTING_DOWN, 0);
    cr_assert_eq(only_status(), FERRY_SHUTTING_DOWN);
    cr_assert_eq(scenario->sent_count, 2u);
}

Test(exchange_streams, cancel_ends_a_stream_and_tells_the_daemon) {
    uint64_t ticket = submit(1, streamed);
    send_part(0, 0, 0, 0, false);
    exchange_cancel(&scenario->exchange, ticket);
    cr_assert_eq(only_status(), FERRY_CANCELLED);
    cr_assert_eq(scenario->cancelled_count, 1u);
    cr_assert(ferry_wire_id_equal(&scenario->cancelled[0], &scenario->sent[0].id));
    send_part(0, 1, 0, 0, false); /* was on its way */
    cr_assert_eq(scenario->part_count, 1u);
}

Test(exchange_streams, parts_that_nobody_takes_are_bounded) {
    scenario->exchange.settings.max_pending_bytes = 3000;
    submit(1, streamed);
    scenario->exchange.live.tqh_first->untaken_bytes = 3001;
    send_part(0, 0, 0, 0, false);
    cr_assert_eq(only_status(), FERRY_BUSY);
    cr_assert_eq(scenario->part_count, 0u);
    cr_assert_eq(scenario->cancelled_count, 1u);
}

/* Parts keep a call alive as pongs do: a long generation is no silent daemon. */
Test(exchange_streams, generation_has_ten_minutes_and_parts_count_as_signs_of_life) {
    submit(1, streamed);
    cr_assert_eq(scenario->sent[0].deadline_ms, 600000u);
    uint32_t part = 0;
    while (scenario->now < SECONDS(599)) {
        scenario_pass(scenario, SECONDS(1));
        send_part(0, part++, 0, 0, false);
    }
    cr_assert_eq(scenario->finished_count, 0u);
    scenario_pass(scenario, SECONDS(2));
    cr_assert_eq(only_status(), FERRY_TIMEOUT);
}

Test(exchange_streams, a_seeded_request_stays_whole) {
    submit(10, (struct ferry_client_generation){.has_seed = true, .seed = 5});
    cr_assert_eq(scenario->sent_count, 1u);
    cr_assert_eq(scenario->sent[0].item_count, 10u);
    cr_assert(scenario->sent[0].generation.has_seed && scenario->sent[0].generation.seed == 5);
    scenario_answer_generate(scenario, 0, 1);
    cr_assert_eq(only_status(), FERRY_OK);
    submit(10, (struct ferry_client_generation){.temperature = 1});
    cr_assert_eq(scenario->sent_count, 4u);
    cr_assert(!scenario->sent[3].generation.has_seed);
}

Test(exchange_streams, zero_stands_for_the_protocols_defaults) {
    submit(1, (struct ferry_client_generation){0});
    const struct ferry_wire_generation *sent = &scenario->sent[0].generation;
    cr_assert_eq(sent->max_new_tokens, 128u);
    cr_assert_eq(sent->choices, 1u);
    cr_assert(sent->top_p == 1 && sent->repetition_penalty == 1 && sent->temperature == 0);
    cr_assert(!sent->has_seed && !sent->has_temperature && sent->stop_count == 0);
    cr_assert(scenario->sent[0].add_special_tokens && scenario->sent[0].skip_special_tokens);
    cr_assert_eq(scenario->sent[0].truncate, FERRY_WIRE_TRUNCATE_ERROR);
    cr_assert_eq(scenario->sent[0].top, 0u);
}

Test(exchange_streams, every_option_arrives) {
    const char *const stop[] = {"\n", "END"};
    const int32_t stop_ids[] = {50256};
    const int32_t ids[] = {1, 2};
    struct ferry_client_item item = {.ids = ids, .id_count = 2};
    struct ferry_client_request request = {.operation = FERRY_CLIENT_GENERATE,
                                           .items = &item,
                                           .item_count = 1,
                                           .max_tokens = 9,
                                           .truncate = FERRY_CLIENT_TRUNCATE_RIGHT,
                                           .without_special_tokens = true,
                                           .keep_special_tokens = true,
                                           .top = 3,
                                           .generation = {.max_new_tokens = 7,
                                                          .min_new_tokens = 2,
                                                          .choices = 4,
                                                          .top_k = 40,
                                                          .top_p = 0.5F,
                                                          .min_p = 0.25F,
                                                          .repetition_penalty = 1.5F,
                                                          .has_temperature = true,
                                                          .logprobs = true,
                                                          .echo = true,
                                                          .ignore_end = true,
                                                          .stop = stop,
                                                          .stop_count = 2,
                                                          .stop_ids = stop_ids,
                                                          .stop_id_count = 1}};
    scenario_submit_request(scenario, &request);
    const struct ferry_wire_request *sent = &scenario->sent[0];
    const struct ferry_wire_generation *generation = &sent->generation;
    cr_assert_eq(sent->max_tokens, 9u);
    cr_assert_eq(sent->truncate, FERRY_WIRE_TRUNCATE_RIGHT);
    cr_assert(!sent->add_special_tokens && !sent->skip_special_tokens && sent->top == 3);
    cr_assert(generation->max_new_tokens == 7 && generation->min_new_tokens == 2);
    cr_assert(generation->choices == 4 && generation->top_k == 40);
    cr_assert(generation->top_p == 0.5F && generation->min_p == 0.25F);
    cr_assert(generation->repetition_penalty == 1.5F && generation->has_temperature);
    cr_assert(generation->logprobs && generation->echo && generation->ignore_end);
    cr_assert_eq(generation->stop_count, 2u);
    cr_assert_arr_eq(generation->stop[1].data, "END", 3);
    cr_assert_eq(generation->stop_ids[0], 50256);
}

Test(exchange_streams, score_and_next) {
    struct ferry_client_item items[6];
    for (size_t at = 0; at < 6; at++)
        items[at] = (struct ferry_client_item){.text = "text", .text_bytes = 4};
    struct ferry_client_request request = {.operation = FERRY_CLIENT_SCORE,
                                           .items = items,
                                           .item_count = 6,
                                           .windows = true,
                                           .stride = 3,
                                           .top = 2};
    scenario_submit_request(scenario, &request);
    cr_assert_eq(scenario->sent_count, 2u);
    cr_assert(scenario->sent[1].windows && scenario->sent[1].stride == 3);
    cr_assert_eq(scenario->sent[1].top, 2u);
    request = (struct ferry_client_request){
        .operation = FERRY_CLIENT_NEXT, .items = items, .item_count = 1};
    scenario_submit_request(scenario, &request);
    cr_assert_eq(scenario->sent[2].top, 10u);
    items[0].pair = "b";
    struct ferry_reply *reply;
    struct ferry_error error;
    cr_assert_eq(
        ferry_reply_create(&request, &scenario->settings, &scenario->next_id, &reply, &error),
        FERRY_USAGE);
}
