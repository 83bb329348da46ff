/* Loading: finds the files, has them read, and builds what encoding needs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/utf8.h"
#include "tokenizer/tokenizer_model.h"
#include "tokenizer/utf8_checked.h"

enum { FILE_BYTES_LIMIT = 1 << 28 };

struct loaded_file {
    char *bytes; /* owned; NULL when there is no such file */
    size_t size;
};

static enum ferry_status read_stream(FILE *stream, struct loaded_file *file,
                                     struct ferry_error *error) {
    struct stat info;
    if (fstat(fileno(stream), &info) != 0)
        return ferry_fail(error, FERRY_IO, "%s", strerror(errno));
    if (!S_ISREG(info.st_mode))
        return ferry_fail(error, FERRY_NO_INPUT, "not a regular file");
    if (info.st_size > FILE_BYTES_LIMIT)
        return ferry_fail(error, FERRY_TOO_LARGE, "%lld bytes; %d are allowed",
                          (long long)info.st_size, FILE_BYTES_LIMIT);
    file->bytes = malloc((size_t)info.st_size + 1);
    if (!file->bytes)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the file");
    file->size = fread(file->bytes, 1, (size_t)info.st_size, stream);
    if (ferror(stream) || file->size != (size_t)info.st_size)
        return ferry_fail(error, FERRY_IO, "could not be read to its end");
    return FERRY_OK;
}

/* An optional file that does not exist is no error: its bytes stay NULL. */
static enum ferry_status read_file(const char *path, bool is_optional, struct loaded_file *file,
                                   struct ferry_error *error) {
    *file = (struct loaded_file){0};
    FILE *stream = fopen(path, "rb");
    if (!stream && is_optional && errno == ENOENT)
        return FERRY_OK;
    if (!stream)
        return ferry_fail(error, FERRY_NO_INPUT, "%s: %s", path, strerror(errno));
    enum ferry_status status = read_stream(stream, file, error);
    fclose(stream);
    if (status != FERRY_OK) {
        free(file->bytes);
        file->bytes = NULL;
        return ferry_fail_within(error, "%s", path);
    }
    return FERRY_OK;
}

/* "directory/name", owned by the caller; NULL without memory. */
static char *join_path(const char *directory, size_t directory_size, const char *name) {
    size_t size = directory_size + strlen(name) + 2;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%.*s/%s", (int)directory_size, directory, name);
    return path;
}

void ferry_bert_options_override(struct ferry_bert_options *options,
                                 const struct ferry_tokenizer_overrides *overrides) {
    if (!overrides)
        return;
    if (overrides->lowercase >= 0)
        options->lowercase = overrides->lowercase != 0;
    if (overrides->strip_accents >= 0)
        options->strip_accents = overrides->strip_accents != 0;
    if (overrides->clean_text >= 0)
        options->clean_text = overrides->clean_text != 0;
    if (overrides->handle_chinese_chars >= 0)
        options->handle_chinese_chars = overrides->handle_chinese_chars != 0;
}

int32_t ferry_tokenizer_find_id(const struct ferry_tokenizer *tokenizer, const char *text,
                                size_t size) {
    const struct ferry_added_token *added = ferry_added_tokens_find(&tokenizer->added, text, size);
    return added ? added->id : ferry_vocabulary_id(&tokenizer->vocabulary, text, size);
}

/* The content as the normaliser leaves it, owned by the caller; NULL without memory. */
static char *normalize_content(const struct ferry_tokenizer *tokenizer, const char *content,
                               size_t size, size_t *ret_size) {
    struct ferry_normalizer normalizer = {.options = tokenizer->normalizer};
    char *text = NULL;
    bool has_memory = true;
    for (size_t at = 0; at < size && has_memory;) {
        uint32_t code_point = 0;
        at += ferry_utf8_decode(content + at, &code_point);
        has_memory =
            ferry_normalizer_push(&normalizer, code_point, (struct ferry_token_offsets){0, 0});
    }
    has_memory = has_memory && ferry_normalizer_finish(&normalizer);
    if (has_memory)
        text = malloc(normalizer.count * 4 + 1);
    *ret_size = 0;
    for (size_t at = 0; text && at < normalizer.count; at++)
        *ret_size += ferry_utf8_encode(normalizer.output[at].code_point, text + *ret_size);
    ferry_normalizer_free(&normalizer);
    return text;
}

