/* The fake engine keeps what gpu/fake/README.md says. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/clock.h"
#include "gpu/engine.h"
#include "gpu/fake/fake_rows.h"
#include "gpu/fake/fake_script.h"

struct fixture {
    const struct ferry_engine *engine;
    struct ferry_engine_model *model;
    struct ferry_engine_worker *worker;
    struct ferry_error error;
    float rows[64];
    struct ferry_batch_result result;
};

static const int32_t ids[] = {1, 2, 3, 4, 5, 6, 7};
static const uint8_t type_ids[] = {0, 0, 1, 0, 0, 0, 0};
static const uint32_t offsets[] = {0, 3, 4, 7};
static const struct ferry_batch three = {ids, type_ids, offsets, 3};

static enum ferry_status load(struct fixture *fixture, const char *script, bool rows_per_token) {
    struct ferry_model_spec spec = {.name = "m",
                                    .output_shape = FERRY_OUTPUT_TOKENS,
                                    .pooling =
                                        rows_per_token ? FERRY_POOLING_NONE : FERRY_POOLING_MEAN,
                                    .width = 4,
                                    .max_length = 8,
                                    .vocabulary_size = 100};
    struct ferry_engine_options options = {.script = script};
    *fixture = (struct fixture){.engine = ferry_fake_engine()};
    fixture->result = (struct ferry_batch_result){fixture->rows, 64, 0};
    enum ferry_status status =
        fixture->engine->model_load(&spec, &options, &fixture->model, &fixture->error);
    if (status == FERRY_OK)
        status = fixture->engine->worker_create(fixture->model, &fixture->worker, &fixture->error);
    return status;
}

static enum ferry_status run(struct fixture *fixture, const struct ferry_batch *batch) {
    return fixture->engine->worker_run(fixture->worker, batch, &fixture->result, &fixture->error);
}

static void unload(struct fixture *fixture) {
    fixture->engine->worker_free(fixture->worker);
    fixture->engine->model_free(fixture->model);
}

Test(fake_engine, rows_depend_on_the_sequence_alone) {
    struct fixture fixture;
    cr_assert_eq(load(&fixture, "", false), FERRY_OK);
    cr_assert_eq(run(&fixture, &three), FERRY_OK);
    cr_expect_eq(fixture.result.padded_tokens, 2);
    float together[12];
    memcpy(together, fixture.rows, sizeof together);
    for (uint32_t at = 0; at < 3; at++) {
        struct ferry_batch one = {ids, type_ids, offsets + at, 1};
        cr_assert_eq(run(&fixture, &one), FERRY_OK);
        cr_expect_arr_eq(fixture.rows, together + (size_t)4 * at, 4 * sizeof(float));
        cr_expect_eq(fixture.result.padded_tokens, 0);
    }
    cr_expect_neq(together[0], together[4]);
    unload(&fixture);
}

/* Numbers from the Python function in gpu/fake/README.md. */
Test(fake_engine, rows_are_those_of_the_documentation) {
    float row[3];
    ferry_fake_row(ferry_fake_hash(ids, type_ids, 3), row, 3);
    cr_expect_float_eq(row[0], 0.9870485067367554, 1e-7);
    cr_expect_float_eq(row[1], -0.9697784185409546, 1e-7);
    cr_expect_float_eq(row[2], 0.46538078784942627, 1e-7);
    cr_expect_neq(ferry_fake_hash(ids, type_ids, 3), ferry_fake_hash(ids, NULL, 3));
}

Test(fake_engine, token_rows) {
    struct fixture fixture;
    cr_assert_eq(load(&fixture, "", true), FERRY_OK);
    cr_expect(fixture.engine->model_info(fixture.model)->rows_per_token);
    cr_assert_eq(run(&fixture, &three), FERRY_OK);
    float expected[4];
    ferry_fake_row(ferry_fake_hash(ids + 4, type_ids + 4, 3) + 2, expected, 4);
    cr_expect_arr_eq(fixture.rows + 24, expected, sizeof expected);
    unload(&fixture);
}

Test(fake_engine, poison_fails_the_batch_and_no_other) {
    struct fixture fixture;
    cr_assert_eq(load(&fixture, "poison=4 poison=90", false), FERRY_OK);
    cr_expect_eq(run(&fixture, &three), FERRY_ENGINE);
    struct ferry_batch first = {ids, NULL, offsets, 1};
    cr_expect_eq(run(&fixture, &first), FERRY_OK);
    unload(&fixture);
}

Test(fake_engine, out_of_memory_counts_padding) {
    struct fixture fixture;
    cr_assert_eq(load(&fixture, "oom_above=8", false), FERRY_OK);
    cr_expect_eq(run(&fixture, &three), FERRY_OUT_OF_MEMORY); /* 3 x 3 positions */
    struct ferry_batch two = {ids, NULL, offsets, 2};
    cr_expect_eq(run(&fixture, &two), FERRY_OK);
    unload(&fixture);
}

