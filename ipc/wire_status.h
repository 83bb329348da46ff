/* The "server" map of a status reply. The daemon fills it, the client reads the same structure.
 * Strings are NUL-terminated and borrowed; NULL strings are sent as "". */
#ifndef FERRY_IPC_WIRE_STATUS_H
#define FERRY_IPC_WIRE_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ipc/endpoint_counters.h"

/* Of one step of all requests, in microseconds. */
struct ferry_wire_histogram {
    uint64_t count;
    uint64_t p50, p90, p99, maximum;
};

struct ferry_wire_status_model {
    const char *name;
    const char *digest; /* sha256 of model.pt, hexadecimal */
    const char *task;   /* "embed", "score", "generate" */
    const char *engine, *precision, *device;
    const char *pooling; /* "mean", "cls", "last", "max", "none" */
    const char *proof;   /* one line for people: what may vary, worst golden error */
    uint32_t max_length; /* tokens */
    uint32_t width;      /* numbers of a row */
    uint32_t vocabulary_size;
    uint32_t fixed_length; /* every sequence is padded to this; 0: to the longest of its batch */
    uint32_t fixed_batch;  /* every batch is filled up to this; 0: any number of sequences */
    uint32_t workers;
    /* Of a model that continues texts; else 0. */
    uint32_t decode_running, decode_waiting;            /* sequences, now */
    uint32_t decode_blocks_used, decode_blocks;         /* of its cache, now and in all */
    uint64_t decode_steps, decode_preempted;            /* ever; sequences sent back to wait */
    uint64_t decode_computed_tokens, decode_new_tokens; /* ever */
    bool normalize;
    bool pads;                   /* false: runs packed, padding costs nothing */
    bool equal_lengths_only;     /* only sequences of one length share a batch */
    bool padding_affects_result; /* as the trace is, its answer depends on the padding */
};

struct ferry_wire_status_limits {
    uint64_t max_request_bytes;
    uint32_t max_items; /* of a request */
    uint32_t max_ids_per_item;
    uint64_t queue_items, queue_tokens, queue_bytes; /* beyond these: BUSY */
    uint32_t batch_tokens;                           /* budget of one batch */
    uint32_t default_deadline_ms, max_deadline_ms;
};

struct ferry_wire_status {
    const char *version; /* of the daemon */
    const char *state;   /* "ready", "draining" */
    uint32_t pid;
    uint64_t uptime_s;
    const char *const *endpoints;
    uint32_t endpoint_count;
    struct ferry_wire_status_limits limits;
    const struct ferry_wire_status_model *models; /* the first is the default model */
    uint32_t model_count;

    uint64_t requests[FERRY_STATUS_COUNT]; /* answered, by status; only the wire's own are sent */
    uint64_t items, tokens, padded_tokens, batches;     /* computed */
    uint64_t duplicates;                                /* items answered by another one's row */
    uint64_t queued_items, queued_tokens, queued_bytes; /* now */
    struct ferry_wire_histogram tokenize, queue, compute, total;
    struct ferry_server_counters endpoint;
};

#endif
