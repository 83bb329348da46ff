/* libferry_client: ask a ferryd for sentence vectors, tokens, and what a language model says.
 *
 *     struct ferry_client *client;
 *     struct ferry_reply *reply;
 *     struct ferry_error error;
 *     const char *texts[] = {"hello world", "good morning"};
 *     if (ferry_client_connect(NULL, NULL, &client, &error) != FERRY_OK ||
 *         ferry_client_embed(client, texts, 2, &reply, &error) != FERRY_OK)
 *         errx(1, "%s", error.text);
 *     size_t width = ferry_reply_width(reply);
 *     const float *rows = ferry_reply_rows(reply);
 *
 * Threads: a client may be used by any number of threads at once; inside it one thread owns the
 * socket. A reply and a queue's completion belong to who received them. After fork() the child has
 * to connect again: calls on the parent's client fail with UNAVAILABLE.
 *
 * Nothing here can hang: every request ends by its deadline (30 s, of generate 10 minutes, unless
 * said otherwise), and within `patience_ms` (4 s) when nobody answers at the endpoint. Inside that
 * time a lost connection is made again and the request sent again; the daemon computes, it does not
 * change anything, so that is safe. A request that the daemon refuses for now (BUSY, OUT_OF_MEMORY,
 * DEVICE_LOST, SHUTTING_DOWN) is sent again after a growing pause, at most `max_attempts` times.
 * A stream that has delivered a part is never sent again, as its text would begin anew: it fails.
 *
 * Errors: every function that can fail returns enum ferry_status and fills *error (which may be
 * NULL). What concerns one text only (not UTF-8, too long for "error" truncation) fails that item,
 * not the call: look at ferry_reply_item_status. */
#ifndef FERRY_CLIENT_H
#define FERRY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_CLIENT_API __attribute__((visibility("default")))

struct ferry_client;
struct ferry_reply;
struct ferry_queue;

/* ---- a connection ---- */

/* 0 in any field means the default in brackets. */
struct ferry_client_options {
    uint32_t deadline_ms;     /* of a request that names none (30000; of generate 600000) */
    uint32_t patience_ms;     /* silence after which the daemon counts as gone (4000) */
    uint32_t max_attempts;    /* how often one request is sent at most (8) */
    uint32_t max_in_flight;   /* requests at the daemon at one time; the rest waits here (1024) */
    uint32_t items_per_piece; /* larger inputs are split into requests of so many items (64);
                                 generate with a seed is not, as its numbers depend on all items */
    size_t
        bytes_per_piece; /* ... and of about so many bytes (262144); one larger item goes alone */
    size_t max_pending_bytes; /* requests waiting or in flight; beyond it: BUSY (268435456) */
    size_t max_reply_bytes;   /* a larger reply breaks the connection (268435456) */
};

/* endpoint: "ipc:///path", "tcp://host:port", or NULL for the default: $FERRY_ENDPOINT, else
 * ipc:///run/ferry/ferry.sock for root, else ipc://$XDG_RUNTIME_DIR/ferry.sock, else
 * ipc:///tmp/ferry-UID/ferry.sock. Starts to connect and returns at once: whether a daemon is there
 * shows with the first request (ferry_client_ping is the cheapest). options may be NULL.
 * Errors: CONFIG (endpoint not understood), PERMISSION, OUT_OF_MEMORY, IO. */
FERRY_CLIENT_API FERRY_MUST_CHECK enum ferry_status
ferry_client_connect(const char *endpoint, const struct ferry_client_options *options,
                     struct ferry_client **ret_client, struct ferry_error *error);
/* Gives up what is still pending (those requests end with CANCELLED) and ends the inner thread.
 * No other thread may be inside a call on this client. NULL is allowed. */
FERRY_CLIENT_API void ferry_client_free(struct ferry_client *client);
/* The endpoint in use. Lives as long as the client. */
FERRY_CLIENT_API const char *ferry_client_endpoint_name(const struct ferry_client *client);

/* ---- a request ---- */

