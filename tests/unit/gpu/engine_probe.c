/* Loads a model through an engine and runs a file of sequences as one batch; tests call it.
 * Prints one JSON line; rows go to --rows as raw floats. --repeat N runs the batch N times in
 * shapes of its prefixes and prints the resident memory after a tenth and after all of them. */
#include <inttypes.h>
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

static void run(struct engine_under_test *test) {
    const struct ferry_model_info *info = test->engine->model_info(test->model);
    struct sequence_file file;
    sequence_file_read(test->sequences_path, &file);
    struct ferry_batch batch = {file.ids, file.type_ids, file.offsets, file.count};
    size_t rows = info->rows_per_token ? file.offsets[file.count] : file.count;
    struct ferry_batch_result result = {.rows_capacity = rows * info->width};
    result.rows = calloc(result.rows_capacity + 1, sizeof(float));
    struct ferry_engine_worker *worker = NULL;
    struct ferry_error error = {0};
    enum ferry_status status = test->engine->worker_create(test->model, &worker, &error);
    if (status == FERRY_OK)
        status = test->repeat > 1 ? run_shapes(test, worker, &file, &result, &error)
                                  : test->engine->worker_run(worker, &batch, &result, &error);
    printf(", \"run\": \"%s\", \"padded_tokens\": %" PRIu64 ", \"run_text\": ",
           ferry_status_name(status), result.padded_tokens);
    print_text(status == FERRY_OK ? "" : error.text);
    if (status == FERRY_OK)
        write_rows(test->rows_path, result.rows, result.rows_capacity);
    test->engine->worker_free(worker);
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
