#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "small_tokenizer.h"

static void expect_failure(struct small_tokenizer_parts parts, enum ferry_status status,
                           const char *named) {
    struct ferry_tokenizer *tokenizer = NULL;
    struct ferry_error error = {0};
    cr_expect_eq(small_tokenizer_load(&parts, &tokenizer, &error), status, "%s", error.text);
    cr_expect(strstr(error.text, named) != NULL, "\"%s\" lacks %s", error.text, named);
    cr_expect_null(tokenizer);
}

Test(tokenizer_load, what_is_not_supported_is_named) {
    expect_failure((struct small_tokenizer_parts){.model = "{\"type\": \"Unigram\"}"},
                   FERRY_UNSUPPORTED, "Unigram");
    expect_failure((struct small_tokenizer_parts){.model = "{\"type\": \"BPE\", \"vocab\": {},"
                                                           " \"merges\": [], \"dropout\": 0.5}"},
                   FERRY_UNSUPPORTED, "dropout");
    expect_failure((struct small_tokenizer_parts){.normalizer = "{\"type\": \"NFKC\"}"},
                   FERRY_UNSUPPORTED, "NFKC");
    expect_failure((struct small_tokenizer_parts){.pre_tokenizer = "{\"type\": \"Whitespace\"}"},
                   FERRY_UNSUPPORTED, "Whitespace");
    expect_failure((struct small_tokenizer_parts){.pre_tokenizer = "null"}, FERRY_UNSUPPORTED,
                   "null");
    expect_failure((struct small_tokenizer_parts){.post_processor = "{\"type\": \"ByteLevel\"}"},
                   FERRY_UNSUPPORTED, "ByteLevel");
    expect_failure((struct small_tokenizer_parts){.decoder = "{\"type\": \"Metaspace\"}"},
                   FERRY_UNSUPPORTED, "Metaspace");
}

Test(tokenizer_load, wrong_content_is_told) {
    expect_failure((struct small_tokenizer_parts){.model = "[]"}, FERRY_BAD_DATA, "model");
    expect_failure((struct small_tokenizer_parts){.model = "{\"type\": \"WordPiece\"}"},
                   FERRY_BAD_DATA, "vocab");
    expect_failure(
        (struct small_tokenizer_parts){
            .model = "{\"unk_token\": \"[UNK]\", \"continuing_subword_prefix\": \"##\","
                     " \"max_input_chars_per_word\": 100, \"vocab\": {\"a\": 0}}"},
        FERRY_BAD_DATA, "[UNK]");
    expect_failure(
        (struct small_tokenizer_parts){
            .model = "{\"unk_token\": \"a\", \"continuing_subword_prefix\": \"##\","
                     " \"max_input_chars_per_word\": 100, \"vocab\": {\"a\": 99999999}}"},
        FERRY_BAD_DATA, "99999999");
    expect_failure((struct small_tokenizer_parts){.added_tokens = "[{\"id\": 1}]"}, FERRY_BAD_DATA,
                   "added_tokens[0]");
    expect_failure((struct small_tokenizer_parts){.added_tokens = "[{\"content\": \"\\u00ad\","
                                                                  " \"normalized\": true}]"},
                   FERRY_BAD_DATA, "normalised");
    expect_failure((struct small_tokenizer_parts){.normalizer = "{\"type\": \"BertNormalizer\","
                                                                " \"lowercase\": 1}"},
                   FERRY_BAD_DATA, "lowercase");
    expect_failure((struct small_tokenizer_parts){.more = "} trailing"}, FERRY_BAD_DATA, "JSON");
}

Test(tokenizer_load, zero_bytes_in_tokens_are_refused) {
    expect_failure((struct small_tokenizer_parts){.added_tokens = "[{\"content\": \"a\\u0000b\"}]"},
                   FERRY_BAD_DATA, "u0000");
    const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\0b\n";
    const struct ferry_tokenizer_file file = {"vocab.txt", vocabulary, sizeof vocabulary - 1};
    struct ferry_tokenizer *tokenizer = NULL;
    struct ferry_error error = {0};
    cr_expect_eq(ferry_tokenizer_load_files(&file, 1, NULL, &tokenizer, &error), FERRY_BAD_DATA);
    cr_expect(strstr(error.text, "token 4 holds a zero byte") != NULL, "%s", error.text);
}

Test(tokenizer_load, ids_of_the_post_processor_must_exist) {
    expect_failure((struct small_tokenizer_parts){.post_processor =
                                                      "{\"type\": \"BertProcessing\", \"sep\":"
                                                      " [\"[SEP]\", 30], \"cls\": [\"[CLS]\", 2]}"},
                   FERRY_BAD_DATA, "\"[SEP]\" has the id 30");
    expect_failure(
        (struct small_tokenizer_parts){
            .post_processor =
                "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\":"
                " {\"id\": \"x\", \"type_id\": 0}}], \"pair\": [], \"special_tokens\":"
                " {\"x\": {\"ids\": [3, 99999]}}}"},
        FERRY_BAD_DATA, "\"x\" has the id 99999");
}

