#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "gpu/fake/fake_model.h"
#include "gpu/fake/fake_rows.h"

enum { DEFAULT_WIDTH = 384, DEFAULT_MAX_LENGTH = 512 };

struct ferry_engine_worker {
    struct ferry_engine_model *model; /* borrowed */
};

static void sleep_for(int64_t nanoseconds) {
    int64_t until = ferry_clock_now() + nanoseconds;
    struct timespec deadline = {.tv_sec = until / FERRY_NANOSECONDS_PER_SECOND,
                                .tv_nsec = until % FERRY_NANOSECONDS_PER_SECOND};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline, NULL) != 0) {
    }
}

static void fill_info(const struct ferry_model_spec *spec, struct ferry_engine_model *model) {
    const struct ferry_fake_script *script = &model->script;
    struct ferry_model_info *info = &model->info;
    snprintf(info->engine, sizeof info->engine, "fake");
    snprintf(info->precision, sizeof info->precision, "f32");
    snprintf(info->device, sizeof info->device, "none");
    snprintf(info->proof, sizeof info->proof, "nothing is computed: rows are a hash of the ids");
    info->width = spec->width != 0 ? spec->width : script->width;
    if (info->width == 0)
        info->width = DEFAULT_WIDTH;
    info->max_length = spec->max_length != 0 ? spec->max_length : DEFAULT_MAX_LENGTH;
    if (script->fixed_length != 0 && script->fixed_length < info->max_length)
        info->max_length = script->fixed_length;
    info->fixed_length = script->fixed_length;
    info->fixed_batch = script->fixed_batch;
    info->pads = !script->packed;
    info->equal_lengths_only = script->equal_lengths;
    info->padding_affects_result = script->padding_affects;
    info->rows_per_token =
        spec->output_shape == FERRY_OUTPUT_TOKENS && spec->pooling == FERRY_POOLING_NONE;
    info->suggested_workers = script->workers;
}

static int32_t vocabulary_of(const struct ferry_model_spec *spec,
                             const struct ferry_fake_script *script) {
    if (script->vocabulary > 0 && script->vocabulary <= INT32_MAX)
        return (int32_t)script->vocabulary;
    return spec->vocabulary_size > 0 ? spec->vocabulary_size : INT32_MAX;
}

static void fill_limits(const struct ferry_model_spec *spec, struct ferry_engine_model *model) {
    const struct ferry_model_info *info = &model->info;
    model->limits = (struct ferry_batch_limits){
        .vocabulary_size = vocabulary_of(spec, &model->script),
        .max_length = info->max_length,
        .width = info->width,
        .max_type_id = 1,
        .rows_per_token = info->rows_per_token,
    };
    model->rules = (struct ferry_padding_rules){
        .fixed_length = info->fixed_length,
        .fixed_batch = info->fixed_batch,
        .max_length = info->max_length,
        .equal_lengths_only = info->equal_lengths_only,
    };
}

