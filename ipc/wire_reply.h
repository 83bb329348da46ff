/* Protocol v1, reply side: the daemon encodes, the client decodes. See docs/protocol.md. */
#ifndef FERRY_IPC_WIRE_REPLY_H
#define FERRY_IPC_WIRE_REPLY_H

#include "ipc/wire_request.h"
#include "ipc/wire_status.h"

struct ferry_wire_model {
    const char *name;
    const char *digest; /* sha256 of model.pt, hexadecimal */
    const char *engine;
    const char *precision;
    const char *device;
    bool padding_affects_result;
};

struct ferry_wire_times { /* microseconds */
    uint32_t tokenize, queue, compute, total;
};

struct ferry_wire_item_error {
    uint32_t index;
    enum ferry_status status;
    const char *message; /* NUL-terminated */
};

/* What every reply with results tells about them. Arrays have item_count entries. */
struct ferry_wire_truth {
    struct ferry_wire_model model;
    struct ferry_wire_times times;
    const uint32_t *tokens;   /* used, special tokens included; 0 for items with an error */
    const uint8_t *truncated; /* 0 or 1 */
    uint32_t item_count;
    uint64_t padded_tokens; /* positions computed for nothing on behalf of this request */
    const struct ferry_wire_item_error *errors;
    uint32_t error_count;
};

struct ferry_wire_matrix {
    enum ferry_wire_dtype dtype;
    uint32_t rows;
    uint32_t columns;    /* numbers a row; a binary row has (columns + 7) / 8 bytes */
    const void *data;    /* little-endian, row after row; rows of items with an error are zero */
    size_t size;         /* bytes */
    const float *scales; /* int8 only: value = scale * int8, one a row */
};

/* One tokenized item, or one window of it. Arrays have count entries. */
struct ferry_wire_tokens {
    const int32_t *ids;
    const uint8_t *type_ids;
    const uint8_t *special;          /* 1 for special tokens */
    const struct ferry_view *tokens; /* the vocabulary's text of each id */
    const uint32_t *offsets; /* [count * 2]: start, end in characters; NULL: not asked for */
    const struct ferry_wire_tokens *windows; /* after the first one; NULL: not asked for */
    uint32_t count;
    uint32_t window_count;
};

/* All of them append one reply body to *body.
 * Errors: TOO_LARGE (body's maximum), OUT_OF_MEMORY; the body is then as it was. */

/* The connection-level answer to a request that got no result. message is cut to 511 bytes. */
FERRY_MUST_CHECK enum ferry_status
ferry_wire_reply_error(const struct ferry_wire_id *id, enum ferry_status status,
                       const char *message, uint32_t retry_after_ms, struct ferry_buffer *body);
FERRY_MUST_CHECK enum ferry_status ferry_wire_reply_embed(const struct ferry_wire_id *id,
                                                          const struct ferry_wire_truth *truth,
                                                          const struct ferry_wire_matrix *matrix,
                                                          struct ferry_buffer *body);
/* items has truth->item_count entries; one with an error has count 0. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_reply_tokenize(const struct ferry_wire_id *id,
                                                             const struct ferry_wire_truth *truth,
                                                             const struct ferry_wire_tokens *items,
                                                             struct ferry_buffer *body);
/* texts has truth->item_count entries; one with an error is empty. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_reply_detokenize(const struct ferry_wire_id *id,
                                                               const struct ferry_wire_truth *truth,
                                                               const struct ferry_view *texts,
                                                               struct ferry_buffer *body);
FERRY_MUST_CHECK enum ferry_status ferry_wire_reply_status(const struct ferry_wire_id *id,
                                                           const struct ferry_wire_status *server,
                                                           struct ferry_buffer *body);
FERRY_MUST_CHECK enum ferry_status
ferry_wire_reply_cancel(const struct ferry_wire_id *id, bool cancelled, struct ferry_buffer *body);
FERRY_MUST_CHECK enum ferry_status ferry_wire_reply_pong(const struct ferry_wire_id *id,
                                                         struct ferry_buffer *body);

#endif
