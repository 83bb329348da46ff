/* Reads vocab.json and merges.txt, with tokenizer_config.json, special_tokens_map.json and
 * added_tokens.json beside them: how byte-level tokenizers were shipped before tokenizer.json.
 * Gives what GPT2Tokenizer and RobertaTokenizer of the Python package transformers (5.23) make of
 * them. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer_json.h"

enum family { FAMILY_GPT2, FAMILY_ROBERTA, FAMILIES };

/* The special tokens with names, in the order in which the reference adds them. */
static const struct {
    const char *key, *missing[FAMILIES];
} named_tokens[] = {
    {"bos_token", {"<|endoftext|>", "<s>"}},
    {"eos_token", {"<|endoftext|>", "</s>"}},
    {"unk_token", {"<|endoftext|>", "<unk>"}},
    {"sep_token", {NULL, "</s>"}},
    {"pad_token", {NULL, "<pad>"}},
    {"cls_token", {NULL, "<s>"}},
    {"mask_token", {NULL, "<mask>"}},
};
enum { NAMED_TOKENS = sizeof named_tokens / sizeof *named_tokens };

/* What the files beside the vocabulary say, all objects, owned. */
struct settings {
    json_t *config, *special_tokens, *added_tokens;
    enum family family;
};

static enum ferry_status read_object(const struct ferry_tokenizer_file *file, json_t **ret_object,
                                     struct ferry_error *error) {
    json_error_t problem = {0};
    *ret_object = file ? json_loadb(file->bytes, file->size, 0, &problem) : json_object();
    if (!*ret_object)
        return ferry_fail(error, FERRY_BAD_DATA, "%s is not JSON: %s (line %d)",
                          file ? file->name : "", problem.text, problem.line);
    if (!json_is_object(*ret_object))
        return ferry_fail(error, FERRY_BAD_DATA, "%s is not a JSON object", file ? file->name : "");
    return FERRY_OK;
}

/* special_tokens_map.json counts only where the newer form in the configuration is missing. */
static const json_t *setting(const struct settings *settings, const char *key) {
    const json_t *value = NULL;
    if (!json_object_get(settings->config, "added_tokens_decoder"))
        value = json_object_get(settings->special_tokens, key);
    return value ? value : json_object_get(settings->config, key);
}

/* The text of a special token; NULL when there is none. */
static const char *named_text(const struct settings *settings, size_t index) {
    const json_t *value = setting(settings, named_tokens[index].key);
    if (!value)
        return named_tokens[index].missing[settings->family];
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static enum ferry_status check_types(const struct settings *settings, struct ferry_error *error) {
    for (size_t at = 0; at < NAMED_TOKENS; at++) {
        const json_t *value = setting(settings, named_tokens[at].key);
        if (ferry_json_is_present(value) && !named_text(settings, at))
            return ferry_fail(error, FERRY_BAD_DATA,
                              "\"%s\" must be a string or an object with content",
                              named_tokens[at].key);
    }
    return FERRY_OK;
}

static enum ferry_status choose_family(const struct ferry_tokenizer *tokenizer,
                                       struct settings *settings, struct ferry_error *error) {
    static const char *const classes[FAMILIES] = {"GPT2Tokenizer", "RobertaTokenizer"};
    const struct ferry_vocabulary *vocabulary = &tokenizer->vocabulary;
    const char *name = json_string_value(json_object_get(settings->config, "tokenizer_class"));
    if (!name) { /* the special tokens tell */
        bool is_roberta = ferry_vocabulary_id(vocabulary, "<|endoftext|>", 13) < 0 &&
                          ferry_vocabulary_id(vocabulary, "<s>", 3) >= 0 &&
                          ferry_vocabulary_id(vocabulary, "</s>", 4) >= 0;
        settings->family = is_roberta ? FAMILY_ROBERTA : FAMILY_GPT2;
        return FERRY_OK;
    }
    for (unsigned family = 0; family < FAMILIES; family++) {
        size_t size = strlen(classes[family]);
        settings->family = (enum family)family;
        if (strncmp(name, classes[family], size) == 0 &&
            (name[size] == '\0' || strcmp(name + size, "Fast") == 0))
            return FERRY_OK;
    }
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "tokenizer_config.json: tokenizer_class \"%s\" is not supported with "
                      "vocab.json; GPT2Tokenizer and RobertaTokenizer are",
                      name);
}

/* A token that is given as its text or as an object. */
static enum ferry_status add_token(struct ferry_tokenizer *tokenizer, const json_t *token,
                                   bool is_special, struct ferry_error *error) {
    json_t *entry = json_is_object(token) ? json_copy((json_t *)(uintptr_t)token) : json_object();
    if (!entry)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for added tokens");
    if (json_is_string(token))
        json_object_set_new(entry, "content", json_string(json_string_value(token)));
    if (is_special)
        json_object_set_new(entry, "special", json_true());
    enum ferry_status status = ferry_json_read_added_token(tokenizer, entry, error);
    json_decref(entry);
    return status;
}

