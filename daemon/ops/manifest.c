#include "daemon/ops/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "daemon/ops/json_fields.h"

#define MANIFEST_FORMAT "ferry-model/1"

enum {
    LONGEST_SEQUENCE = 65536, /* tokens */
    LARGEST_WIDTH = 65536,
    LARGEST_BATCH = 65536,
    LARGEST_VOCABULARY = 1 << 24
};

#define DEFAULT_TOLERANCE 1e-4

static const char *const task_names[] = {"embed", "score", "generate", NULL};
static const char *const engine_names[] = {"torch", "fake", NULL};
static const char *const input_kinds[] = {
    "ids",   "mask",  "type_ids", "positions",          "new_tokens", "temperature",
    "top_k", "top_p", "min_p",    "repetition_penalty", "seed",       NULL};
static const char *const input_dtypes[] = {"int64", "int32", "float32", "int", "float", NULL};
static const char *const output_shapes[] = {"tokens",          "sequences", "logits",
                                            "ids_with_prompt", "new_ids",   NULL};
static const char *const pooling_names[] = {"none", "mean", "cls", "last", "max", NULL};

static enum ferry_status read_input(struct ferry_manifest *manifest, json_t *value,
                                    struct ferry_error *error) {
    char path[32];
    struct ferry_json_fields fields;
    int kind = 0;
    int dtype = 0;
    snprintf(path, sizeof path, "inputs[%u]", manifest->input_count);
    enum ferry_status status = ferry_json_open(&fields, manifest->path, path, value, error);
    if (status == FERRY_OK)
        status = ferry_json_choice(&fields, "kind", input_kinds, -1, &kind);
    if (status == FERRY_OK)
        status = ferry_json_choice(&fields, "dtype", input_dtypes, 0, &dtype);
    if (status == FERRY_OK)
        status = ferry_json_close(&fields);
    if (status == FERRY_OK)
        manifest->inputs[manifest->input_count++] =
            (struct ferry_model_input){(enum ferry_input_kind)kind, (enum ferry_dtype)dtype};
    return status;
}

static enum ferry_status read_inputs(struct ferry_manifest *manifest,
                                     struct ferry_json_fields *top) {
    json_t *array = NULL;
    enum ferry_status status = ferry_json_array(top, "inputs", true, &array);
    if (status != FERRY_OK)
        return status;
    size_t count = json_array_size(array);
    if (count == 0 || count > FERRY_ENGINE_MAX_INPUTS)
        return ferry_json_fail(top, "inputs", "has %zu entries; it must have 1 to %d", count,
                               FERRY_ENGINE_MAX_INPUTS);
    unsigned seen = 0;
    for (size_t i = 0; i < count; i++) {
        status = read_input(manifest, json_array_get(array, i), top->error);
        if (status != FERRY_OK)
            return status;
        unsigned bit = 1u << manifest->inputs[i].kind;
        if (seen & bit)
            return ferry_json_fail(top, "inputs", "\"%s\" is there twice",
                                   input_kinds[manifest->inputs[i].kind]);
        seen |= bit;
    }
    if (!(seen & 1u << FERRY_INPUT_IDS))
        return ferry_json_fail(top, "inputs", "none of them has kind \"ids\"");
    return FERRY_OK;
}

static enum ferry_status read_output(struct ferry_manifest *manifest,
                                     struct ferry_json_fields *top) {
    struct ferry_json_fields output;
    bool there = false;
    int64_t index = 0;
    int shape = 0;
    enum ferry_status status = ferry_json_object(top, "output", &output, &there);
    if (status == FERRY_OK && there)
        status = ferry_json_optional_integer(&output, "index", 0, 63, &index);
    if (status == FERRY_OK && there)
        status = ferry_json_choice(&output, "shape", output_shapes, 0, &shape);
    if (status == FERRY_OK && there)
        status = ferry_json_close(&output);
    manifest->output_index = (uint32_t)index;
    manifest->output_shape = (enum ferry_output_shape)shape;
    int pooling = 0;
    bool pools = shape == FERRY_OUTPUT_TOKENS;
    if (status == FERRY_OK)
        status = ferry_json_choice(top, "pooling", pooling_names, pools ? -1 : FERRY_POOLING_NONE,
                                   &pooling);
    manifest->pooling = (enum ferry_pooling)pooling;
    manifest->pooling_name = pooling_names[pooling];
    if (status == FERRY_OK && !pools && pooling != FERRY_POOLING_NONE)
        return ferry_json_fail(top, "pooling", "must be \"none\", since output.shape is \"%s\"",
                               output_shapes[shape]);
    return status;
}

static enum ferry_status read_traced(struct ferry_manifest *manifest,
                                     struct ferry_json_fields *top) {
    struct ferry_json_fields traced;
    bool there = false;
    int64_t batch = 0;
    int64_t length = 0;
    enum ferry_status status = ferry_json_object(top, "traced", &traced, &there);
    if (status == FERRY_OK && there)
        status = ferry_json_optional_integer(&traced, "batch", 1, LARGEST_BATCH, &batch);
    if (status == FERRY_OK && there)
        status = ferry_json_optional_integer(&traced, "length", 1, LONGEST_SEQUENCE, &length);
    if (status == FERRY_OK && there)
        status = ferry_json_close(&traced);
    manifest->traced_batch = (uint32_t)batch;
    manifest->traced_length = (uint32_t)length;
    return status;
}

