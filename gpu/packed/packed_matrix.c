#include "gpu/packed/packed_matrix.h"

#include <string.h>

#include "gpu/packed/large_memory.h"

/* Rows of one piece of work: their inputs stay in the second-level cache over the panels. */
enum { ROWS_TOGETHER = 128, PANELS_TOGETHER = 4 };

static size_t panel_floats(const struct ferry_packed_matrix *matrix) {
    return matrix->inner * FERRY_PANEL_COLUMNS;
}

static void fill_panel(float *panel, const float *weight, size_t first, size_t inner,
                       size_t columns, bool transposed) {
    size_t count = columns - first < FERRY_PANEL_COLUMNS ? columns - first : FERRY_PANEL_COLUMNS;
    for (size_t k = 0; k < inner; k++, panel += FERRY_PANEL_COLUMNS)
        if (transposed)
            for (size_t column = 0; column < count; column++)
                panel[column] = weight[(first + column) * inner + k];
        else
            memcpy(panel, weight + k * columns + first, count * sizeof *panel);
}

enum ferry_status ferry_packed_matrix_init(struct ferry_packed_matrix *matrix, const float *weight,
                                           const float *bias, size_t inner, size_t columns,
                                           bool transposed, struct ferry_error *error) {
    *matrix = (struct ferry_packed_matrix){.inner = inner, .columns = columns};
    matrix->panel_count = (uint32_t)((columns + FERRY_PANEL_COLUMNS - 1) / FERRY_PANEL_COLUMNS);
    matrix->panels = ferry_large_floats(matrix->panel_count * panel_floats(matrix));
    matrix->bias = ferry_large_floats(ferry_packed_columns(matrix));
    if (matrix->panels == NULL || matrix->bias == NULL) {
        ferry_packed_matrix_clear(matrix);
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a weight of %zu x %zu numbers",
                          inner, columns);
    }
    for (size_t panel = 0; panel < matrix->panel_count; panel++)
        fill_panel(matrix->panels + panel * panel_floats(matrix), weight,
                   panel * FERRY_PANEL_COLUMNS, inner, columns, transposed);
    if (bias != NULL)
        memcpy(matrix->bias, bias, columns * sizeof *bias);
    return FERRY_OK;
}

void ferry_packed_matrix_clear(struct ferry_packed_matrix *matrix) {
    ferry_large_floats_free(matrix->panels, matrix->panel_count * panel_floats(matrix));
    ferry_large_floats_free(matrix->bias, ferry_packed_columns(matrix));
    *matrix = (struct ferry_packed_matrix){0};
}

struct pieces {
    const struct ferry_packed_product *product;
    const struct ferry_cpu_kernels *kernels;
    uint32_t panels_together;
    uint32_t panel_groups;
};

static void multiply_panel(const struct pieces *pieces, size_t panel, bool last, size_t row,
                           size_t rows) {
    const struct ferry_packed_product *product = pieces->product;
    const struct ferry_packed_matrix *matrix = product->matrix;
    const float *weights = matrix->panels + panel * panel_floats(matrix);
    size_t column = panel * FERRY_PANEL_COLUMNS;
    size_t at = row * product->out_stride + column;
    struct ferry_panel_product one = {
        .in = product->in + row * product->in_stride,
        .in_stride = product->in_stride,
        .rows = rows,
        .panel = weights,
        .inner = matrix->inner,
        .prefetch = last ? NULL : weights + panel_floats(matrix),
        .bias = matrix->bias + column,
        .residual = product->residual == NULL ? NULL : product->residual + at,
        .out = product->out + at,
        .out_stride = product->out_stride,
        .activation = product->activation,
    };
    pieces->kernels->panel_product(&one);
}

static void multiply_piece(void *context, uint32_t piece, uint32_t member) {
    (void)member;
    const struct pieces *pieces = context;
    size_t row = (size_t)(piece / pieces->panel_groups) * ROWS_TOGETHER;
    size_t left = pieces->product->rows - row;
    uint32_t panel = piece % pieces->panel_groups * pieces->panels_together;
    uint32_t end = panel + pieces->panels_together;
    if (end > pieces->product->matrix->panel_count)
        end = pieces->product->matrix->panel_count;
    for (; panel < end; panel++)
        multiply_panel(pieces, panel, panel + 1 == end, row,
                       left < ROWS_TOGETHER ? left : ROWS_TOGETHER);
}

void ferry_packed_multiply(const struct ferry_packed_product *product,
                           const struct ferry_cpu_kernels *kernels,
                           struct ferry_thread_team *team) {
    uint32_t panels = product->matrix->panel_count;
    /* Enough pieces for every member to have two, however few the panels are. */
    uint32_t together = panels / (2 * ferry_thread_team_size(team));
    struct pieces pieces = {.product = product, .kernels = kernels};
    pieces.panels_together = together < 1                 ? 1
                             : together < PANELS_TOGETHER ? together
                                                          : PANELS_TOGETHER;
    pieces.panel_groups = (panels + pieces.panels_together - 1) / pieces.panels_together;
    uint32_t row_groups = (uint32_t)((product->rows + ROWS_TOGETHER - 1) / ROWS_TOGETHER);
    ferry_thread_team_run(team, multiply_piece, &pieces, row_groups * pieces.panel_groups);
}
