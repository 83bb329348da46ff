/* Loading from memory: chooses the format, has it read, and builds what encoding needs. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/tokenizer_model.h"
#include "tokenizer/utf8_checked.h"

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
        token.id = (int32_t)(tokenizer->vocabulary.count + tokenizer->added.new_count);
        tokenizer->added.new_count++;
    }
    char *pattern = NULL;
    token.pattern = token.content;
    token.pattern_size = token.content_size;
    if (token.normalized && tokenizer->kind == FERRY_MODEL_WORDPIECE) {
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

/* A pair takes all pieces, a single text the first three. */
static enum ferry_status set_template(struct ferry_tokenizer *tokenizer,
                                      const struct ferry_template_piece *pieces, size_t count,
                                      struct ferry_error *error) {
    enum ferry_status status = FERRY_OK;
    for (size_t at = 0; at < count && status == FERRY_OK; at++) {
        if (at < 3)
            status = ferry_template_add(&tokenizer->single, pieces[at], error);
        if (status == FERRY_OK)
            status = ferry_template_add(&tokenizer->pair, pieces[at], error);
    }
    return status;
}

enum ferry_status ferry_template_set_bert(struct ferry_tokenizer *tokenizer, int32_t first_id,
                                          int32_t separator_id, struct ferry_error *error) {
    const struct ferry_template_piece pieces[] = {
        {FERRY_TEMPLATE_SPECIAL, first_id, 0},     {FERRY_TEMPLATE_FIRST, 0, 0},
        {FERRY_TEMPLATE_SPECIAL, separator_id, 0}, {FERRY_TEMPLATE_SECOND, 0, 1},
        {FERRY_TEMPLATE_SPECIAL, separator_id, 1},
    };
    return set_template(tokenizer, pieces, sizeof pieces / sizeof *pieces, error);
}

enum ferry_status ferry_template_set_roberta(struct ferry_tokenizer *tokenizer, int32_t first_id,
                                             int32_t separator_id, struct ferry_error *error) {
    const struct ferry_template_piece pieces[] = {
        {FERRY_TEMPLATE_SPECIAL, first_id, 0},
        {FERRY_TEMPLATE_FIRST, 0, 0},
        {FERRY_TEMPLATE_SPECIAL, separator_id, 0},
        {FERRY_TEMPLATE_SPECIAL, separator_id, 0},
        {FERRY_TEMPLATE_SECOND, 0, 0},
        {FERRY_TEMPLATE_SPECIAL, separator_id, 0},
    };
    tokenizer->overflow_has_template_types = true;
    return set_template(tokenizer, pieces, sizeof pieces / sizeof *pieces, error);
}

