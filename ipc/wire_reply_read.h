/* Protocol v1, reply side, read by the client. See docs/protocol.md. */
#ifndef FERRY_IPC_WIRE_REPLY_READ_H
#define FERRY_IPC_WIRE_REPLY_READ_H

#include "base/arena.h"
#include "ipc/wire_reply.h"

/* What was in a reply. Views and matrix.data point into the body, everything else into the arena;
 * both must outlive the reply. Numbers inside the body (matrix.data) are not aligned: copy them. */
struct ferry_wire_reply {
    struct ferry_wire_id id;  /* size 0: none */
    enum ferry_status status; /* a name this client does not know: FERRY_INTERNAL */
    const char *message;      /* NULL: none */
    uint32_t retry_after_ms;  /* 0: none */
    bool has_truth;
    struct ferry_wire_truth truth;
    bool has_matrix;
    struct ferry_wire_matrix matrix; /* embed */
    struct ferry_wire_tokens *items; /* tokenize; truth.item_count entries, or NULL */
    struct ferry_view *texts;        /* detokenize; truth.item_count entries, or NULL */
    struct ferry_wire_score *scores; /* score; truth.item_count entries, or NULL */
    struct ferry_wire_next *nexts;   /* next; likewise */
    bool has_choices;
    struct ferry_wire_choices choices; /* generate */
    bool is_part;                      /* no reply but a part of a stream; status is OK */
    struct ferry_wire_part part;
    bool has_cancelled;
    bool cancelled;
    const struct ferry_wire_status *server; /* status; NULL: none */
};

/* Decodes a body without trusting it. Keys that this version does not know are skipped, so that a
 * newer daemon of the same protocol version is understood; a matrix, array or index that
 * contradicts its count is refused. Errors: BAD_DATA (what is wrong and where), OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_reply_read(const uint8_t *body, size_t size,
                                                         struct ferry_arena *arena,
                                                         struct ferry_wire_reply *ret_reply,
                                                         struct ferry_error *error);

/* Only the id, to find the request that a reply belongs to. False: none could be read. */
bool ferry_wire_reply_read_id(const uint8_t *body, size_t size, struct ferry_wire_id *ret_id);

#endif
