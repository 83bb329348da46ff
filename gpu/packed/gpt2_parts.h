/* What gpt2.c and gpt2_forward.c share; nobody else includes it. */
#ifndef FERRY_GPU_PACKED_GPT2_PARTS_H
#define FERRY_GPU_PACKED_GPT2_PARTS_H

#include "gpu/packed/gpt2.h"

struct gpt2_layer {
    struct ferry_gpt2_norm before_attention; /* borrowed, like every norm and table */
    struct ferry_packed_matrix query_key_value;
    struct ferry_packed_matrix attention_out;
    struct ferry_gpt2_norm before_mlp;
    struct ferry_packed_matrix mlp_in;
    struct ferry_packed_matrix mlp_out;
};

struct ferry_gpt2 {
    struct ferry_gpt2_shape shape;
    const float *tokens;
    const float *positions;
    struct gpt2_layer *layers; /* [shape.layers] */
    struct ferry_gpt2_norm last;
    struct ferry_packed_matrix head;
};

static inline uint32_t gpt2_head_width(const struct ferry_gpt2_shape *shape) {
    return shape->width / shape->heads;
}

/* Of the values of one head in a cache block: a multiple of the widest vector register. */
static inline uint32_t gpt2_value_stride(const struct ferry_gpt2_shape *shape) {
    return (gpt2_head_width(shape) + 15) / 16 * 16;
}

#endif
