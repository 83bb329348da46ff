/* One request on its way through the daemon. It owns its message, its memory and its reply; one
 * thread owns it at a time, except that device workers finish different items of it side by side.
 * Those shared fields are atomic, and whoever finishes the last item owns the request from then on.
 */
#ifndef FERRY_DAEMON_REQUEST_H
#define FERRY_DAEMON_REQUEST_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "daemon/ops/loaded_model.h"
#include "daemon/schedule/batcher.h"
#include "ipc/server_endpoint.h"
#include "ipc/wire_reply.h"
#include "ipc/wire_request.h"

struct ferry_model_queue;
struct ferry_decode_queue;
struct ferry_request;
struct ferry_sequence;

/* One text, pair, or list of ids. */
struct ferry_item {
    struct ferry_batch_item batch; /* first: the batcher hands back pointers to it */
    struct ferry_request *request;
    uint32_t index;
    enum ferry_status status; /* OK until something is wrong with this item */
    char *error_text;         /* owned, by malloc; NULL while status is OK */
    /* score, next and generate: what is decoded for it. */
    struct ferry_sequence *sequences; /* [sequence_count], in the arena; they own some memory */
    uint32_t sequence_count;
    const int32_t *prompt; /* [prompt_length], in the arena */
    uint32_t prompt_length;
    float *logprobs;     /* score: [prompt_length], of each token */
    int32_t *top_ids;    /* score: [prompt_length * top] */
    float *top_logprobs; /* likewise */
};

/* What a request counts for in the queue limits. */
struct ferry_request_load {
    uint64_t items, tokens, bytes;
};

struct ferry_request {
    struct ferry_request *next; /* in whichever list it is */
    struct ferry_message *message;
    struct ferry_arena arena;
    struct ferry_wire_request wire;
    const struct ferry_loaded_model *model; /* borrowed; NULL for operations without one */
    struct ferry_model_queue *queue;        /* the model's */
    struct ferry_decode_queue *decode;      /* the model's; NULL when it does not decode */
    int64_t arrived_ns, deadline_ns;

    struct ferry_item *items; /* [wire.item_count], in the arena */
    uint32_t *tokens;         /* [wire.item_count] */
    uint8_t *truncated;       /* [wire.item_count] */
    uint8_t *matrix;          /* [wire.item_count * row_bytes], zeroed */
    float *scales;            /* [wire.item_count] for int8, else NULL */
    size_t row_bytes;
    bool normalize;
    uint64_t token_count;          /* of all items, set by the text stage */
    int64_t tokenize_ns, ready_ns; /* how long it took; when the items were ready to be computed */
    bool queued;                   /* its items were added; under the queue's lock */

    uint32_t decode_slots; /* its sequences that run: the decode worker's */
    uint64_t seed;         /* generate: as asked for, or drawn */

    atomic_uint unfinished; /* items (score, next, generate: sequences) not yet computed */
    atomic_int failure;     /* enum ferry_status: the whole request is answered with it; OK: none */
    _Atomic uint64_t padded_tokens;
    _Atomic int64_t queue_ns, compute_ns; /* longest wait for a batch, longest batch; of what is
                                           * decoded: until the first step, from there to the end */
    _Atomic int64_t begun_ns;             /* its first step; 0: none yet */
    uint32_t next_item, next_sequence; /* the decode worker's: the first that it still holds back */

    /* A stream: see done_list.h. */
    atomic_bool has_progress;
    struct ferry_request *progress_next;
    struct ferry_sequence *progressed, *progressed_last; /* its own; under the stream lock */
    uint32_t parts_sent;                                 /* the io thread's */
    int64_t blocked_until_ns; /* likewise: its reader was slow, and is not tried before */

    struct ferry_buffer reply; /* the encoded answer, once it is done */
    enum ferry_status status;  /* of the reply */
    struct ferry_wire_times times;
    struct ferry_request_load load;

    /* The io thread's own. */
    struct ferry_request *older, *newer; /* all accepted requests */
    struct ferry_request *table_next;    /* chain in the request table */
    struct ferry_request **table_link;   /* what points to this one in the chain */
    uint64_t table_hash;
    bool in_table;
};

/* Requests that are not in use keep some of their memory. The io thread's alone. */
struct ferry_request_pool {
    struct ferry_request *free;
    uint32_t free_count, free_maximum;
    size_t arena_maximum; /* bytes one request may hold */
    size_t reply_maximum; /* bytes of one reply */
};

/* NULL without memory. The request is empty and takes over the message. */
struct ferry_request *ferry_request_acquire(struct ferry_request_pool *pool,
                                            struct ferry_message *message, int64_t now);
/* Frees what is left in it; the message too when it was not sent. */
void ferry_request_release(struct ferry_request_pool *pool, struct ferry_request *request);
void ferry_request_pool_free(struct ferry_request_pool *pool);

/* Allocates the arrays that an embed, tokenize or detokenize request needs. False without memory.
 */
FERRY_MUST_CHECK bool ferry_request_prepare_items(struct ferry_request *request);

/* Marks the whole request as failed; the first reason wins. Any thread. */
void ferry_request_fail(struct ferry_request *request, enum ferry_status status);
enum ferry_status ferry_request_failure(struct ferry_request *request);
/* Marks one item as failed and copies the text. The item's owner only. */
void ferry_item_fail(struct ferry_item *item, enum ferry_status status, const char *text);

/* Encodes an error as the reply, whatever was there before. */
void ferry_request_answer_error(struct ferry_request *request, enum ferry_status status,
                                const char *text, uint32_t retry_after_ms);
/* Encodes the reply of an embed, score, next or generate request from what its items came to, or
 * the failure. The last finisher only. */
void ferry_request_answer(struct ferry_request *request);
/* What every reply with results tells; its arrays live in the request's arena. False without
 * memory. `now` closes times.total. */
FERRY_MUST_CHECK bool ferry_request_truth(struct ferry_request *request, int64_t now,
                                          struct ferry_wire_truth *ret_truth);

#endif
