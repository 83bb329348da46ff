#include "tests/unit/daemon/small_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void stop(const struct ferry_error *error) {
    fprintf(stderr, "small model: %s\n", error->text);
    exit(1);
}

static struct ferry_tokenizer *load_words(void) {
    char vocabulary[2048] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n";
    for (int word = 0; word < SMALL_MODEL_WORDS; word++) {
        size_t used = strlen(vocabulary);
        snprintf(vocabulary + used, sizeof vocabulary - used, "w%d\n", word);
    }
    struct ferry_tokenizer_file file = {"vocab.txt", vocabulary, strlen(vocabulary)};
    struct ferry_tokenizer *tokenizer = NULL;
    struct ferry_error error;
    if (ferry_tokenizer_load_files(&file, 1, NULL, &tokenizer, &error) != FERRY_OK)
        stop(&error);
    return tokenizer;
}

struct ferry_loaded_model *small_model_open(const char *script) {
    struct ferry_loaded_model *model = calloc(1, sizeof *model);
    if (model == NULL)
        exit(1);
    model->engine = ferry_fake_engine();
    model->tokenizer = load_words();
    struct ferry_model_spec spec = {.name = "small",
                                    .inputs = {{FERRY_INPUT_IDS, FERRY_INT64}},
                                    .input_count = 1,
                                    .output_shape = FERRY_OUTPUT_TOKENS,
                                    .pooling = FERRY_POOLING_MEAN,
                                    .max_length = SMALL_MODEL_LENGTH,
                                    .width = SMALL_MODEL_WIDTH,
                                    .vocabulary_size = SMALL_MODEL_WORDS + 4};
    struct ferry_engine_options options = {.device = "cpu", .script = script};
    struct ferry_error error;
    if (model->engine->model_load(&spec, &options, &model->engine_model, &error) != FERRY_OK)
        stop(&error);
    strcpy(model->name, "small");
    strcpy(model->digest, "0");
    model->task = "embed";
    model->pooling = "mean";
    model->info = model->engine->model_info(model->engine_model);
    model->vocabulary_size = spec.vocabulary_size;
    model->max_length = SMALL_MODEL_LENGTH;
    model->normalize = true;
    return model;
}

void small_model_close(struct ferry_loaded_model *model) {
    model->engine->model_free(model->engine_model);
    ferry_tokenizer_free(model->tokenizer);
    free(model);
}
