/* The client's policy with a scripted clock: no call is lost, doubled, or kept waiting. */
#include <stdlib.h>

#include "tests/unit/clients/exchange_scenario.h"

static struct scenario *scenario;

static void begin(void) {
    scenario = scenario_create();
}

static void end(void) {
    scenario_free(scenario);
}

TestSuite(exchange, .init = begin, .fini = end);

static enum ferry_status only_status(void) {
    return scenario_only_finished(scenario)->status;
}

Test(exchange, a_reply_ends_its_call) {
    scenario_submit(scenario, 1, 1000);
    cr_assert_eq(scenario->sent_count, 1u);
    scenario_answer(scenario, 0);
    cr_assert_eq(only_status(), FERRY_OK);
    cr_assert_eq(exchange_timeout_ms(&scenario->exchange, scenario->now), -1);
}

Test(exchange, a_large_call_is_split_and_put_together_in_order) {
    scenario_submit(scenario, 10, 1000);
    cr_assert_eq(scenario->sent_count, 3u);
    scenario_answer(scenario, 2);
    scenario_answer(scenario, 0);
    cr_assert_eq(scenario->finished_count, 0u);
    scenario_answer(scenario, 1);
    struct ferry_reply *reply = scenario->finished[0];
    struct ferry_error error;
    cr_assert_eq(only_status(), FERRY_OK);
    cr_assert_eq(ferry_reply_make_readable(reply, &error), FERRY_OK);
    cr_assert_eq(ferry_reply_width(reply), 2u);
    for (size_t at = 0; at < 10; at++) {
        cr_assert_eq(ferry_reply_rows(reply)[2 * at], (float)(at >> 2));
        cr_assert_eq(ferry_reply_rows(reply)[2 * at + 1], (float)(at % 4));
        cr_assert_eq(ferry_reply_tokens(reply, at), 3u);
        cr_assert_eq(ferry_reply_item_status(reply, at, NULL), FERRY_OK);
    }
}

Test(exchange, the_deadline_ends_a_call_and_tells_the_daemon) {
    scenario_submit(scenario, 1, 700);
    scenario_pass(scenario, MILLISECONDS(699));
    cr_assert_eq(scenario->finished_count, 0u);
    scenario_pass(scenario, MILLISECONDS(1));
    cr_assert_eq(only_status(), FERRY_TIMEOUT);
    cr_assert_eq(scenario->cancelled_count, 1u);
    scenario_answer(scenario, 0); /* too late: nobody's any more */
    cr_assert_eq(scenario->finished_count, 1u);
}

Test(exchange, a_daemon_that_is_not_there_shows_after_the_patience) {
    scenario->connected = false;
    scenario_submit(scenario, 1, 30000);
    scenario_pass(scenario, MILLISECONDS(3950));
    cr_assert_eq(scenario->finished_count, 0u);
    scenario_pass(scenario, MILLISECONDS(150));
    cr_assert_eq(only_status(), FERRY_UNAVAILABLE);
    cr_assert_eq(scenario->sent_count, 0u);
}

Test(exchange, a_silent_daemon_is_pinged_and_counts_as_gone) {
    scenario_submit(scenario, 1, 30000);
    scenario_pass(scenario, SECONDS(5));
    cr_assert_eq(only_status(), FERRY_UNAVAILABLE);
    cr_assert(scenario->exchange.gone);
    cr_assert_eq(scenario->ping_count, 3u);
}

Test(exchange, pongs_keep_a_slow_request_alive) {
    scenario_submit(scenario, 1, 20000);
    struct ferry_wire_id none = {.size = 0};
    size_t pings = 0;
    while (scenario->now < SECONDS(19)) {
        scenario_pass(scenario, MILLISECONDS(100));
        size_t now_sent = scenario->ping_count;
        if (now_sent == pings)
            continue;
        pings = now_sent;
        struct ferry_buffer *pong = &scenario->replies[scenario->reply_count++];
        ferry_buffer_init(pong, 1000);
        cr_assert_eq(ferry_wire_reply_pong(&none, pong), FERRY_OK);
        exchange_receive(&scenario->exchange, NULL, pong->data, pong->size, scenario->now);
    }
    cr_assert_eq(scenario->finished_count, 0u);
    cr_assert_geq(pings, 17u);
    scenario_answer(scenario, 0);
    cr_assert_eq(only_status(), FERRY_OK);
}

