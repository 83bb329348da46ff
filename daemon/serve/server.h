/* The io thread: the only one that touches ZeroMQ. Receives, checks limits, decodes, answers what
 * needs no computing, and sends what the pipeline has finished. */
#ifndef FERRY_DAEMON_SERVER_H
#define FERRY_DAEMON_SERVER_H

#include "base/histogram.h"
#include "daemon/schedule/pipeline.h"
#include "daemon/serve/admission.h"
#include "daemon/serve/request_table.h"
#include "ipc/server_endpoint.h"
#include "ipc/wire_status.h"

struct ferry_server_settings {
    struct ferry_wire_limits wire;
    size_t max_request_bytes;
    struct ferry_request_load queue; /* limits */
    uint32_t default_deadline_ms;
    uint32_t drain_ms;
    int64_t engine_timeout_ns;    /* 0: none */
    const char *const *endpoints; /* for the status reply */
    uint32_t endpoint_count;
};

/* Everything that status tells and that only the io thread counts. */
struct ferry_server_statistics {
    uint64_t answered[FERRY_STATUS_COUNT];
    uint64_t items, tokens, padded_tokens;
    uint64_t parts;
    struct ferry_histogram tokenize, queue, compute, total; /* microseconds */
};

struct ferry_server {
    const struct ferry_server_settings *settings;
    struct ferry_loaded_model *const *models; /* the first is the default; borrowed */
    uint32_t model_count;
    struct ferry_pipeline *pipeline;        /* borrowed */
    struct ferry_server_endpoint *endpoint; /* borrowed */
    struct ferry_request_pool pool;
    struct ferry_request_table table;
    struct ferry_admission admission;
    struct ferry_server_statistics statistics;
    struct ferry_request *oldest, *newest; /* accepted and not answered */
    uint32_t active;                       /* how many */
    int64_t started_ns, now;               /* now: of this turn of the loop */
    int64_t next_deadline_ns;              /* none of the accepted requests has an earlier one */
    int64_t next_watch_ns;                 /* when to look again whether an engine hangs */
    bool draining;
};

/* Errors: OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status
ferry_server_init(struct ferry_server *server, const struct ferry_server_settings *settings,
                  struct ferry_loaded_model *const *models, uint32_t model_count,
                  struct ferry_pipeline *pipeline, struct ferry_server_endpoint *endpoint);
void ferry_server_free(struct ferry_server *server);

/* Serves until it is told to stop (`stops` counts how often) and everything is answered, or the
 * device is lost. True: every request is out of the pipeline. False: a device worker is stuck; its
 * requests were answered all the same, and the process can only end. */
FERRY_MUST_CHECK bool ferry_server_run(struct ferry_server *server, const volatile int *stops);

/* One message: to the pipeline, or answered at once. Takes the message. */
void ferry_server_handle(struct ferry_server *server, struct ferry_message *message);
/* Sends the reply of a request that is not (or no longer) accepted, and releases it. */
void ferry_server_send(struct ferry_server *server, struct ferry_request *request);
/* Sends what a streamed request has got since the last part, unless its reader is slow: then the
 * next part has more. A client that is gone cancels the request. */
void ferry_server_stream(struct ferry_server *server, struct ferry_request *request);
/* Sends the parts that are left, whatever has to wait for them; before the reply. */
void ferry_server_end_stream(struct ferry_server *server, struct ferry_request *request);
/* Encodes the status reply into request->reply. */
void ferry_server_answer_status(struct ferry_server *server, struct ferry_request *request);

#endif
