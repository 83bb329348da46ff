/* Loads a model, creates a decoder and runs the steps that come on standard input; tests drive it.
 * Prints one JSON line after the load and one for each step.
 *
 *   step COUNT         then COUNT lines, each an entry:
 *       SLOT CACHED LENGTH WANTED TOP TEMPERATURE TOP_K TOP_P MIN_P PENALTY SEED
 *       ids[LENGTH] and, where WANTED is 2 (score), targets[LENGTH - CACHED]
 *   release SLOT
 *   memory             prints the resident memory */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "tests/unit/gpu/engine_under_test.h"

struct entry_memory {
    int32_t *ids;
    int32_t *targets;
    int32_t new_id;
    float *logprobs;
    int32_t *top_ids;
    float *top_logprobs;
    struct ferry_sampling sampling;
};

static void give_up(const char *what) {
    fprintf(stderr, "decode_probe: %s\n", what);
    exit(64);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count + 1, size);
    if (memory == NULL)
        give_up("no memory");
    return memory;
}

static void print_text(const char *text) {
    putchar('"');
    for (; *text != '\0'; text++)
        printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    putchar('"');
}

static double read_number(void) {
    char word[64];
    char *end = word;
    if (scanf("%63s", word) != 1)
        give_up("a number is missing");
    double value = strtod(word, &end);
    if (end == word || *end != '\0')
        give_up("a number is not one");
    return value;
}

static uint32_t read_count(void) {
    return (uint32_t)read_number();
}

static int32_t *read_ids(uint32_t count) {
    int32_t *ids = allocate(count, sizeof *ids);
    for (uint32_t at = 0; at < count; at++)
        ids[at] = (int32_t)read_number();
    return ids;
}

static void read_entry(struct ferry_decode_entry *entry, struct entry_memory *memory) {
    *entry = (struct ferry_decode_entry){.slot = read_count(), .max_new = 1};
    entry->cached = read_count();
    entry->length = read_count();
    entry->wanted = (enum ferry_decode_wanted)read_count();
    entry->top = read_count();
    memory->sampling.temperature = (float)read_number();
    memory->sampling.top_k = read_count();
    memory->sampling.top_p = (float)read_number();
    memory->sampling.min_p = (float)read_number();
    memory->sampling.repetition_penalty = (float)read_number();
    memory->sampling.seed = (uint64_t)read_number();
    uint32_t rows = entry->length > entry->cached ? entry->length - entry->cached : 0;
    entry->ids = memory->ids = read_ids(entry->length);
    entry->targets = memory->targets = read_ids(entry->wanted == FERRY_DECODE_SCORE ? rows : 0);
    entry->sampling = &memory->sampling;
    entry->new_ids = &memory->new_id;
    entry->logprobs = memory->logprobs = allocate(rows, sizeof(float));
    entry->top_ids = memory->top_ids = allocate((size_t)rows * entry->top, sizeof(int32_t));
    entry->top_logprobs = memory->top_logprobs = allocate((size_t)rows * entry->top, sizeof(float));
}

static void free_entry(struct entry_memory *memory) {
    free(memory->ids);
    free(memory->targets);
    free(memory->logprobs);
    free(memory->top_ids);
    free(memory->top_logprobs);
}

static void print_floats(const char *name, const float *values, size_t count) {
    printf(", \"%s\": [", name);
    for (size_t at = 0; at < count; at++)
        if (isfinite(values[at]))
            printf("%s%.9g", at > 0 ? ", " : "", (double)values[at]);
        else
            printf("%snull", at > 0 ? ", " : "");
    putchar(']');
}

static void print_ids(const char *name, const int32_t *ids, size_t count) {
    printf(", \"%s\": [", name);
    for (size_t at = 0; at < count; at++)
        printf("%s%" PRId32, at > 0 ? ", " : "", ids[at]);
    putchar(']');
}

