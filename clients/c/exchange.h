/* What the owner thread does with requests: which to send when, which reply belongs to which, when
 * to send again, when to give up. A policy without threads, sockets or clock: time comes in as a
 * parameter and bytes go out through a function, so that it is tested with a scripted clock. */
#ifndef FERRY_CLIENTS_C_EXCHANGE_H
#define FERRY_CLIENTS_C_EXCHANGE_H

#include "clients/c/client_parts.h"

enum { EXCHANGE_BUCKETS = 1024 };

struct exchange_output {
    /* Never blocks. BUSY or UNAVAILABLE: not now, try later. */
    enum ferry_status (*send)(void *context, const void *body, size_t size);
    void (*deliver)(void *context, struct stream_part *part); /* takes the part */
    void (*finish)(void *context, struct ferry_reply *reply); /* takes the reply */
    void *context;
};

struct exchange {
    struct client_settings settings;
    struct exchange_output output;
    const char *endpoint; /* for error texts; not owned */
    struct reply_list live;
    struct piece_list waiting, delayed, sent;
    uint32_t sent_count;
    uint32_t window; /* how many may be at the daemon: what it took when it last said BUSY,
                        then slowly more */
    uint32_t answered_in_window;
    int64_t busy_since; /* when live became non-empty */
    int64_t last_heard; /* from the daemon, anything; 0: never */
    int64_t last_ping;
    int64_t next_look;     /* when something is due, at the latest */
    bool gone;             /* silent for longer than patience: a fresh connection is wanted */
    uint64_t random_state; /* jitter of retries */
    struct request_piece *buckets[EXCHANGE_BUCKETS];
};

void exchange_init(struct exchange *exchange, const struct client_settings *settings,
                   const struct exchange_output *output, const char *endpoint, uint64_t seed);
/* Takes the reply; it comes out through output.finish exactly once. */
void exchange_add(struct exchange *exchange, struct ferry_reply *reply, int64_t now);
/* Takes the message. */
void exchange_receive(struct exchange *exchange, struct ferry_client_reply *message,
                      const uint8_t *body, size_t size, int64_t now);
/* The connection broke: what was sent and not answered goes out again. */
void exchange_connection_lost(struct exchange *exchange, int64_t now);
void exchange_cancel(struct exchange *exchange, uint64_t ticket);
/* Ends everything with this status. */
void exchange_fail_all(struct exchange *exchange, enum ferry_status status, const char *text);
/* Does what is due: deadlines, patience, retries, heartbeat; sends what may be sent. */
void exchange_advance(struct exchange *exchange, int64_t now, bool connected);
/* Milliseconds until exchange_advance has something to do; -1: nothing is pending. */
int exchange_timeout_ms(const struct exchange *exchange, int64_t now);

#endif