enum ferry_client_operation {
    FERRY_CLIENT_EMBED,
    FERRY_CLIENT_TOKENIZE,
    FERRY_CLIENT_DETOKENIZE, /* items are ids */
    FERRY_CLIENT_STATUS,     /* no items */
    FERRY_CLIENT_PING,       /* no items */
    FERRY_CLIENT_SCORE,      /* how likely each token of a text is */
    FERRY_CLIENT_NEXT,       /* the most probable next tokens */
    FERRY_CLIENT_GENERATE    /* go on with a text */
};
enum ferry_client_truncate {
    FERRY_CLIENT_TRUNCATE_DEFAULT, /* embed, tokenize: right; score, next, generate: error */
    FERRY_CLIENT_TRUNCATE_RIGHT,   /* keep the beginning */
    FERRY_CLIENT_TRUNCATE_LEFT,    /* keep the end */
    FERRY_CLIENT_TRUNCATE_ERROR    /* the item fails with TOO_LONG */
};
enum ferry_client_strategy { /* which text of a pair is cut */
                             FERRY_CLIENT_LONGEST_FIRST,
                             FERRY_CLIENT_ONLY_FIRST,
                             FERRY_CLIENT_ONLY_SECOND
};
enum ferry_client_dtype {
    FERRY_CLIENT_F32,
    FERRY_CLIENT_F16,
    FERRY_CLIENT_INT8,  /* value = scale * int8, one scale a row */
    FERRY_CLIENT_BINARY /* one bit a number, 1 for > 0, first number in the highest bit */
};
enum ferry_client_priority { FERRY_CLIENT_INTERACTIVE, FERRY_CLIENT_BULK };
enum ferry_client_choice { FERRY_CLIENT_AS_MODEL, FERRY_CLIENT_YES, FERRY_CLIENT_NO };

/* A text, a pair of texts, or token ids (then text is NULL). */
struct ferry_client_item {
    const char *text; /* UTF-8, need not be NUL-terminated */
    size_t text_bytes;
    const char *pair; /* NULL: a single text */
    size_t pair_bytes;
    const int32_t *ids;
    const uint8_t *type_ids; /* NULL: all 0 */
    size_t id_count;
};

/* How generate goes on. All fields may be left 0; values out of range are the daemon's
 * BAD_REQUEST. Names and meaning as in docs/protocol.md. */
struct ferry_client_generation {
    uint32_t max_new_tokens; /* 0: 128 */
    uint32_t min_new_tokens;
    uint32_t choices;         /* independent continuations of each item; 0: 1 */
    uint32_t top_k;           /* 0: off */
    float temperature;        /* 0: always the most probable token; but a combined model, which
                                 has a default of its own, uses that unless has_temperature */
    float top_p;              /* 0 and 1: off */
    float min_p;              /* 0: off */
    float repetition_penalty; /* 0 and 1: off */
    uint64_t seed;            /* with has_seed; without it the daemon draws one */
    bool has_seed;
    bool has_temperature;
    bool logprobs;           /* of each new token; with `top` of its alternatives too */
    bool echo;               /* results begin with the prompt */
    bool ignore_end;         /* the model's end token does not end a choice */
    bool stream;             /* parts come out of the queue before the reply: submit, not call */
    const char *const *stop; /* at most 16 texts: a choice ends before the first of them */
    size_t stop_count;
    const int32_t *stop_ids; /* at most 16 */
    size_t stop_id_count;
};

/* All fields but operation and items may be left 0. Borrowed only until the call returns, also by
 * ferry_client_submit. */
struct ferry_client_request {
    enum ferry_client_operation operation;
    const struct ferry_client_item *items;
    size_t item_count;
    const char *model;    /* NULL: the daemon's first */
    uint32_t deadline_ms; /* 0: the client's default; for all items together, from now on */
    uint32_t max_tokens;  /* lower limit than the model's; 0: none; of generate: of the prompt */
    enum ferry_client_priority priority;
    enum ferry_client_truncate truncate;
    enum ferry_client_strategy strategy;
    enum ferry_client_dtype dtype;      /* embed */
    enum ferry_client_choice normalize; /* embed: scale rows to length 1 */
    bool special_tokens_as_text;        /* "[SEP]" in a text is plain text */
    bool without_special_tokens;        /* tokenize, score, next, generate: add none */
    bool offsets;                       /* tokenize: character offsets too */
    bool windows;    /* tokenize: every window of a text that is too long; score: by them */
    uint32_t stride; /* with windows: tokens that they share */
    bool keep_special_tokens; /* detokenize, generate */
    uint32_t top; /* score, generate with logprobs: the most probable tokens at each place (0:
                     none); next: how many (0: 10); at most 100 */
    struct ferry_client_generation generation; /* generate */
};