enum ferry_status ferry_template_set_plain(struct ferry_tokenizer *tokenizer,
                                           struct ferry_error *error) {
    const struct ferry_template_piece first = {FERRY_TEMPLATE_FIRST, 0, 0};
    const struct ferry_template_piece second = {FERRY_TEMPLATE_SECOND, 0, 1};
    enum ferry_status status = ferry_template_add(&tokenizer->single, first, error);
    if (status == FERRY_OK)
        status = ferry_template_add(&tokenizer->pair, first, error);
    return status == FERRY_OK ? ferry_template_add(&tokenizer->pair, second, error) : status;
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

/* What is the same for all file formats. */
static enum ferry_status finish(struct ferry_tokenizer *tokenizer, struct ferry_error *error) {
    if (tokenizer->vocabulary.count == 0)
        return ferry_fail(error, FERRY_BAD_DATA, "the vocabulary is empty");
    bool is_byte_level = tokenizer->kind == FERRY_MODEL_BPE;
    if (is_byte_level)
        ferry_added_tokens_join(&tokenizer->added);
    enum ferry_status status = ferry_added_tokens_finish(&tokenizer->added, error);
    if (status == FERRY_OK && !is_byte_level)
        status =
            ferry_character_table_create(&tokenizer->normalizer, &tokenizer->characters, error);
    if (status == FERRY_OK)
        status = build_texts(tokenizer, error);
    return status == FERRY_OK && is_byte_level ? ferry_byte_level_finish(tokenizer, error) : status;
}

static const struct ferry_tokenizer_file *find_file(const struct ferry_tokenizer_file *files,
                                                    size_t count, const char *name) {
    for (size_t at = 0; at < count; at++)
        if (strcmp(files[at].name, name) == 0)
            return &files[at];
    return NULL;
}

/* The first file whose name ends in ".tiktoken". */
static const struct ferry_tokenizer_file *find_rank_file(const struct ferry_tokenizer_file *files,
                                                         size_t count) {
    static const char ending[] = ".tiktoken";
    for (size_t at = 0; at < count; at++) {
        size_t size = strlen(files[at].name);
        if (size >= strlen(ending) && strcmp(files[at].name + size - strlen(ending), ending) == 0)
            return &files[at];
    }
    return NULL;
}

static enum ferry_status read_files(struct ferry_tokenizer *tokenizer,
                                    const struct ferry_tokenizer_file *files, size_t count,
                                    const struct ferry_tokenizer_overrides *overrides,
                                    struct ferry_error *error) {
    const struct ferry_tokenizer_file *config = find_file(files, count, "tokenizer_config.json");
    const struct ferry_bpe_files bpe = {
        .vocabulary = find_file(files, count, "vocab.json"),
        .merges = find_file(files, count, "merges.txt"),
        .config = config,
        .added_tokens = find_file(files, count, "added_tokens.json"),
        .special_tokens = find_file(files, count, "special_tokens_map.json"),
    };
    const struct ferry_tokenizer_file *file = NULL;
    enum ferry_status status = FERRY_OK;
    if ((file = find_file(files, count, "tokenizer.json"))) {
        status = ferry_tokenizer_read_json(tokenizer, file->bytes, file->size, overrides, error);
    } else if ((file = find_file(files, count, "vocab.txt"))) {
        status = ferry_tokenizer_read_vocabulary(tokenizer, file->bytes, file->size,
                                                 config ? config->bytes : NULL,
                                                 config ? config->size : 0, overrides, error);
    } else if ((file = bpe.vocabulary) && bpe.merges) {
        status = ferry_tokenizer_read_merges(tokenizer, &bpe, error);
    } else if ((file = find_rank_file(files, count))) {
        status = ferry_tokenizer_read_ranks(tokenizer, file->bytes, file->size, error);
    } else {
        return ferry_fail(error, FERRY_NO_INPUT,
                          "neither tokenizer.json, vocab.txt, vocab.json with merges.txt nor a "
                          ".tiktoken file");
    }
    if (status == FERRY_OK)
        status = finish(tokenizer, error);
    return status == FERRY_OK ? FERRY_OK : ferry_fail_within(error, "%s", file->name);
}

/* What pretoken_reader_bmi2.c is compiled for. */
static bool has_bmi2(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
#else
    return false;
#endif
}

enum ferry_status ferry_tokenizer_load_files(const struct ferry_tokenizer_file *files, size_t count,
                                             const struct ferry_tokenizer_overrides *overrides,
                                             struct ferry_tokenizer **ret_tokenizer,
                                             struct ferry_error *error) {
    struct ferry_tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (!tokenizer)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a tokenizer");
    tokenizer->pad_id = -1;
    tokenizer->has_bmi2 = has_bmi2();
    enum ferry_status status = read_files(tokenizer, files, count, overrides, error);
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
    ferry_bpe_free(&tokenizer->bpe);
    free(tokenizer->spaces);
    free(tokenizer->decoded_bytes);
    free(tokenizer->decoded_offsets);
    free(tokenizer->texts);
    free(tokenizer->characters);
    free(tokenizer);
}
