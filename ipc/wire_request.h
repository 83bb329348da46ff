/* Protocol v1, request side: from the bytes of a body to a request, and back for the client.
 * docs/protocol.md describes the same in words. Nothing here knows sockets. */
#ifndef FERRY_IPC_WIRE_REQUEST_H
#define FERRY_IPC_WIRE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/status.h"

enum {
    FERRY_WIRE_VERSION = 1,
    FERRY_WIRE_MAX_ID_BYTES = 64,
    FERRY_WIRE_MAX_NAME_BYTES = 64,
    FERRY_WIRE_MAX_DEADLINE_MS = 3600000,
    FERRY_WIRE_MAX_TOP = 100,        /* alternatives a token */
    FERRY_WIRE_DEFAULT_TOP = 10,     /* of "next" */
    FERRY_WIRE_MAX_CHOICES = 64,     /* "n" */
    FERRY_WIRE_MAX_STOPS = 16,       /* "stop", and "stop_ids" */
    FERRY_WIRE_MAX_STOP_BYTES = 256, /* of one of "stop" */
    FERRY_WIRE_MAX_TEMPERATURE = 1000,
    FERRY_WIRE_MAX_PENALTY = 1000, /* "repetition_penalty" */
    FERRY_WIRE_MAX_NEW_TOKENS = 1 << 20,
    FERRY_WIRE_DEFAULT_NEW_TOKENS = 128
};

enum ferry_operation {
    FERRY_OPERATION_EMBED,
    FERRY_OPERATION_TOKENIZE,
    FERRY_OPERATION_DETOKENIZE,
    FERRY_OPERATION_SCORE,
    FERRY_OPERATION_NEXT,
    FERRY_OPERATION_GENERATE,
    FERRY_OPERATION_STATUS,
    FERRY_OPERATION_PING,
    FERRY_OPERATION_CANCEL,
    FERRY_OPERATION_COUNT
};

/* Views point into the body or into the arena; both must outlive the request. */
struct ferry_view {
    const char *data;
    uint32_t size;
};

/* The request's "id" as it was sent (a msgpack uint, str or bin), echoed byte by byte. */
struct ferry_wire_id {
    uint8_t bytes[FERRY_WIRE_MAX_ID_BYTES + 5]; /* encoded msgpack value */
    uint8_t size;                               /* 0: the request had none */
};

struct ferry_wire_item {
    struct ferry_view text; /* data NULL when the item is ids */
    struct ferry_view pair; /* data NULL without a second text */
    const int32_t *ids; /* in the arena; NULL when the item is text. Any int32: the daemon checks
                           them against the vocabulary, as the wire does not know it */
    const uint8_t *type_ids; /* in the arena; NULL: all 0 */
    uint32_t id_count;
};

enum ferry_wire_truncate {
    FERRY_WIRE_TRUNCATE_RIGHT,
    FERRY_WIRE_TRUNCATE_LEFT,
    FERRY_WIRE_TRUNCATE_ERROR
};
enum ferry_wire_strategy {
    FERRY_WIRE_LONGEST_FIRST,
    FERRY_WIRE_ONLY_FIRST,
    FERRY_WIRE_ONLY_SECOND
};
enum ferry_wire_dtype { FERRY_WIRE_F32, FERRY_WIRE_F16, FERRY_WIRE_INT8, FERRY_WIRE_BINARY };
enum ferry_wire_priority { FERRY_WIRE_INTERACTIVE, FERRY_WIRE_BULK };

/* Options of generate. Names and meaning as in transformers' GenerationConfig. */
struct ferry_wire_generation {
    uint32_t max_new_tokens, min_new_tokens;
    uint32_t choices;         /* "n": independent continuations of each item, at least 1 */
    uint32_t top_k;           /* 0: off */
    float temperature;        /* 0: greedy (default) */
    float top_p;              /* 0 < top_p <= 1; 1: off */
    float min_p;              /* 0 <= min_p <= 1; 0: off */
    float repetition_penalty; /* > 0; 1: off */
    uint64_t seed;
    bool has_temperature;    /* asked for: a combined model has a default of its own */
    bool has_seed;           /* else the daemon draws one; the reply tells it */
    bool logprobs;           /* of each new token; with "top" also of its alternatives */
    bool echo;               /* text, ids and log-probabilities begin with the prompt's */
    bool ignore_end;         /* the model's end ids do not end a choice */
    bool stream;             /* parts are sent before the reply */
    struct ferry_view *stop; /* in the arena: a choice ends before the first of them */
    uint32_t stop_count;
    int32_t *stop_ids; /* in the arena: a choice ends before one of them */
    uint32_t stop_id_count;
};

struct ferry_wire_request {
    enum ferry_operation operation;
    struct ferry_wire_id id;
    struct ferry_wire_id cancel_target; /* "target" of cancel */
    struct ferry_view model;            /* data NULL: the default model */
    uint32_t deadline_ms;               /* 0: the daemon's default */
    enum ferry_wire_priority priority;
    struct ferry_wire_item *items; /* in the arena */
    uint32_t item_count;
    uint32_t max_tokens; /* 0: the model's limit */
    enum ferry_wire_truncate truncate;
    enum ferry_wire_strategy strategy;
    enum ferry_wire_dtype dtype;
    int8_t normalize;            /* 0, 1, or -1: as the model's manifest says */
    bool special_tokens_as_text; /* "special_tokens": "text" */
    bool add_special_tokens;     /* tokenize; default true */
    bool offsets;                /* tokenize */
    bool windows;                /* tokenize, score: all overflow windows */
    uint32_t stride;             /* tokenize, score with windows */
    bool skip_special_tokens;    /* detokenize, generate; default true */
    uint32_t top; /* score, next, generate with logprobs: the most probable tokens at each place */
    struct ferry_wire_generation generation; /* generate */
};

struct ferry_wire_limits {
    uint32_t max_items;
    uint32_t max_ids_per_item;
};

/* All fields at the defaults of this operation; no items, no id. */
void ferry_wire_request_init(struct ferry_wire_request *request, enum ferry_operation operation);

/* The "id" of a request that is a number. */
void ferry_wire_id_from_uint(uint64_t number, struct ferry_wire_id *ret_id);
/* False when the id is not a number. */
bool ferry_wire_id_to_uint(const struct ferry_wire_id *id, uint64_t *ret_number);
bool ferry_wire_id_equal(const struct ferry_wire_id *left, const struct ferry_wire_id *right);

/* Decodes a body without trusting one byte of it: bounded depth, every declared size checked
 * against the bytes that are left, unknown and duplicate keys and trailing bytes refused, strings
 * valid UTF-8 except item texts (a broken text is that item's own error, not the request's). On
 * failure ret_request->id is still set if it could be read, so that the error finds its request.
 * Errors: BAD_REQUEST, UNSUPPORTED (version, operation), TOO_LARGE (limits), OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_request_decode(const uint8_t *body, size_t size,
                                                             const struct ferry_wire_limits *limits,
                                                             struct ferry_arena *arena,
                                                             struct ferry_wire_request *ret_request,
                                                             struct ferry_error *error);

/* Only the id, out of a body that is cut off or too large to look at: false when it does not stand
 * before the end or before whatever is broken. */
bool ferry_wire_request_read_id(const uint8_t *body, size_t size, struct ferry_wire_id *ret_id);

/* Appends the request's encoding. Fields at their defaults are left out. */
FERRY_MUST_CHECK enum ferry_status
ferry_wire_request_encode(const struct ferry_wire_request *request, struct ferry_buffer *body);

#endif