Test(tokenizer_load, post_processors) {
    struct ferry_encode_options options = small_tokenizer_options();
    struct small_tokenizer_parts parts = {
        .post_processor = "{\"type\": \"BertProcessing\", \"sep\": [\"[SEP]\", 3],"
                          " \"cls\": [\"[CLS]\", 2]}"};
    struct small_tokenizer small = small_tokenizer_open(&parts);
    cr_expect_str_eq(small_tokenizer_show(&small, "a", "b", &options),
                     "[CLS]* a [SEP]* b|1 [SEP]|1*");
    cr_expect_eq(ferry_tokenizer_added_count(small.tokenizer, true), 3);
    small_tokenizer_close(&small);
    parts.post_processor = "null";
    small = small_tokenizer_open(&parts);
    cr_expect_str_eq(small_tokenizer_show(&small, "a", "b", &options), "a b|1");
    cr_expect_eq(ferry_tokenizer_added_count(small.tokenizer, false), 0);
    small_tokenizer_close(&small);
}

Test(tokenizer_load, questions) {
    struct small_tokenizer small = small_tokenizer_open(NULL);
    size_t size = 0;
    cr_expect_str_eq(ferry_tokenizer_kind(small.tokenizer), "wordpiece");
    cr_expect_eq(ferry_tokenizer_id_bound(small.tokenizer), 30);
    cr_expect_eq(ferry_tokenizer_pad_id(small.tokenizer), 0);
    cr_expect_eq(ferry_tokenizer_token_id(small.tokenizer, "hello", 5), 14);
    cr_expect_eq(ferry_tokenizer_token_id(small.tokenizer, "hell", 4), -1);
    cr_expect_null(ferry_tokenizer_token_text(small.tokenizer, 30, &size));
    cr_expect_null(ferry_tokenizer_token_text(small.tokenizer, -1, &size));
    small_tokenizer_close(&small);
}

static void expect_bad_config(const char *config, const char *named) {
    const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n";
    const struct ferry_tokenizer_file files[] = {{"vocab.txt", vocabulary, sizeof vocabulary - 1},
                                                 {"tokenizer_config.json", config, strlen(config)}};
    struct ferry_tokenizer *tokenizer = NULL;
    struct ferry_error error = {0};
    cr_expect_eq(ferry_tokenizer_load_files(files, 2, NULL, &tokenizer, &error), FERRY_BAD_DATA);
    cr_expect(strstr(error.text, named) != NULL, "\"%s\" lacks %s", error.text, named);
}

Test(tokenizer_load, wrong_types_in_the_configuration_are_named) {
    expect_bad_config("[]", "tokenizer_config.json");
    expect_bad_config("{", "tokenizer_config.json");
    expect_bad_config("{\"do_lower_case\": \"yes\"}", "do_lower_case");
    expect_bad_config("{\"do_lower_case\": {}}", "do_lower_case");
    expect_bad_config("{\"unk_token\": 3}", "unk_token");
    expect_bad_config("{\"added_tokens_decoder\": 1}", "added_tokens_decoder");
    expect_bad_config("{\"unk_token\": \"\\u0000\"}", "u0000");
    expect_bad_config("{\"sep_token\": \"<sep>\"}", "separator");
}

static void write_file(const char *name, const char *content) {
    FILE *file = fopen(name, "w");
    cr_assert_not_null(file);
    fputs(content, file);
    fclose(file);
}

static struct small_tokenizer open_here(const struct ferry_tokenizer_overrides *overrides) {
    struct small_tokenizer small = {0};
    struct ferry_error error = {0};
    cr_assert_eq(ferry_tokenizer_load(".", overrides, &small.tokenizer, &error), FERRY_OK, "%s",
                 error.text);
    cr_assert_eq(ferry_tokenizer_session_create(small.tokenizer, 0, &small.session, &error),
                 FERRY_OK);
    return small;
}

Test(tokenizer_load, vocabulary_and_configuration_from_disk) {
    char folder[] = "/tmp/ferry-test-XXXXXX";
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
    struct ferry_tokenizer *tokenizer = NULL;
    struct ferry_error error = {0};
    cr_expect_eq(ferry_tokenizer_load(folder, NULL, &tokenizer, &error), FERRY_NO_INPUT);
    cr_expect(strstr(error.text, folder) != NULL, "%s", error.text);
    cr_expect_eq(ferry_tokenizer_load("missing", NULL, &tokenizer, &error), FERRY_NO_INPUT);

    /* White space at the end of a line goes; of two equal lines the last one counts. */
    write_file("vocab.txt", "[PAD]\n<unk>\n[CLS] \r\n[SEP]\t\nCafé\ncafe\nb\nb\n");
    write_file("tokenizer_config.json",
               "{\"do_lower_case\": false, \"unk_token\": {\"content\": \"<unk>\"}}");
    struct ferry_encode_options options = small_tokenizer_options();
    struct small_tokenizer small = open_here(NULL);
    cr_expect_str_eq(small_tokenizer_show(&small, "Café x b", NULL, &options),
                     "[CLS]* Café <unk> b [SEP]*");
    cr_expect_eq(ferry_tokenizer_token_id(small.tokenizer, "b", 1), 7);
    small_tokenizer_close(&small);

    struct ferry_tokenizer_overrides overrides = {1, -1, -1, -1};
    small = open_here(&overrides); /* lower case takes the accents with it */
    cr_expect_str_eq(small_tokenizer_show(&small, "Café", NULL, &options), "[CLS]* cafe [SEP]*");
    small_tokenizer_close(&small);
    unlink("vocab.txt");
    unlink("tokenizer_config.json");
    rmdir(folder);
}
