/* What the parts of libferry_client share. Not installed.
 *
 * One call of the user is one struct ferry_reply from submission to the end: the caller's thread
 * makes it (request_pieces.c), the owner thread moves it through the exchange (exchange.c), the
 * taker's thread makes it ready to read (reply_rows.c) and owns it from then on. */
#ifndef FERRY_CLIENTS_C_CLIENT_PARTS_H
#define FERRY_CLIENTS_C_CLIENT_PARTS_H

#include <pthread.h>
#include <sys/queue.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "clients/c/ferry_client.h"
#include "ipc/client_endpoint.h"
#include "ipc/wire_reply_read.h"

/* One request on the wire: some items of a call. In exactly one list of the exchange, or done. */
struct request_piece {
    TAILQ_ENTRY(request_piece) place;     /* in waiting, delayed or sent */
    struct request_piece *next_of_bucket; /* in the exchange's table of ids */
    struct ferry_reply *reply;            /* the call that it belongs to */
    uint64_t id;
    size_t first_item, item_count;
    struct ferry_buffer body; /* encoded request, kept to be sent again; freed when done */
    enum piece_state { PIECE_WAITING, PIECE_DELAYED, PIECE_SENT, PIECE_DONE } state;
    uint32_t attempts;
    int64_t not_before;                 /* delayed: when to send again */
    struct ferry_client_reply *message; /* owned; what arrived */
    struct ferry_arena arena;           /* of wire */
    struct ferry_wire_reply wire;       /* views into message and arena; valid when done and OK */
    uint32_t next_part;                 /* of a stream: how many have been delivered */
    size_t ended_choices;               /* of a stream: those whose last part has been */
    bool too_large;                     /* the one item of this piece was refused, see refusal */
    char *refusal;                      /* owned; NULL: none */
};
TAILQ_HEAD(piece_list, request_piece);

/* What waits in a queue to be taken: a part of a stream, or a finished reply (part NULL). */
struct queue_item {
    TAILQ_ENTRY(queue_item) place;
    struct ferry_reply *reply; /* alive at least until its own item, the last one, is taken */
    struct stream_part *part;
};
TAILQ_HEAD(queue_item_list, queue_item);

struct stream_part {
    struct ferry_part part; /* first: what the user holds */
    struct queue_item item;
    struct ferry_client_reply *message; /* owned; part points into it and into the arena */
    struct ferry_arena arena;
    size_t bytes; /* counted in the reply's untaken bytes */
};

struct ferry_reply {
    TAILQ_ENTRY(ferry_reply)
    place;                           /* inbox, then live: one at a time */
    struct ferry_client *client;     /* not owned; only used until the reply is finished */
    struct ferry_queue *queue;       /* NULL: a call that waits */
    LIST_ENTRY(ferry_reply) pending; /* in queue: submitted and not yet finished */
    struct queue_item end;           /* in queue: finished and not yet taken */
    void *tag;
    uint64_t ticket;
    int64_t submitted, deadline;
    size_t item_count;
    size_t body_bytes; /* counted in the client's pending bytes */
    struct request_piece *pieces;
    size_t piece_count, pieces_left;
    enum ferry_client_operation operation;
    size_t choices; /* generate: of each item */
    bool streams;
    _Atomic size_t untaken_bytes; /* of parts that wait in the queue */

    /* Result, written by the owner thread before the reply is handed over. */
    enum ferry_status status;
    uint32_t retry_after_ms;
    struct ferry_error error;

    /* A call that waits: both sides hold the lock to hand over. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool finished;
    bool abandoned; /* the caller has gone; the owner thread frees the reply */

    /* Made by the taker: ferry_reply_make_readable. */
    size_t width;
    float *rows;
    char *status_json;
};
TAILQ_HEAD(reply_list, ferry_reply);
LIST_HEAD(pending_list, ferry_reply);

struct client_settings { /* ferry_client_options with the defaults filled in */
    int64_t deadline_ns, generate_deadline_ns, patience_ns, heartbeat_ns;
    uint32_t max_attempts, max_in_flight, items_per_piece;
    size_t bytes_per_piece, max_pending_bytes, max_reply_bytes;
};

/* request_pieces.c: checks the request and encodes it into as many pieces as it needs. next_id is
 * increased by the number of pieces. The caller owns *ret_reply. */
FERRY_MUST_CHECK enum ferry_status ferry_reply_create(const struct ferry_client_request *request,
                                                      const struct client_settings *settings,
                                                      _Atomic uint64_t *next_id,
                                                      struct ferry_reply **ret_reply,
                                                      struct ferry_error *error);
/* The piece that holds an item. */
const struct request_piece *ferry_reply_piece_of(const struct ferry_reply *reply, size_t index,
                                                 size_t *ret_index_in_piece);

/* reply_language.c: what the user sees of a choice or a piece of one. */
struct ferry_reply_choice ferry_reply_choice_of(const struct ferry_wire_choice *wire);

/* reply_rows.c: float rows and the JSON of a status, in the thread that takes the reply. */
FERRY_MUST_CHECK enum ferry_status ferry_reply_make_readable(struct ferry_reply *reply,
                                                             struct ferry_error *error);

/* status_json.c: the server map as one JSON object; malloc'd, the caller frees. NULL: no memory. */
char *ferry_status_to_json(const struct ferry_wire_status *status);

/* completion_queue.c: the owner thread hands a finished reply to its queue or its waiting caller.
 */
void ferry_reply_finish(struct ferry_reply *reply);
/* Takes the part, which waits in its reply's queue then. */
void ferry_stream_part_deliver(struct stream_part *part);
void ferry_queue_expect(struct ferry_queue *queue, struct ferry_reply *reply);
/* Takes back what ferry_queue_expect announced. */
void ferry_queue_forget(struct ferry_queue *queue, struct ferry_reply *reply);

/* For `ferry status`: the decoded status reply, lives with the reply; NULL for other replies. */
const struct ferry_wire_status *ferry_reply_wire_status(const struct ferry_reply *reply);

#endif
