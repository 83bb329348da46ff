/* The engine's own tokens/s, without daemon, sockets or tokenizer: sequences sorted by length, cut
 * into batches of a token budget (positions, padding included), handed to as many threads as the
 * engine suggests. Prints one JSON line. See run.py for how to get the arguments from a model
 * directory. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "tests/unit/gpu/engine_under_test.h"

enum { MAX_WORKERS = 256 };

struct bench {
    struct engine_under_test test;
    struct sequence_file sorted;
    uint32_t *batch_starts; /* [batch_count + 1], sequences */
    uint32_t batch_count;
    size_t largest_rows; /* floats */
    uint32_t width;
    bool rows_per_token;
    atomic_uint next;
    atomic_ullong padded;
    pthread_barrier_t barrier;
};

static void fail(const char *what, const char *why) {
    fprintf(stderr, "engine_bench: %s: %s\n", what, why);
    exit(1);
}

static const uint32_t *offsets_to_sort; /* qsort has no argument of its own */

static int by_length(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    uint32_t length_a = offsets_to_sort[a + 1] - offsets_to_sort[a];
    uint32_t length_b = offsets_to_sort[b + 1] - offsets_to_sort[b];
    return length_a != length_b ? (length_a < length_b ? 1 : -1) : (a > b) - (a < b);
}

static void *allocate(size_t size) {
    void *memory = calloc(1, size);
    if (memory == NULL)
        fail("memory", "none");
    return memory;
}

/* Longest first, so that the last batches are small and the workers end together. */
static void sort_sequences(const struct sequence_file *file, struct sequence_file *sorted) {
    uint32_t tokens = file->offsets[file->count];
    uint32_t *order = allocate(file->count * sizeof *order);
    for (uint32_t at = 0; at < file->count; at++)
        order[at] = at;
    offsets_to_sort = file->offsets;
    qsort(order, file->count, sizeof *order, by_length);
    sorted->ids = allocate(tokens * sizeof *sorted->ids);
    sorted->type_ids = allocate(tokens);
    sorted->offsets = allocate((file->count + 1) * sizeof *sorted->offsets);
    sorted->count = file->count;
    for (uint32_t at = 0; at < file->count; at++) {
        uint32_t offset = sorted->offsets[at];
        uint32_t end = file->offsets[order[at] + 1];
        for (uint32_t from = file->offsets[order[at]]; from < end; from++) {
            sorted->type_ids[offset] = file->type_ids[from];
            sorted->ids[offset++] = file->ids[from];
        }
        sorted->offsets[at + 1] = offset;
    }
    free(order);
}

static void cut_batches(struct bench *bench) {
    const uint32_t *offsets = bench->sorted.offsets;
    const struct ferry_model_info *info = bench->test.engine->model_info(bench->test.model);
    bench->batch_starts = allocate((bench->sorted.count + 1) * sizeof *bench->batch_starts);
    for (uint32_t first = 0; first < bench->sorted.count;) {
        uint32_t longest = offsets[first + 1] - offsets[first];
        uint32_t length = info->fixed_length != 0 ? info->fixed_length : longest;
        if (length == 0)
            length = 1;
        uint32_t count = info->fixed_batch != 0 ? info->fixed_batch : bench->test.budget / length;
        if (count == 0)
            count = 1;
        if (count > bench->sorted.count - first)
            count = bench->sorted.count - first;
        size_t rows = bench->rows_per_token ? offsets[first + count] - offsets[first] : count;
        if (rows * bench->width > bench->largest_rows)
            bench->largest_rows = rows * bench->width;
        first += count;
        bench->batch_starts[++bench->batch_count] = first;
    }
}

static void run_batches(struct bench *bench, struct ferry_engine_worker *worker, float *rows,
                        uint32_t end) {
    struct ferry_error error = {0};
    for (uint32_t at; (at = atomic_fetch_add(&bench->next, 1)) < end;) {
        uint32_t first = bench->batch_starts[at];
        struct ferry_batch batch = {bench->sorted.ids, bench->sorted.type_ids,
                                    bench->sorted.offsets + first,
                                    bench->batch_starts[at + 1] - first};
        struct ferry_batch_result result = {rows, bench->largest_rows, 0};
        if (bench->test.engine->worker_run(worker, &batch, &result, &error) != FERRY_OK)
            fail("run", error.text);
        atomic_fetch_add(&bench->padded, result.padded_tokens);
    }
}

