/* What the manifest says about a model that continues texts, and whether its task, inputs and
 * output belong together. */
#include <string.h>

#include "daemon/ops/json_fields.h"
#include "daemon/ops/manifest.h"

enum { LARGEST_NEW_TOKENS = 1 << 20 };

static const char *const decode_names[] = {"logits", "module", NULL};

static enum ferry_status read_end_ids(struct ferry_manifest *manifest,
                                      struct ferry_json_fields *top) {
    struct ferry_manifest_decoding *decoding = &manifest->decoding;
    json_t *array = NULL;
    enum ferry_status status = ferry_json_array(top, "end_ids", false, &array);
    if (status != FERRY_OK || array == NULL)
        return status;
    size_t count = json_array_size(array);
    if (count > FERRY_MODEL_MAX_END_IDS)
        return ferry_json_fail(top, "end_ids", "has %zu entries; at most %d are used", count,
                               FERRY_MODEL_MAX_END_IDS);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(array, i);
        json_int_t id = json_integer_value(value);
        if (!json_is_integer(value) || id < 0 || id >= manifest->vocabulary_size)
            return ferry_json_fail(top, "end_ids",
                                   "entry %zu must be an id below vocabulary_size, %d", i,
                                   manifest->vocabulary_size);
        decoding->end_ids[decoding->end_id_count++] = (int32_t)id;
    }
    return FERRY_OK;
}

static bool is_ids_shape(enum ferry_output_shape shape) {
    return shape == FERRY_OUTPUT_IDS_WITH_PROMPT || shape == FERRY_OUTPUT_NEW_IDS;
}

static bool takes_settings(const struct ferry_manifest *manifest) {
    for (uint32_t i = 0; i < manifest->input_count; i++)
        if (manifest->inputs[i].kind >= FERRY_INPUT_NEW_TOKENS)
            return true;
    return false;
}

static enum ferry_status check_output(const struct ferry_manifest *manifest,
                                      const struct ferry_json_fields *top) {
    enum ferry_output_shape shape = manifest->output_shape;
    bool combined = manifest->decoding.combined;
    bool embeds = strcmp(manifest->task, "embed") == 0;
    if (combined && (strcmp(manifest->task, "generate") != 0 || !is_ids_shape(shape)))
        return ferry_json_fail(top, "decode",
                               "is \"module\": task must be \"generate\" and output.shape "
                               "\"ids_with_prompt\" or \"new_ids\"");
    if (!combined && (embeds ? shape > FERRY_OUTPUT_SEQUENCES : shape != FERRY_OUTPUT_LOGITS))
        return ferry_json_fail(top, "output", "shape does not fit task \"%s\", which needs %s",
                               manifest->task,
                               embeds ? "\"tokens\" or \"sequences\"" : "\"logits\"");
    if (!combined && takes_settings(manifest))
        return ferry_json_fail(top, "inputs",
                               "only a combined model (\"decode\": \"module\") takes new_tokens, "
                               "temperature and the like");
    if (shape == FERRY_OUTPUT_LOGITS && manifest->width != 0 &&
        manifest->width != (uint32_t)manifest->vocabulary_size)
        return ferry_json_fail(top, "width", "is %u; logits have vocabulary_size, %d, numbers",
                               manifest->width, manifest->vocabulary_size);
    return FERRY_OK;
}

enum ferry_status ferry_manifest_read_decoding(struct ferry_manifest *manifest,
                                               struct ferry_json_fields *top) {
    struct ferry_manifest_decoding *decoding = &manifest->decoding;
    int64_t begin_id = -1;
    int64_t new_tokens = manifest->max_length;
    int decode = 0;
    enum ferry_status status = ferry_json_choice(top, "decode", decode_names, 0, &decode);
    if (status == FERRY_OK)
        status = ferry_json_optional_integer(top, "begin_id", 0, manifest->vocabulary_size - 1,
                                             &begin_id);
    if (status == FERRY_OK)
        status =
            ferry_json_optional_integer(top, "max_new_tokens", 1, LARGEST_NEW_TOKENS, &new_tokens);
    decoding->combined = decode == 1;
    decoding->begin_id = (int32_t)begin_id;
    decoding->max_new_tokens = (uint32_t)new_tokens;
    if (status == FERRY_OK)
        status = read_end_ids(manifest, top);
    return status == FERRY_OK ? check_output(manifest, top) : status;
}
