#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu/decode_check.h"
#include "gpu/decode_output.h"
#include "gpu/fake/fake_model.h"
#include "gpu/fake/fake_rows.h"

enum {
    DEFAULT_VOCABULARY = 256,
    DEFAULT_SEQUENCES = 64,
    DEFAULT_STEP_TOKENS = 512,
    DEFAULT_BLOCKS = 4096,
    DEFAULT_NEW_TOKENS = 64, /* combined model */
    CACHE_BYTES_PER_TOKEN = 1024
};

struct ferry_decoder {
    struct ferry_engine_model *model; /* borrowed */
    struct ferry_decoder_info info;
    struct ferry_decode_limits limits;
    struct ferry_decode_slots slots;
    uint64_t *hashes;                  /* [max_sequences] of the ids that each slot holds */
    struct ferry_row_scratch *scratch; /* for sampling */
    float *logits;                     /* [vocabulary] */
    int32_t *sequence;                 /* [max_length], of a combined model's run */
};

/* The smaller of what the engine has and what the caller asks for; 0 is no answer. */
static uint32_t settle(uint32_t scripted, uint32_t asked, uint32_t otherwise) {
    if (scripted == 0 && asked == 0)
        return otherwise;
    if (scripted == 0 || asked == 0)
        return scripted + asked;
    return scripted < asked ? scripted : asked;
}

static uint32_t settle_blocks(const struct ferry_fake_script *script, uint64_t cache_bytes) {
    uint64_t asked = cache_bytes / ((uint64_t)CACHE_BYTES_PER_TOKEN * script->block_tokens);
    if (cache_bytes > 0 && asked == 0)
        asked = 1;
    return settle(script->blocks, asked < UINT32_MAX ? (uint32_t)asked : UINT32_MAX,
                  DEFAULT_BLOCKS);
}

static void fill_info(struct ferry_decoder *decoder, const struct ferry_decoder_options *options) {
    const struct ferry_fake_script *script = &decoder->model->script;
    struct ferry_decoder_info *info = &decoder->info;
    snprintf(info->engine, sizeof info->engine, "fake");
    snprintf(info->precision, sizeof info->precision, "f32");
    snprintf(info->proof, sizeof info->proof, "nothing is computed: logits are a hash of the ids");
    info->max_length = decoder->model->info.max_length;
    info->max_sequences = settle(script->max_sequences, options->max_sequences, DEFAULT_SEQUENCES);
    info->max_step_tokens =
        settle(script->max_step_tokens, options->max_step_tokens, DEFAULT_STEP_TOKENS);
    info->whole_generation = script->whole ||
                             decoder->model->output_shape == FERRY_OUTPUT_IDS_WITH_PROMPT ||
                             decoder->model->output_shape == FERRY_OUTPUT_NEW_IDS;
    if (script->block_tokens == 0 || info->whole_generation)
        return;
    info->block_tokens = script->block_tokens;
    info->blocks = settle_blocks(script, options->cache_bytes);
    info->cache_bytes =
        (uint64_t)info->blocks * info->block_tokens * (uint64_t)CACHE_BYTES_PER_TOKEN;
}

static void fill_limits(struct ferry_decoder *decoder) {
    const struct ferry_engine_model *model = decoder->model;
    uint32_t new_tokens = model->max_new_tokens > 0 ? model->max_new_tokens : DEFAULT_NEW_TOKENS;
    int32_t vocabulary = model->limits.vocabulary_size;
    decoder->limits = (struct ferry_decode_limits){
        .vocabulary_size = vocabulary < INT32_MAX ? vocabulary : DEFAULT_VOCABULARY,
        .max_length = decoder->info.max_length,
        .max_step_tokens = decoder->info.max_step_tokens,
        .blocks = decoder->info.blocks,
        .max_new_tokens = decoder->info.whole_generation ? new_tokens : 0,
    };
}

