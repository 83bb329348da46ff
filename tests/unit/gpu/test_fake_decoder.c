/* The fake engine's decoder keeps what gpu/fake/README.md says, and refuses what engine.h forbids.
 */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "gpu/engine.h"
#include "gpu/fake/fake_rows.h"

enum { VOCABULARY = 50 };

static const struct ferry_sampling greedy = {.temperature = 0, .top_p = 1, .repetition_penalty = 1};

struct fixture {
    const struct ferry_engine *engine;
    struct ferry_engine_model *model;
    struct ferry_decoder *decoder;
    const struct ferry_decoder_info *info;
    struct ferry_error error;
};

static enum ferry_status load_shape(struct fixture *fixture, const char *script,
                                    enum ferry_output_shape shape) {
    struct ferry_model_spec spec = {.name = "m",
                                    .output_shape = shape,
                                    .max_length = 64,
                                    .vocabulary_size = VOCABULARY,
                                    .max_new_tokens = 20};
    struct ferry_engine_options options = {.script = script};
    struct ferry_decoder_options decoder_options = {0};
    *fixture = (struct fixture){.engine = ferry_fake_engine()};
    enum ferry_status status =
        fixture->engine->model_load(&spec, &options, &fixture->model, &fixture->error);
    if (status == FERRY_OK)
        status = fixture->engine->decoder_create(fixture->model, &decoder_options,
                                                 &fixture->decoder, &fixture->error);
    if (status == FERRY_OK)
        fixture->info = fixture->engine->decoder_info(fixture->decoder);
    return status;
}

static void load(struct fixture *fixture, const char *script) {
    cr_assert_eq(load_shape(fixture, script, FERRY_OUTPUT_LOGITS), FERRY_OK, "%s",
                 fixture->error.text);
}

static void unload(struct fixture *fixture) {
    fixture->engine->decoder_free(fixture->decoder);
    fixture->engine->model_free(fixture->model);
}

static enum ferry_status step(struct fixture *fixture, struct ferry_decode_entry *entries,
                              uint32_t count) {
    return fixture->engine->decoder_step(fixture->decoder, entries, count, &fixture->error);
}

/* A sequence with room for its new ids. */
struct sequence {
    int32_t ids[64];
    float logprobs[64];
    struct ferry_decode_entry entry;
};

static struct ferry_decode_entry *begin(struct sequence *sequence, uint32_t slot,
                                        const int32_t *ids, uint32_t length) {
    memcpy(sequence->ids, ids, length * sizeof *ids);
    sequence->entry = (struct ferry_decode_entry){.slot = slot,
                                                  .ids = sequence->ids,
                                                  .length = length,
                                                  .wanted = FERRY_DECODE_SAMPLE,
                                                  .sampling = &greedy,
                                                  .max_new = 1,
                                                  .new_ids = sequence->ids + length,
                                                  .logprobs = sequence->logprobs};
    return &sequence->entry;
}

static struct ferry_decode_entry *go_on(struct sequence *sequence) {
    struct ferry_decode_entry *entry = &sequence->entry;
    entry->cached = entry->length;
    entry->length += entry->new_count;
    entry->new_ids = sequence->ids + entry->length;
    return entry;
}

static const int32_t prompt[] = {1, 2, 3};

/* Numbers from the Python functions in gpu/fake/README.md. */
Test(fake_decoder, greedy_is_that_of_the_documentation) {
    struct fixture fixture;
    load(&fixture, "");
    cr_expect_eq(fixture.info->block_tokens, 16);
    cr_expect_eq(fixture.info->blocks, 4096);
    cr_expect_not(fixture.info->whole_generation);
    struct sequence sequence;
    cr_assert_eq(step(&fixture, begin(&sequence, 3, prompt, 3), 1), FERRY_OK);
    cr_expect_float_eq(sequence.logprobs[0], -1.3767110140344325, 1e-5);
    for (unsigned at = 1; at < 6; at++)
        cr_assert_eq(step(&fixture, go_on(&sequence), 1), FERRY_OK);
    const int32_t expected[] = {1, 2, 3, 2, 20, 48, 7, 48, 26};
    cr_expect_arr_eq(sequence.ids, expected, sizeof expected);
    unload(&fixture);
}

