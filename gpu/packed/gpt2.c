#include "gpu/packed/gpt2.h"

#include <stdlib.h>

#include "gpu/packed/gpt2_parts.h"

struct packing {
    const struct ferry_gpt2_shape *shape;
    struct ferry_error *error;
};

static enum ferry_status pack(const struct packing *packing, struct ferry_packed_matrix *matrix,
                              const struct ferry_gpt2_linear *linear, size_t inner,
                              size_t columns) {
    return ferry_packed_matrix_init(matrix, linear->weight, linear->bias, inner, columns,
                                    packing->shape->transposed, packing->error);
}

static enum ferry_status pack_layer(const struct packing *packing, struct gpt2_layer *layer,
                                    const struct ferry_gpt2_layer_weights *weights) {
    const size_t width = packing->shape->width;
    const size_t inner = packing->shape->inner;
    layer->before_attention = weights->before_attention;
    layer->before_mlp = weights->before_mlp;
    enum ferry_status status =
        pack(packing, &layer->query_key_value, &weights->query_key_value, width, 3 * width);
    if (status == FERRY_OK)
        status = pack(packing, &layer->attention_out, &weights->attention_out, width, width);
    if (status == FERRY_OK)
        status = pack(packing, &layer->mlp_in, &weights->mlp_in, width, inner);
    if (status == FERRY_OK)
        status = pack(packing, &layer->mlp_out, &weights->mlp_out, inner, width);
    return status;
}

static enum ferry_status pack_all(struct ferry_gpt2 *model,
                                  const struct ferry_gpt2_weights *weights,
                                  struct ferry_error *error) {
    const struct packing packing = {&model->shape, error};
    enum ferry_status status =
        ferry_packed_matrix_init(&model->head, weights->head, NULL, model->shape.width,
                                 model->shape.vocabulary, true, error);
    for (uint32_t at = 0; at < model->shape.layers && status == FERRY_OK; at++)
        status = pack_layer(&packing, &model->layers[at], &weights->layers[at]);
    return status;
}

enum ferry_status ferry_gpt2_create(const struct ferry_gpt2_shape *shape,
                                    const struct ferry_gpt2_weights *weights,
                                    struct ferry_gpt2 **ret_model, struct ferry_error *error) {
    struct ferry_gpt2 *model = calloc(1, sizeof *model);
    if (model == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a model");
    *model = (struct ferry_gpt2){.shape = *shape,
                                 .tokens = weights->tokens,
                                 .positions = weights->positions,
                                 .last = weights->last};
    model->layers = calloc(shape->layers, sizeof *model->layers);
    enum ferry_status status =
        model->layers != NULL
            ? pack_all(model, weights, error)
            : ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for %u layers", shape->layers);
    if (status != FERRY_OK) {
        ferry_gpt2_free(model);
        return status;
    }
    *ret_model = model;
    return FERRY_OK;
}

void ferry_gpt2_free(struct ferry_gpt2 *model) {
    if (model == NULL)
        return;
    for (uint32_t at = 0; model->layers != NULL && at < model->shape.layers; at++) {
        ferry_packed_matrix_clear(&model->layers[at].query_key_value);
        ferry_packed_matrix_clear(&model->layers[at].attention_out);
        ferry_packed_matrix_clear(&model->layers[at].mlp_in);
        ferry_packed_matrix_clear(&model->layers[at].mlp_out);
    }
    ferry_packed_matrix_clear(&model->head);
    free(model->layers);
    free(model);
}

struct ferry_gpt2_shape *ferry_gpt2_shape_of(struct ferry_gpt2 *model) {
    return &model->shape;
}

const struct ferry_packed_matrix *ferry_gpt2_head(const struct ferry_gpt2 *model) {
    return &model->head;
}

size_t ferry_gpt2_block_floats(const struct ferry_gpt2_shape *shape) {
    return (size_t)shape->layers * 2 * shape->heads * FERRY_BLOCK_TOKENS * gpt2_value_stride(shape);
}