/* Sends the request and waits for its result. *ret_reply is the caller's, set only on success; free
 * it with ferry_reply_free.
 * Errors: any status of the protocol; UNAVAILABLE (nobody answers at the endpoint), TIMEOUT (the
 * deadline is over), TOO_LARGE, OUT_OF_MEMORY, BUSY (max_pending_bytes are pending), USAGE (request
 * that makes no sense). */
FERRY_CLIENT_API FERRY_MUST_CHECK enum ferry_status
ferry_client_call(struct ferry_client *client, const struct ferry_client_request *request,
                  struct ferry_reply **ret_reply, struct ferry_error *error);

/* The most usual calls in short: NUL-terminated texts, everything else at its default. */
FERRY_CLIENT_API FERRY_MUST_CHECK enum ferry_status
ferry_client_embed(struct ferry_client *client, const char *const *texts, size_t count,
                   struct ferry_reply **ret_reply, struct ferry_error *error);
FERRY_CLIENT_API FERRY_MUST_CHECK enum ferry_status
ferry_client_tokenize(struct ferry_client *client, const char *const *texts, size_t count,
                      struct ferry_reply **ret_reply, struct ferry_error *error);
FERRY_CLIENT_API FERRY_MUST_CHECK enum ferry_status
ferry_client_score(struct ferry_client *client, const char *const *texts, size_t count,
                   struct ferry_reply **ret_reply, struct ferry_error *error);
/* Greedy, up to max_new_tokens (0: 128): ferry_reply_text(reply, ...). */
FERRY_CLIENT_API FERRY_MUST_CHECK enum ferry_status
ferry_client_generate(struct ferry_client *client, const char *const *prompts, size_t count,
                      uint32_t max_new_tokens, struct ferry_reply **ret_reply,
                      struct ferry_error *error);
/* The text of one row of ids, without special tokens: ferry_reply_text(reply, 0, ...). */
FERRY_CLIENT_API FERRY_MUST_CHECK enum ferry_status
ferry_client_detokenize(struct ferry_client *client, const int32_t *ids, size_t count,
                        struct ferry_reply **ret_reply, struct ferry_error *error);
FERRY_CLIENT_API FERRY_MUST_CHECK enum ferry_status
ferry_client_status(struct ferry_client *client, struct ferry_reply **ret_reply,
                    struct ferry_error *error);
/* FERRY_OK when the daemon answers. ret_microseconds (may be NULL): how long that took. */
FERRY_CLIENT_API FERRY_MUST_CHECK enum ferry_status ferry_client_ping(struct ferry_client *client,
                                                                      uint32_t deadline_ms,
                                                                      uint64_t *ret_microseconds,
                                                                      struct ferry_error *error);

/* ---- many requests in flight ---- */

/* Where finished requests come out, in the order in which they finish. One queue may serve several
 * clients and several threads. Errors: OUT_OF_MEMORY, IO. */
FERRY_CLIENT_API FERRY_MUST_CHECK enum ferry_status
ferry_queue_create(struct ferry_queue **ret_queue, struct ferry_error *error);
/* Cancels what is still pending and frees what nobody took. NULL is allowed. */
FERRY_CLIENT_API void ferry_queue_free(struct ferry_queue *queue);
/* Readable (poll, epoll) while finished requests wait. Do not read from it. Owned by the queue. */
FERRY_CLIENT_API int ferry_queue_event_fd(const struct ferry_queue *queue);
/* Requests submitted to this queue whose completion nobody has taken yet. */
FERRY_CLIENT_API size_t ferry_queue_pending(struct ferry_queue *queue);