Test(fake_decoder, end_id_follows_from_end_at_on) {
    struct fixture fixture;
    load(&fixture, "end_id=7 end_at=5");
    struct sequence sequence;
    cr_assert_eq(step(&fixture, begin(&sequence, 0, prompt, 3), 1), FERRY_OK);
    for (unsigned at = 1; at < 6; at++)
        cr_assert_eq(step(&fixture, go_on(&sequence), 1), FERRY_OK);
    const int32_t expected[] = {1, 2, 3, 2, 20, 7, 7, 7, 7};
    cr_expect_arr_eq(sequence.ids, expected, sizeof expected);
    unload(&fixture);
}

Test(fake_decoder, chunks_and_company_change_nothing) {
    struct fixture fixture;
    load(&fixture, "");
    struct sequence whole;
    struct sequence parts;
    cr_assert_eq(step(&fixture, begin(&whole, 0, prompt, 3), 1), FERRY_OK);
    begin(&parts, 1, prompt, 3);
    parts.entry.length = 2;
    parts.entry.wanted = FERRY_DECODE_NOTHING;
    struct ferry_decode_entry both[] = {*go_on(&whole), parts.entry};
    cr_assert_eq(step(&fixture, both, 2), FERRY_OK);
    parts.entry.cached = 2;
    parts.entry.length = 3;
    parts.entry.wanted = FERRY_DECODE_SAMPLE;
    cr_assert_eq(step(&fixture, &parts.entry, 1), FERRY_OK);
    cr_expect_eq(parts.ids[3], whole.ids[3]);
    unload(&fixture);
}

Test(fake_decoder, scores_each_token) {
    struct fixture fixture;
    load(&fixture, "");
    const int32_t targets[] = {2, -1, 9};
    float logprobs[3];
    int32_t top_ids[6];
    float top_logprobs[6];
    struct ferry_decode_entry entry = {.ids = prompt,
                                       .length = 3,
                                       .wanted = FERRY_DECODE_SCORE,
                                       .targets = targets,
                                       .logprobs = logprobs,
                                       .top = 2,
                                       .top_ids = top_ids,
                                       .top_logprobs = top_logprobs};
    cr_assert_eq(step(&fixture, &entry, 1), FERRY_OK);
    cr_expect_eq(entry.status, FERRY_OK);
    cr_expect(isnan(logprobs[1]));
    cr_expect_float_eq(logprobs[2], -4.1342183382531825, 1e-5);
    for (size_t at = 0; at < 6; at += 2)
        cr_expect_geq(top_logprobs[at], top_logprobs[at + 1]);
    cr_expect_eq(top_ids[4], 2);
    unload(&fixture);
}

Test(fake_decoder, poison_fails_its_sequence_alone) {
    struct fixture fixture;
    load(&fixture, "poison=42");
    const int32_t bad[] = {5, 42};
    struct sequence sequences[2];
    struct ferry_decode_entry entries[] = {*begin(&sequences[0], 0, bad, 2),
                                           *begin(&sequences[1], 1, prompt, 3)};
    cr_assert_eq(step(&fixture, entries, 2), FERRY_OK);
    cr_expect_eq(entries[0].status, FERRY_ENGINE);
    cr_expect_eq(entries[1].status, FERRY_OK);
    cr_expect_eq(entries[1].new_count, 1);
    struct ferry_decode_entry *again = begin(&sequences[0], 0, prompt, 3);
    cr_expect_eq(step(&fixture, again, 1), FERRY_INTERNAL);
    fixture.engine->decoder_release(fixture.decoder, 0);
    cr_expect_eq(step(&fixture, again, 1), FERRY_OK);
    unload(&fixture);
}