static enum ferry_status allocate(struct ferry_decoder *decoder, struct ferry_error *error) {
    const uint32_t vocabulary = (uint32_t)decoder->limits.vocabulary_size;
    decoder->hashes = calloc(decoder->info.max_sequences, sizeof *decoder->hashes);
    decoder->logits = calloc(vocabulary, sizeof *decoder->logits);
    decoder->sequence = calloc(decoder->info.max_length, sizeof *decoder->sequence);
    if (decoder->hashes == NULL || decoder->logits == NULL || decoder->sequence == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a fake decoder");
    enum ferry_status status = ferry_row_scratch_create(vocabulary, &decoder->scratch, error);
    if (status != FERRY_OK)
        return status;
    return ferry_decode_slots_init(&decoder->slots, decoder->info.max_sequences,
                                   decoder->info.block_tokens, error);
}

enum ferry_status ferry_fake_decoder_create(struct ferry_engine_model *model,
                                            const struct ferry_decoder_options *options,
                                            struct ferry_decoder **ret_decoder,
                                            struct ferry_error *error) {
    if (model->output_shape == FERRY_OUTPUT_TOKENS || model->output_shape == FERRY_OUTPUT_SEQUENCES)
        return ferry_fail(error, FERRY_UNSUPPORTED, "the model's output is neither logits nor ids");
    struct ferry_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a fake decoder");
    decoder->model = model;
    fill_info(decoder, options);
    fill_limits(decoder);
    enum ferry_status status = allocate(decoder, error);
    if (status == FERRY_OK)
        *ret_decoder = decoder;
    else
        ferry_fake_decoder_free(decoder);
    return status;
}

void ferry_fake_decoder_free(struct ferry_decoder *decoder) {
    if (decoder == NULL)
        return;
    ferry_decode_slots_free(&decoder->slots);
    ferry_row_scratch_free(decoder->scratch);
    free(decoder->hashes);
    free(decoder->logits);
    free(decoder->sequence);
    free(decoder);
}

const struct ferry_decoder_info *ferry_fake_decoder_info(const struct ferry_decoder *decoder) {
    return &decoder->info;
}

/* A cache would hold what was computed from these very ids. */
static enum ferry_status check_history(const struct ferry_decoder *decoder,
                                       const struct ferry_decode_entry *entries, uint32_t count,
                                       struct ferry_error *error) {
    for (uint32_t at = 0; at < count; at++) {
        const struct ferry_decode_entry *entry = &entries[at];
        if (entry->cached != 0 &&
            ferry_fake_hash(entry->ids, NULL, entry->cached) != decoder->hashes[entry->slot])
            return ferry_fail(error, FERRY_INTERNAL,
                              "entry %u: the first %u ids are not those that slot %u holds", at,
                              entry->cached, entry->slot);
    }
    return FERRY_OK;
}

static enum ferry_status play_step(struct ferry_decoder *decoder,
                                   const struct ferry_decode_entry *entries, uint32_t count,
                                   struct ferry_error *error) {
    const struct ferry_fake_script *script = &decoder->model->script;
    uint64_t tokens = 0;
    uint64_t made = 0;
    for (uint32_t at = 0; at < count; at++) {
        tokens += entries[at].length - entries[at].cached;
        made += decoder->info.whole_generation ? entries[at].max_new : 0;
    }
    uint64_t delay = script->step_us * 1000 + script->token_ns * (tokens + made);
    enum ferry_status status = ferry_fake_play(decoder->model, delay, tokens, error);
    int32_t poison;
    for (uint32_t at = 0; at < count && status == FERRY_OK; at++)
        if (ferry_fake_ids_meet(&script->step_poisons, entries[at].ids, entries[at].length,
                                &poison))
            status = ferry_fail(error, FERRY_ENGINE, "id %d poisons the step", poison);
    return status;
}

static const float *make_logits(struct ferry_decoder *decoder, uint64_t hash, uint32_t length) {
    const struct ferry_fake_script *script = &decoder->model->script;
    const uint32_t vocabulary = (uint32_t)decoder->limits.vocabulary_size;
    ferry_fake_row(hash, decoder->logits, vocabulary);
    for (uint32_t id = 0; id < vocabulary; id++)
        decoder->logits[id] *= 8.0f;
    if (script->end_at != 0 && script->end_id < vocabulary)
        decoder->logits[script->end_id] = length >= script->end_at ? 100.0f : -100.0f;
    return decoder->logits;
}

static void sample(struct ferry_decoder *decoder, struct ferry_decode_entry *entry) {
    uint64_t hash = decoder->hashes[entry->slot];
    ferry_decode_sample(decoder->scratch, make_logits(decoder, hash, entry->length),
                        (uint32_t)decoder->limits.vocabulary_size, entry);
}

static void score(struct ferry_decoder *decoder, struct ferry_decode_entry *entry, uint64_t hash) {
    for (uint32_t at = entry->cached; at < entry->length; at++) {
        hash = ferry_fake_hash_more(hash, entry->ids + at, NULL, 1);
        if (!ferry_decode_score(decoder->scratch, make_logits(decoder, hash, at + 1),
                                (uint32_t)decoder->limits.vocabulary_size, entry,
                                at - entry->cached))
            entry->status = FERRY_ENGINE;
    }
}

/* As a combined model: token after token until end_id or max_new. */
static void generate(struct ferry_decoder *decoder, struct ferry_decode_entry *entry) {
    const struct ferry_fake_script *script = &decoder->model->script;
    memcpy(decoder->sequence, entry->ids, entry->length * sizeof *decoder->sequence);
    struct ferry_decode_entry one = *entry;
    one.ids = decoder->sequence;
    one.logprobs = NULL;
    for (entry->new_count = 0; entry->new_count < entry->max_new;) {
        one.new_ids = entry->new_ids + entry->new_count;
        uint64_t hash = ferry_fake_hash(one.ids, NULL, one.length);
        ferry_decode_sample(decoder->scratch, make_logits(decoder, hash, one.length),
                            (uint32_t)decoder->limits.vocabulary_size, &one);
        entry->status = one.status;
        if (one.status != FERRY_OK)
            return;
        if (entry->logprobs != NULL)
            entry->logprobs[entry->new_count] = NAN;
        decoder->sequence[one.length++] = one.new_ids[0];
        entry->new_count++;
        if (script->end_at != 0 && (uint32_t)one.new_ids[0] == script->end_id)
            return;
    }
}

static void run_entry(struct ferry_decoder *decoder, struct ferry_decode_entry *entry) {
    int32_t poison;
    uint64_t before = entry->cached > 0 ? decoder->hashes[entry->slot] : FERRY_FAKE_HASH_START;
    decoder->hashes[entry->slot] = ferry_fake_hash_more(before, entry->ids + entry->cached, NULL,
                                                        entry->length - entry->cached);
    entry->status = FERRY_OK;
    entry->new_count = 0;
    if (ferry_fake_ids_meet(&decoder->model->script.poisons, entry->ids, entry->length, &poison))
        entry->status = FERRY_ENGINE;
    else if (decoder->info.whole_generation)
        generate(decoder, entry);
    else if (entry->wanted == FERRY_DECODE_SAMPLE)
        sample(decoder, entry);
    else if (entry->wanted == FERRY_DECODE_SCORE)
        score(decoder, entry, before);
    ferry_decode_slots_take(&decoder->slots, entry);
}

enum ferry_status ferry_fake_decoder_step(struct ferry_decoder *decoder,
                                          struct ferry_decode_entry *entries, uint32_t count,
                                          struct ferry_error *error) {
    enum ferry_status status =
        ferry_decode_check(&decoder->slots, &decoder->limits, entries, count, error);
    if (status == FERRY_OK)
        status = check_history(decoder, entries, count, error);
    if (status == FERRY_OK)
        status = play_step(decoder, entries, count, error);
    if (status != FERRY_OK)
        return status;
    for (uint32_t at = 0; at < count; at++)
        run_entry(decoder, &entries[at]);
    return FERRY_OK;
}

void ferry_fake_decoder_release(struct ferry_decoder *decoder, uint32_t slot) {
    ferry_decode_slots_release(&decoder->slots, slot);
}
