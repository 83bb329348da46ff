#include "gpu/packed/gpt2_decoder.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gpu/decode_check.h"
#include "gpu/decode_output.h"
#include "gpu/decode_slots.h"
#include "gpu/packed/large_memory.h"

enum {
    DEFAULT_SEQUENCES = 32,
    DEFAULT_STEP_TOKENS = 512,
    MOST_SEQUENCES = 4096,
    MOST_STEP_TOKENS = 65536,
    LOGITS_ROWS = FERRY_GPT2_KEPT_ROWS /* that are in memory at once; a vocabulary is wide */
};

/* A row whose logits are wanted. */
struct wanted_row {
    uint32_t entry;
    uint32_t token; /* of the entry's new ones */
};

struct ferry_gpt2_decoder {
    struct ferry_gpt2 *model; /* borrowed */
    struct ferry_decoder_info info;
    struct ferry_decode_limits limits;
    struct ferry_decode_slots slots;
    struct ferry_block_cache cache;
    struct ferry_thread_team *team;
    struct ferry_gpt2_workspace *space;
    struct ferry_row_scratch **scratch; /* [members of the team] */
    float *logits;                      /* [LOGITS_ROWS][columns] */
    size_t columns;
    uint32_t *first_rows;      /* [max_sequences] */
    struct wanted_row *wanted; /* [max_step_tokens] */
    bool *failed;              /* [LOGITS_ROWS] */
};

/* ---- creation ---- */

/* Of the machine's memory, not of what is free now: that counts file pages as taken, and a start
 * right after a large download would get a small cache. */
static uint64_t default_cache_bytes(uint64_t all_sequences) {
    uint64_t machine = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    return all_sequences < machine / 4 ? all_sequences : machine / 4;
}

static enum ferry_status count_blocks(struct ferry_gpt2_decoder *decoder, uint64_t cache_bytes,
                                      size_t block_floats, struct ferry_error *error) {
    struct ferry_decoder_info *info = &decoder->info;
    const uint64_t block_bytes = block_floats * sizeof(float);
    const uint64_t one = ferry_cache_blocks_of(info->max_length);
    const uint64_t all = one * info->max_sequences;
    uint64_t bytes = cache_bytes != 0 ? cache_bytes : default_cache_bytes(all * block_bytes);
    uint64_t blocks = bytes / block_bytes < all ? bytes / block_bytes : all;
    if (blocks < one && cache_bytes == 0)
        blocks = one;
    if (blocks < one)
        return ferry_fail(error, FERRY_CONFIG,
                          "a cache of %" PRIu64 " bytes is not enough for one sequence of %u "
                          "tokens, which takes %" PRIu64,
                          bytes, info->max_length, one * block_bytes);
    info->blocks = (uint32_t)blocks;
    info->cache_bytes = blocks * block_bytes;
    return FERRY_OK;
}

static uint32_t choose(uint32_t asked, uint32_t usual, uint32_t most) {
    uint32_t chosen = asked != 0 ? asked : usual;
    return chosen < most ? chosen : most;
}

static void fill_info(struct ferry_gpt2_decoder *decoder, uint32_t max_length,
                      const struct ferry_decoder_options *options) {
    struct ferry_decoder_info *info = &decoder->info;
    snprintf(info->engine, sizeof info->engine, "packed");
    snprintf(info->precision, sizeof info->precision, "f32");
    info->max_length = max_length;
    info->max_sequences = choose(options->max_sequences, DEFAULT_SEQUENCES, MOST_SEQUENCES);
    info->max_step_tokens = choose(options->max_step_tokens, DEFAULT_STEP_TOKENS, MOST_STEP_TOKENS);
    if (info->max_step_tokens < info->max_sequences)
        info->max_step_tokens = info->max_sequences; /* each running sequence has one */
    info->block_tokens = FERRY_BLOCK_TOKENS;
}

