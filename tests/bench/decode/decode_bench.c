/* The decoder's own speed, without daemon, sockets or tokenizer: greedy generation of several
 * sequences side by side. Prints one JSON line after the load; then, for every line on standard
 * input, runs and prints another:
 *
 *   SEQUENCES PROMPT NEW
 *
 * prompts of PROMPT made-up ids, all in one go, and NEW tokens each. "positions" has the time of
 * each step that made one token for every sequence, in the order of the tokens. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "tests/unit/gpu/engine_under_test.h"

struct bench {
    struct engine_under_test test;
    struct ferry_decoder *decoder;
    const struct ferry_decoder_info *info;
    int32_t *ids; /* [max_sequences][max_length + 1] */
    struct ferry_decode_entry *entries;
    double *step_seconds; /* [max_length] */
    int32_t vocabulary;
};

struct job {
    uint32_t sequences;
    uint32_t prompt;
    uint32_t new_tokens;
};

static void fail(const char *what, const char *why) {
    fprintf(stderr, "decode_bench: %s: %s\n", what, why);
    exit(1);
}

static void *allocate(size_t count, size_t size) {
    void *memory = calloc(count, size);
    if (memory == NULL)
        fail("memory", "none");
    return memory;
}

static double seconds_since(int64_t started) {
    return (double)(ferry_clock_now() - started) / 1e9;
}

static double cpu_seconds(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static int32_t *sequence_ids(struct bench *bench, uint32_t sequence) {
    return bench->ids + (size_t)sequence * (bench->info->max_length + 1);
}

static void make_prompts(struct bench *bench, const struct job *job) {
    uint32_t random = 12345;
    for (uint32_t sequence = 0; sequence < job->sequences; sequence++)
        for (uint32_t at = 0; at < job->prompt; at++) {
            random = random * 1664525u + 1013904223u;
            sequence_ids(bench, sequence)[at] = (int32_t)(random >> 8) % bench->vocabulary;
        }
}

static void run_step(struct bench *bench, uint32_t count) {
    struct ferry_error error = {0};
    if (bench->test.engine->decoder_step(bench->decoder, bench->entries, count, &error) != FERRY_OK)
        fail("step", error.text);
    for (uint32_t at = 0; at < count; at++)
        if (bench->entries[at].status != FERRY_OK)
            fail("step", "an entry failed");
}

static void set_entry(struct bench *bench, uint32_t index, uint32_t sequence, uint32_t cached,
                      uint32_t length) {
    static const struct ferry_sampling greedy = {.top_p = 1, .repetition_penalty = 1};
    int32_t *ids = sequence_ids(bench, sequence);
    bench->entries[index] = (struct ferry_decode_entry){.slot = sequence,
                                                        .ids = ids,
                                                        .cached = cached,
                                                        .length = length,
                                                        .wanted = FERRY_DECODE_SAMPLE,
                                                        .sampling = &greedy,
                                                        .max_new = 1,
                                                        .new_ids = ids + length};
}

/* As many whole prompts a step as it takes. */
static void run_prompts(struct bench *bench, const struct job *job) {
    uint32_t together = bench->info->max_step_tokens / job->prompt;
    if (together == 0)
        fail("job", "the prompt is longer than a step");
    for (uint32_t first = 0; first < job->sequences; first += together) {
        uint32_t count = 0;
        for (; count < together && first + count < job->sequences; count++)
            set_entry(bench, count, first + count, 0, job->prompt);
        run_step(bench, count);
    }
}

static void run_tokens(struct bench *bench, const struct job *job) {
    for (uint32_t step = 1; step < job->new_tokens; step++) {
        uint32_t length = job->prompt + step;
        int64_t started = ferry_clock_now();
        for (uint32_t sequence = 0; sequence < job->sequences; sequence++)
            set_entry(bench, sequence, sequence, length - 1, length);
        run_step(bench, job->sequences);
        bench->step_seconds[step - 1] = seconds_since(started);
    }
}

static void run_job(struct bench *bench, const struct job *job) {
    if (job->sequences == 0 || job->prompt == 0 || job->new_tokens == 0 ||
        job->sequences > bench->info->max_sequences ||
        job->prompt + job->new_tokens > bench->info->max_length)
        fail("job", "more sequences or tokens than the decoder takes");
    make_prompts(bench, job);
    double cpu = cpu_seconds();
    int64_t started = ferry_clock_now();
    run_prompts(bench, job);
    double prompts = seconds_since(started);
    run_tokens(bench, job);
    double all = seconds_since(started);
    printf("{\"sequences\": %u, \"prompt\": %u, \"new\": %u, \"seconds\": %.6f, "
           "\"prompt_seconds\": %.6f, \"cpu_seconds\": %.6f, \"positions\": [",
           job->sequences, job->prompt, job->new_tokens, all, prompts, cpu_seconds() - cpu);
    for (uint32_t step = 0; step + 1 < job->new_tokens; step++)
        printf("%s%.6f", step > 0 ? ", " : "", bench->step_seconds[step]);
    printf("], \"first_ids\": [");
    for (uint32_t at = 0; at < job->new_tokens; at++)
        printf("%s%" PRId32, at > 0 ? ", " : "", sequence_ids(bench, 0)[job->prompt + at]);
    puts("]}");
    fflush(stdout);
    for (uint32_t slot = 0; slot < job->sequences; slot++)
        bench->test.engine->decoder_release(bench->decoder, slot);
}

static void open_decoder(struct bench *bench, int argc, char **argv) {
    engine_under_test_open(&bench->test, argc, argv);
    if (bench->test.status != FERRY_OK)
        fail("load", bench->test.error.text);
    int64_t started = ferry_clock_now();
    if (bench->test.engine->decoder_create(bench->test.model, &bench->test.decoder_options,
                                           &bench->decoder, &bench->test.error) != FERRY_OK)
        fail("decoder", bench->test.error.text);
    bench->info = bench->test.engine->decoder_info(bench->decoder);
    bench->vocabulary = (int32_t)bench->test.engine->model_info(bench->test.model)->width;
    printf(
        "{\"engine\": \"%s\", \"proof\": \"%s\", \"load_seconds\": %.3f, \"proof_seconds\": %.3f, "
        "\"load_cpu_seconds\": %.3f}\n",
        bench->info->engine, bench->info->proof, bench->test.load_seconds, seconds_since(started),
        cpu_seconds());
    fflush(stdout);
}

static bool read_job(const char *line, struct job *job) {
    uint32_t *const numbers[] = {&job->sequences, &job->prompt, &job->new_tokens};
    for (size_t at = 0; at < sizeof numbers / sizeof *numbers; at++) {
        char *end;
        *numbers[at] = (uint32_t)strtoul(line, &end, 10);
        if (end == line)
            return false;
        line = end;
    }
    return true;
}

int main(int argc, char **argv) {
    static struct bench bench;
    open_decoder(&bench, argc, argv);
    bench.ids = allocate((size_t)bench.info->max_sequences * (bench.info->max_length + 1),
                         sizeof *bench.ids);
    bench.entries = allocate(bench.info->max_sequences, sizeof *bench.entries);
    bench.step_seconds = allocate(bench.info->max_length, sizeof *bench.step_seconds);
    struct job job;
    char line[128];
    while (fgets(line, sizeof line, stdin) != NULL && read_job(line, &job))
        run_job(&bench, &job);
    free(bench.ids);
    free(bench.entries);
    free(bench.step_seconds);
    bench.test.engine->decoder_free(bench.decoder);
    engine_under_test_close(&bench.test);
    return 0;
}
