/* The forward pass. All rows of a step go through a product together; attention goes sequence by
 * sequence and head by head. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/packed/gpt2_parts.h"
#include "gpu/packed/large_memory.h"

enum { NORM_ROWS = 16 /* rows of one piece of work; fewer are not worth a second thread */ };

struct ferry_gpt2_workspace {
    const struct ferry_cpu_kernels *kernels;
    struct ferry_thread_team *team; /* borrowed */
    float *memory;                  /* all arrays below */
    size_t memory_floats;
    size_t wide; /* strides: width, 3 * width and inner, rounded up to whole panels */
    size_t triple;
    size_t inner;
    float *hidden;   /* [rows][wide] */
    float *normed;   /* [rows][wide] */
    float *attended; /* [rows][wide] */
    float *qkv;      /* [rows][triple] */
    float *expanded; /* [rows][inner] */
    float *scores;   /* [members][FERRY_QUERY_TILE][score_stride] */
    size_t score_stride;
};

static size_t panel_columns(size_t columns) {
    return (columns + FERRY_PANEL_COLUMNS - 1) / FERRY_PANEL_COLUMNS * FERRY_PANEL_COLUMNS;
}

static float *take(float **memory, size_t count) {
    float *taken = *memory;
    *memory += count;
    return taken;
}

