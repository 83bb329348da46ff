#include "daemon/ops/model_opening.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/ops/engine_opening.h"
#include "daemon/ops/golden_texts.h"
#include "daemon/ops/model_files.h"

/* What is needed while a model is opened, and no longer. */
struct opening {
    const char *directory;
    const char *name; /* given on the command line, or NULL */
    size_t name_size;
    struct ferry_manifest manifest;
    struct ferry_model_files files;
};

/* NAME=DIR; a "=" behind a "/" belongs to the directory. */
static void split_argument(const char *argument, struct opening *opening) {
    size_t size = strcspn(argument, "=/");
    bool named = argument[size] == '=';
    opening->name = named ? argument : NULL;
    opening->name_size = named ? size : 0;
    opening->directory = named ? argument + size + 1 : argument;
}

static enum ferry_status choose_name(const struct opening *opening,
                                     char name[FERRY_MODEL_NAME_BYTES], struct ferry_error *error) {
    const char *text = opening->name ? opening->name : opening->manifest.name;
    size_t size = opening->name ? opening->name_size : strlen(text);
    if (size == 0 || size >= FERRY_MODEL_NAME_BYTES)
        return ferry_fail(error, opening->name ? FERRY_USAGE : FERRY_BAD_DATA,
                          "%s: the name of a model must have 1 to %d bytes",
                          opening->name ? opening->directory : opening->manifest.path,
                          FERRY_MODEL_NAME_BYTES - 1);
    memcpy(name, text, size);
    name[size] = '\0';
    return FERRY_OK;
}

static enum ferry_status begin(const char *argument, struct opening *opening,
                               struct ferry_error *error) {
    *opening = (struct opening){0};
    split_argument(argument, opening);
    enum ferry_status status = ferry_manifest_read(opening->directory, &opening->manifest, error);
    if (status == FERRY_OK)
        status =
            ferry_model_files_read(opening->directory, &opening->manifest, &opening->files, error);
    return status;
}

static void end(struct opening *opening) {
    ferry_model_files_free(&opening->files);
    ferry_manifest_free(&opening->manifest);
}

static bool is_embed(const struct ferry_manifest *manifest) {
    return strcmp(manifest->task, "embed") == 0;
}

/* A model that continues texts may do without one: music, for instance, has ids alone. */
static bool has_tokenizer(const struct ferry_manifest *manifest) {
    static const char *const names[] = {"tokenizer.json", "vocab.txt", "vocab.json", NULL};
    for (uint32_t i = 0; i < manifest->file_count; i++) {
        const char *name = manifest->files[i].name;
        const char *ending = strrchr(name, '.');
        for (int known = 0; names[known] != NULL; known++)
            if (strcmp(name, names[known]) == 0)
                return true;
        if (ending != NULL && strcmp(ending, ".tiktoken") == 0)
            return true;
    }
    return false;
}

static enum ferry_status open_tokenizer(const struct opening *opening,
                                        struct ferry_tokenizer **ret_tokenizer,
                                        struct ferry_error *error) {
    const struct ferry_manifest *manifest = &opening->manifest;
    struct ferry_tokenizer *tokenizer = NULL;
    if (!is_embed(manifest) && !has_tokenizer(manifest))
        return FERRY_OK;
    struct ferry_tokenizer_file files[FERRY_MANIFEST_MAX_FILES];
    for (uint32_t i = 0; i < manifest->file_count; i++)
        files[i] =
            (struct ferry_tokenizer_file){.name = manifest->files[i].name,
                                          .bytes = (const char *)opening->files.bytes[i].data,
                                          .size = opening->files.bytes[i].size};
    enum ferry_status status = ferry_tokenizer_load_files(files, manifest->file_count,
                                                          &manifest->overrides, &tokenizer, error);
    if (status != FERRY_OK)
        return ferry_fail_within(error, "%s", opening->directory);
    int32_t bound = ferry_tokenizer_id_bound(tokenizer);
    if (bound > manifest->vocabulary_size) {
        ferry_tokenizer_free(tokenizer);
        return ferry_fail(
            error, FERRY_BAD_DATA,
            "%s: vocabulary_size is %d, but the tokenizer's ids go up to %d: the model "
            "has no row for them",
            manifest->path, manifest->vocabulary_size, bound - 1);
    }
    status = ferry_golden_texts_check(manifest, tokenizer, error);
    if (status != FERRY_OK) {
        ferry_tokenizer_free(tokenizer);
        return status;
    }
    *ret_tokenizer = tokenizer;
    return FERRY_OK;
}

