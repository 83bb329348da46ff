#include "daemon/schedule/decode_run.h"

#include <stdlib.h>

enum ferry_status ferry_decode_run_init(struct ferry_decode_run *run,
                                        const struct ferry_loaded_model *model) {
    uint32_t count = model->decoder_info->max_sequences;
    *run = (struct ferry_decode_run){.engine = model->engine,
                                     .decoder = model->decoder,
                                     .can_split = model->decoder_info->block_tokens > 0};
    run->entries = calloc(count, sizeof *run->entries);
    run->errors = calloc(count, sizeof *run->errors);
    if (run->entries != NULL && run->errors != NULL)
        return FERRY_OK;
    ferry_decode_run_free(run);
    return FERRY_OUT_OF_MEMORY;
}

void ferry_decode_run_free(struct ferry_decode_run *run) {
    free(run->entries);
    free(run->errors);
    *run = (struct ferry_decode_run){0};
}

/* What the step computes: without a cache, all of every sequence. */
static uint32_t count_tokens(const struct ferry_decode_run *run, uint32_t first, uint32_t count) {
    uint32_t tokens = 0;
    for (uint32_t i = first; i < first + count; i++)
        tokens += run->entries[i].length - (run->can_split ? run->entries[i].cached : 0);
    return tokens;
}

static void mark(struct ferry_decode_run *run, uint32_t first, uint32_t count,
                 enum ferry_status status) {
    for (uint32_t i = first; i < first + count; i++)
        run->entries[i].status = status;
}

static void check_entries(struct ferry_decode_run *run, uint32_t first, uint32_t count) {
    for (uint32_t i = first; i < first + count; i++) {
        if (run->entries[i].status == FERRY_OK)
            continue;
        run->failed++;
        (void)ferry_fail(&run->errors[i], run->entries[i].status,
                         "the model gives numbers that are not finite for this text");
    }
}

/* A step is run whole or not at all, so its halves can be run afterwards. */
static void run_some(struct ferry_decode_run *run, uint32_t first, uint32_t count) {
    struct ferry_error error = {.status = FERRY_OK};
    mark(run, first, count, FERRY_OK);
    enum ferry_status status =
        run->engine->decoder_step(run->decoder, run->entries + first, count, &error);
    uint32_t tokens = count_tokens(run, first, count);
    if (status == FERRY_OK) {
        check_entries(run, first, count);
    } else if (status == FERRY_DEVICE_LOST) {
        run->errors[0] = error;
        run->device_lost = true;
    } else if (status == FERRY_OUT_OF_MEMORY && (count > 1 || (run->can_split && tokens > 1))) {
        mark(run, first, count, FERRY_BUSY);
        if (run->failed_tokens == 0 || tokens < run->failed_tokens)
            run->failed_tokens = tokens;
    } else if (count > 1) {
        run_some(run, first, count / 2);
        if (!run->device_lost)
            run_some(run, first + count / 2, count - count / 2);
    } else {
        mark(run, first, 1, status);
        run->errors[first] = error;
        run->failed++;
    }
}

void ferry_decode_run(struct ferry_decode_run *run, const struct ferry_decode_plan *plan) {
    run->failed_tokens = run->failed = 0;
    run->device_lost = false;
    for (uint32_t i = 0; i < plan->released_count; i++)
        run->engine->decoder_release(run->decoder, plan->released[i]);
    for (uint32_t i = 0; i < plan->count; i++)
        ferry_sequence_fill_entry((const struct ferry_sequence *)plan->shares[i].item,
                                  plan->shares[i].until, &run->entries[i]);
    run_some(run, 0, plan->count);
    if (run->device_lost) /* also what was not run any more */
        mark(run, 0, plan->count, FERRY_DEVICE_LOST);
}
