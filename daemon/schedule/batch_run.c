#include "daemon/schedule/batch_run.h"

#include <stdlib.h>
#include <string.h>

enum ferry_status ferry_batch_run_init(struct ferry_batch_run *run,
                                       const struct ferry_engine *engine,
                                       const struct ferry_batch_policy *policy, uint32_t width) {
    uint32_t sequences = policy->fixed_batch ? policy->fixed_batch : policy->max_sequences;
    uint64_t tokens = (uint64_t)policy->max_length * (policy->fixed_batch ? sequences : 1);
    if (tokens < policy->token_budget)
        tokens = policy->token_budget;
    *run = (struct ferry_batch_run){
        .engine = engine,
        .policy = policy,
        .width = width,
        .ids = malloc(tokens * sizeof *run->ids),
        .type_ids = malloc(tokens),
        .offsets = malloc(((size_t)sequences + 1) * sizeof *run->offsets),
        .rows = malloc((size_t)sequences * width * sizeof *run->rows),
        .row_status = malloc(sequences * sizeof *run->row_status),
        .row_error = malloc(sequences),
        .max_sequences = sequences,
        .max_tokens = (uint32_t)tokens,
    };
    if (run->ids && run->type_ids && run->offsets && run->rows && run->row_status && run->row_error)
        return FERRY_OK;
    ferry_batch_run_free(run);
    return FERRY_OUT_OF_MEMORY;
}

void ferry_batch_run_free(struct ferry_batch_run *run) {
    free(run->ids);
    free(run->type_ids);
    free(run->offsets);
    free(run->rows);
    free(run->row_status);
    free(run->row_error);
    *run = (struct ferry_batch_run){0};
}

/* Packs rows [begin, end) one after another. */
static struct ferry_batch pack(struct ferry_batch_run *run, const struct ferry_formed_batch *batch,
                               uint32_t begin, uint32_t end) {
    uint32_t used = 0;
    bool typed = false;
    for (uint32_t row = begin; row < end; row++) {
        const struct ferry_batch_item *item = batch->items[batch->first_item_of_row[row]];
        run->offsets[row - begin] = used;
        memcpy(run->ids + used, item->ids, item->length * sizeof *item->ids);
        if (item->type_ids != NULL && !typed) {
            memset(run->type_ids, 0, used);
            typed = true;
        }
        if (typed && item->type_ids != NULL)
            memcpy(run->type_ids + used, item->type_ids, item->length);
        else if (typed)
            memset(run->type_ids + used, 0, item->length);
        used += item->length;
    }
    run->offsets[end - begin] = used;
    return (struct ferry_batch){.ids = run->ids,
                                .type_ids = typed ? run->type_ids : NULL,
                                .offsets = run->offsets,
                                .sequences = end - begin};
}

static uint64_t cost_of(const struct ferry_batch_run *run, const struct ferry_batch *packed) {
    uint32_t longest = 0;
    for (uint32_t i = 0; i < packed->sequences; i++)
        if (packed->offsets[i + 1] - packed->offsets[i] > longest)
            longest = packed->offsets[i + 1] - packed->offsets[i];
    return ferry_batch_policy_cost(run->policy, packed->sequences, longest,
                                   packed->offsets[packed->sequences]);
}

static void remember_failure(struct ferry_batch_run *run, const struct ferry_batch *packed) {
    uint64_t cost = cost_of(run, packed);
    if (run->error.status == FERRY_OUT_OF_MEMORY &&
        (run->failed_cost == 0 || cost < run->failed_cost))
        run->failed_cost = cost;
}

/* What an engine says may name what is in the row, so no row is told another one's text: beyond the
 * texts that are kept there is one for all. */
static void keep_row_error(struct ferry_batch_run *run, uint32_t row) {
    uint32_t at = run->row_error_count;
    if (at < FERRY_BATCH_RUN_ERRORS - 1) {
        run->row_errors[at] = run->error;
        run->row_error_count++;
    } else {
        (void)ferry_fail(&run->row_errors[at], run->error.status,
                         "the model failed on this item, as on many of its batch");
    }
    run->row_error[row] = (uint8_t)at;
}

const char *ferry_batch_run_error(const struct ferry_batch_run *run, uint32_t row) {
    return run->row_errors[run->row_error[row]].text;
}

/* One call of the engine for rows [begin, end). */
static enum ferry_status run_rows(struct ferry_batch_run *run,
                                  const struct ferry_formed_batch *batch, uint32_t begin,
                                  uint32_t end) {
    struct ferry_batch packed = pack(run, batch, begin, end);
    struct ferry_batch_result result = {
        .rows = run->rows + (size_t)begin * run->width,
        .rows_capacity = (size_t)(run->max_sequences - begin) * run->width,
    };
    struct ferry_error error = {.status = FERRY_OK};
    enum ferry_status status =
        run->engine->worker_run(run->engine_worker, &packed, &result, &error);
    if (status == FERRY_OK) {
        run->padded_tokens += result.padded_tokens;
    } else {
        run->error = error;
        run->error.status = status;
        remember_failure(run, &packed);
    }
    for (uint32_t row = begin; row < end; row++)
        run->row_status[row] = status;
    if (status != FERRY_OK && end - begin == 1)
        keep_row_error(run, begin);
    return status;
}

void ferry_batch_run(struct ferry_batch_run *run, const struct ferry_formed_batch *batch) {
    /* Row ranges still to run; halving needs at most log2(rows) + 1 of them at a time. */
    struct {
        uint32_t begin, end;
    } ranges[34] = {{0, batch->sequences}};
    unsigned waiting = 1;
    run->padded_tokens = 0;
    run->failed_cost = 0;
    run->row_error_count = 0;
    run->error.status = FERRY_OK;
    while (waiting > 0) {
        uint32_t begin = ranges[--waiting].begin;
        uint32_t end = ranges[waiting].end;
        enum ferry_status status = run_rows(run, batch, begin, end);
        if (status ==
            FERRY_DEVICE_LOST) { /* no further call: the device is gone for all rows left */
            for (unsigned i = 0; i < waiting; i++)
                for (uint32_t row = ranges[i].begin; row < ranges[i].end; row++)
                    run->row_status[row] = FERRY_DEVICE_LOST;
            return;
        }
        if (status == FERRY_OK || end - begin == 1)
            continue;
        uint32_t middle = begin + (end - begin) / 2;
        ranges[waiting].begin = middle;
        ranges[waiting++].end = end;
        ranges[waiting].begin = begin;
        ranges[waiting++].end = middle;
    }
}