static enum ferry_status load_engine_model(struct opening *opening, const char *engine_name,
                                           const struct ferry_model_opening_options *options,
                                           struct ferry_loaded_model *model,
                                           struct ferry_error *error) {
    const struct ferry_manifest *manifest = &opening->manifest;
    int file = ferry_model_files_find(manifest, "model.pt");
    if (file < 0 && strcmp(engine_name, "fake") != 0)
        return ferry_fail(error, FERRY_BAD_DATA, "%s: files has no model.pt, which engine %s needs",
                          manifest->path, engine_name);
    struct ferry_model_spec spec = {
        .name = model->name,
        .file_bytes = file < 0 ? NULL : opening->files.bytes[file].data,
        .file_size = file < 0 ? 0 : opening->files.bytes[file].size,
        .input_count = manifest->input_count,
        .output_index = manifest->output_index,
        .output_shape = manifest->output_shape,
        .pooling = manifest->pooling,
        .traced_batch = manifest->traced_batch,
        .traced_length = manifest->traced_length,
        .max_length = manifest->max_length,
        .width = manifest->width,
        .max_new_tokens = manifest->decoding.max_new_tokens,
        .vocabulary_size = manifest->vocabulary_size,
        .pad_id = manifest->pad_id,
        .golden = manifest->golden,
        .golden_count = manifest->golden_count,
        .tolerance = manifest->tolerance,
    };
    memcpy(spec.inputs, manifest->inputs, sizeof spec.inputs);
    struct ferry_engine_options engine_options = {.device = options->device,
                                                  .mkl_intel_path = options->mkl_intel_path,
                                                  .script = manifest->fake_script,
                                                  .log_level = ferry_log_current_level()};
    enum ferry_status status =
        model->engine->model_load(&spec, &engine_options, &model->engine_model, error);
    if (status != FERRY_OK)
        return ferry_fail_within(error, "%s%s", opening->directory, file < 0 ? "" : "/model.pt");
    return FERRY_OK;
}

static enum ferry_status take_facts(const struct opening *opening, struct ferry_loaded_model *model,
                                    struct ferry_error *error) {
    const struct ferry_manifest *manifest = &opening->manifest;
    int file = ferry_model_files_find(manifest, "model.pt");
    model->info = model->engine->model_info(model->engine_model);
    if (file >= 0 && manifest->golden_count == 0)
        ferry_log(FERRY_LOG_WARNING,
                  "%s: no golden rows: nothing shows that the trace computes what the original did",
                  manifest->path);
    memcpy(model->digest, file < 0 ? manifest->digest : manifest->files[file].sha256,
           sizeof model->digest);
    model->task = manifest->task;
    model->pooling = manifest->pooling_name;
    model->vocabulary_size = manifest->vocabulary_size;
    model->normalize = manifest->normalize;
    model->max_length = manifest->max_length;
    if (model->info->max_length > 0 && model->info->max_length < model->max_length)
        model->max_length = model->info->max_length;
    model->decoding = manifest->decoding;
    for (uint32_t i = 0; i < manifest->input_count; i++)
        model->settings |= 1u << manifest->inputs[i].kind;
    if (is_embed(manifest) && model->info->rows_per_token)
        return ferry_fail(
            error, FERRY_UNSUPPORTED,
            "%s: pooling \"none\" of a token output gives a row a token; task embed needs "
            "a row a text: choose mean, cls, last or max",
            manifest->path);
    return FERRY_OK;
}