static enum ferry_status fake_model_load(const struct ferry_model_spec *spec,
                                         const struct ferry_engine_options *options,
                                         struct ferry_engine_model **ret_model,
                                         struct ferry_error *error) {
    struct ferry_fake_script script;
    enum ferry_status status = ferry_fake_script_parse(options->script, &script, error);
    if (status != FERRY_OK)
        return status;
    sleep_for((int64_t)script.load_ms * FERRY_NANOSECONDS_PER_MILLISECOND);
    if (script.load_fails != FERRY_OK)
        return ferry_fail(error, script.load_fails, "the script lets the load of '%s' fail",
                          spec->name);
    struct ferry_engine_model *model = calloc(1, sizeof *model);
    if (model == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the fake model");
    model->script = script;
    model->output_shape = spec->output_shape;
    model->max_new_tokens = spec->max_new_tokens;
    fill_info(spec, model);
    fill_limits(spec, model);
    *ret_model = model;
    return FERRY_OK;
}

static void fake_model_free(struct ferry_engine_model *model) {
    free(model);
}

static const struct ferry_model_info *fake_model_info(const struct ferry_engine_model *model) {
    return &model->info;
}

static enum ferry_status fake_worker_create(struct ferry_engine_model *model,
                                            struct ferry_engine_worker **ret_worker,
                                            struct ferry_error *error) {
    struct ferry_engine_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a fake worker");
    worker->model = model;
    *ret_worker = worker;
    return FERRY_OK;
}

static void fake_worker_free(struct ferry_engine_worker *worker) {
    free(worker);
}

/* A real engine cuts a batch that breaks its model's rules; this one refuses it, so that tests see
 * a batcher that does not keep them. */
static enum ferry_status check_rules(const struct ferry_engine_model *model,
                                     const struct ferry_batch *batch, struct ferry_error *error) {
    struct ferry_padding_step step = ferry_padding_next(&model->rules, batch, 0);
    if (step.count == batch->sequences)
        return FERRY_OK;
    if (model->rules.fixed_batch != 0 && batch->sequences > model->rules.fixed_batch)
        return ferry_fail(error, FERRY_ENGINE, "%u sequences in a batch that is fixed at %u",
                          batch->sequences, model->rules.fixed_batch);
    return ferry_fail(error, FERRY_ENGINE, "sequences of different lengths share a batch");
}

static uint64_t positions_of(const struct ferry_engine_model *model,
                             const struct ferry_batch *batch) {
    if (model->script.packed)
        return batch->offsets[batch->sequences] - batch->offsets[0];
    struct ferry_padding_step step = ferry_padding_next(&model->rules, batch, 0);
    return (uint64_t)step.rows * step.length;
}

static void hang(const struct ferry_fake_script *script) {
    do {
        uint64_t ms = script->hang_ms != 0 ? script->hang_ms : 1000;
        sleep_for((int64_t)ms * FERRY_NANOSECONDS_PER_MILLISECOND);
    } while (script->hang_ms == 0);
}

enum ferry_status ferry_fake_play(struct ferry_engine_model *model, uint64_t delay,
                                  uint64_t positions, struct ferry_error *error) {
    const struct ferry_fake_script *script = &model->script;
    uint64_t number = atomic_fetch_add(&model->batches, 1) + 1;
    if (delay > 0)
        sleep_for((int64_t)delay);
    if (number == script->hang_at)
        hang(script);
    if (number == script->lost_at)
        atomic_store(&model->lost, true);
    if (atomic_load(&model->lost))
        return ferry_fail(error, FERRY_DEVICE_LOST, "the device was lost at batch %llu",
                          (unsigned long long)script->lost_at);
    if (script->out_of_memory_above != 0 && positions > script->out_of_memory_above)
        return ferry_fail(
            error, FERRY_OUT_OF_MEMORY, "%llu positions, the device has memory for %llu",
            (unsigned long long)positions, (unsigned long long)script->out_of_memory_above);
    return FERRY_OK;
}

static enum ferry_status play_script(struct ferry_engine_model *model,
                                     const struct ferry_batch *batch, uint64_t positions,
                                     struct ferry_error *error) {
    const struct ferry_fake_script *script = &model->script;
    uint64_t delay = script->batch_us * 1000 + script->token_ns * positions;
    enum ferry_status status = ferry_fake_play(model, delay, positions, error);
    if (status != FERRY_OK)
        return status;
    int32_t poison;
    if (ferry_fake_ids_meet(&script->poisons, batch->ids + batch->offsets[0],
                            batch->offsets[batch->sequences] - batch->offsets[0], &poison))
        return ferry_fail(error, FERRY_ENGINE, "id %d is poison", poison);
    return FERRY_OK;
}

static void write_rows(const struct ferry_engine_model *model, const struct ferry_batch *batch,
                       float *rows) {
    size_t width = model->info.width;
    for (uint32_t sequence = 0; sequence < batch->sequences; sequence++) {
        uint32_t begin = batch->offsets[sequence];
        uint32_t length = batch->offsets[sequence + 1] - begin;
        const uint8_t *type_ids = batch->type_ids == NULL ? NULL : batch->type_ids + begin;
        uint64_t seed = ferry_fake_hash(batch->ids + begin, type_ids, length);
        uint32_t row_count = model->info.rows_per_token ? length : 1;
        for (uint32_t row = 0; row < row_count; row++, rows += width)
            ferry_fake_row(seed + row, rows, width);
    }
}

static enum ferry_status fake_worker_run(struct ferry_engine_worker *worker,
                                         const struct ferry_batch *batch,
                                         struct ferry_batch_result *result,
                                         struct ferry_error *error) {
    struct ferry_engine_model *model = worker->model;
    enum ferry_status status = ferry_batch_check(batch, result, &model->limits, error);
    if (status == FERRY_OK)
        status = check_rules(model, batch, error);
    if (status != FERRY_OK)
        return status;
    uint64_t positions = positions_of(model, batch);
    status = play_script(model, batch, positions, error);
    if (status != FERRY_OK)
        return status;
    write_rows(model, batch, result->rows);
    result->padded_tokens = positions - (batch->offsets[batch->sequences] - batch->offsets[0]);
    return FERRY_OK;
}

const struct ferry_engine *ferry_fake_engine(void) {
    static const struct ferry_engine engine = {
        .abi_version = FERRY_ENGINE_ABI_VERSION,
        .name = "fake",
        .model_load = fake_model_load,
        .model_free = fake_model_free,
        .model_info = fake_model_info,
        .worker_create = fake_worker_create,
        .worker_free = fake_worker_free,
        .worker_run = fake_worker_run,
        .decoder_create = ferry_fake_decoder_create,
        .decoder_free = ferry_fake_decoder_free,
        .decoder_info = ferry_fake_decoder_info,
        .decoder_step = ferry_fake_decoder_step,
        .decoder_release = ferry_fake_decoder_release,
    };
    return &engine;
}