Test(exchange, an_idle_client_sends_nothing) {
    scenario_submit(scenario, 1, 1000);
    scenario_answer(scenario, 0);
    scenario_pass(scenario, SECONDS(3600));
    cr_assert_eq(scenario->sent_count, 1u);
    scenario_submit(scenario, 1, 1000); /* after an hour of silence: not taken for gone */
    scenario_answer(scenario, 1);
    cr_assert_eq(scenario->finished_count, 2u);
    cr_assert_eq(scenario->finished[1]->status, FERRY_OK);
}

Test(exchange, a_lost_connection_sends_again_with_the_same_id) {
    scenario_submit(scenario, 1, 30000);
    exchange_connection_lost(&scenario->exchange, scenario->now);
    scenario->connected = false;
    scenario_pass(scenario, SECONDS(2));
    scenario->connected = true;
    scenario_pass(scenario, MILLISECONDS(100));
    cr_assert_eq(scenario->sent_count, 2u);
    cr_assert(ferry_wire_id_equal(&scenario->sent[0].id, &scenario->sent[1].id));
    scenario_answer(scenario, 1);
    scenario_answer(scenario, 0); /* the first attempt's reply, after all */
    cr_assert_eq(only_status(), FERRY_OK);
}

Test(exchange, connections_lost_again_and_again_end_the_call) {
    scenario_submit(scenario, 1, 30000);
    for (int loss = 0; loss < 10; loss++) {
        exchange_connection_lost(&scenario->exchange, scenario->now);
        scenario_pass(scenario, MILLISECONDS(500));
    }
    cr_assert_eq(only_status(), FERRY_UNAVAILABLE);
    cr_assert_eq(scenario->sent_count, 4u);
}

Test(exchange, busy_waits_as_long_as_advised) {
    scenario_submit(scenario, 1, 30000);
    scenario_refuse(scenario, 0, FERRY_BUSY, 800);
    scenario_pass(scenario, MILLISECONDS(799));
    cr_assert_eq(scenario->sent_count, 1u);
    scenario_pass(scenario, MILLISECONDS(251)); /* up to a quarter more */
    cr_assert_eq(scenario->sent_count, 2u);
    scenario_answer(scenario, 1);
    cr_assert_eq(only_status(), FERRY_OK);
}

Test(exchange, long_advice_is_not_cut) {
    scenario_submit(scenario, 1, 30000);
    scenario_refuse(scenario, 0, FERRY_BUSY, 2600);
    scenario_pass(scenario, MILLISECONDS(2599));
    cr_assert_eq(scenario->sent_count, 1u);
    scenario_pass(scenario, MILLISECONDS(652));
    cr_assert_eq(scenario->sent_count, 2u);
    scenario_answer(scenario, 1);
    cr_assert_eq(only_status(), FERRY_OK);
}

Test(exchange, busy_too_often_is_told_to_the_caller) {
    scenario_submit(scenario, 1, 30000);
    for (size_t at = 0; at < 4; at++) {
        scenario_refuse(scenario, at, FERRY_BUSY, 100);
        scenario_pass(scenario, MILLISECONDS(400));
    }
    cr_assert_eq(only_status(), FERRY_BUSY);
    cr_assert_eq(scenario_only_finished(scenario)->retry_after_ms, 100u);
    cr_assert_eq(scenario->sent_count, 4u);
}

Test(exchange, no_retry_that_could_only_come_after_the_deadline) {
    scenario_submit(scenario, 1, 500);
    scenario_refuse(scenario, 0, FERRY_BUSY, 1000);
    cr_assert_eq(only_status(), FERRY_BUSY);
}