enum ferry_status ferry_tokenizer_add_token(struct ferry_tokenizer *tokenizer,
                                            struct ferry_added_token token,
                                            struct ferry_error *error) {
    if (token.content_size == 0)
        return FERRY_OK;
    token.id = ferry_tokenizer_find_id(tokenizer, token.content, token.content_size);
    if (token.id < 0) { /* ids of its own follow the vocabulary's size, whatever the file says */
        token.id = (int32_t)tokenizer->vocabulary.count;
        for (size_t at = 0; at < tokenizer->added.count; at++)
            if (tokenizer->added.tokens[at].id >= token.id)
                token.id = tokenizer->added.tokens[at].id + 1;
    }
    char *pattern = NULL;
    token.pattern = token.content;
    token.pattern_size = token.content_size;
    if (token.normalized) {
        pattern =
            normalize_content(tokenizer, token.content, token.content_size, &token.pattern_size);
        if (!pattern)
            return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for added tokens");
        token.pattern = pattern;
    }
    enum ferry_status status =
        token.pattern_size > 0
            ? ferry_added_tokens_put(&tokenizer->added, &token, error)
            : ferry_fail(error, FERRY_BAD_DATA,
                         "nothing is left of the added token \"%.*s\" when it is normalised",
                         (int)token.content_size, token.content);
    free(pattern);
    return status;
}

enum ferry_status ferry_template_add(struct ferry_template *template,
                                     struct ferry_template_piece piece, struct ferry_error *error) {
    if (template->count == FERRY_TEMPLATE_PIECES)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "a post-processor template has more than %d pieces",
                          FERRY_TEMPLATE_PIECES);
    template->added += piece.kind == FERRY_TEMPLATE_SPECIAL;
    template->pieces[template->count++] = piece;
    return FERRY_OK;
}

enum ferry_status ferry_template_set_bert(struct ferry_tokenizer *tokenizer, int32_t first_id,
                                          int32_t separator_id, struct ferry_error *error) {
    const struct ferry_template_piece pieces[] = {
        {FERRY_TEMPLATE_SPECIAL, first_id, 0},     {FERRY_TEMPLATE_FIRST, 0, 0},
        {FERRY_TEMPLATE_SPECIAL, separator_id, 0}, {FERRY_TEMPLATE_SECOND, 0, 1},
        {FERRY_TEMPLATE_SPECIAL, separator_id, 1},
    };
    enum ferry_status status = FERRY_OK;
    for (size_t at = 0; at < 5 && status == FERRY_OK; at++) {
        if (at < 3)
            status = ferry_template_add(&tokenizer->single, pieces[at], error);
        if (status == FERRY_OK)
            status = ferry_template_add(&tokenizer->pair, pieces[at], error);
    }
    return status;
}

static void set_text(struct ferry_tokenizer *tokenizer, int32_t id, const char *bytes,
                     size_t size) {
    const struct ferry_added_token *special =
        ferry_added_tokens_find(&tokenizer->added, bytes, size);
    tokenizer->texts[id] =
        (struct ferry_token_text){bytes, (uint32_t)size, special && special->special};
}

static enum ferry_status build_texts(struct ferry_tokenizer *tokenizer, struct ferry_error *error) {
    tokenizer->id_bound = tokenizer->vocabulary.id_bound;
    for (size_t at = 0; at < tokenizer->added.count; at++)
        if (tokenizer->added.tokens[at].id >= tokenizer->id_bound)
            tokenizer->id_bound = tokenizer->added.tokens[at].id + 1;
    tokenizer->texts = calloc((size_t)tokenizer->id_bound, sizeof *tokenizer->texts);
    if (!tokenizer->texts)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the vocabulary");
    for (int32_t id = 0; id < tokenizer->id_bound; id++) {
        size_t size = 0;
        const char *bytes = ferry_vocabulary_text(&tokenizer->vocabulary, id, &size);
        if (bytes)
            set_text(tokenizer, id, bytes, size);
    }
    for (size_t at = 0; at < tokenizer->added.count; at++) {
        const struct ferry_added_token *token = &tokenizer->added.tokens[at];
        set_text(tokenizer, token->id, token->pattern, token->pattern_size);
    }
    return FERRY_OK;
}

/* What is the same for both file formats. */
static enum ferry_status finish(struct ferry_tokenizer *tokenizer, struct ferry_error *error) {
    if (tokenizer->vocabulary.count == 0)
        return ferry_fail(error, FERRY_BAD_DATA, "the vocabulary is empty");
    enum ferry_status status = ferry_added_tokens_finish(&tokenizer->added, error);
    return status == FERRY_OK ? build_texts(tokenizer, error) : status;
}

