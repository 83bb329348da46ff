/* The generator, the choice and the bookkeeping of slots. What the settings mean is tested against
 * their reference by test_sampling_reference.py. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "gpu/decode_output.h"
#include "gpu/decode_slots.h"
#include "gpu/philox.h"
#include "gpu/sampling.h"

/* Known answers published with Random123, the generator's own library. */
Test(philox, known_answers) {
    static const struct {
        struct ferry_philox_block counter;
        uint64_t key;
        struct ferry_philox_block expected;
    } cases[] = {
        {{{0, 0, 0, 0}}, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
        {{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}},
         UINT64_MAX,
         {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}},
        {{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}},
         UINT64_C(0x299f31d0a4093822),
         {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}},
    };
    for (size_t at = 0; at < sizeof cases / sizeof cases[0]; at++) {
        struct ferry_philox_block block = ferry_philox(cases[at].counter, cases[at].key);
        cr_expect_arr_eq(block.words, cases[at].expected.words, sizeof block.words);
    }
}

Test(philox, uniform_numbers_stay_below_one) {
    double least = 1;
    double most = 0;
    for (uint32_t position = 0; position < 100000; position++) {
        double drawn = ferry_philox_uniform(7, position);
        least = fmin(least, drawn);
        most = fmax(most, drawn);
    }
    cr_expect(least >= 0 && least < 0.001);
    cr_expect(most < 1 && most > 0.999);
}

static struct ferry_row_scratch *scratch_for(uint32_t vocabulary) {
    struct ferry_row_scratch *scratch = NULL;
    cr_assert_eq(ferry_row_scratch_create(vocabulary, &scratch, NULL), FERRY_OK);
    return scratch;
}

/* Every share can be drawn, the last one too, whatever the number of tokens and blocks. */
Test(sampling, each_token_is_reached) {
    for (uint32_t vocabulary = 1; vocabulary < 140; vocabulary += 23) {
        struct ferry_row_scratch *scratch = scratch_for(vocabulary);
        float logits[140] = {0};
        bool drawn[140] = {0};
        struct ferry_sampling sampling = {1, 1, 0, 1, 0, 0};
        struct ferry_choice choice = {
            .logits = logits, .vocabulary = vocabulary, .sampling = &sampling};
        for (sampling.seed = 0; sampling.seed < 4000; sampling.seed++) {
            int32_t id = ferry_sample(scratch, &choice);
            cr_assert(id >= 0 && (uint32_t)id < vocabulary);
            drawn[id] = true;
        }
        for (uint32_t id = 0; id < vocabulary; id++)
            cr_expect(drawn[id], "%u of %u", id, vocabulary);
        ferry_row_scratch_free(scratch);
    }
}

Test(sampling, history_and_forbidden_ids_out_of_range_are_passed_over) {
    struct ferry_row_scratch *scratch = scratch_for(3);
    const float logits[] = {1, 2, 3};
    const int32_t ids[] = {-1, 3, INT32_MAX, 2};
    struct ferry_sampling sampling = {0, 1, 0, 2, 0, 0};
    struct ferry_choice choice = {logits, 3, ids, 4, &sampling, ids, 3};
    cr_expect_eq(ferry_sample(scratch, &choice), 1); /* 2 became 1.5 */
    ferry_row_scratch_free(scratch);
    ferry_row_scratch_free(NULL);
}

Test(output, a_row_that_is_no_answer_fails_its_entry) {
    struct ferry_row_scratch *scratch = scratch_for(3);
    const float logits[] = {1, NAN, 3};
    const int32_t ids[] = {0};
    const int32_t targets[] = {2};
    const struct ferry_sampling greedy = {0, 1, 0, 1, 0, 0};
    int32_t new_id = -7;
    float logprob;
    struct ferry_decode_entry entry = {.ids = ids,
                                       .length = 1,
                                       .sampling = &greedy,
                                       .max_new = 1,
                                       .new_ids = &new_id,
                                       .targets = targets,
                                       .logprobs = &logprob};
    ferry_decode_sample(scratch, logits, 3, &entry);
    cr_expect_eq(entry.status, FERRY_ENGINE);
    cr_expect_eq(entry.new_count, 0);
    cr_expect_eq(new_id, -7);
    cr_expect_not(ferry_decode_score(scratch, logits, 3, &entry, 0));
    ferry_row_scratch_free(scratch);
}

Test(output, the_log_probability_is_of_the_models_own_distribution) {
    struct ferry_row_scratch *scratch = scratch_for(3);
    const float logits[] = {0, 1, 2};
    const int32_t ids[] = {0};
    const int32_t forbidden[] = {2, 1};
    const struct ferry_sampling sampling = {0.25f, 0.5f, 0.1f, 1.5f, 1, 3};
    int32_t new_id = -1;
    float logprob;
    int32_t top_ids[2];
    float top_logprobs[2];
    struct ferry_decode_entry entry = {.ids = ids,
                                       .length = 1,
                                       .sampling = &sampling,
                                       .forbidden = forbidden,
                                       .forbidden_count = 2,
                                       .max_new = 1,
                                       .new_ids = &new_id,
                                       .logprobs = &logprob,
                                       .top = 2,
                                       .top_ids = top_ids,
                                       .top_logprobs = top_logprobs};
    ferry_decode_sample(scratch, logits, 3, &entry);
    const double normaliser = log(1 + exp(1) + exp(2));
    cr_expect_eq(new_id, 0);
    cr_expect_float_eq(logprob, -normaliser, 1e-6);
    cr_expect(top_ids[0] == 2 && top_ids[1] == 1);
    cr_expect_float_eq(top_logprobs[0], 2 - normaliser, 1e-6);
    cr_expect_float_eq(top_logprobs[1], 1 - normaliser, 1e-6);
    ferry_row_scratch_free(scratch);
}

Test(slots, blocks_are_counted) {
    struct ferry_decode_slots slots;
    cr_assert_eq(ferry_decode_slots_init(&slots, 2, 4, NULL), FERRY_OK);
    cr_expect_eq(ferry_decode_blocks(4, 0), 0);
    cr_expect_eq(ferry_decode_blocks(4, 4), 1);
    cr_expect_eq(ferry_decode_blocks(4, 5), 2);
    cr_expect_eq(ferry_decode_blocks(0, 5), 0);
    struct ferry_decode_entry entry = {.slot = 1, .length = 9};
    ferry_decode_slots_take(&slots, &entry);
    cr_expect_eq(slots.blocks_used, 3);
    entry.length = 2; /* another sequence */
    ferry_decode_slots_take(&slots, &entry);
    cr_expect_eq(slots.blocks_used, 1);
    ferry_decode_slots_release(&slots, 1);
    ferry_decode_slots_release(&slots, 0);
    ferry_decode_slots_release(&slots, 2);
    cr_expect_eq(slots.blocks_used, 0);
    ferry_decode_slots_free(&slots);
}