Test(fake_engine, lost_device_stays_lost) {
    struct fixture fixture;
    cr_assert_eq(load(&fixture, "lost_at=2", false), FERRY_OK);
    cr_expect_eq(run(&fixture, &three), FERRY_OK);
    cr_expect_eq(run(&fixture, &three), FERRY_DEVICE_LOST);
    cr_expect_eq(run(&fixture, &three), FERRY_DEVICE_LOST);
    unload(&fixture);
}

Test(fake_engine, fixed_shapes_are_told_padded_and_demanded) {
    struct fixture fixture;
    cr_assert_eq(load(&fixture, "fixed_length=6,fixed_batch=4,padding_affects", false), FERRY_OK);
    const struct ferry_model_info *info = fixture.engine->model_info(fixture.model);
    cr_expect_eq(info->fixed_length, 6);
    cr_expect_eq(info->fixed_batch, 4);
    cr_expect_eq(info->max_length, 6);
    cr_expect(info->padding_affects_result);
    cr_assert_eq(run(&fixture, &three), FERRY_OK);
    cr_expect_eq(fixture.result.padded_tokens, 4 * 6 - 7);
    unload(&fixture);
    cr_assert_eq(load(&fixture, "fixed_batch=2", false), FERRY_OK);
    cr_expect_eq(run(&fixture, &three), FERRY_ENGINE);
    unload(&fixture);
}

Test(fake_engine, mixed_lengths_are_refused_where_only_equal_ones_share) {
    struct fixture fixture;
    cr_assert_eq(load(&fixture, "equal_lengths", false), FERRY_OK);
    cr_expect_eq(run(&fixture, &three), FERRY_ENGINE);
    struct ferry_batch one = {ids, NULL, offsets, 1};
    cr_expect_eq(run(&fixture, &one), FERRY_OK);
    unload(&fixture);
}

Test(fake_engine, delays_and_a_bounded_hang) {
    struct fixture fixture;
    cr_assert_eq(load(&fixture, "batch_us=2000 token_ns=1000000 hang_at=2 hang_ms=30", false),
                 FERRY_OK);
    int64_t started = ferry_clock_now();
    cr_assert_eq(run(&fixture, &three), FERRY_OK);
    cr_expect_geq(ferry_clock_now() - started, 11 * FERRY_NANOSECONDS_PER_MILLISECOND);
    started = ferry_clock_now();
    cr_assert_eq(run(&fixture, &three), FERRY_OK);
    cr_expect_geq(ferry_clock_now() - started, 41 * FERRY_NANOSECONDS_PER_MILLISECOND);
    unload(&fixture);
}

Test(fake_engine, ids_out_of_range) {
    struct fixture fixture;
    cr_assert_eq(load(&fixture, "", false), FERRY_OK);
    const int32_t bad[] = {1, 100};
    const uint32_t ends[] = {0, 2};
    struct ferry_batch batch = {bad, NULL, ends, 1};
    cr_expect_eq(run(&fixture, &batch), FERRY_INVALID_INPUT);
    unload(&fixture);
}

Test(fake_engine, load_fails_as_scripted) {
    struct fixture fixture;
    cr_expect_eq(load(&fixture, "load_ms=1 load_fails=BAD_DATA", false), FERRY_BAD_DATA);
    cr_expect_null(fixture.model);
    ferry_fake_engine()->model_free(NULL);
    ferry_fake_engine()->worker_free(NULL);
}

Test(fake_engine, script_words_that_mean_nothing) {
    const char *const wrong[] = {"batch_us",
                                 "batch_us=",
                                 "batch_us=1x",
                                 "batch_us=-1",
                                 "nonsense",
                                 "nonsense=3",
                                 "packed=1",
                                 "fixed_batch=4294967296",
                                 "load_fails=WHAT",
                                 "poison=4294967296",
                                 "lost_at= 3",
                                 "==",
                                 "token_ns=99999999999999999999"};
    for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
        struct ferry_fake_script script;
        struct ferry_error error = {0};
        cr_expect_eq(ferry_fake_script_parse(wrong[at], &script, &error), FERRY_CONFIG, "%s",
                     wrong[at]);
        cr_expect(strstr(error.text, "script") != NULL);
    }
}

Test(fake_engine, script_separators) {
    struct ferry_fake_script script;
    cr_assert_eq(ferry_fake_script_parse(" ,batch_us=7,\n workers=3  packed,", &script, NULL),
                 FERRY_OK);
    cr_expect_eq(script.batch_us, 7);
    cr_expect_eq(script.workers, 3);
    cr_expect(script.packed);
    cr_assert_eq(ferry_fake_script_parse(NULL, &script, NULL), FERRY_OK);
    cr_expect_eq(script.workers, 1);
}