static enum ferry_status load_json(struct ferry_tokenizer *tokenizer, const char *path,
                                   const struct ferry_tokenizer_overrides *overrides,
                                   bool is_optional, bool *is_found, struct ferry_error *error) {
    struct loaded_file file;
    enum ferry_status status = read_file(path, is_optional, &file, error);
    if (status != FERRY_OK)
        return status;
    *is_found = file.bytes != NULL;
    if (!file.bytes)
        return FERRY_OK;
    status = ferry_tokenizer_read_json(tokenizer, file.bytes, file.size, overrides, error);
    if (status == FERRY_OK)
        status = finish(tokenizer, error);
    free(file.bytes);
    return status == FERRY_OK ? FERRY_OK : ferry_fail_within(error, "%s", path);
}

static enum ferry_status load_vocabulary(struct ferry_tokenizer *tokenizer, const char *path,
                                         const char *config_path,
                                         const struct ferry_tokenizer_overrides *overrides,
                                         struct ferry_error *error) {
    struct loaded_file file, config;
    enum ferry_status status = read_file(path, false, &file, error);
    if (status != FERRY_OK)
        return status;
    status = read_file(config_path, true, &config, error);
    if (status == FERRY_OK) {
        status = ferry_tokenizer_read_vocabulary(tokenizer, file.bytes, file.size, config.bytes,
                                                 config.size, overrides, error);
        if (status == FERRY_OK)
            status = finish(tokenizer, error);
        if (status != FERRY_OK)
            status = ferry_fail_within(error, "%s", path);
    }
    free(file.bytes);
    free(config.bytes);
    return status;
}

static enum ferry_status load_directory(struct ferry_tokenizer *tokenizer, const char *path,
                                        const struct ferry_tokenizer_overrides *overrides,
                                        struct ferry_error *error) {
    size_t size = strlen(path);
    char *json = join_path(path, size, "tokenizer.json");
    char *vocabulary = join_path(path, size, "vocab.txt");
    char *config = join_path(path, size, "tokenizer_config.json");
    enum ferry_status status = FERRY_OK;
    bool is_found = false;
    struct stat info;
    if (!json || !vocabulary || !config)
        status = ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a path");
    else
        status = load_json(tokenizer, json, overrides, true, &is_found, error);
    if (status == FERRY_OK && !is_found) {
        if (stat(vocabulary, &info) != 0)
            status = ferry_fail(error, FERRY_NO_INPUT,
                                "%s: neither tokenizer.json nor vocab.txt is there", path);
        else
            status = load_vocabulary(tokenizer, vocabulary, config, overrides, error);
    }
    free(json);
    free(vocabulary);
    free(config);
    return status;
}

static enum ferry_status load_path(struct ferry_tokenizer *tokenizer, const char *path,
                                   const struct ferry_tokenizer_overrides *overrides,
                                   struct ferry_error *error) {
    struct stat info;
    size_t size = strlen(path);
    bool is_found = false;
    if (stat(path, &info) != 0)
        return ferry_fail(error, FERRY_NO_INPUT, "%s: %s", path, strerror(errno));
    if (S_ISDIR(info.st_mode))
        return load_directory(tokenizer, path, overrides, error);
    if (size >= 5 && strcmp(path + size - 5, ".json") == 0)
        return load_json(tokenizer, path, overrides, false, &is_found, error);
    const char *slash = strrchr(path, '/');
    char *config =
        join_path(slash ? path : ".", slash ? (size_t)(slash - path) : 1, "tokenizer_config.json");
    if (!config)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a path");
    enum ferry_status status = load_vocabulary(tokenizer, path, config, overrides, error);
    free(config);
    return status;
}

enum ferry_status ferry_tokenizer_load(const char *path,
                                       const struct ferry_tokenizer_overrides *overrides,
                                       struct ferry_tokenizer **ret_tokenizer,
                                       struct ferry_error *error) {
    struct ferry_tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (!tokenizer)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a tokenizer");
    tokenizer->pad_id = -1;
    enum ferry_status status = load_path(tokenizer, path, overrides, error);
    if (status != FERRY_OK) {
        ferry_tokenizer_free(tokenizer);
        return status;
    }
    *ret_tokenizer = tokenizer;
    return FERRY_OK;
}

void ferry_tokenizer_free(struct ferry_tokenizer *tokenizer) {
    if (!tokenizer)
        return;
    ferry_vocabulary_free(&tokenizer->vocabulary);
    ferry_wordpiece_free(&tokenizer->wordpiece);
    ferry_added_tokens_free(&tokenizer->added);
    free(tokenizer->decoder.prefix);
    free(tokenizer->texts);
    free(tokenizer);
}