static enum ferry_status read_tokenizer(struct ferry_manifest *manifest,
                                        struct ferry_json_fields *top) {
    struct ferry_tokenizer_overrides *overrides = &manifest->overrides;
    *overrides = (struct ferry_tokenizer_overrides){-1, -1, -1, -1};
    struct ferry_json_fields fields;
    bool there = false;
    enum ferry_status status = ferry_json_object(top, "tokenizer", &fields, &there);
    if (status != FERRY_OK || !there)
        return status;
    const struct {
        const char *key;
        int *flag;
    } flags[] = {{"lowercase", &overrides->lowercase},
                 {"strip_accents", &overrides->strip_accents},
                 {"clean_text", &overrides->clean_text},
                 {"handle_chinese_chars", &overrides->handle_chinese_chars}};
    for (size_t i = 0; status == FERRY_OK && i < sizeof flags / sizeof *flags; i++)
        status = ferry_json_optional_boolean(&fields, flags[i].key, flags[i].flag);
    return status == FERRY_OK ? ferry_json_close(&fields) : status;
}

static enum ferry_status read_file(struct ferry_manifest *manifest, struct ferry_json_fields *files,
                                   const char *name) {
    struct ferry_manifest_file *file = &manifest->files[manifest->file_count];
    if (name[0] == '\0' || name[0] == '.' || strchr(name, '/') != NULL)
        return ferry_json_fail(files, name, "must be the plain name of a file in the directory");
    struct ferry_json_fields facts;
    const char *sha256 = NULL;
    int64_t bytes = 0;
    enum ferry_status status = ferry_json_object(files, name, &facts, NULL);
    if (status == FERRY_OK)
        status = ferry_json_string(&facts, "sha256", NULL, &sha256);
    if (status == FERRY_OK && !ferry_sha256_text_is_valid(sha256))
        return ferry_json_fail(&facts, "sha256", "must be 64 lower-case hexadecimal digits");
    if (status == FERRY_OK)
        status = ferry_json_optional_integer(&facts, "bytes", 0, INT64_MAX, &bytes);
    if (status == FERRY_OK)
        status = ferry_json_close(&facts);
    if (status != FERRY_OK)
        return status;
    file->name = name;
    memcpy(file->sha256, sha256, sizeof file->sha256);
    file->bytes = (uint64_t)bytes;
    manifest->file_count++;
    return FERRY_OK;
}