Test(exchange, busy_shrinks_the_window_and_success_widens_it) {
    scenario_submit(scenario, 400, 30000);
    cr_assert_eq(scenario->sent_count, 100u);
    for (size_t at = 0; at < 90; at++)
        scenario_refuse(scenario, at, FERRY_BUSY, 100);
    cr_assert_eq(scenario->exchange.window, 10u);
    for (size_t at = 90; at < 100; at++)
        scenario_answer(scenario, at);
    cr_assert_eq(scenario->exchange.window, 11u);
    scenario_pass(scenario, MILLISECONDS(200));
    cr_assert_eq(scenario->sent_count, 111u);
}

/* A queue that holds three of our requests at a time still gets all of a large call done: being
 * refused because of one's own other requests counts as no attempt. */
Test(exchange, a_call_larger_than_the_daemons_queue_gets_through) {
    scenario_submit(scenario, 400, 30000);
    size_t next = 0, held = 0, holding[3];
    while (scenario->finished_count == 0 && scenario->now < SECONDS(30)) {
        for (; next < scenario->sent_count; next++) {
            if (held == 3)
                scenario_refuse(scenario, next, FERRY_BUSY, 5);
            else
                holding[held++] = next;
        }
        if (held > 0)
            scenario_answer(scenario, holding[--held]);
        scenario_pass(scenario, MILLISECONDS(5));
    }
    cr_assert_eq(only_status(), FERRY_OK);
}

Test(exchange, too_large_without_id_is_for_the_largest_request) {
    scenario->settings.items_per_piece = 4;
    scenario_submit(scenario, 1, 30000);
    scenario_submit(scenario, 3, 30000);
    scenario_submit(scenario, 2, 30000);
    scenario->sent[1].id.size = 0;
    scenario_refuse(scenario, 1, FERRY_TOO_LARGE, 0);
    cr_assert_eq(only_status(), FERRY_TOO_LARGE);
    cr_assert_eq(scenario_only_finished(scenario)->item_count, 3u);
}

Test(exchange, statuses_that_will_not_change_are_not_tried_again) {
    const enum ferry_status final[] = {FERRY_BAD_REQUEST, FERRY_NOT_FOUND, FERRY_UNSUPPORTED,
                                       FERRY_DEADLINE,    FERRY_INTERNAL,  FERRY_UNAUTHORIZED};
    for (size_t at = 0; at < sizeof final / sizeof final[0]; at++) {
        scenario_submit(scenario, 1, 30000);
        scenario_refuse(scenario, at, final[at], 0);
        cr_assert_eq(scenario->finished_count, at + 1);
        cr_assert_eq(scenario->finished[at]->status, final[at]);
        cr_assert_str_eq(scenario->finished[at]->error.text, "refused");
    }
}

Test(exchange, one_item_that_is_too_large_does_not_fail_the_others) {
    scenario->settings.items_per_piece = 1;
    scenario_submit(scenario, 3, 30000);
    scenario_answer(scenario, 0);
    scenario_refuse(scenario, 1, FERRY_TOO_LARGE, 0);
    scenario_answer(scenario, 2);
    struct ferry_reply *reply = scenario->finished[0];
    struct ferry_error error;
    const char *message;
    cr_assert_eq(only_status(), FERRY_OK);
    cr_assert_eq(ferry_reply_make_readable(reply, &error), FERRY_OK);
    cr_assert_eq(ferry_reply_error_count(reply), 1u);
    cr_assert_eq(ferry_reply_item_status(reply, 1, &message), FERRY_TOO_LARGE);
    cr_assert_str_eq(message, "refused");
    cr_assert_eq(ferry_reply_rows(reply)[2], 0.0f);
    cr_assert_eq(ferry_reply_rows(reply)[4], 2.0f);
}

Test(exchange, a_failing_part_fails_the_call_and_cancels_the_rest) {
    scenario_submit(scenario, 12, 30000);
    scenario_answer(scenario, 0);
    scenario_refuse(scenario, 1, FERRY_NOT_FOUND, 0);
    cr_assert_eq(only_status(), FERRY_NOT_FOUND);
    cr_assert_eq(scenario->cancelled_count, 1u);
    cr_assert(ferry_wire_id_equal(&scenario->cancelled[0], &scenario->sent[2].id));
}

