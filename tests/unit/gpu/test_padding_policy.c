/* What is proven decides how a trace is run; how batches are cut into steps. */
#include <criterion/criterion.h>

#include "gpu/padding_policy.h"

static const struct ferry_trace_findings everything = {.batch = 2,
                                                       .length = 128,
                                                       .longest = 128,
                                                       .batch_varies = true,
                                                       .length_varies_padded = true,
                                                       .padding_is_masked = true};

static void expect(const struct ferry_trace_findings *findings, struct ferry_padding_rules wanted) {
    struct ferry_padding_rules rules = ferry_padding_decide(findings, 512);
    cr_expect_eq(rules.fixed_length, wanted.fixed_length);
    cr_expect_eq(rules.fixed_batch, wanted.fixed_batch);
    cr_expect_eq(rules.max_length, wanted.max_length);
    cr_expect_eq(rules.equal_lengths_only, wanted.equal_lengths_only);
    cr_expect_eq(rules.padding_affects_result, wanted.padding_affects_result);
}

Test(padding_policy, everything_proven_pads_to_the_longest) {
    expect(&everything, (struct ferry_padding_rules){.max_length = 128});
}

Test(padding_policy, nothing_proven_pads_to_the_traced_shape) {
    struct ferry_trace_findings findings = {.batch = 4, .length = 64, .longest = 64};
    expect(&findings, (struct ferry_padding_rules){.fixed_length = 64,
                                                   .fixed_batch = 4,
                                                   .max_length = 64,
                                                   .padding_affects_result = true});
}

Test(padding_policy, fixed_length_with_mask_is_harmless) {
    struct ferry_trace_findings findings = everything;
    findings.length_varies_padded = false;
    expect(&findings, (struct ferry_padding_rules){.fixed_length = 128, .max_length = 128});
}

Test(padding_policy, without_mask_only_equal_lengths_share) {
    struct ferry_trace_findings findings = everything;
    findings.length_varies_padded = findings.padding_is_masked = false;
    findings.length_varies_unpadded = true;
    expect(&findings, (struct ferry_padding_rules){.max_length = 128, .equal_lengths_only = true});
}

Test(padding_policy, longest_length_that_was_right_is_the_limit) {
    struct ferry_trace_findings findings = everything;
    findings.longest = 512;
    expect(&findings, (struct ferry_padding_rules){.max_length = 512});
    /* A longest length is worth nothing where the length is fixed after all. */
    findings.length_varies_padded = false;
    expect(&findings, (struct ferry_padding_rules){.fixed_length = 128, .max_length = 128});
}

Test(padding_policy, shorter_wish_shortens_the_limit) {
    cr_expect_eq(ferry_padding_decide(&everything, 100).max_length, 100);
}

static const uint32_t offsets[] = {0, 3, 6, 16, 17, 27}; /* lengths 3 3 10 1 10 */
static const struct ferry_batch batch = {.offsets = offsets, .sequences = 5};

static void expect_step(const struct ferry_padding_rules *rules, uint32_t first, uint32_t count,
                        uint32_t rows, uint32_t length) {
    struct ferry_padding_step step = ferry_padding_next(rules, &batch, first);
    cr_expect_eq(step.first, first);
    cr_expect_eq(step.count, count, "count %u", step.count);
    cr_expect_eq(step.rows, rows, "rows %u", step.rows);
    cr_expect_eq(step.length, length, "length %u", step.length);
}

Test(padding_policy, free_batch_is_one_step) {
    struct ferry_padding_rules rules = {.max_length = 16};
    expect_step(&rules, 0, 5, 5, 10);
    expect_step(&rules, 3, 2, 2, 10);
}

Test(padding_policy, fixed_shape_is_filled_up) {
    struct ferry_padding_rules rules = {.fixed_length = 16, .fixed_batch = 4, .max_length = 16};
    expect_step(&rules, 0, 4, 4, 16);
    expect_step(&rules, 4, 1, 4, 16);
}

Test(padding_policy, equal_lengths_are_cut_out) {
    struct ferry_padding_rules rules = {.equal_lengths_only = true, .max_length = 16};
    expect_step(&rules, 0, 2, 2, 3);
    expect_step(&rules, 2, 1, 1, 10);
    expect_step(&rules, 3, 1, 1, 1);
    rules.fixed_batch = 1;
    expect_step(&rules, 0, 1, 1, 3);
}

Test(padding_policy, steps_cover_every_sequence_once) {
    for (unsigned mode = 0; mode < 12; mode++) {
        struct ferry_padding_rules rules = {.fixed_batch = mode % 3,
                                            .fixed_length = mode % 2 ? 12 : 0,
                                            .equal_lengths_only = mode > 5};
        uint32_t next = 0;
        while (next < batch.sequences) {
            struct ferry_padding_step step = ferry_padding_next(&rules, &batch, next);
            cr_assert_eq(step.first, next);
            cr_assert_gt(step.count, 0);
            cr_assert_leq(step.count, step.rows);
            next += step.count;
        }
        cr_expect_eq(next, batch.sequences);
    }
}