/* A continuation, or a piece of one. Arrays have count entries. */
struct ferry_reply_choice {
    const char *text; /* not NUL-terminated; NULL: the model has no tokenizer */
    size_t text_bytes;
    size_t count;
    const int32_t *ids;
    const float *logprobs;     /* NULL: not asked for */
    size_t top;                /* alternatives a token */
    const int32_t *top_ids;    /* [count * top]; NULL: not asked for */
    const float *top_logprobs; /* likewise */
    const char *finish_reason; /* "length", "end", "stop"; NULL: not finished, or item with error */
};

/* What one choice of a stream got since its last part. Text never ends within a character. */
struct ferry_part {
    size_t index;  /* of the item in the request */
    size_t choice; /* below `choices` */
    struct ferry_reply_choice piece;
};
FERRY_CLIENT_API void ferry_part_free(struct ferry_part *part); /* NULL is allowed */

struct ferry_completion {
    uint64_t ticket;         /* of ferry_client_submit */
    void *tag;               /* as given to it */
    bool more;               /* a part of a stream, more of this ticket comes: only `part` is set */
    struct ferry_part *part; /* the taker's, ferry_part_free; NULL unless `more` */
    enum ferry_status status;
    uint32_t retry_after_ms;   /* BUSY: the daemon's advice */
    struct ferry_error error;  /* set unless status is FERRY_OK */
    struct ferry_reply *reply; /* set if status is FERRY_OK; the taker's, ferry_reply_free */
};

/* Sends the request and returns at once; exactly one completion without `more` comes out of the
 * queue, at the deadline at the latest. Of a stream its parts come before, in order, and whatever
 * they brought is in the reply once more. A stream fails with UNAVAILABLE when its connection is
 * lost after the first part, with BAD_DATA when a part is missing, with BUSY when max_pending_bytes
 * of parts are not taken. Errors: as ferry_client_call, those known at once; then nothing comes
 * out. */
FERRY_CLIENT_API FERRY_MUST_CHECK enum ferry_status
ferry_client_submit(struct ferry_client *client, const struct ferry_client_request *request,
                    struct ferry_queue *queue, void *tag, uint64_t *ret_ticket,
                    struct ferry_error *error);
/* Takes one completion, waiting up to timeout_ms (0: not at all). False: none came. */
FERRY_CLIENT_API bool ferry_queue_next(struct ferry_queue *queue, uint32_t timeout_ms,
                                       struct ferry_completion *ret_completion);
/* Gives a submitted request up: it completes with CANCELLED unless it has just finished, and the
 * daemon is told to drop it. */
FERRY_CLIENT_API void ferry_client_cancel(struct ferry_client *client, uint64_t ticket);

/* ---- a reply ---- */

FERRY_CLIENT_API void ferry_reply_free(struct ferry_reply *reply);          /* NULL is allowed */
FERRY_CLIENT_API size_t ferry_reply_count(const struct ferry_reply *reply); /* items, as asked */
/* FERRY_OK, or why this item has no result; ret_message (may be NULL): text, lives with the reply.
 */
FERRY_CLIENT_API enum ferry_status ferry_reply_item_status(const struct ferry_reply *reply,
                                                           size_t index, const char **ret_message);
/* Items with an error. */
FERRY_CLIENT_API size_t ferry_reply_error_count(const struct ferry_reply *reply);
FERRY_CLIENT_API uint32_t ferry_reply_tokens(const struct ferry_reply *reply, size_t index);
FERRY_CLIENT_API bool ferry_reply_truncated(const struct ferry_reply *reply, size_t index);

/* embed. Vectors of one reply have one width and one dtype; an item with an error is all zero.
 * Everything returned lives as long as the reply. */
FERRY_CLIENT_API size_t ferry_reply_width(const struct ferry_reply *reply);
FERRY_CLIENT_API enum ferry_client_dtype ferry_reply_dtype(const struct ferry_reply *reply);
/* All rows as float32, row after row: [count * width]. f16 and int8 are converted, binary becomes
 * 0 and 1. NULL for a reply without vectors. Made at the end of the call, so that it costs nothing
 * to ask again. */