static enum ferry_status create_scratch(struct ferry_gpt2_decoder *decoder,
                                        struct ferry_error *error) {
    const uint32_t members = ferry_thread_team_size(decoder->team);
    const uint32_t vocabulary = ferry_gpt2_shape_of(decoder->model)->vocabulary;
    decoder->scratch = calloc(members, sizeof(struct ferry_row_scratch *));
    decoder->columns = ferry_packed_columns(ferry_gpt2_head(decoder->model));
    decoder->logits = ferry_large_floats(LOGITS_ROWS * decoder->columns);
    decoder->first_rows = calloc(decoder->info.max_sequences, sizeof *decoder->first_rows);
    decoder->wanted = calloc(decoder->info.max_step_tokens, sizeof *decoder->wanted);
    decoder->failed = calloc(LOGITS_ROWS, sizeof *decoder->failed);
    if (decoder->scratch == NULL || decoder->logits == NULL || decoder->first_rows == NULL ||
        decoder->wanted == NULL || decoder->failed == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a decoder's buffers");
    enum ferry_status status = FERRY_OK;
    for (uint32_t at = 0; at < members && status == FERRY_OK; at++)
        status = ferry_row_scratch_create(vocabulary, &decoder->scratch[at], error);
    return status;
}

static enum ferry_status fill_decoder(struct ferry_gpt2_decoder *decoder,
                                      const struct ferry_decoder_options *options,
                                      struct ferry_error *error) {
    const struct ferry_gpt2_shape *shape = ferry_gpt2_shape_of(decoder->model);
    struct ferry_decoder_info *info = &decoder->info;
    const size_t block_floats = ferry_gpt2_block_floats(shape);
    enum ferry_status status = count_blocks(decoder, options->cache_bytes, block_floats, error);
    decoder->limits = (struct ferry_decode_limits){.vocabulary_size = (int32_t)shape->vocabulary,
                                                   .max_length = info->max_length,
                                                   .max_step_tokens = info->max_step_tokens,
                                                   .blocks = info->blocks};
    if (status == FERRY_OK)
        status = ferry_decode_slots_init(&decoder->slots, info->max_sequences, FERRY_BLOCK_TOKENS,
                                         error);
    if (status == FERRY_OK)
        status = ferry_block_cache_init(&decoder->cache, info->blocks, block_floats,
                                        info->max_sequences, info->max_length, error);
    if (status == FERRY_OK)
        status = ferry_thread_team_create(options->threads, &decoder->team, error);
    if (status == FERRY_OK)
        status = ferry_gpt2_workspace_create(shape, info->max_step_tokens, decoder->team,
                                             &decoder->space, error);
    return status == FERRY_OK ? create_scratch(decoder, error) : status;
}

enum ferry_status ferry_gpt2_decoder_create(struct ferry_gpt2 *model, uint32_t max_length,
                                            const struct ferry_decoder_options *options,
                                            struct ferry_gpt2_decoder **ret_decoder,
                                            struct ferry_error *error) {
    struct ferry_gpt2_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a decoder");
    decoder->model = model;
    fill_info(decoder, max_length, options);
    enum ferry_status status = fill_decoder(decoder, options, error);
    if (status != FERRY_OK) {
        ferry_gpt2_decoder_free(decoder);
        return status;
    }
    *ret_decoder = decoder;
    return FERRY_OK;
}

void ferry_gpt2_decoder_free(struct ferry_gpt2_decoder *decoder) {
    if (decoder == NULL)
        return;
    for (uint32_t at = 0; decoder->scratch != NULL && at < ferry_thread_team_size(decoder->team);
         at++)
        ferry_row_scratch_free(decoder->scratch[at]);
    free(decoder->scratch);
    ferry_large_floats_free(decoder->logits, LOGITS_ROWS * decoder->columns);
    free(decoder->first_rows);
    free(decoder->wanted);
    free(decoder->failed);
    ferry_gpt2_workspace_free(decoder->space);
    ferry_thread_team_free(decoder->team);
    ferry_block_cache_clear(&decoder->cache);
    ferry_decode_slots_free(&decoder->slots);
    free(decoder);
}

struct ferry_decoder_info *ferry_gpt2_decoder_info(struct ferry_gpt2_decoder *decoder) {
    return &decoder->info;
}

/* ---- a step ---- */

/* First all that give blocks back, then all that take some: what was counted is then there. */
static void reserve(struct ferry_gpt2_decoder *decoder, const struct ferry_decode_entry *entries,
                    uint32_t count) {
    for (int grow = 0; grow <= 1; grow++)
        for (uint32_t at = 0; at < count; at++) {
            int64_t growth =
                ferry_block_cache_growth(&decoder->cache, entries[at].slot, entries[at].length);
            if ((growth > 0) == (grow == 1))
                ferry_block_cache_resize(&decoder->cache, entries[at].slot, entries[at].length);
        }
}

static bool is_wanted(const struct ferry_decode_entry *entry, uint32_t token) {
    if (entry->wanted == FERRY_DECODE_SAMPLE)
        return token + 1 == entry->length - entry->cached;
    if (entry->wanted != FERRY_DECODE_SCORE)
        return false;
    return entry->top > 0 || (entry->logprobs != NULL && entry->targets[token] >= 0);
}

/* Also sets what an entry has where nothing is computed for it. */
static uint32_t list_wanted(struct ferry_gpt2_decoder *decoder, struct ferry_decode_entry *entries,
                            uint32_t count) {
    uint32_t rows = 0;
    for (uint32_t at = 0; at < count; at++) {
        struct ferry_decode_entry *entry = &entries[at];
        entry->status = FERRY_OK;
        entry->new_count = 0;
        for (uint32_t token = 0; token < entry->length - entry->cached; token++)
            if (is_wanted(entry, token))
                decoder->wanted[rows++] = (struct wanted_row){at, token};
            else if (entry->wanted == FERRY_DECODE_SCORE && entry->logprobs != NULL)
                entry->logprobs[token] = NAN;
    }
    return rows;
}

struct output_work {
    struct ferry_gpt2_decoder *decoder;
    struct ferry_decode_entry *entries;
    const struct wanted_row *wanted;
};

static void finish_row(void *context, uint32_t piece, uint32_t member) {
    const struct output_work *work = context;
    struct ferry_gpt2_decoder *decoder = work->decoder;
    struct ferry_decode_entry *entry = &work->entries[work->wanted[piece].entry];
    const float *logits = decoder->logits + piece * decoder->columns;
    const uint32_t vocabulary = ferry_gpt2_shape_of(decoder->model)->vocabulary;
    if (entry->wanted == FERRY_DECODE_SAMPLE)
        ferry_decode_sample(decoder->scratch[member], logits, vocabulary, entry);
    else
        decoder->failed[piece] = !ferry_decode_score(decoder->scratch[member], logits, vocabulary,
                                                     entry, work->wanted[piece].token);
}

static void finish_rows(struct ferry_gpt2_decoder *decoder, struct ferry_decode_entry *entries,
                        const struct wanted_row *wanted, uint32_t count, const float *hidden) {
    const size_t stride = ferry_gpt2_row_stride(decoder->space);
    const float *rows[LOGITS_ROWS];
    for (uint32_t at = 0; at < count; at++) {
        rows[at] = hidden + (decoder->first_rows[wanted[at].entry] + wanted[at].token) * stride;
        decoder->failed[at] = false;
    }
    ferry_gpt2_logits(decoder->model, decoder->space, rows, count, decoder->logits);
    struct output_work work = {decoder, entries, wanted};
    ferry_thread_team_run(decoder->team, finish_row, &work, count);
    for (uint32_t at = 0; at < count; at++)
        if (decoder->failed[at])
            entries[wanted[at].entry].status = FERRY_ENGINE;
}

enum ferry_status ferry_gpt2_decoder_step(struct ferry_gpt2_decoder *decoder,
                                          struct ferry_decode_entry *entries, uint32_t count,
                                          struct ferry_error *error) {
    enum ferry_status status =
        ferry_decode_check(&decoder->slots, &decoder->limits, entries, count, error);
    if (status != FERRY_OK)
        return status;
    uint32_t rows = 0;
    for (uint32_t at = 0; at < count; at++) {
        decoder->first_rows[at] = rows;
        rows += entries[at].length - entries[at].cached;
    }
    reserve(decoder, entries, count);
    const float *hidden = ferry_gpt2_forward(decoder->model, decoder->space, &decoder->cache,
                                             entries, count, decoder->first_rows);
    const uint32_t wanted = list_wanted(decoder, entries, count);
    for (uint32_t first = 0; first < wanted; first += LOGITS_ROWS) {
        uint32_t left = wanted - first;
        finish_rows(decoder, entries, decoder->wanted + first,
                    left < LOGITS_ROWS ? left : LOGITS_ROWS, hidden);
    }
    for (uint32_t at = 0; at < count; at++)
        ferry_decode_slots_take(&decoder->slots, &entries[at]);
    return FERRY_OK;
}

const float *ferry_gpt2_decoder_logits(const struct ferry_gpt2_decoder *decoder, uint32_t at) {
    assert(at < LOGITS_ROWS);
    return decoder->logits + at * decoder->columns;
}

void ferry_gpt2_decoder_release(struct ferry_gpt2_decoder *decoder, uint32_t slot) {
    if (slot >= decoder->info.max_sequences)
        return;
    ferry_decode_slots_release(&decoder->slots, slot);
    ferry_block_cache_release(&decoder->cache, slot);
    assert(decoder->slots.blocks_used == decoder->cache.blocks - decoder->cache.free_count);
}
