/* How much is accepted: bounds on items, tokens and bytes of all requests that are not yet
 * answered, and an estimate of when there is room again. The io thread's alone; no clock of its
 * own. */
#ifndef FERRY_DAEMON_ADMISSION_H
#define FERRY_DAEMON_ADMISSION_H

#include "daemon/schedule/request.h"

struct ferry_admission {
    struct ferry_request_load limit;
    struct ferry_request_load used;
    /* Drain rate: tokens a second, measured while work is there. 0: not known yet. */
    double tokens_per_second;
    uint64_t tokens_since; /* answered since measured_ns */
    int64_t measured_ns;
};

/* What the request counts for before it is tokenized: an upper bound. body_bytes is its message;
 * arena_maximum is what one request may hold beside it. */
struct ferry_request_load ferry_admission_load(const struct ferry_wire_request *wire,
                                               const struct ferry_loaded_model *model,
                                               size_t body_bytes, size_t arena_maximum);

/* Errors: TOO_LARGE (never fits), BUSY (*ret_retry_after_ms says when to try again). */
FERRY_MUST_CHECK enum ferry_status ferry_admission_check(const struct ferry_admission *admission,
                                                         const struct ferry_request_load *load,
                                                         uint32_t *ret_retry_after_ms,
                                                         struct ferry_error *error);
void ferry_admission_enter(struct ferry_admission *admission, const struct ferry_request_load *load,
                           int64_t now);
/* computed_tokens: what was really done for it. */
void ferry_admission_leave(struct ferry_admission *admission, const struct ferry_request_load *load,
                           uint64_t computed_tokens, int64_t now);

#endif
