/* Comparison of computed rows with the rows they have to equal. Pure functions. */
#ifndef FERRY_GPU_GOLDEN_CHECK_H
#define FERRY_GPU_GOLDEN_CHECK_H

#include "gpu/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Largest absolute difference; infinity when any value of either side is not a number. */
float ferry_worst_difference(const float *left, const float *right, size_t count);

struct ferry_golden_verdict {
    uint32_t rows;      /* compared */
    uint32_t worst_row; /* index into the golden rows */
    float worst;        /* largest absolute difference over all rows */
};

/* Takes one golden row's result, of width numbers a row, into the verdict. BAD_DATA when the
 * expected row has another size. */
FERRY_MUST_CHECK enum ferry_status ferry_golden_add(struct ferry_golden_verdict *verdict,
                                                    const struct ferry_golden_row *golden,
                                                    uint32_t index, const float *computed,
                                                    size_t computed_count,
                                                    struct ferry_error *error);
/* BAD_DATA, with the worst difference, its row and the tolerance, when that is exceeded. */
FERRY_MUST_CHECK enum ferry_status ferry_golden_judge(const struct ferry_golden_verdict *verdict,
                                                      float tolerance, bool padding_affects_result,
                                                      struct ferry_error *error);

/* The tolerance to use: the specification's, or 1e-4 where it gives none. */
float ferry_golden_tolerance(const struct ferry_model_spec *spec);

#ifdef __cplusplus
}
#endif
#endif
