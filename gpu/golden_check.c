#include "gpu/golden_check.h"

#include <math.h>

/* Float32 BERT models differ by at most about 2e-6 between shapes, libraries and instruction sets,
 * and by 1e-2 and more when they are run wrongly. */
static const float default_tolerance = 1e-4f;

float ferry_golden_tolerance(const struct ferry_model_spec *spec) {
    return spec->tolerance > 0 ? spec->tolerance : default_tolerance;
}

float ferry_worst_difference(const float *left, const float *right, size_t count) {
    float worst = 0;
    for (size_t at = 0; at < count; at++) {
        float difference = fabsf(left[at] - right[at]);
        if (!(difference <= worst)) /* true for a NaN as well */
            worst = isfinite(difference) ? difference : INFINITY;
    }
    return worst;
}

enum ferry_status ferry_golden_add(struct ferry_golden_verdict *verdict,
                                   const struct ferry_golden_row *golden, uint32_t index,
                                   const float *computed, size_t computed_count,
                                   struct ferry_error *error) {
    if (golden->expected_count != computed_count)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "golden row %u has %zu numbers, the trace gives %zu: pooling, output or "
                          "width in the manifest is wrong",
                          index, golden->expected_count, computed_count);
    float worst = ferry_worst_difference(computed, golden->expected, computed_count);
    if (verdict->rows == 0 || worst > verdict->worst) {
        verdict->worst = worst;
        verdict->worst_row = index;
    }
    verdict->rows++;
    return FERRY_OK;
}

enum ferry_status ferry_golden_judge(const struct ferry_golden_verdict *verdict, float tolerance,
                                     bool padding_affects_result, struct ferry_error *error) {
    if (verdict->rows == 0 || verdict->worst <= tolerance)
        return FERRY_OK;
    return ferry_fail(
        error, FERRY_BAD_DATA,
        "golden row %u differs from the trace's answer by %.3g, the tolerance is %.3g: "
        "%s",
        verdict->worst_row, (double)verdict->worst, (double)tolerance,
        padding_affects_result
            ? "this trace has one fixed length and reads its padding, so golden rows "
              "must come from the model run on padded input"
            : "model.pt and the golden rows are not of the same model, or the inputs' "
              "order, the pooling or the output in the manifest is wrong");
}