enum ferry_status ferry_gpt2_workspace_create(const struct ferry_gpt2_shape *shape,
                                              uint32_t max_rows, struct ferry_thread_team *team,
                                              struct ferry_gpt2_workspace **ret_workspace,
                                              struct ferry_error *error) {
    struct ferry_gpt2_workspace *space = calloc(1, sizeof *space);
    if (space == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a workspace");
    *space = (struct ferry_gpt2_workspace){
        .kernels = ferry_best_cpu_kernels(),
        .team = team,
        .wide = panel_columns(shape->width),
        .triple = panel_columns((size_t)3 * shape->width),
        .inner = panel_columns(shape->inner),
        .score_stride = (size_t)ferry_cache_blocks_of(shape->positions) * FERRY_BLOCK_TOKENS,
    };
    size_t scores = (size_t)ferry_thread_team_size(team) * FERRY_QUERY_TILE * space->score_stride;
    space->memory_floats = max_rows * (3 * space->wide + space->triple + space->inner) + scores;
    space->memory = ferry_large_floats(space->memory_floats);
    if (space->memory == NULL) {
        ferry_gpt2_workspace_free(space);
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for steps of %u tokens", max_rows);
    }
    float *memory = space->memory;
    space->hidden = take(&memory, max_rows * space->wide);
    space->normed = take(&memory, max_rows * space->wide);
    space->attended = take(&memory, max_rows * space->wide);
    space->qkv = take(&memory, max_rows * space->triple);
    space->expanded = take(&memory, max_rows * space->inner);
    space->scores = take(&memory, scores);
    *ret_workspace = space;
    return FERRY_OK;
}

void ferry_gpt2_workspace_free(struct ferry_gpt2_workspace *workspace) {
    if (workspace == NULL)
        return;
    ferry_large_floats_free(workspace->memory, workspace->memory_floats);
    free(workspace);
}

/* ---- layer norms ---- */

struct norm_work {
    const struct ferry_gpt2 *model;
    const struct ferry_gpt2_workspace *space;
    const struct ferry_gpt2_norm *norm;
    const float *const *gathered; /* rows, or NULL: those of space->hidden */
    size_t rows;
};

static void norm_rows(void *context, uint32_t piece, uint32_t member) {
    (void)member;
    const struct norm_work *work = context;
    const struct ferry_gpt2_workspace *space = work->space;
    size_t end = ((size_t)piece + 1) * NORM_ROWS;
    for (size_t row = (size_t)piece * NORM_ROWS; row < end && row < work->rows; row++)
        space->kernels->layer_norm(work->gathered != NULL ? work->gathered[row]
                                                          : space->hidden + row * space->wide,
                                   work->norm->weight, work->norm->bias, work->model->shape.width,
                                   work->model->shape.epsilon, space->normed + row * space->wide);
}

static void norm(struct norm_work *work) {
    uint32_t pieces = (uint32_t)((work->rows + NORM_ROWS - 1) / NORM_ROWS);
    ferry_thread_team_run(work->space->team, norm_rows, work, pieces);
}

/* ---- attention ---- */

struct attention_work {
    const struct ferry_gpt2 *model;
    const struct ferry_gpt2_workspace *space;
    const struct ferry_block_cache *cache;
    const struct ferry_decode_entry *entries;
    const uint32_t *first_rows;
    uint32_t layer;
};

/* Keys and values of the new tokens of one head into the cache: keys turned, see cpu_kernels.h. */
static void store_head(const struct attention_work *work, const struct ferry_decode_entry *entry,
                       const float *row, const struct ferry_attention *task) {
    const size_t width = work->model->shape.width;
    const struct ferry_cache_slot *slot = &work->cache->slots[entry->slot];
    for (uint32_t at = entry->cached; at < entry->length; at++, row += work->space->triple) {
        float *block = work->cache->pool +
                       (size_t)slot->blocks[at / FERRY_BLOCK_TOKENS] * work->cache->block_floats;
        size_t token = at % FERRY_BLOCK_TOKENS;
        for (uint32_t d = 0; d < task->head_width; d++)
            block[task->keys_offset + (size_t)d * FERRY_BLOCK_TOKENS + token] = row[width + d];
        memcpy(block + task->values_offset + token * task->value_stride, row + 2 * width,
               task->head_width * sizeof *row);
    }
}

static float score_scale(const struct ferry_gpt2_shape *shape, uint32_t layer) {
    float scale = shape->scale_by_head_width ? 1.0f / sqrtf((float)gpt2_head_width(shape)) : 1.0f;
    return shape->scale_by_layer ? scale / (float)(layer + 1) : scale;
}

static void attend_head(void *context, uint32_t piece, uint32_t member) {
    const struct attention_work *work = context;
    const struct ferry_gpt2_workspace *space = work->space;
    const struct ferry_gpt2_shape *shape = &work->model->shape;
    const struct ferry_decode_entry *entry = &work->entries[piece / shape->heads];
    const uint32_t head = piece % shape->heads;
    const size_t head_width = gpt2_head_width(shape);
    const size_t head_floats = (size_t)FERRY_BLOCK_TOKENS * gpt2_value_stride(shape);
    const size_t row = work->first_rows[piece / shape->heads];
    const float *qkv = space->qkv + row * space->triple + head * head_width;
    struct ferry_attention task = {
        .queries = qkv,
        .query_stride = space->triple,
        .count = entry->length - entry->cached,
        .first_position = entry->cached,
        .pool = work->cache->pool,
        .block_stride = work->cache->block_floats,
        .blocks = work->cache->slots[entry->slot].blocks,
        .keys_offset = ((size_t)work->layer * 2 * shape->heads + head) * head_floats,
        .values_offset = (((size_t)work->layer * 2 + 1) * shape->heads + head) * head_floats,
        .head_width = (uint32_t)head_width,
        .value_stride = gpt2_value_stride(shape),
        .scale = score_scale(shape, work->layer),
        .scores = space->scores + (size_t)member * FERRY_QUERY_TILE * space->score_stride,
        .score_stride = space->score_stride,
        .out = space->attended + row * space->wide + head * head_width,
        .out_stride = space->wide,
    };
    store_head(work, entry, qkv, &task);
    space->kernels->attention(&task);
}

/* ---- the pass ---- */

static void multiply(const struct ferry_gpt2_workspace *space,
                     const struct ferry_packed_product *product) {
    ferry_packed_multiply(product, space->kernels, space->team);
}

static void embed(const struct ferry_gpt2 *model, const struct ferry_gpt2_workspace *space,
                  const struct ferry_decode_entry *entry, float *row) {
    const size_t width = model->shape.width;
    for (uint32_t at = entry->cached; at < entry->length; at++, row += space->wide) {
        const float *token = model->tokens + (size_t)entry->ids[at] * width;
        const float *position = model->positions + (size_t)at * width;
        for (size_t column = 0; column < width; column++)
            row[column] = token[column] + position[column];
    }
}

static void run_attention(struct attention_work *work, uint32_t count, size_t rows) {
    const struct ferry_gpt2_workspace *space = work->space;
    const struct gpt2_layer *layer = &work->model->layers[work->layer];
    norm(&(struct norm_work){work->model, space, &layer->before_attention, NULL, rows});
    multiply(space, &(struct ferry_packed_product){.matrix = &layer->query_key_value,
                                                   .in = space->normed,
                                                   .in_stride = space->wide,
                                                   .rows = rows,
                                                   .out = space->qkv,
                                                   .out_stride = space->triple});
    ferry_thread_team_run(space->team, attend_head, work, count * work->model->shape.heads);
    multiply(space, &(struct ferry_packed_product){.matrix = &layer->attention_out,
                                                   .in = space->attended,
                                                   .in_stride = space->wide,
                                                   .rows = rows,
                                                   .residual = space->hidden,
                                                   .out = space->hidden,
                                                   .out_stride = space->wide});
}

static void run_mlp(const struct ferry_gpt2 *model, const struct ferry_gpt2_workspace *space,
                    const struct gpt2_layer *layer, size_t rows) {
    norm(&(struct norm_work){model, space, &layer->before_mlp, NULL, rows});
    multiply(space, &(struct ferry_packed_product){.matrix = &layer->mlp_in,
                                                   .in = space->normed,
                                                   .in_stride = space->wide,
                                                   .rows = rows,
                                                   .out = space->expanded,
                                                   .out_stride = space->inner,
                                                   .activation = model->shape.activation});
    multiply(space, &(struct ferry_packed_product){.matrix = &layer->mlp_out,
                                                   .in = space->expanded,
                                                   .in_stride = space->inner,
                                                   .rows = rows,
                                                   .residual = space->hidden,
                                                   .out = space->hidden,
                                                   .out_stride = space->wide});
}

const float *ferry_gpt2_forward(const struct ferry_gpt2 *model, struct ferry_gpt2_workspace *space,
                                struct ferry_block_cache *cache,
                                const struct ferry_decode_entry *entries, uint32_t count,
                                const uint32_t *first_rows) {
    size_t rows = 0;
    for (uint32_t at = 0; at < count; at++) {
        embed(model, space, &entries[at], space->hidden + first_rows[at] * space->wide);
        rows += entries[at].length - entries[at].cached;
    }
    struct attention_work work = {model, space, cache, entries, first_rows, 0};
    for (; work.layer < model->shape.layers; work.layer++) {
        run_attention(&work, count, rows);
        run_mlp(model, space, &model->layers[work.layer], rows);
    }
    return space->hidden;
}

size_t ferry_gpt2_row_stride(const struct ferry_gpt2_workspace *space) {
    return space->wide;
}

void ferry_gpt2_logits(const struct ferry_gpt2 *model, struct ferry_gpt2_workspace *space,
                       const float *const *rows, uint32_t count, float *logits) {
    norm(&(struct norm_work){model, space, &model->last, rows, count});
    multiply(space,
             &(struct ferry_packed_product){.matrix = &model->head,
                                            .in = space->normed,
                                            .in_stride = space->wide,
                                            .rows = count,
                                            .out = logits,
                                            .out_stride = ferry_packed_columns(&model->head)});
}