static bool is_added(const struct ferry_tokenizer *tokenizer, const char *text) {
    return ferry_added_tokens_find(&tokenizer->added, text, strlen(text)) != NULL;
}

static bool is_named(const struct settings *settings, const char *text) {
    for (size_t at = 0; at < NAMED_TOKENS; at++) {
        const char *name = named_text(settings, at);
        if (name && text && strcmp(name, text) == 0)
            return true;
    }
    return false;
}

/* An added token with the place that the files give it. */
struct placed_token {
    int64_t place;
    const json_t *value; /* object; NULL: only a text */
    const char *text;
};

static int compare_places(const void *left, const void *right) {
    const struct placed_token *one = left, *other = right;
    return (one->place > other->place) - (one->place < other->place);
}

/* {"50257": {"content": "<x>", ...}}, or the older {"<x>": 50257}. */
static enum ferry_status read_placed(const char *key, const json_t *value,
                                     struct placed_token *token, struct ferry_error *error) {
    if (json_is_integer(value)) {
        *token = (struct placed_token){json_integer_value(value), NULL, key};
        return FERRY_OK;
    }
    char *end = NULL;
    const char *text = json_string_value(json_object_get(value, "content"));
    *token = (struct placed_token){strtoll(key, &end, 10), value, text};
    if (!text || end == key || *end != '\0')
        return ferry_fail(error, FERRY_BAD_DATA,
                          "the added token \"%s\" must be an id with an object that has content",
                          key);
    return FERRY_OK;
}

static enum ferry_status add_placed(struct ferry_tokenizer *tokenizer,
                                    const struct settings *settings, json_t *tokens,
                                    struct ferry_error *error) {
    size_t count = 0;
    struct placed_token *placed = malloc((json_object_size(tokens) + 1) * sizeof *placed);
    enum ferry_status status = FERRY_OK;
    if (!placed)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for added tokens");
    for (void *entry = json_object_iter(tokens); entry && status == FERRY_OK;
         entry = json_object_iter_next(tokens, entry))
        status = read_placed(json_object_iter_key(entry), json_object_iter_value(entry),
                             &placed[count++], error);
    if (count > 0)
        qsort(placed, count, sizeof *placed, compare_places);
    for (size_t at = 0; at < count && status == FERRY_OK; at++) {
        json_t *text = placed[at].value ? NULL : json_string(placed[at].text);
        status = add_token(tokenizer, text ? text : placed[at].value,
                           is_named(settings, placed[at].text), error);
        json_decref(text);
    }
    free(placed);
    return status;
}

static enum ferry_status add_named(struct ferry_tokenizer *tokenizer,
                                   const struct settings *settings, struct ferry_error *error) {
    bool was_added[NAMED_TOKENS];
    enum ferry_status status = FERRY_OK;
    for (size_t at = 0; at < NAMED_TOKENS; at++) {
        const char *text = named_text(settings, at);
        was_added[at] = !text || is_added(tokenizer, text);
    }
    for (size_t at = 0; at < NAMED_TOKENS && status == FERRY_OK; at++) {
        const json_t *value = setting(settings, named_tokens[at].key);
        json_t *missing = value ? NULL : json_string(named_text(settings, at));
        if (!was_added[at])
            status = add_token(tokenizer, value ? value : missing, true, error);
        json_decref(missing);
    }
    return status;
}

static enum ferry_status add_extra(struct ferry_tokenizer *tokenizer,
                                   const struct settings *settings, const char *key,
                                   struct ferry_error *error) {
    size_t index = 0;
    const json_t *token = NULL;
    json_array_foreach(setting(settings, key), index, token) {
        const char *text =
            json_string_value(json_is_object(token) ? json_object_get(token, "content") : token);
        if (text && is_added(tokenizer, text))
            continue;
        enum ferry_status status = add_token(tokenizer, token, true, error);
        if (status != FERRY_OK)
            return ferry_fail_within(error, "%s[%zu]", key, index);
    }
    return FERRY_OK;
}

/* The text of a token that a setting gives; NULL when it gives none. */
static const char *text_of(const json_t *value) {
    return json_string_value(json_is_object(value) ? json_object_get(value, "content") : value);
}

static bool is_named_key(const char *key) {
    for (size_t at = 0; at < NAMED_TOKENS; at++)
        if (strcmp(named_tokens[at].key, key) == 0)
            return true;
    return false;
}

