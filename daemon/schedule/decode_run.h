/* Runs one planned step on a decoder and survives what can be survived: a sequence at fault is
 * found by bisection, so that the others go on; a step without memory is not run at all. */
#ifndef FERRY_DAEMON_DECODE_RUN_H
#define FERRY_DAEMON_DECODE_RUN_H

#include "daemon/schedule/sequence.h"

struct ferry_decode_run {
    const struct ferry_engine *engine;
    struct ferry_decoder *decoder;      /* borrowed */
    bool can_split;                     /* a sequence may be computed in parts: there is a cache */
    struct ferry_decode_entry *entries; /* [max_sequences], as the plan's shares */
    struct ferry_error *errors;         /* [max_sequences]: why an entry failed */
    /* Of the last step. */
    uint32_t failed_tokens; /* fewest tokens that had no memory; 0: none. Their entries have the
                             * status BUSY: they were not run, and may be tried with less */
    uint32_t failed;        /* entries that failed otherwise */
    bool device_lost;
};

/* Errors: OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_decode_run_init(struct ferry_decode_run *run,
                                                         const struct ferry_loaded_model *model);
void ferry_decode_run_free(struct ferry_decode_run *run);

void ferry_decode_run(struct ferry_decode_run *run, const struct ferry_decode_plan *plan);

#endif
