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

/* How likely a text is. Arrays have count entries. */
struct ferry_wire_score {
    const int32_t *ids;
    const float *logprobs; /* natural log of each token's probability after those before it; NaN for
                            * a token that nothing stands before */
    const struct ferry_view *tokens; /* the vocabulary's text of each id; NULL: no tokenizer */
    const int32_t *top_ids;          /* [count * top], best first; NULL when top is 0 */
    const float *top_logprobs;       /* [count * top]; NaN where logprobs is */
    uint32_t count, top;
    uint32_t scored;    /* tokens with a log-probability */
    double logprob_sum; /* theirs */
    double perplexity;  /* exp(-logprob_sum / scored); NaN when nothing is scored */
};

/* The most probable next tokens, best first. Arrays have count entries. */
struct ferry_wire_next {
    const int32_t *ids;
    const float *logprobs;
    const struct ferry_view *tokens; /* NULL: no tokenizer */
    uint32_t count;
};

enum ferry_wire_finish {
    FERRY_WIRE_FINISH_NONE,   /* not finished: a part that is not the last; an item with an error */
    FERRY_WIRE_FINISH_LENGTH, /* max_new_tokens, or the model's own limit */
    FERRY_WIRE_FINISH_END,    /* the model's end id */
    FERRY_WIRE_FINISH_STOP    /* one of stop or stop_ids */
};

/* One continuation. Arrays have count entries. The end id, a stop id and the tokens that only a
 * stop string's text took are not in it. */
struct ferry_wire_choice {
    struct ferry_view text; /* data NULL: no tokenizer */
    const int32_t *ids;
    const float *logprobs;     /* NULL: not asked for */
    const int32_t *top_ids;    /* [count * top]; NULL: not asked for */
    const float *top_logprobs; /* likewise */
    uint32_t count, top;
    enum ferry_wire_finish finish;
};

struct ferry_wire_choices {
    const struct ferry_wire_choice *choices; /* [item_count * n]; an item with an error has n empty
                                              * ones */
    uint32_t n;
    uint64_t seed;
};

/* A piece of a stream: what one choice has got since the last part. It has no "status"; the reply
 * comes after all parts and holds everything once more. */
struct ferry_wire_part {
    uint32_t part;   /* 0, 1, 2, ... within the request: a gap shows that something was lost */
    uint32_t index;  /* item */
    uint32_t choice; /* below n */
    struct ferry_wire_choice piece; /* its finish is sent with is_last only */
    bool is_last;                   /* of this choice */
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
/* scores, nexts: truth->item_count entries; one with an error has count 0. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_reply_score(const struct ferry_wire_id *id,
                                                          const struct ferry_wire_truth *truth,
                                                          const struct ferry_wire_score *scores,
                                                          struct ferry_buffer *body);
FERRY_MUST_CHECK enum ferry_status ferry_wire_reply_next(const struct ferry_wire_id *id,
                                                         const struct ferry_wire_truth *truth,
                                                         const struct ferry_wire_next *nexts,
                                                         struct ferry_buffer *body);
FERRY_MUST_CHECK enum ferry_status
ferry_wire_reply_generate(const struct ferry_wire_id *id, const struct ferry_wire_truth *truth,
                          const struct ferry_wire_choices *choices, struct ferry_buffer *body);
FERRY_MUST_CHECK enum ferry_status ferry_wire_part_encode(const struct ferry_wire_id *id,
                                                          const struct ferry_wire_part *part,
                                                          struct ferry_buffer *body);
FERRY_MUST_CHECK enum ferry_status ferry_wire_reply_status(const struct ferry_wire_id *id,
                                                           const struct ferry_wire_status *server,
                                                           struct ferry_buffer *body);
FERRY_MUST_CHECK enum ferry_status
ferry_wire_reply_cancel(const struct ferry_wire_id *id, bool cancelled, struct ferry_buffer *body);
FERRY_MUST_CHECK enum ferry_status ferry_wire_reply_pong(const struct ferry_wire_id *id,
                                                         struct ferry_buffer *body);

#endif