/* The reference makes special tokens of these values as well, in an order of its own. */
static enum ferry_status check_all_added(const struct ferry_tokenizer *tokenizer,
                                         const json_t *tokens, const char *ending,
                                         struct ferry_error *error) {
    const char *key = NULL;
    const json_t *value = NULL;
    size_t ending_size = strlen(ending);
    json_object_foreach((json_t *)(uintptr_t)tokens, key, value) {
        size_t size = strlen(key);
        const char *text = text_of(value);
        if (size >= ending_size && strcmp(key + size - ending_size, ending) == 0 && text &&
            !is_named_key(key) && !is_added(tokenizer, text))
            return ferry_fail(error, FERRY_UNSUPPORTED,
                              "the special token \"%s\" is not supported with vocab.json unless "
                              "added_tokens_decoder has it; tokenizer.json can hold it",
                              key);
    }
    return FERRY_OK;
}

static enum ferry_status check_other_tokens(const struct ferry_tokenizer *tokenizer,
                                            const struct settings *settings,
                                            struct ferry_error *error) {
    static const char *const objects[] = {"extra_special_tokens", "model_specific_special_tokens"};
    const json_t *files[] = {settings->config, settings->special_tokens};
    enum ferry_status status = FERRY_OK;
    size_t count = json_object_get(settings->config, "added_tokens_decoder") ? 1 : 2;
    for (size_t file = 0; file < count; file++) {
        for (size_t at = 0; at < 2 && status == FERRY_OK; at++) {
            const json_t *tokens = json_object_get(files[file], objects[at]);
            if (json_is_object(tokens))
                status = check_all_added(tokenizer, tokens, "", error);
        }
        if (status == FERRY_OK)
            status = check_all_added(tokenizer, files[file], "_token", error);
    }
    return status;
}

static enum ferry_status add_tokens(struct ferry_tokenizer *tokenizer,
                                    const struct settings *settings, struct ferry_error *error) {
    json_t *newer = json_object_get(settings->config, "added_tokens_decoder");
    enum ferry_status status =
        add_placed(tokenizer, settings, newer ? newer : settings->added_tokens, error);
    if (status == FERRY_OK)
        status = add_named(tokenizer, settings, error);
    if (status == FERRY_OK)
        status = add_extra(tokenizer, settings, "additional_special_tokens", error);
    if (status == FERRY_OK)
        status = add_extra(tokenizer, settings, "extra_special_tokens", error);
    return status == FERRY_OK ? check_other_tokens(tokenizer, settings, error) : status;
}

static int32_t named_id(const struct ferry_tokenizer *tokenizer, const struct settings *settings,
                        const char *key) {
    for (size_t at = 0; at < NAMED_TOKENS; at++)
        if (strcmp(named_tokens[at].key, key) == 0) {
            const char *text = named_text(settings, at);
            return text ? ferry_tokenizer_find_id(tokenizer, text, strlen(text)) : -1;
        }
    return -1;
}

/* GPT-2's: nothing, or the begin or end token around each text. */
static enum ferry_status set_gpt2_template(struct ferry_tokenizer *tokenizer,
                                           const struct settings *settings, bool has_begin,
                                           bool has_end, struct ferry_error *error) {
    const int32_t begin = named_id(tokenizer, settings, "bos_token");
    const int32_t end = named_id(tokenizer, settings, "eos_token");
    if ((has_begin && begin < 0) || (has_end && end < 0))
        return ferry_fail(error, FERRY_BAD_DATA,
                          "tokenizer_config.json: add_bos_token or add_eos_token without a token");
    enum ferry_status status = FERRY_OK;
    for (unsigned text = 0; text < 4; text++) {
        struct ferry_template *template = text == 0 ? &tokenizer->single : &tokenizer->pair;
        uint8_t type = text == 3;
        if (text == 1)
            continue; /* 0: the single text; 2, 3: the two of a pair */
        enum ferry_template_kind kind = type ? FERRY_TEMPLATE_SECOND : FERRY_TEMPLATE_FIRST;
        const struct ferry_template_piece pieces[] = {{FERRY_TEMPLATE_SPECIAL, begin, type},
                                                      {kind, 0, type},
                                                      {FERRY_TEMPLATE_SPECIAL, end, type}};
        const bool is_used[] = {has_begin, true, has_end};
        for (size_t at = 0; at < 3 && status == FERRY_OK; at++)
            if (is_used[at])
                status = ferry_template_add(template, pieces[at], error);
    }
    return status;
}

