#include "small_tokenizer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static const char usual_normalizer[] =
    "{\"type\": \"BertNormalizer\", \"clean_text\": true, \"handle_chinese_chars\": true,"
    " \"strip_accents\": null, \"lowercase\": true}";
static const char usual_post_processor[] =
    "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"[CLS]\","
    " \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"SpecialToken\":"
    " {\"id\": \"[SEP]\", \"type_id\": 0}}], \"pair\": [{\"SpecialToken\": {\"id\": \"[CLS]\","
    " \"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"SpecialToken\":"
    " {\"id\": \"[SEP]\", \"type_id\": 0}}, {\"Sequence\": {\"id\": \"B\", \"type_id\": 1}},"
    " {\"SpecialToken\": {\"id\": \"[SEP]\", \"type_id\": 1}}], \"special_tokens\": {\"[CLS]\":"
    " {\"id\": \"[CLS]\", \"ids\": [2], \"tokens\": [\"[CLS]\"]}, \"[SEP]\": {\"id\": \"[SEP]\","
    " \"ids\": [3], \"tokens\": [\"[SEP]\"]}}}";
static const char usual_added_tokens[] =
    "[{\"id\": 0, \"content\": \"[PAD]\", \"special\": true, \"normalized\": false},"
    " {\"id\": 1, \"content\": \"[UNK]\", \"special\": true, \"normalized\": false},"
    " {\"id\": 2, \"content\": \"[CLS]\", \"special\": true, \"normalized\": false},"
    " {\"id\": 3, \"content\": \"[SEP]\", \"special\": true, \"normalized\": false},"
    " {\"id\": 4, \"content\": \"[MASK]\", \"special\": true, \"normalized\": false}]";
static const char usual_model[] =
    "{\"type\": \"WordPiece\", \"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"##\","
    " \"max_input_chars_per_word\": 100, \"vocab\": {\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2,"
    " \"[SEP]\": 3, \"[MASK]\": 4, \"a\": 5, \"b\": 6, \"c\": 7, \"d\": 8, \"e\": 9, \"f\": 10,"
    " \"##a\": 11, \"##b\": 12, \"##c\": 13, \"hello\": 14, \"world\": 15, \"##s\": 16,"
    " \".\": 17, \",\": 18, \"!\": 19, \"[\": 20, \"]\": 21, \"sep\": 22, \"cafe\": 23,"
    " \"\\u4e2d\": 24, \"\\u6587\": 25, \"don\": 26, \"'\": 27, \"t\": 28, \"mask\": 29}}";

static const char *or_usual(const char *part, const char *usual) {
    return part ? part : usual;
}

enum ferry_status small_tokenizer_load(const struct small_tokenizer_parts *parts,
                                       struct ferry_tokenizer **ret_tokenizer,
                                       struct ferry_error *error) {
    static char json[16384];
    int size = snprintf(
        json, sizeof json,
        "{\"version\": \"1.0\", \"truncation\": {\"max_length\": 3}, \"padding\": null,"
        " \"added_tokens\": %s, \"normalizer\": %s, \"pre_tokenizer\": %s, \"post_processor\": %s,"
        " \"decoder\": %s, \"model\": %s%s}",
        or_usual(parts->added_tokens, usual_added_tokens),
        or_usual(parts->normalizer, usual_normalizer),
        or_usual(parts->pre_tokenizer, "{\"type\": \"BertPreTokenizer\"}"),
        or_usual(parts->post_processor, usual_post_processor),
        or_usual(parts->decoder,
                 "{\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true}"),
        or_usual(parts->model, usual_model), or_usual(parts->more, ""));
    cr_assert(size > 0 && (size_t)size < sizeof json);
    struct ferry_tokenizer_file file = {"tokenizer.json", json, (size_t)size};
    return ferry_tokenizer_load_files(&file, 1, NULL, ret_tokenizer, error);
}

struct small_tokenizer small_tokenizer_open(const struct small_tokenizer_parts *parts) {
    const struct small_tokenizer_parts usual = {0};
    struct small_tokenizer small = {0};
    struct ferry_error error = {0};
    enum ferry_status status =
        small_tokenizer_load(parts ? parts : &usual, &small.tokenizer, &error);
    cr_assert_eq(status, FERRY_OK, "%s", error.text);
    status = ferry_tokenizer_session_create(small.tokenizer, 0, &small.session, &error);
    cr_assert_eq(status, FERRY_OK, "%s", error.text);
    return small;
}

void small_tokenizer_close(struct small_tokenizer *small) {
    ferry_tokenizer_session_free(small->session);
    ferry_tokenizer_free(small->tokenizer);
}

struct ferry_encode_options small_tokenizer_options(void) {
    return (struct ferry_encode_options){.add_special_tokens = true,
                                         .offsets = FERRY_OFFSETS_CHARACTERS};
}

static struct ferry_encodings encode(struct small_tokenizer *small, const char *text,
                                     const char *pair, const struct ferry_encode_options *options) {
    struct ferry_encodings encodings = {0};
    struct ferry_error error = {0};
    enum ferry_status status =
        ferry_tokenizer_encode(small->session, text, strlen(text), pair, pair ? strlen(pair) : 0,
                               options, &encodings, &error);
    cr_assert_eq(status, FERRY_OK, "%s", error.text);
    return encodings;
}

static size_t show_token(struct small_tokenizer *small, const struct ferry_encoding *window,
                         uint32_t at, char *target, size_t room) {
    size_t size = 0;
    const char *text = ferry_tokenizer_token_text(small->tokenizer, window->ids[at], &size);
    cr_assert(text != NULL);
    int written = snprintf(target, room, "%s%.*s%s%s", at > 0 ? " " : "", (int)size, text,
                           window->type_ids[at] ? "|1" : "", window->special_mask[at] ? "*" : "");
    cr_assert(written > 0 && (size_t)written < room);
    return (size_t)written;
}

const char *small_tokenizer_show(struct small_tokenizer *small, const char *text, const char *pair,
                                 const struct ferry_encode_options *options) {
    static char shown[16384];
    struct ferry_encodings encodings = encode(small, text, pair, options);
    size_t size = 0;
    shown[0] = '\0';
    for (uint32_t window = 0; window < encodings.count; window++) {
        if (window > 0)
            size += (size_t)snprintf(shown + size, sizeof shown - size, " // ");
        for (uint32_t at = 0; at < encodings.windows[window].count; at++)
            size += show_token(small, &encodings.windows[window], at, shown + size,
                               sizeof shown - size);
    }
    return shown;
}

const char *small_tokenizer_show_offsets(struct small_tokenizer *small, const char *text,
                                         const struct ferry_encode_options *options) {
    static char shown[16384];
    struct ferry_encodings encodings = encode(small, text, NULL, options);
    const struct ferry_encoding *window = &encodings.windows[0];
    size_t size = 0;
    shown[0] = '\0';
    for (uint32_t at = 0; at < window->count; at++)
        size += (size_t)snprintf(shown + size, sizeof shown - size, "%s%u-%u", at > 0 ? " " : "",
                                 window->offsets[at].begin, window->offsets[at].end);
    return shown;
}