static enum ferry_status read_files(struct ferry_manifest *manifest,
                                    struct ferry_json_fields *top) {
    struct ferry_json_fields files;
    enum ferry_status status = ferry_json_object(top, "files", &files, NULL);
    if (status != FERRY_OK)
        return status;
    size_t count = json_object_size(files.object);
    if (count == 0 || count > FERRY_MANIFEST_MAX_FILES)
        return ferry_json_fail(top, "files", "has %zu entries; it must have 1 to %d", count,
                               FERRY_MANIFEST_MAX_FILES);
    const char *name;
    json_t *value;
    json_object_foreach(files.object, name, value) {
        status = read_file(manifest, &files, name);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

static enum ferry_status read_golden(struct ferry_manifest *manifest,
                                     struct ferry_json_fields *top) {
    struct ferry_json_fields golden;
    bool there = false;
    double tolerance = DEFAULT_TOLERANCE;
    json_t *rows = NULL;
    enum ferry_status status = ferry_json_object(top, "golden", &golden, &there);
    if (status == FERRY_OK && there)
        status = ferry_json_optional_real(&golden, "tolerance", &tolerance);
    if (status == FERRY_OK && !(tolerance > 0 && tolerance <= 1))
        return ferry_json_fail(&golden, "tolerance", "is %g; it must be above 0 and at most 1",
                               tolerance);
    if (status == FERRY_OK && there)
        status = ferry_json_array(&golden, "rows", false, &rows);
    if (status == FERRY_OK && there)
        status = ferry_json_close(&golden);
    manifest->tolerance = (float)tolerance;
    if (status == FERRY_OK && rows != NULL)
        status = ferry_manifest_read_golden(manifest, rows, top->error);
    return status;
}

static enum ferry_status read_engine(struct ferry_manifest *manifest,
                                     struct ferry_json_fields *top) {
    int engine = 0;
    int task = 0;
    enum ferry_status status = ferry_json_choice(top, "task", task_names, 0, &task);
    if (status == FERRY_OK)
        status = ferry_json_choice(top, "engine", engine_names, 0, &engine);
    manifest->task = task_names[task];
    manifest->engine = engine_names[engine];
    manifest->fake_script = "";
    struct ferry_json_fields fake;
    bool there = false;
    if (status == FERRY_OK)
        status = ferry_json_object(top, "fake", &fake, &there);
    if (status == FERRY_OK && there)
        status = ferry_json_string(&fake, "script", "", &manifest->fake_script);
    return status == FERRY_OK && there ? ferry_json_close(&fake) : status;
}

static enum ferry_status read_sizes(struct ferry_manifest *manifest,
                                    struct ferry_json_fields *top) {
    int64_t width = 0;
    int64_t length = 0;
    int64_t vocabulary = 0;
    int64_t pad = 0;
    int normalize = 0;
    enum ferry_status status = ferry_json_optional_integer(
        top, "width", 1,
        manifest->output_shape == FERRY_OUTPUT_LOGITS ? LARGEST_VOCABULARY : LARGEST_WIDTH, &width);
    if (status == FERRY_OK)
        status = ferry_json_integer(top, "max_length", 1, LONGEST_SEQUENCE, &length);
    if (status == FERRY_OK)
        status = ferry_json_integer(top, "vocabulary_size", 1, LARGEST_VOCABULARY, &vocabulary);
    if (status == FERRY_OK)
        status = ferry_json_optional_integer(top, "pad_id", 0, vocabulary - 1, &pad);
    if (status == FERRY_OK)
        status = ferry_json_optional_boolean(top, "normalize", &normalize);
    manifest->width = (uint32_t)width;
    manifest->max_length = (uint32_t)length;
    manifest->vocabulary_size = (int32_t)vocabulary;
    manifest->pad_id = (int32_t)pad;
    manifest->normalize = normalize;
    return status;
}

static enum ferry_status read_fields(struct ferry_manifest *manifest, struct ferry_error *error) {
    struct ferry_json_fields top;
    const char *format = NULL;
    enum ferry_status status = ferry_json_open(&top, manifest->path, "", manifest->json, error);
    if (status == FERRY_OK)
        status = ferry_json_string(&top, "format", NULL, &format);
    if (status == FERRY_OK && strcmp(format, MANIFEST_FORMAT) != 0)
        return ferry_json_fail(&top, "format", "is \"%.64s\"; this ferry reads \"%s\"", format,
                               MANIFEST_FORMAT);
    if (status == FERRY_OK)
        status = ferry_json_string(&top, "name", NULL, &manifest->name);
    if (status == FERRY_OK)
        status = read_engine(manifest, &top);
    if (status == FERRY_OK)
        status = read_inputs(manifest, &top);
    if (status == FERRY_OK)
        status = read_output(manifest, &top);
    if (status == FERRY_OK)
        status = read_sizes(manifest, &top);
    if (status == FERRY_OK)
        status = read_traced(manifest, &top);
    if (status == FERRY_OK)
        status = read_tokenizer(manifest, &top);
    if (status == FERRY_OK)
        status = read_files(manifest, &top);
    if (status == FERRY_OK)
        status = ferry_manifest_read_decoding(manifest, &top);
    if (status == FERRY_OK)
        status = read_golden(manifest, &top);
    struct ferry_json_fields made_by; /* for people: who made it is not checked */
    bool there = false;
    if (status == FERRY_OK)
        status = ferry_json_object(&top, "made_by", &made_by, &there);
    return status == FERRY_OK ? ferry_json_close(&top) : status;
}

static enum ferry_status parse(struct ferry_manifest *manifest, struct ferry_error *error) {
    struct ferry_buffer bytes;
    ferry_buffer_init(&bytes, FERRY_MANIFEST_MAX_BYTES);
    enum ferry_status status = ferry_file_read(manifest->path, &bytes, error);
    if (status == FERRY_OK) {
        json_error_t where;
        ferry_sha256_text(bytes.data, bytes.size, manifest->digest);
        manifest->json = json_loadb((const char *)bytes.data, bytes.size,
                                    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &where);
        if (manifest->json == NULL)
            status = ferry_fail(error, FERRY_BAD_DATA, "%s: line %d, column %d: %s", manifest->path,
                                where.line, where.column, where.text);
    }
    ferry_buffer_free(&bytes);
    return status;
}

enum ferry_status ferry_manifest_read(const char *directory, struct ferry_manifest *ret_manifest,
                                      struct ferry_error *error) {
    struct ferry_manifest manifest = {0};
    if (asprintf(&manifest.path, "%s/ferry.json", directory) < 0) {
        manifest.path = NULL;
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory to read %s", directory);
    }
    enum ferry_status status = parse(&manifest, error);
    if (status == FERRY_OK)
        status = read_fields(&manifest, error);
    if (status != FERRY_OK) {
        ferry_manifest_free(&manifest);
        return status;
    }
    *ret_manifest = manifest;
    return FERRY_OK;
}

void ferry_manifest_free(struct ferry_manifest *manifest) {
    for (uint32_t i = 0; i < manifest->golden_count; i++) {
        free((void *)manifest->golden[i].ids);
        free((void *)manifest->golden[i].type_ids);
        free((void *)manifest->golden[i].expected);
        free((void *)manifest->golden[i].sampling);
    }
    free(manifest->golden);
    free(manifest->golden_texts);
    json_decref(manifest->json);
    free(manifest->path);
    *manifest = (struct ferry_manifest){0};
}