Test(fake_decoder, step_poison_leaves_the_caches_as_they_were) {
    struct fixture fixture;
    load(&fixture, "step_poison=42");
    const int32_t bad[] = {5, 42};
    struct sequence good;
    struct sequence poison;
    cr_assert_eq(step(&fixture, begin(&good, 0, prompt, 3), 1), FERRY_OK);
    begin(&poison, 1, bad, 2);
    struct ferry_decode_entry both[] = {*go_on(&good), poison.entry};
    cr_expect_eq(step(&fixture, both, 2), FERRY_ENGINE);
    cr_expect_eq(step(&fixture, both, 1), FERRY_OK);
    unload(&fixture);
}

Test(fake_decoder, memory_device_and_delays) {
    struct fixture fixture;
    load(&fixture, "oom_above=2 lost_at=3 step_us=3000 token_ns=1000000");
    struct sequence sequence;
    cr_expect_eq(step(&fixture, begin(&sequence, 0, prompt, 3), 1), FERRY_OUT_OF_MEMORY);
    int64_t started = ferry_clock_now();
    cr_expect_eq(step(&fixture, begin(&sequence, 0, prompt, 2), 1), FERRY_OK);
    cr_expect_geq(ferry_clock_now() - started, 5 * FERRY_NANOSECONDS_PER_MILLISECOND);
    cr_expect_eq(step(&fixture, begin(&sequence, 0, prompt, 1), 1), FERRY_DEVICE_LOST);
    cr_expect_eq(step(&fixture, begin(&sequence, 0, prompt, 1), 1), FERRY_DEVICE_LOST);
    unload(&fixture);
}

Test(fake_decoder, refuses_what_a_scheduler_must_not_do) {
    struct fixture fixture;
    load(&fixture, "block_tokens=2 blocks=4 max_sequences=4 max_step_tokens=6");
    cr_expect_eq(fixture.info->blocks, 4);
    const int32_t other[] = {9, 9, 9, 9};
    struct sequence first;
    struct sequence second;
    begin(&first, 0, prompt, 3);
    begin(&second, 0, prompt, 3);
    struct ferry_decode_entry twice[] = {first.entry, second.entry};
    cr_expect_eq(step(&fixture, twice, 2), FERRY_INTERNAL);
    cr_expect(strstr(fixture.error.text, "twice") != NULL);
    cr_expect_eq(step(&fixture, twice, 0), FERRY_INTERNAL);
    cr_expect_eq(step(&fixture, twice, 5), FERRY_INTERNAL);
    begin(&second, 4, prompt, 3);
    cr_expect_eq(step(&fixture, &second.entry, 1), FERRY_INTERNAL);
    begin(&second, 1, other, 4);
    struct ferry_decode_entry seven[] = {first.entry, second.entry};
    cr_expect_eq(step(&fixture, seven, 2), FERRY_INTERNAL);
    cr_expect(strstr(fixture.error.text, "7 new tokens") != NULL);

    cr_assert_eq(step(&fixture, &first.entry, 1), FERRY_OK);  /* 2 of 4 blocks */
    cr_assert_eq(step(&fixture, &second.entry, 1), FERRY_OK); /* 4 of 4 */
    struct sequence third;
    cr_expect_eq(step(&fixture, begin(&third, 2, prompt, 1), 1), FERRY_INTERNAL);
    cr_expect(strstr(fixture.error.text, "blocks") != NULL);
    cr_expect_eq(step(&fixture, go_on(&second), 1), FERRY_INTERNAL); /* a fifth */
    cr_expect_eq(step(&fixture, go_on(&first), 1), FERRY_OK);        /* in its second block */
    fixture.engine->decoder_release(fixture.decoder, 1);
    fixture.engine->decoder_release(fixture.decoder, 1);
    fixture.engine->decoder_release(fixture.decoder, 99);
    cr_expect_eq(step(&fixture, &third.entry, 1), FERRY_OK);

    struct ferry_decode_entry wrong = *go_on(&third);
    wrong.ids = other;
    cr_expect_eq(step(&fixture, &wrong, 1), FERRY_INTERNAL);
    cr_expect(strstr(fixture.error.text, "not those") != NULL);
    wrong = third.entry;
    wrong.cached = 2;
    wrong.length = 3;
    cr_expect_eq(step(&fixture, &wrong, 1), FERRY_INTERNAL);
    wrong.slot = 3; /* empty */
    wrong.cached = 1;
    cr_expect_eq(step(&fixture, &wrong, 1), FERRY_INTERNAL);
    cr_expect_eq(step(&fixture, &third.entry, 1), FERRY_OK);
    unload(&fixture);
}

