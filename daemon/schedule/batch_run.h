/* Runs one formed batch on an engine worker and survives what can be survived: out of memory
 * (halves), a bad item (bisects, so that the others are answered). */
#ifndef FERRY_DAEMON_BATCH_RUN_H
#define FERRY_DAEMON_BATCH_RUN_H

#include "daemon/schedule/batcher.h"
#include "gpu/engine.h"

/* Rows that failed after these share the last text. */
enum { FERRY_BATCH_RUN_ERRORS = 16 };

struct ferry_batch_run {
    const struct ferry_engine *engine;
    struct ferry_engine_worker *engine_worker; /* owned by the device worker's thread */
    const struct ferry_batch_policy *policy;
    uint32_t width;
    /* Memory for the largest batch, made once. */
    int32_t *ids;
    uint8_t *type_ids;
    uint32_t *offsets;
    float *rows;                   /* [max sequences * width] */
    enum ferry_status *row_status; /* [max sequences] */
    uint32_t max_sequences;
    uint32_t max_tokens;
    /* Of the last batch. */
    uint64_t padded_tokens;
    uint64_t failed_cost;     /* smallest cost that ran out of memory; 0: none did */
    struct ferry_error error; /* the last engine error; OK when all rows are there */
    struct ferry_error row_errors[FERRY_BATCH_RUN_ERRORS];
    uint8_t *row_error; /* [max sequences]: which of them, for a row that failed */
    uint32_t row_error_count;
};

FERRY_MUST_CHECK enum ferry_status ferry_batch_run_init(struct ferry_batch_run *run,
                                                        const struct ferry_engine *engine,
                                                        const struct ferry_batch_policy *policy,
                                                        uint32_t width);
void ferry_batch_run_free(struct ferry_batch_run *run);

/* Why the row failed. */
const char *ferry_batch_run_error(const struct ferry_batch_run *run, uint32_t row);

/* Computes every row of the batch: row_status[row] says how it went, rows[row * width] holds it. */
void ferry_batch_run(struct ferry_batch_run *run, const struct ferry_formed_batch *batch);

#endif
