/* The golden rows of a manifest: inputs with the original model's own answers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/ops/json_fields.h"
#include "daemon/ops/manifest.h"

static enum ferry_status read_ids(struct ferry_json_fields *fields,
                                  const struct ferry_manifest *manifest,
                                  struct ferry_golden_row *row) {
    json_t *array = NULL;
    enum ferry_status status = ferry_json_array(fields, "ids", true, &array);
    if (status != FERRY_OK)
        return status;
    size_t length = json_array_size(array);
    if (length == 0 || length > manifest->max_length)
        return ferry_json_fail(fields, "ids", "has %zu entries; it must have 1 to max_length, %u",
                               length, manifest->max_length);
    int32_t *ids = malloc(length * sizeof *ids);
    if (ids == NULL)
        return ferry_fail(fields->error, FERRY_OUT_OF_MEMORY, "no memory for golden rows");
    row->ids = ids;
    row->length = (uint32_t)length;
    for (size_t i = 0; i < length; i++) {
        const json_t *value = json_array_get(array, i);
        json_int_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id >= manifest->vocabulary_size)
            return ferry_json_fail(fields, "ids",
                                   "entry %zu must be an id below vocabulary_size, %d", i,
                                   manifest->vocabulary_size);
        ids[i] = (int32_t)id;
    }
    return FERRY_OK;
}

static enum ferry_status read_type_ids(struct ferry_json_fields *fields,
                                       struct ferry_golden_row *row) {
    json_t *array = NULL;
    enum ferry_status status = ferry_json_array(fields, "type_ids", false, &array);
    if (status != FERRY_OK || array == NULL)
        return status;
    size_t length = json_array_size(array);
    if (length == 0 || length != row->length)
        return ferry_json_fail(fields, "type_ids", "must have as many entries as ids, %u",
                               row->length);
    uint8_t *type_ids = malloc(length);
    if (type_ids == NULL)
        return ferry_fail(fields->error, FERRY_OUT_OF_MEMORY, "no memory for golden rows");
    row->type_ids = type_ids;
    for (size_t i = 0; i < length; i++) {
        const json_t *value = json_array_get(array, i);
        json_int_t type = json_integer_value(value);
        if (!json_is_integer(value) || type < 0 || type > UINT8_MAX)
            return ferry_json_fail(fields, "type_ids", "entry %zu must be 0 to 255", i);
        type_ids[i] = (uint8_t)type;
    }
    return FERRY_OK;
}

/* 0: the manifest does not say. */
static size_t expected_count(const struct ferry_manifest *manifest,
                             const struct ferry_golden_row *row) {
    switch (manifest->output_shape) {
    case FERRY_OUTPUT_LOGITS:
        return row->length - 1;
    case FERRY_OUTPUT_IDS_WITH_PROMPT:
    case FERRY_OUTPUT_NEW_IDS:
        return 0;
    case FERRY_OUTPUT_TOKENS:
        return (size_t)manifest->width *
               (manifest->pooling == FERRY_POOLING_NONE ? row->length : 1);
    default:
        return manifest->width;
    }
}

/* With which settings a combined model gave its answer. */
static enum ferry_status read_settings(struct ferry_json_fields *fields,
                                       const struct ferry_manifest *manifest,
                                       struct ferry_golden_row *row) {
    if (!manifest->decoding.combined)
        return FERRY_OK;
    int64_t new_tokens = 0;
    int64_t top_k = 0;
    int64_t seed = 0;
    double temperature = 0;
    double top_p = 1;
    double min_p = 0;
    double penalty = 1;
    enum ferry_status status =
        ferry_json_integer(fields, "new_tokens", 1, manifest->decoding.max_new_tokens, &new_tokens);
    if (status == FERRY_OK)
        status = ferry_json_optional_integer(fields, "top_k", 0, UINT32_MAX, &top_k);
    if (status == FERRY_OK)
        status = ferry_json_optional_integer(fields, "seed", 0, INT64_MAX, &seed);
    if (status == FERRY_OK)
        status = ferry_json_optional_real(fields, "temperature", &temperature);
    if (status == FERRY_OK)
        status = ferry_json_optional_real(fields, "top_p", &top_p);
    if (status == FERRY_OK)
        status = ferry_json_optional_real(fields, "min_p", &min_p);
    if (status == FERRY_OK)
        status = ferry_json_optional_real(fields, "repetition_penalty", &penalty);
    if (status != FERRY_OK)
        return status;
    struct ferry_sampling *sampling = malloc(sizeof *sampling);
    if (sampling == NULL)
        return ferry_fail(fields->error, FERRY_OUT_OF_MEMORY, "no memory for golden rows");
    *sampling = (struct ferry_sampling){.temperature = (float)temperature,
                                        .top_p = (float)top_p,
                                        .min_p = (float)min_p,
                                        .repetition_penalty = (float)penalty,
                                        .top_k = (uint32_t)top_k,
                                        .seed = (uint64_t)seed};
    row->new_tokens = (uint32_t)new_tokens;
    row->sampling = sampling;
    return FERRY_OK;
}