Test(fake_decoder, bad_input) {
    struct fixture fixture;
    load(&fixture, "");
    const int32_t bad[] = {1, VOCABULARY};
    struct sequence sequence;
    cr_expect_eq(step(&fixture, begin(&sequence, 0, bad, 2), 1), FERRY_INVALID_INPUT);
    cr_expect(strstr(fixture.error.text, "position 1: id 50") != NULL);
    int32_t many[65] = {0};
    sequence.entry.ids = many;
    sequence.entry.length = 65;
    cr_expect_eq(step(&fixture, &sequence.entry, 1), FERRY_INVALID_INPUT);
    sequence.entry.length = 64;
    cr_expect_eq(step(&fixture, &sequence.entry, 1), FERRY_OK);
    const struct ferry_sampling wrong[] = {{NAN, 1, 0, 1, 0, 0},      {-1, 1, 0, 1, 0, 0},
                                           {INFINITY, 1, 0, 1, 0, 0}, {1, 0, 0, 1, 0, 0},
                                           {1, 2, 0, 1, 0, 0},        {1, NAN, 0, 1, 0, 0},
                                           {1, 1, -0.1f, 1, 0, 0},    {1, 1, 1.5f, 1, 0, 0},
                                           {1, 1, 0, 0, 0, 0},        {1, 1, 0, NAN, 0, 0}};
    for (size_t at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
        begin(&sequence, 1, prompt, 3);
        sequence.entry.sampling = &wrong[at];
        cr_expect_eq(step(&fixture, &sequence.entry, 1), FERRY_INVALID_INPUT, "%zu", at);
    }
    unload(&fixture);
}

Test(fake_decoder, combined_model_generates_by_itself) {
    struct fixture fixture;
    cr_assert_eq(load_shape(&fixture, "end_id=7 end_at=6", FERRY_OUTPUT_IDS_WITH_PROMPT), FERRY_OK);
    cr_expect(fixture.info->whole_generation);
    cr_expect_eq(fixture.info->block_tokens, 0);
    struct sequence sequence;
    begin(&sequence, 0, prompt, 3);
    sequence.entry.max_new = 10;
    cr_assert_eq(step(&fixture, &sequence.entry, 1), FERRY_OK);
    cr_expect_eq(sequence.entry.new_count, 4);
    cr_expect_eq(sequence.ids[6], 7);
    cr_expect(isnan(sequence.logprobs[0]));
    sequence.entry.max_new = 21;
    cr_expect_eq(step(&fixture, &sequence.entry, 1), FERRY_INTERNAL);
    sequence.entry.max_new = 10;
    sequence.entry.wanted = FERRY_DECODE_SCORE;
    cr_expect_eq(step(&fixture, &sequence.entry, 1), FERRY_INTERNAL);
    unload(&fixture);
}

Test(fake_decoder, models_that_give_rows_have_none) {
    struct fixture fixture;
    cr_expect_eq(load_shape(&fixture, "", FERRY_OUTPUT_TOKENS), FERRY_UNSUPPORTED);
    cr_expect_null(fixture.decoder);
    unload(&fixture);
}
