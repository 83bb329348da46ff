/* The verdict over golden rows. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "gpu/golden_check.h"

static const float row[] = {1.0f, -2.0f, 3.0f};
static const struct ferry_golden_row golden = {.expected = row, .expected_count = 3};

static float worst_of(float first, float second, float third) {
    const float other[] = {first, second, third};
    return ferry_worst_difference(row, other, 3);
}

Test(golden_check, worst_difference_is_the_largest_of_both_signs) {
    cr_expect_eq(worst_of(1.0f, -2.0f, 3.0f), 0.0f);
    cr_expect_float_eq(worst_of(1.5f, -2.25f, 3.0f), 0.5f, 1e-7);
    cr_expect_float_eq(worst_of(1.0f, -3.0f, 3.25f), 1.0f, 1e-7);
}

Test(golden_check, what_is_not_a_number_is_infinitely_wrong) {
    cr_expect(isinf(worst_of(NAN, -2.0f, 3.0f)));
    cr_expect(isinf(worst_of(1.0f, -2.0f, NAN)));
    cr_expect(isinf(worst_of(INFINITY, NAN, 3.0f)));
    const float infinite[] = {INFINITY};
    cr_expect(isinf(ferry_worst_difference(infinite, infinite, 1)));
}

static enum ferry_status judge(float wrong_by, float tolerance, struct ferry_error *error) {
    struct ferry_golden_verdict verdict = {0};
    float computed[] = {1.0f, -2.0f, 3.0f};
    cr_assert_eq(ferry_golden_add(&verdict, &golden, 0, computed, 3, error), FERRY_OK);
    computed[1] += wrong_by;
    cr_assert_eq(ferry_golden_add(&verdict, &golden, 1, computed, 3, error), FERRY_OK);
    computed[1] -= wrong_by;
    cr_assert_eq(ferry_golden_add(&verdict, &golden, 2, computed, 3, error), FERRY_OK);
    cr_assert_eq(verdict.rows, 3);
    cr_assert(wrong_by == 0 || verdict.worst_row == 1);
    return ferry_golden_judge(&verdict, tolerance, false, error);
}

Test(golden_check, within_the_tolerance) {
    struct ferry_error error = {0};
    cr_expect_eq(judge(0, 1e-4f, &error), FERRY_OK);
    cr_expect_eq(judge(0.5f, 0.5f, &error), FERRY_OK);
}

Test(golden_check, beyond_it_names_difference_row_and_tolerance) {
    struct ferry_error error = {0};
    cr_expect_eq(judge(0.5f, 0.25f, &error), FERRY_BAD_DATA);
    cr_expect(strstr(error.text, "golden row 1 differs") != NULL, "%s", error.text);
    cr_expect(strstr(error.text, "by 0.5") != NULL, "%s", error.text);
    cr_expect(strstr(error.text, "tolerance is 0.25") != NULL, "%s", error.text);
    cr_expect_eq(judge(NAN, 1e30f, &error), FERRY_BAD_DATA);
}

Test(golden_check, row_of_another_size) {
    struct ferry_golden_verdict verdict = {0};
    struct ferry_error error = {0};
    cr_expect_eq(ferry_golden_add(&verdict, &golden, 4, row, 2, &error), FERRY_BAD_DATA);
    cr_expect(strstr(error.text, "golden row 4 has 3 numbers, the trace gives 2") != NULL, "%s",
              error.text);
}

Test(golden_check, nothing_to_compare_passes) {
    struct ferry_golden_verdict verdict = {0};
    cr_expect_eq(ferry_golden_judge(&verdict, 0, false, NULL), FERRY_OK);
}

Test(golden_check, tolerance_has_a_default) {
    struct ferry_model_spec spec = {.tolerance = 0.125f};
    cr_expect_eq(ferry_golden_tolerance(&spec), 0.125f);
    spec.tolerance = 0;
    cr_expect_eq(ferry_golden_tolerance(&spec), 1e-4f);
}
