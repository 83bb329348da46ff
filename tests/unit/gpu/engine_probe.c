/* Loads a model through an engine and runs a file of sequences as one batch; tests call it.
 * Prints one JSON line; rows go to --rows as raw floats. --workers N does it on N workers at once
 * and compares their rows. --repeat N runs the batch N times in shapes of its prefixes and prints
 * the resident memory after a tenth and after all of them. */
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/gpu/engine_under_test.h"

static void print_text(const char *text) {
    putchar('"');
    for (; *text != '\0'; text++)
        printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    putchar('"');
}

static long resident_kib(void) {
    char line[128];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && kib < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (file != NULL)
        fclose(file);
    return kib;
}

static void print_info(const struct ferry_model_info *info, double load_seconds) {
    printf(", \"engine\": \"%s\", \"precision\": \"%s\", \"device\": \"%s\", \"width\": %u, "
           "\"max_length\": %u, \"fixed_length\": %u, \"fixed_batch\": %u, \"pads\": %s, "
           "\"equal_lengths_only\": %s, \"padding_affects_result\": %s, \"rows_per_token\": %s, "
           "\"suggested_workers\": %u, \"load_seconds\": %.3f, \"proof\": ",
           info->engine, info->precision, info->device, info->width, info->max_length,
           info->fixed_length, info->fixed_batch, info->pads ? "true" : "false",
           info->equal_lengths_only ? "true" : "false",
           info->padding_affects_result ? "true" : "false", info->rows_per_token ? "true" : "false",
           info->suggested_workers, load_seconds);
    print_text(info->proof);
}

static void write_rows(const char *path, const float *rows, size_t count) {
    FILE *file = path == NULL ? NULL : fopen(path, "wb");
    if (file != NULL && (fwrite(rows, sizeof *rows, count, file) != count || fclose(file) != 0))
        abort();
}

/* Batches of ever other shapes: sequences [first, first + count) of the file. */
static enum ferry_status run_shapes(struct engine_under_test *test,
                                    struct ferry_engine_worker *worker,
                                    const struct sequence_file *file,
                                    struct ferry_batch_result *result, struct ferry_error *error) {
    uint32_t random = 1;
    enum ferry_status status = FERRY_OK;
    for (uint32_t at = 0; at < test->repeat && status == FERRY_OK; at++) {
        random = random * 1664525u + 1013904223u;
        uint32_t first = (random >> 8) % file->count;
        uint32_t count = 1 + (random >> 16) % 12;
        if (count > file->count - first)
            count = file->count - first;
        struct ferry_batch batch = {file->ids, file->type_ids, file->offsets + first, count};
        status = test->engine->worker_run(worker, &batch, result, error);
        if (at + 1 == test->repeat / 10)
            printf(", \"resident_kib_early\": %ld", resident_kib());
    }
    printf(", \"resident_kib_late\": %ld", resident_kib());
    return status;
}

struct worker_thread {
    struct engine_under_test *test;
    const struct ferry_batch *batch;
    pthread_t thread;
    struct ferry_batch_result result;
    enum ferry_status status;
    struct ferry_error error;
};

/* Several times, so that the threads meet. */
static void *run_worker(void *argument) {
    struct worker_thread *self = argument;
    struct ferry_engine_worker *worker = NULL;
    self->status = self->test->engine->worker_create(self->test->model, &worker, &self->error);
    for (unsigned round = 0; round < 20 && self->status == FERRY_OK; round++)
        self->status =
            self->test->engine->worker_run(worker, self->batch, &self->result, &self->error);
    self->test->engine->worker_free(worker);
    return NULL;
}

/* The same batch on several workers at once; leaves the first one's rows in *result. */
static enum ferry_status run_threads(struct engine_under_test *test,
                                     const struct ferry_batch *batch,
                                     struct ferry_batch_result *result, struct ferry_error *error) {
    struct worker_thread threads[16] = {0};
    uint32_t count = test->workers < 16 ? test->workers : 16;
    for (uint32_t at = 0; at < count; at++) {
        threads[at] = (struct worker_thread){.test = test, .batch = batch, .result = *result};
        if (at > 0)
            threads[at].result.rows = calloc(result->rows_capacity, sizeof(float));
        if (pthread_create(&threads[at].thread, NULL, run_worker, &threads[at]) != 0)
            abort();
    }
    float worst = 0;
    enum ferry_status status = FERRY_OK;
    for (uint32_t at = 0; at < count; at++) {
        pthread_join(threads[at].thread, NULL);
        for (size_t value = 0; value < result->rows_capacity; value++)
            worst = fmaxf(worst, fabsf(threads[at].result.rows[value] - result->rows[value]));
        if (threads[at].status != FERRY_OK) {
            status = threads[at].status;
            *error = threads[at].error;
        }
        if (at > 0)
            free(threads[at].result.rows);
    }
    result->padded_tokens = threads[0].result.padded_tokens;
    printf(", \"worst_between_workers\": %g", (double)worst);
    return status;
}

static enum ferry_status run_once(struct engine_under_test *test, const struct sequence_file *file,
                                  struct ferry_batch_result *result, struct ferry_error *error) {
    struct ferry_batch batch = {file->ids, file->type_ids, file->offsets, file->count};
    if (test->workers > 1)
        return run_threads(test, &batch, result, error);
    struct ferry_engine_worker *worker = NULL;
    enum ferry_status status = test->engine->worker_create(test->model, &worker, error);
    if (status == FERRY_OK)
        status = test->repeat > 1 ? run_shapes(test, worker, file, result, error)
                                  : test->engine->worker_run(worker, &batch, result, error);
    test->engine->worker_free(worker);
    return status;
}

static void run(struct engine_under_test *test) {
    const struct ferry_model_info *info = test->engine->model_info(test->model);
    struct sequence_file file;
    sequence_file_read(test->sequences_path, &file);
    size_t rows = info->rows_per_token ? file.offsets[file.count] : file.count;
    struct ferry_batch_result result = {.rows_capacity = rows * info->width};
    result.rows = calloc(result.rows_capacity + 1, sizeof(float));
    if (result.rows == NULL)
        abort();
    struct ferry_error error = {0};
    enum ferry_status status = run_once(test, &file, &result, &error);
    printf(", \"run\": \"%s\", \"padded_tokens\": %" PRIu64 ", \"run_text\": ",
           ferry_status_name(status), result.padded_tokens);
    print_text(status == FERRY_OK ? "" : error.text);
    if (status == FERRY_OK)
        write_rows(test->rows_path, result.rows, result.rows_capacity);
    free(result.rows);
    sequence_file_free(&file);
}

int main(int argc, char **argv) {
    struct engine_under_test test;
    engine_under_test_open(&test, argc, argv);
    printf("{\"load\": \"%s\", \"load_text\": ", ferry_status_name(test.status));
    print_text(test.status == FERRY_OK ? "" : test.error.text);
    if (test.status == FERRY_OK) {
        print_info(test.engine->model_info(test.model), test.load_seconds);
        if (test.sequences_path != NULL)
            run(&test);
    }
    puts("}");
    engine_under_test_close(&test);
    return 0;
}
