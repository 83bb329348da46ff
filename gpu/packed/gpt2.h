/* GPT-2: its weights, packed, and the forward pass over the new tokens of many sequences at once.
 * Float32 on a CPU. */
#ifndef FERRY_GPU_PACKED_GPT2_H
#define FERRY_GPU_PACKED_GPT2_H

#include "gpu/engine.h"
#include "gpu/packed/block_cache.h"
#include "gpu/packed/packed_matrix.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FERRY_GPT2_MOST_LAYERS = 256 };

struct ferry_gpt2_shape {
    uint32_t layers;
    uint32_t width;     /* of a token's row */
    uint32_t heads;     /* divides width */
    uint32_t inner;     /* width between the two products of a layer's MLP */
    uint32_t positions; /* rows of the table of positions */
    uint32_t vocabulary;
    float epsilon; /* of the layer norms */
    enum ferry_activation activation;
    bool scale_by_head_width; /* scores / sqrt(width of a head) */
    bool scale_by_layer;      /* ... / (index of the layer + 1) */
    bool transposed;          /* products are [out][in], as of nn.Linear, not [in][out] */
};

/* A weight and its bias; [in][out] unless transposed. */
struct ferry_gpt2_linear {
    const float *weight;
    const float *bias; /* NULL: none */
};
struct ferry_gpt2_norm {
    const float *weight;
    const float *bias;
};
struct ferry_gpt2_layer_weights {
    struct ferry_gpt2_norm before_attention;
    struct ferry_gpt2_linear query_key_value; /* 3 * width columns */
    struct ferry_gpt2_linear attention_out;
    struct ferry_gpt2_norm before_mlp;
    struct ferry_gpt2_linear mlp_in;
    struct ferry_gpt2_linear mlp_out;
};
struct ferry_gpt2_weights {
    const float *tokens;    /* [vocabulary][width] */
    const float *positions; /* [positions][width] */
    struct ferry_gpt2_layer_weights layers[FERRY_GPT2_MOST_LAYERS];
    struct ferry_gpt2_norm last;
    const float *head; /* [vocabulary][width]; often the same as tokens */
};

struct ferry_gpt2;

/* Packs the products; the norms and the two tables stay borrowed and must outlive the model. Heads,
 * activation and the scales may be changed later: they are in the shape alone. */
FERRY_MUST_CHECK enum ferry_status ferry_gpt2_create(const struct ferry_gpt2_shape *shape,
                                                     const struct ferry_gpt2_weights *weights,
                                                     struct ferry_gpt2 **ret_model,
                                                     struct ferry_error *error);
void ferry_gpt2_free(struct ferry_gpt2 *model); /* NULL is allowed */
struct ferry_gpt2_shape *ferry_gpt2_shape_of(struct ferry_gpt2 *model);
const struct ferry_packed_matrix *ferry_gpt2_head(const struct ferry_gpt2 *model);
/* Floats of one cache block, over all layers. Depends on the number of heads. */
size_t ferry_gpt2_block_floats(const struct ferry_gpt2_shape *shape);

/* Memory of a forward pass over at most max_rows new tokens; used by one step at a time. */
struct ferry_gpt2_workspace;
FERRY_MUST_CHECK enum ferry_status
ferry_gpt2_workspace_create(const struct ferry_gpt2_shape *shape, uint32_t max_rows,
                            struct ferry_thread_team *team,
                            struct ferry_gpt2_workspace **ret_workspace, struct ferry_error *error);
void ferry_gpt2_workspace_free(struct ferry_gpt2_workspace *workspace); /* NULL is allowed */

/* One forward pass. Entry e's new tokens are the rows from first_rows[e]; their slots have the
 * blocks for all positions below its length. Fills those positions of the cache and returns the
 * last layer's output, ferry_gpt2_row_stride floats a row, valid until the next pass. Cannot fail.
 */
const float *ferry_gpt2_forward(const struct ferry_gpt2 *model,
                                struct ferry_gpt2_workspace *workspace,
                                struct ferry_block_cache *cache,
                                const struct ferry_decode_entry *entries, uint32_t count,
                                const uint32_t *first_rows);
size_t ferry_gpt2_row_stride(const struct ferry_gpt2_workspace *workspace);
/* Logits of `count` rows of that output, into [count][ferry_packed_columns(head)]. */
void ferry_gpt2_logits(const struct ferry_gpt2 *model, struct ferry_gpt2_workspace *workspace,
                       const float *const *rows, uint32_t count, float *logits);

#ifdef __cplusplus
}
#endif
#endif
