#include <criterion/criterion.h>

#include "clients/cli/bench_texts.h"
#include "clients/cli/latency_samples.h"

Test(latency_samples, percentiles_are_exact) {
    struct latency_samples samples = {0};
    cr_assert_eq(latency_samples_at(&samples, 0.5), 0.0);
    for (int at = 1000; at > 0; at--)
        cr_assert(latency_samples_add(&samples, INT64_C(1000) * at));
    latency_samples_sort(&samples);
    cr_assert_eq(latency_samples_at(&samples, 0.5), 500.0);
    cr_assert_eq(latency_samples_at(&samples, 0.99), 990.0);
    cr_assert_eq(latency_samples_at(&samples, 0.999), 999.0);
    cr_assert_eq(latency_samples_at(&samples, 1), 1000.0);
    cr_assert_eq(latency_samples_at(&samples, 0), 1.0);
    cr_assert_eq(samples.maximum, 1000.0);
    cr_assert_float_eq(samples.sum / (double)samples.count, 500.5, 1e-9);
    latency_samples_free(&samples);
}

Test(bench_texts, made_up_texts_depend_on_the_seed_alone) {
    struct cli_options options = {.command = CLI_BENCH, .words = 20, .seed = 4, .batch = 3};
    struct bench_texts first, second, other;
    struct ferry_error error;
    cr_assert_eq(bench_texts_open(&options, &first, &error), FERRY_OK);
    cr_assert_eq(bench_texts_open(&options, &second, &error), FERRY_OK);
    options.seed = 5;
    cr_assert_eq(bench_texts_open(&options, &other, &error), FERRY_OK);
    cr_assert_eq(first.bytes.size, second.bytes.size);
    cr_assert_eq(memcmp(first.bytes.data, second.bytes.data, first.bytes.size), 0);
    cr_assert_neq(first.bytes.size, other.bytes.size);
    size_t words = 0;
    for (size_t at = 0; at < first.bytes.size; at++)
        words += first.bytes.data[at] == ' ';
    double mean = (double)words / (double)first.count; /* 20 * exp(0.7^2 / 2) = 25.6 */
    cr_assert(mean > 20 && mean < 30, "%f words", mean);
    bench_texts_close(&first);
    bench_texts_close(&second);
    bench_texts_close(&other);
}

Test(bench_texts, batches_go_round) {
    const char *texts[] = {"a", "b"};
    struct cli_options options = {
        .command = CLI_BENCH, .texts = texts, .text_count = 2, .batch = 5};
    struct bench_texts given;
    struct ferry_error error;
    cr_assert_eq(bench_texts_open(&options, &given, &error), FERRY_OK);
    for (size_t round = 0; round < 3; round++) {
        const struct ferry_client_item *batch = bench_texts_next(&given, 5);
        for (size_t at = 0; at < 5; at++)
            cr_assert_eq(batch[at].text[0], "ab"[(round * 5 + at) % 2]);
    }
    bench_texts_close(&given);
}

Test(bench_texts, random_numbers_are_uniform) {
    uint64_t state = 12345;
    double sum = 0, least = 1;
    for (int at = 0; at < 100000; at++) {
        double value = bench_random(&state);
        cr_assert(value > 0 && value <= 1);
        sum += value;
        least = value < least ? value : least;
    }
    cr_assert_float_eq(sum / 100000, 0.5, 0.005);
    cr_assert_lt(least, 1e-3);
}