/* One sequence must always fit into the cache: else it could wait for ever. */
static enum ferry_status limit_by_decoder(const struct opening *opening,
                                          struct ferry_loaded_model *model,
                                          struct ferry_error *error) {
    const struct ferry_decoder_info *info = model->decoder_info;
    if (info->max_length > 0 && info->max_length < model->max_length)
        model->max_length = info->max_length;
    uint64_t positions = (uint64_t)info->blocks * info->block_tokens;
    if (info->block_tokens == 0 || positions >= model->max_length)
        return FERRY_OK;
    if (positions < 2)
        return ferry_fail(error, FERRY_CONFIG,
                          "%s: the cache holds not even two tokens: raise --cache-bytes",
                          opening->directory);
    ferry_log(FERRY_LOG_WARNING,
              "%s: the cache has room for sequences of %u tokens, the model for %u: raise "
              "--cache-bytes",
              opening->directory, (uint32_t)positions, model->max_length);
    model->max_length = (uint32_t)positions;
    return FERRY_OK;
}

static enum ferry_status open_decoder(const struct opening *opening,
                                      const struct ferry_model_opening_options *options,
                                      struct ferry_loaded_model *model, struct ferry_error *error) {
    if (is_embed(&opening->manifest))
        return FERRY_OK;
    if (model->engine->decoder_create == NULL)
        return ferry_fail(error, FERRY_UNSUPPORTED, "%s: engine %s cannot do task %s",
                          opening->directory, model->engine->name, model->task);
    struct ferry_decoder_options decoder = options->decoder;
    /* Without a cache a whole sequence is one step; with one, the scheduler asks for less. */
    if (decoder.max_step_tokens != 0 && decoder.max_step_tokens < model->max_length)
        decoder.max_step_tokens = model->max_length;
    enum ferry_status status =
        model->engine->decoder_create(model->engine_model, &decoder, &model->decoder, error);
    if (status != FERRY_OK)
        return ferry_fail_within(error, "%s", opening->directory);
    model->decoder_info = model->engine->decoder_info(model->decoder);
    return limit_by_decoder(opening, model, error);
}

static enum ferry_status open_parts(struct opening *opening,
                                    const struct ferry_model_opening_options *options,
                                    struct ferry_loaded_model *model, struct ferry_error *error) {
    bool by_manifest = strcmp(options->engine, "auto") == 0;
    const char *engine_name = by_manifest ? opening->manifest.engine : options->engine;
    enum ferry_status status = choose_name(opening, model->name, error);
    if (status == FERRY_OK)
        status = open_tokenizer(opening, &model->tokenizer, error);
    if (status == FERRY_OK)
        status = ferry_engine_open(engine_name, options->engine_folder, &model->engine, error);
    if (status == FERRY_OK)
        status = load_engine_model(opening, engine_name, options, model, error);
    if (status == FERRY_OK)
        status = take_facts(opening, model, error);
    return status == FERRY_OK ? open_decoder(opening, options, model, error) : status;
}

enum ferry_status ferry_model_open(const char *argument,
                                   const struct ferry_model_opening_options *options,
                                   struct ferry_loaded_model **ret_model,
                                   struct ferry_error *error) {
    struct ferry_loaded_model *model = calloc(1, sizeof *model);
    if (model == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a model");
    struct opening opening;
    enum ferry_status status = begin(argument, &opening, error);
    if (status == FERRY_OK)
        status = open_parts(&opening, options, model, error);
    end(&opening);
    if (status != FERRY_OK) {
        ferry_model_close(model);
        return status;
    }
    *ret_model = model;
    return FERRY_OK;
}

void ferry_model_close(struct ferry_loaded_model *model) {
    if (model == NULL)
        return;
    if (model->decoder != NULL)
        model->engine->decoder_free(model->decoder);
    if (model->engine != NULL)
        model->engine->model_free(model->engine_model);
    ferry_tokenizer_free(model->tokenizer);
    free(model);
}

enum ferry_status ferry_model_check(const char *argument, struct ferry_error *error) {
    struct opening opening;
    char name[FERRY_MODEL_NAME_BYTES];
    struct ferry_tokenizer *tokenizer = NULL;
    enum ferry_status status = begin(argument, &opening, error);
    if (status == FERRY_OK)
        status = choose_name(&opening, name, error);
    if (status == FERRY_OK)
        status = open_tokenizer(&opening, &tokenizer, error);
    ferry_tokenizer_free(tokenizer);
    end(&opening);
    return status;
}
