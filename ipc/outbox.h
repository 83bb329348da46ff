/* Replies that wait because their reader is slow: in order for each peer, bounded in bytes over all
 * peers, each for a limited time. Knows no sockets: whoever owns it says how to send. One thread.
 */
#ifndef FERRY_IPC_OUTBOX_H
#define FERRY_IPC_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

enum ferry_send_result { FERRY_SEND_DONE, FERRY_SEND_BLOCKED, FERRY_SEND_GONE };

struct ferry_message;
struct ferry_outbox_peer;

/* What the outbox calls: try to send, and free. Sending takes *body only with FERRY_SEND_DONE. */
struct ferry_outbox_calls {
    enum ferry_send_result (*send)(void *context, struct ferry_message *message,
                                   struct ferry_buffer *body);
    void (*release)(struct ferry_message *message);
};

struct ferry_outbox {
    struct ferry_outbox_calls calls;
    void *context;
    size_t maximum_bytes;
    int64_t longest_wait_ns;
    size_t bytes;                    /* held, bodies and bookkeeping */
    struct ferry_outbox_peer *peers; /* owned list; every one has at least one reply */
    uint64_t sent, dropped_slow, dropped_gone;
};

void ferry_outbox_init(struct ferry_outbox *outbox, const struct ferry_outbox_calls *calls,
                       void *context, size_t maximum_bytes, int64_t longest_wait_ns);
/* Drops and counts what is left. */
void ferry_outbox_free(struct ferry_outbox *outbox);
/* Replies wait for this peer: a new one must queue behind them. */
bool ferry_outbox_has_peer(const struct ferry_outbox *outbox, uint64_t peer);
/* Takes message and body; drops and counts them when there is no room. now: ferry_clock_now(). */
void ferry_outbox_put(struct ferry_outbox *outbox, uint64_t peer, struct ferry_message *message,
                      struct ferry_buffer *body, int64_t now);
/* Sends what can be sent, drops what is gone or has waited too long. Returns the time when the next
 * reply will have waited too long; INT64_MAX when the outbox is empty. */
int64_t ferry_outbox_flush(struct ferry_outbox *outbox, int64_t now);

#endif