static void *work(void *argument) {
    struct bench *bench = argument;
    struct ferry_engine_worker *worker = NULL;
    struct ferry_error error = {0};
    if (bench->test.engine->worker_create(bench->test.model, &worker, &error) != FERRY_OK)
        fail("worker", error.text);
    float *rows = allocate((bench->largest_rows + 1) * sizeof *rows);
    uint32_t warm_up = bench->batch_count < 16 ? bench->batch_count : 16;
    run_batches(bench, worker, rows, warm_up);
    for (uint32_t round = 0; round < bench->test.repeat; round++) {
        pthread_barrier_wait(&bench->barrier); /* the main thread resets and starts the clock */
        pthread_barrier_wait(&bench->barrier);
        run_batches(bench, worker, rows, bench->batch_count);
        pthread_barrier_wait(&bench->barrier);
    }
    bench->test.engine->worker_free(worker);
    free(rows);
    return NULL;
}

/* Of all threads; on a busy machine steadier than the time on the wall. */
static double cpu_seconds(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / 1e9;
}

static double time_round(struct bench *bench) {
    pthread_barrier_wait(&bench->barrier);
    atomic_store(&bench->next, 0);
    atomic_store(&bench->padded, 0);
    int64_t started = ferry_clock_now();
    pthread_barrier_wait(&bench->barrier);
    pthread_barrier_wait(&bench->barrier);
    return (double)(ferry_clock_now() - started) / 1e9;
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static void measure(struct bench *bench, uint32_t workers) {
    pthread_t threads[MAX_WORKERS];
    double *seconds = allocate(bench->test.repeat * sizeof *seconds);
    double *cpu = allocate(bench->test.repeat * sizeof *cpu);
    pthread_barrier_init(&bench->barrier, NULL, workers + 1);
    for (uint32_t at = 0; at < workers; at++)
        if (pthread_create(&threads[at], NULL, work, bench) != 0)
            fail("thread", "cannot be started");
    for (uint32_t round = 0; round < bench->test.repeat; round++) {
        double before = cpu_seconds();
        seconds[round] = time_round(bench);
        cpu[round] = cpu_seconds() - before;
    }
    for (uint32_t at = 0; at < workers; at++)
        pthread_join(threads[at], NULL);
    qsort(seconds, bench->test.repeat, sizeof *seconds, by_value);
    qsort(cpu, bench->test.repeat, sizeof *cpu, by_value);
    double median = seconds[bench->test.repeat / 2];
    uint32_t tokens = bench->sorted.offsets[bench->sorted.count];
    printf("{\"texts\": %u, \"tokens\": %u, \"padded_tokens\": %llu, \"batches\": %u, \"budget\": "
           "%u, \"workers\": %u, \"rounds\": %u, \"seconds\": %.4f, \"tokens_per_s\": %.0f, "
           "\"best_tokens_per_s\": %.0f, \"texts_per_s\": %.1f, \"cpu_seconds\": %.4f}\n",
           bench->sorted.count, tokens, (unsigned long long)atomic_load(&bench->padded),
           bench->batch_count, bench->test.budget, workers, bench->test.repeat, median,
           tokens / median, tokens / seconds[0], bench->sorted.count / median,
           cpu[bench->test.repeat / 2]);
    pthread_barrier_destroy(&bench->barrier);
    free(seconds);
    free(cpu);
}

int main(int argc, char **argv) {
    static struct bench bench;
    engine_under_test_open(&bench.test, argc, argv);
    if (bench.test.status != FERRY_OK)
        fail("load", bench.test.error.text);
    if (bench.test.sequences_path == NULL || bench.test.budget == 0 || bench.test.repeat == 0)
        fail("usage", "--sequences FILE, --budget and --repeat above 0");
    const struct ferry_model_info *info = bench.test.engine->model_info(bench.test.model);
    bench.width = info->width;
    bench.rows_per_token = info->rows_per_token;
    struct sequence_file file;
    sequence_file_read(bench.test.sequences_path, &file);
    if (file.count == 0)
        fail("sequences", "the file is empty");
    sort_sequences(&file, &bench.sorted);
    sequence_file_free(&file);
    cut_batches(&bench);
    uint32_t workers = bench.test.workers != 0 ? bench.test.workers : info->suggested_workers;
    measure(&bench, workers < MAX_WORKERS ? workers : MAX_WORKERS);
    free(bench.batch_starts);
    sequence_file_free(&bench.sorted);
    engine_under_test_close(&bench.test);
    return 0;
}