Test(exchange, cancel_ends_one_call_only) {
    uint64_t first = scenario_submit(scenario, 1, 30000);
    scenario_submit(scenario, 1, 30000);
    exchange_cancel(&scenario->exchange, first);
    cr_assert_eq(only_status(), FERRY_CANCELLED);
    exchange_cancel(&scenario->exchange, first);
    exchange_cancel(&scenario->exchange, 12345);
    cr_assert_eq(scenario->finished_count, 1u);
    scenario_answer(scenario, 1);
    cr_assert_eq(scenario->finished[1]->status, FERRY_OK);
}

Test(exchange, a_full_socket_is_tried_again) {
    scenario->socket_is_full = true;
    scenario_submit(scenario, 1, 30000);
    scenario_pass(scenario, MILLISECONDS(500));
    cr_assert_eq(scenario->sent_count, 0u);
    scenario->socket_is_full = false;
    scenario_pass(scenario, MILLISECONDS(200));
    cr_assert_eq(scenario->sent_count, 1u);
}

Test(exchange, nonsense_from_the_daemon_is_an_error_and_no_crash) {
    scenario_submit(scenario, 2, 30000);
    struct ferry_wire_truth truth = {
        .model = {.name = "", .digest = "", .engine = "", .precision = "", .device = ""},
        .tokens = (uint32_t[]){1, 1, 1},
        .truncated = (uint8_t[]){0, 0, 0},
        .item_count = 3};
    float rows[3] = {0};
    struct ferry_wire_matrix matrix = {
        .dtype = FERRY_WIRE_F32, .rows = 3, .columns = 1, .data = rows, .size = sizeof rows};
    struct ferry_buffer *body = &scenario->replies[scenario->reply_count++];
    ferry_buffer_init(body, 10000);
    cr_assert_eq(ferry_wire_reply_embed(&scenario->sent[0].id, &truth, &matrix, body), FERRY_OK);
    exchange_receive(&scenario->exchange, NULL, (const uint8_t *)"garbage", 7, scenario->now);
    cr_assert_eq(scenario->finished_count, 0u);
    exchange_receive(&scenario->exchange, NULL, body->data, body->size, scenario->now);
    cr_assert_eq(only_status(), FERRY_BAD_DATA);
}

/* Random traffic, seeded: every call ends exactly once and none after its deadline. */
Test(exchange, every_call_ends_once_and_in_time) {
    srand(7);
    size_t submitted = 0, answered = 0;
    int64_t ends_at[600];
    for (int step = 0; step < 3000; step++) {
        int what = rand() % 10;
        if (what < 3 && submitted < 600) {
            uint32_t deadline_ms = (uint32_t)(rand() % 3000 + 1);
            ends_at[submitted++] = scenario->now + MILLISECONDS(deadline_ms);
            scenario_submit(scenario, (size_t)(rand() % 6 + 1), deadline_ms);
        } else if (what < 6 && answered < scenario->sent_count) {
            size_t at = answered++;
            if (rand() % 4 == 0)
                scenario_refuse(scenario, at, FERRY_BUSY, (uint32_t)(rand() % 200));
            else
                scenario_answer(scenario, at);
        } else if (what == 6 && rand() % 20 == 0) {
            exchange_connection_lost(&scenario->exchange, scenario->now);
        } else if (what == 7 && submitted > 0 && rand() % 5 == 0) {
            exchange_cancel(&scenario->exchange, (uint64_t)(rand() % 1000));
        } else {
            scenario_pass(scenario, MILLISECONDS(rand() % 30));
        }
        size_t overdue = 0;
        for (size_t at = 0; at < submitted; at++)
            overdue += scenario->now >= ends_at[at];
        cr_assert_geq(scenario->finished_count, overdue, "a call outlived its deadline");
        cr_assert_leq(scenario->finished_count, submitted);
    }
    scenario_pass(scenario, SECONDS(4));
    cr_assert_eq(scenario->finished_count, submitted);
}