static void print_entry(const struct ferry_decode_entry *entry) {
    size_t rows = entry->wanted == FERRY_DECODE_SCORE    ? entry->length - entry->cached
                  : entry->wanted == FERRY_DECODE_SAMPLE ? entry->new_count
                                                         : 0;
    printf("{\"status\": \"%s\"", ferry_status_name(entry->status));
    print_ids("new_ids", entry->new_ids, entry->new_count);
    print_floats("logprobs", entry->logprobs, rows);
    print_ids("top_ids", entry->top_ids, rows * entry->top);
    print_floats("top_logprobs", entry->top_logprobs, rows * entry->top);
    putchar('}');
}

static void run_step(struct engine_under_test *test, struct ferry_decoder *decoder) {
    uint32_t count = read_count();
    struct ferry_decode_entry *entries = allocate(count, sizeof *entries);
    struct entry_memory *memory = allocate(count, sizeof *memory);
    for (uint32_t at = 0; at < count; at++)
        read_entry(&entries[at], &memory[at]);
    struct ferry_error error = {0};
    int64_t started = ferry_clock_now();
    enum ferry_status status = test->engine->decoder_step(decoder, entries, count, &error);
    printf("{\"status\": \"%s\", \"seconds\": %.6f, \"text\": ", ferry_status_name(status),
           (double)(ferry_clock_now() - started) / 1e9);
    print_text(status == FERRY_OK ? "" : error.text);
    printf(", \"entries\": [");
    for (uint32_t at = 0; at < count && status == FERRY_OK; at++) {
        printf("%s", at > 0 ? ", " : "");
        print_entry(&entries[at]);
    }
    puts("]}");
    for (uint32_t at = 0; at < count; at++)
        free_entry(&memory[at]);
    free(entries);
    free(memory);
}

static void print_memory(void) {
    char line[128];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file != NULL && kib < 0 && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, "VmRSS:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (file != NULL)
        fclose(file);
    printf("{\"resident_kib\": %ld}\n", kib);
}

static void run_commands(struct engine_under_test *test, struct ferry_decoder *decoder) {
    char command[16];
    while (scanf("%15s", command) == 1) {
        if (strcmp(command, "step") == 0)
            run_step(test, decoder);
        else if (strcmp(command, "release") == 0)
            test->engine->decoder_release(decoder, read_count());
        else if (strcmp(command, "memory") == 0)
            print_memory();
        else
            give_up(command);
        fflush(stdout);
    }
}

static void print_info(const struct engine_under_test *test, const struct ferry_decoder_info *info,
                       double seconds) {
    printf(
        ", \"engine\": \"%s\", \"max_length\": %u, \"max_sequences\": %u, "
        "\"max_step_tokens\": %u, \"block_tokens\": %u, \"blocks\": %u, \"cache_bytes\": %" PRIu64
        ", \"load_seconds\": %.3f, \"proof_seconds\": %.3f, \"proof\": ",
        info->engine, info->max_length, info->max_sequences, info->max_step_tokens,
        info->block_tokens, info->blocks, info->cache_bytes, test->load_seconds, seconds);
    print_text(info->proof);
    printf(", \"model_proof\": ");
    print_text(test->engine->model_info(test->model)->proof);
}

int main(int argc, char **argv) {
    struct engine_under_test test;
    engine_under_test_open(&test, argc, argv);
    struct ferry_decoder *decoder = NULL;
    enum ferry_status status = test.status;
    int64_t started = ferry_clock_now();
    if (status == FERRY_OK)
        status =
            test.engine->decoder_create(test.model, &test.decoder_options, &decoder, &test.error);
    printf("{\"load\": \"%s\", \"load_text\": ", ferry_status_name(status));
    print_text(status == FERRY_OK ? "" : test.error.text);
    if (status == FERRY_OK)
        print_info(&test, test.engine->decoder_info(decoder),
                   (double)(ferry_clock_now() - started) / 1e9);
    puts("}");
    fflush(stdout);
    if (status == FERRY_OK)
        run_commands(&test, decoder);
    test.engine->decoder_free(decoder);
    engine_under_test_close(&test);
    return 0;
}