FERRY_CLIENT_API const float *ferry_reply_rows(const struct ferry_reply *reply);
/* One row as the daemon sent it, little-endian, not aligned; NULL without vectors. *ret_bytes: its
 * size. */
FERRY_CLIENT_API const void *ferry_reply_raw_row(const struct ferry_reply *reply, size_t index,
                                                 size_t *ret_bytes);
/* int8: the row's factor; 1 otherwise. */
FERRY_CLIENT_API float ferry_reply_scale(const struct ferry_reply *reply, size_t index);

/* tokenize. Arrays have count entries. Lives as long as the reply. */
struct ferry_reply_window {
    size_t count;
    const int32_t *ids;
    const uint8_t *type_ids;
    const uint8_t *special;  /* 1 for special tokens */
    const uint32_t *offsets; /* [2 * count]: begin and end in characters; NULL: not asked for */
};
FERRY_CLIENT_API size_t ferry_reply_window_count(const struct ferry_reply *reply, size_t index);
FERRY_CLIENT_API bool ferry_reply_get_window(const struct ferry_reply *reply, size_t index,
                                             size_t window, struct ferry_reply_window *ret_window);
/* The vocabulary's text of one token, not NUL-terminated. Of score and next too: window 0. */
FERRY_CLIENT_API const char *ferry_reply_token(const struct ferry_reply *reply, size_t index,
                                               size_t window, size_t position, size_t *ret_bytes);
/* detokenize; generate: of the first choice. Not NUL-terminated. */
FERRY_CLIENT_API const char *ferry_reply_text(const struct ferry_reply *reply, size_t index,
                                              size_t *ret_bytes);
/* score. Arrays have count entries. Lives as long as the reply. */
struct ferry_reply_score {
    size_t count;
    const int32_t *ids;
    const float *logprobs;     /* natural; NaN for a token that nothing stands before */
    size_t top;                /* alternatives a token */
    const int32_t *top_ids;    /* [count * top], best first; NULL: not asked for */
    const float *top_logprobs; /* likewise */
    size_t scored;             /* tokens with a log-probability */
    double logprob_sum;        /* theirs */
    double perplexity;         /* exp(-logprob_sum / scored); NaN when nothing is scored */
};
/* These are false for another kind of reply, and for what is out of range. */
FERRY_CLIENT_API bool ferry_reply_get_score(const struct ferry_reply *reply, size_t index,
                                            struct ferry_reply_score *ret_score);
/* next: the most probable next tokens, best first. */
struct ferry_reply_next {
    size_t count;
    const int32_t *ids;
    const float *logprobs;
};
FERRY_CLIENT_API bool ferry_reply_get_next(const struct ferry_reply *reply, size_t index,
                                           struct ferry_reply_next *ret_next);
/* generate. An item with an error has empty choices. */
FERRY_CLIENT_API bool ferry_reply_get_choice(const struct ferry_reply *reply, size_t index,
                                             size_t choice, struct ferry_reply_choice *ret_choice);
/* generate: with it the item's request gives the same again. */
FERRY_CLIENT_API uint64_t ferry_reply_seed(const struct ferry_reply *reply, size_t index);
/* status: one JSON object, NUL-terminated; NULL for other replies. */
FERRY_CLIENT_API const char *ferry_reply_status_json(const struct ferry_reply *reply);

/* What the daemon says about itself; all strings live as long as the reply. */
struct ferry_reply_model {
    const char *name, *digest, *engine, *precision, *device;
    bool padding_affects_result;
};
/* Microseconds. An input that was split has the sum over its requests, total: the longest. */
struct ferry_reply_times {
    uint64_t tokenize, queue, compute, total;
};
/* False for replies that carry none (ping, status). */
FERRY_CLIENT_API bool ferry_reply_get_model(const struct ferry_reply *reply,
                                            struct ferry_reply_model *ret_model);
FERRY_CLIENT_API void ferry_reply_get_times(const struct ferry_reply *reply,
                                            struct ferry_reply_times *ret_times);
FERRY_CLIENT_API uint64_t ferry_reply_padded_tokens(const struct ferry_reply *reply);

#ifdef __cplusplus
}
#endif
#endif
