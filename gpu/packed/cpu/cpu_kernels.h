/* The inner loops of the packed engine on a CPU, once for each instruction set. Pure functions on
 * float32; no allocation, no threads. Numbers that are not finite stay not finite. */
#ifndef FERRY_GPU_PACKED_CPU_KERNELS_H
#define FERRY_GPU_PACKED_CPU_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    FERRY_PANEL_COLUMNS = 48, /* of a packed weight, see packed_matrix.h */
    FERRY_BLOCK_TOKENS = 16,  /* positions of one cache block */
    FERRY_QUERY_TILE = 4      /* queries that read a key together */
};

enum ferry_activation {
    FERRY_ACTIVATION_NONE,
    FERRY_ACTIVATION_GELU_TANH, /* transformers: gelu_new */
    FERRY_ACTIVATION_GELU_ERF,
    FERRY_ACTIVATION_RELU
};

/* out[r][c] = activation(sum over k of in[r][k] * panel[k][c] + bias[c]) + residual[r][c], for the
 * FERRY_PANEL_COLUMNS columns of one panel. */
struct ferry_panel_product {
    const float *in; /* [rows][in_stride] */
    size_t in_stride;
    size_t rows;
    const float *panel; /* [inner][FERRY_PANEL_COLUMNS] */
    size_t inner;
    const float *prefetch; /* the panel that comes next, to be read ahead; or NULL */
    const float *bias;     /* [FERRY_PANEL_COLUMNS] */
    const float *residual; /* as out, may be out; NULL: none */
    float *out;            /* [rows][out_stride] */
    size_t out_stride;
    enum ferry_activation activation;
};

/* One head of one sequence: new queries over all cached positions. In a block the keys of a head
 * are [head_width][FERRY_BLOCK_TOKENS] and the values [FERRY_BLOCK_TOKENS][value_stride]. */
struct ferry_attention {
    const float *queries; /* [count][query_stride] */
    size_t query_stride;
    uint32_t count;
    uint32_t first_position; /* of queries[0], which sees positions 0 .. first_position */
    const float *pool;       /* block b of the pool starts at pool + b * block_stride */
    size_t block_stride;     /* floats */
    const uint32_t *blocks;  /* of the sequence */
    size_t keys_offset;      /* of this layer and head, from the start of a block; floats */
    size_t values_offset;
    uint32_t head_width;
    uint32_t value_stride; /* head_width, rounded up to 16 */
    float scale;
    float *scores;       /* scratch: [FERRY_QUERY_TILE][score_stride] */
    size_t score_stride; /* >= positions rounded up to FERRY_BLOCK_TOKENS */
    float *out;          /* [count][out_stride] */
    size_t out_stride;
};

struct ferry_cpu_kernels {
    const char *name; /* "avx512", "avx2", "generic" */
    void (*panel_product)(const struct ferry_panel_product *product);
    void (*attention)(const struct ferry_attention *attention);
    /* out = (in - mean) / sqrt(variance + epsilon) * weight + bias, over `width` numbers */
    void (*layer_norm)(const float *in, const float *weight, const float *bias, size_t width,
                       float epsilon, float *out);
};

/* The best that this processor has. */
const struct ferry_cpu_kernels *ferry_best_cpu_kernels(void);
/* By name; NULL where this processor or this build has none. */
const struct ferry_cpu_kernels *ferry_cpu_kernels_named(const char *name);

#ifdef __cplusplus
}
#endif
#endif
