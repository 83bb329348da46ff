/* The outbox with a scripted sender and clock. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/outbox.h"

/* A message is a letter; what was sent is a string of letters. */
struct ferry_message {
    char letter;
    uint64_t peer;
};

static enum ferry_send_result answers[4]; /* by peer */
static char sent[64];
static int released;

static enum ferry_send_result send_scripted(void *context, struct ferry_message *message,
                                            struct ferry_buffer *body) {
    cr_assert_str_eq(context, "context");
    if (answers[message->peer] == FERRY_SEND_DONE) {
        strncat(sent, &message->letter, 1);
        body->size = 0;
    }
    return answers[message->peer];
}

static void release(struct ferry_message *message) {
    released++;
    free(message);
}

static struct ferry_outbox outbox;

static void open_outbox(size_t maximum) {
    static const struct ferry_outbox_calls calls = {send_scripted, release};
    static char context[] = "context";
    ferry_outbox_init(&outbox, &calls, context, maximum, 100);
    memset(sent, 0, sizeof sent);
    released = 0;
    for (int i = 0; i < 4; i++)
        answers[i] = FERRY_SEND_BLOCKED;
}

static void put(uint64_t peer, char letter, size_t size, int64_t now) {
    struct ferry_message *message = malloc(sizeof *message);
    *message = (struct ferry_message){letter, peer};
    struct ferry_buffer body;
    ferry_buffer_init(&body, 1 << 20);
    cr_assert_eq(ferry_buffer_reserve(&body, size), FERRY_OK);
    ferry_outbox_put(&outbox, peer, message, &body, now);
    cr_assert_null(body.data, "the outbox takes the body, whatever happens");
}

Test(outbox, keeps_order_for_each_peer) {
    open_outbox(1 << 20);
    put(1, 'a', 10, 0);
    put(2, 'x', 10, 0);
    put(1, 'b', 10, 5);
    cr_assert_eq(ferry_outbox_flush(&outbox, 10), 100);
    cr_assert(ferry_outbox_has_peer(&outbox, 1) && !ferry_outbox_has_peer(&outbox, 3));
    answers[1] = FERRY_SEND_DONE;
    cr_assert_eq(ferry_outbox_flush(&outbox, 11), 100);
    cr_assert_str_eq(sent, "ab");
    cr_assert(!ferry_outbox_has_peer(&outbox, 1));
    answers[2] = FERRY_SEND_DONE;
    cr_assert_eq(ferry_outbox_flush(&outbox, 12), INT64_MAX);
    cr_assert_str_eq(sent, "abx");
    cr_assert_eq(outbox.sent, 3);
    cr_assert_eq(outbox.bytes, 0);
    cr_assert_eq(released, 3);
}

Test(outbox, drops_what_waited_too_long) {
    open_outbox(1 << 20);
    put(1, 'a', 10, 0);
    put(1, 'b', 10, 50);
    cr_assert_eq(ferry_outbox_flush(&outbox, 100), 150);
    cr_assert_eq(outbox.dropped_slow, 1);
    cr_assert_eq(ferry_outbox_flush(&outbox, 150), INT64_MAX);
    cr_assert_eq(outbox.dropped_slow, 2);
    cr_assert_eq(outbox.bytes, 0);
}

Test(outbox, sends_what_is_due_if_it_can_be_sent) {
    open_outbox(1 << 20);
    put(1, 'a', 10, 0);
    answers[1] = FERRY_SEND_DONE;
    ferry_outbox_flush(&outbox, 100000);
    cr_assert_str_eq(sent, "a");
    cr_assert_eq(outbox.dropped_slow, 0);
}

Test(outbox, drops_everything_for_a_peer_that_is_gone) {
    open_outbox(1 << 20);
    put(1, 'a', 10, 0);
    put(1, 'b', 10, 0);
    answers[1] = FERRY_SEND_GONE;
    ferry_outbox_flush(&outbox, 1);
    cr_assert_eq(outbox.dropped_gone, 2);
    cr_assert_eq(released, 2);
}

Test(outbox, never_holds_more_than_its_maximum) {
    open_outbox(4096);
    for (int i = 0; i < 100; i++) {
        put((uint64_t)(i % 4), 'a', 256, 0);
        cr_assert_leq(outbox.bytes, 4096);
    }
    cr_assert_gt(outbox.dropped_slow, 80);
    cr_assert_gt(outbox.bytes, 2048);
    put(1, 'b', 1 << 16, 0);
    cr_assert_leq(outbox.bytes, 4096);
    ferry_outbox_free(&outbox);
    cr_assert_eq(outbox.bytes, 0);
    cr_assert_eq(released, 101);
    cr_assert_eq(outbox.dropped_slow, 101);
}