static enum ferry_status read_expected(struct ferry_json_fields *fields,
                                       const struct ferry_manifest *manifest,
                                       struct ferry_golden_row *row) {
    json_t *array = NULL;
    enum ferry_status status = ferry_json_array(fields, "expected", true, &array);
    if (status != FERRY_OK)
        return status;
    size_t count = json_array_size(array);
    size_t wanted = expected_count(manifest, row);
    bool free_count = wanted == 0 && manifest->output_shape != FERRY_OUTPUT_LOGITS;
    if (free_count ? count == 0 : count != wanted)
        return ferry_json_fail(fields, "expected", "has %zu numbers; it must have %zu", count,
                               free_count ? 1 : wanted);
    if (manifest->decoding.combined && count > row->new_tokens)
        return ferry_json_fail(fields, "expected", "has %zu ids, more than new_tokens, %u", count,
                               row->new_tokens);
    float *expected = malloc(count * sizeof *expected + 1); /* a row of one token expects nothing */
    if (expected == NULL)
        return ferry_fail(fields->error, FERRY_OUT_OF_MEMORY, "no memory for golden rows");
    row->expected = expected;
    row->expected_count = count;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, i);
        if (!json_is_number(value) || !isfinite(json_number_value(value)))
            return ferry_json_fail(fields, "expected", "entry %zu must be a number", i);
        expected[i] = (float)json_number_value(value);
    }
    return FERRY_OK;
}

static enum ferry_status read_texts(struct ferry_json_fields *fields,
                                    struct ferry_golden_text *texts) {
    static const char none[] = "";
    enum ferry_status status = ferry_json_string(fields, "text", none, &texts->text);
    if (status == FERRY_OK)
        status = ferry_json_string(fields, "pair", none, &texts->pair);
    if (texts->text == none)
        texts->text = NULL;
    if (texts->pair == none)
        texts->pair = NULL;
    return status;
}

static enum ferry_status read_row(struct ferry_manifest *manifest, size_t index, json_t *value,
                                  struct ferry_error *error) {
    char path[32];
    snprintf(path, sizeof path, "golden.rows[%zu]", index);
    struct ferry_golden_row *row = &manifest->golden[index];
    struct ferry_json_fields fields;
    struct ferry_golden_text texts = {0};
    enum ferry_status status = ferry_json_open(&fields, manifest->path, path, value, error);
    if (status == FERRY_OK)
        status = read_texts(&fields, &texts);
    manifest->golden_texts[index] = texts;
    if (status == FERRY_OK)
        status = read_ids(&fields, manifest, row);
    if (status == FERRY_OK)
        status = read_type_ids(&fields, row);
    if (status == FERRY_OK)
        status = read_settings(&fields, manifest, row);
    if (status == FERRY_OK)
        status = read_expected(&fields, manifest, row);
    return status == FERRY_OK ? ferry_json_close(&fields) : status;
}

enum ferry_status ferry_manifest_read_golden(struct ferry_manifest *manifest, json_t *rows,
                                             struct ferry_error *error) {
    size_t count = json_array_size(rows);
    if (count > FERRY_MANIFEST_MAX_GOLDEN)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "%s: golden.rows has %zu entries; at most %d are used", manifest->path,
                          count, FERRY_MANIFEST_MAX_GOLDEN);
    if (count == 0)
        return FERRY_OK;
    manifest->golden = calloc(count, sizeof *manifest->golden);
    manifest->golden_texts = calloc(count, sizeof *manifest->golden_texts);
    if (manifest->golden == NULL || manifest->golden_texts == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for golden rows");
    manifest->golden_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        enum ferry_status status = read_row(manifest, i, json_array_get(rows, i), error);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}
