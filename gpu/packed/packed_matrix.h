/* A weight laid out for products with few rows: panels of FERRY_PANEL_COLUMNS columns, each read
 * from its beginning to its end. Columns beyond the real ones are zero. */
#ifndef FERRY_GPU_PACKED_MATRIX_H
#define FERRY_GPU_PACKED_MATRIX_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "gpu/packed/cpu/cpu_kernels.h"
#include "gpu/packed/thread_team.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_packed_matrix {
    float *panels; /* [panel_count][inner][FERRY_PANEL_COLUMNS] */
    float *bias;   /* [panel_count * FERRY_PANEL_COLUMNS] */
    size_t inner;
    size_t columns;
    uint32_t panel_count;
};

/* Copies. `weight` is [inner][columns], or [columns][inner] where `transposed`; `bias` is [columns]
 * or NULL for zeros. On failure *matrix is empty. */
FERRY_MUST_CHECK enum ferry_status
ferry_packed_matrix_init(struct ferry_packed_matrix *matrix, const float *weight, const float *bias,
                         size_t inner, size_t columns, bool transposed, struct ferry_error *error);
/* An empty (zeroed) matrix is allowed. */
void ferry_packed_matrix_clear(struct ferry_packed_matrix *matrix);

/* Columns with the last panel's zeros: the least stride of an output. */
static inline size_t ferry_packed_columns(const struct ferry_packed_matrix *matrix) {
    return (size_t)matrix->panel_count * FERRY_PANEL_COLUMNS;
}

struct ferry_packed_product {
    const struct ferry_packed_matrix *matrix;
    const float *in; /* [rows][in_stride] */
    size_t in_stride;
    size_t rows;
    const float *residual; /* [rows][out_stride], added; may be out; NULL: none */
    float *out;            /* [rows][out_stride], out_stride >= ferry_packed_columns */
    size_t out_stride;
    enum ferry_activation activation;
};

void ferry_packed_multiply(const struct ferry_packed_product *product,
                           const struct ferry_cpu_kernels *kernels, struct ferry_thread_team *team);

#ifdef __cplusplus
}
#endif
#endif