static enum ferry_status set_roberta_template(struct ferry_tokenizer *tokenizer,
                                              const struct settings *settings, bool has_ends,
                                              struct ferry_error *error) {
    int32_t first = named_id(tokenizer, settings, "cls_token");
    int32_t separator = named_id(tokenizer, settings, "sep_token");
    if (has_ends)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "tokenizer_config.json: add_bos_token and add_eos_token are not "
                          "supported for RobertaTokenizer");
    if (first < 0 || separator < 0)
        return ferry_fail(error, FERRY_BAD_DATA,
                          "tokenizer_config.json: RobertaTokenizer needs cls_token and sep_token");
    tokenizer->trims_as_if_prefixed = tokenizer->add_prefix_space;
    return ferry_template_set_roberta(tokenizer, first, separator, error);
}

static enum ferry_status apply(struct ferry_tokenizer *tokenizer, struct settings *settings,
                               struct ferry_error *error) {
    const json_t *config = settings->config;
    bool has_begin = false, has_end = false, trims = true;
    enum ferry_status status = choose_family(tokenizer, settings, error);
    if (status == FERRY_OK)
        status = check_types(settings, error);
    if (status == FERRY_OK)
        status =
            ferry_json_flag(config, "add_prefix_space", false, &tokenizer->add_prefix_space, error);
    if (status == FERRY_OK)
        status = ferry_json_flag(config, "trim_offsets", true, &trims, error);
    if (status == FERRY_OK)
        status = ferry_json_flag(config, "add_bos_token", false, &has_begin, error);
    if (status == FERRY_OK)
        status = ferry_json_flag(config, "add_eos_token", false, &has_end, error);
    if (status == FERRY_OK)
        status = add_tokens(tokenizer, settings, error);
    if (status != FERRY_OK)
        return status;
    tokenizer->pad_id = named_id(tokenizer, settings, "pad_token");
    tokenizer->trims_offsets = trims && settings->family == FAMILY_ROBERTA;
    return settings->family == FAMILY_ROBERTA
               ? set_roberta_template(tokenizer, settings, has_begin || has_end, error)
               : set_gpt2_template(tokenizer, settings, has_begin, has_end, error);
}

static enum ferry_status read_settings(struct ferry_tokenizer *tokenizer,
                                       const struct ferry_bpe_files *files,
                                       struct ferry_error *error) {
    struct settings settings = {0};
    enum ferry_status status = read_object(files->config, &settings.config, error);
    if (status == FERRY_OK)
        status = read_object(files->special_tokens, &settings.special_tokens, error);
    if (status == FERRY_OK)
        status = read_object(files->added_tokens, &settings.added_tokens, error);
    if (status == FERRY_OK)
        status = apply(tokenizer, &settings, error);
    json_decref(settings.config);
    json_decref(settings.special_tokens);
    json_decref(settings.added_tokens);
    return status;
}

static enum ferry_status read_merges(struct ferry_tokenizer *tokenizer,
                                     const struct ferry_tokenizer_file *file,
                                     struct ferry_error *error) {
    static const char version[] = "#version";
    uint32_t rank = 0;
    size_t number = 1;
    for (size_t at = 0; at < file->size; number++) {
        const char *line = file->bytes + at, *end = memchr(line, '\n', file->size - at);
        size_t length = end ? (size_t)(end - line) : file->size - at;
        size_t size = end && length > 0 && line[length - 1] == '\r' ? length - 1 : length;
        at += length + 1;
        if (size >= strlen(version) && memcmp(line, version, strlen(version)) == 0)
            continue;
        enum ferry_status status = ferry_bpe_read_merge(tokenizer, line, size, rank++, error);
        if (status != FERRY_OK)
            return ferry_fail_within(error, "%s line %zu", file->name, number);
    }
    return FERRY_OK;
}

enum ferry_status ferry_tokenizer_read_merges(struct ferry_tokenizer *tokenizer,
                                              const struct ferry_bpe_files *files,
                                              struct ferry_error *error) {
    json_t *vocabulary = NULL;
    tokenizer->kind = FERRY_MODEL_BPE;
    tokenizer->has_byte_decoder = true;
    tokenizer->bpe.unknown_id = -1;
    enum ferry_status status = read_object(files->vocabulary, &vocabulary, error);
    if (status == FERRY_OK)
        status = ferry_json_read_vocabulary(tokenizer, vocabulary, error);
    json_decref(vocabulary);
    if (status == FERRY_OK)
        status = ferry_bpe_check_ids(&tokenizer->vocabulary, error);
    if (status == FERRY_OK)
        status = read_merges(tokenizer, files->merges, error);
    if (status == FERRY_OK && tokenizer->vocabulary.count > 0)
        status = ferry_bpe_finish(&tokenizer->bpe, &tokenizer->vocabulary, error);
    return status == FERRY_OK ? read_settings(tokenizer, files, error) : status;
}
