/* A warm session allocates nothing. The linker sends the tokenizer's allocations to the counters
 * below (--wrap). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tokenizer/ferry_tokenizer.h"

static unsigned long allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__real_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset);

void *__wrap_malloc(size_t size) {
    allocations++;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size) {
    allocations++;
    return __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size) {
    allocations++;
    return __real_realloc(old, size);
}

char *__wrap_strdup(const char *text) {
    allocations++;
    return __real_strdup(text);
}

void *__wrap_mmap(void *address, size_t size, int protection, int flags, int file, off_t offset) {
    allocations++;
    return __real_mmap(address, size, protection, flags, file, offset);
}

static const char vocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n##a\n##b\n##c\nhello\n##s\n,\n.\n";
static const char config[] =
    "{\"added_tokens_decoder\": {\"15\": {\"content\": \"new york\", \"normalized\": true}}}";

/* Longer than a piece of a word can be. */
static const char many_letters[] =
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "aaaaaaaaaaaaa"
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    "aaaaaaaaaaaaa";

static const char *const texts[] = {
    "hello, hellos. abcabcabc [MASK] aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b",
    "中文 한국어 é\u0301\u0323 \u302e\U0001D165 日本語のテキスト",
    "",
    "New York hello",
    "   ",
    many_letters};

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void encode_all(struct ferry_tokenizer_session *session, const char *round_text) {
    struct ferry_error error;
    struct ferry_encodings encodings;
    size_t count = sizeof texts / sizeof *texts;
    for (size_t at = 0; at < 12 * count; at++) {
        struct ferry_encode_options options = {.max_tokens = at % 3 == 0 ? 0 : 12,
                                               .stride = 2,
                                               .side = at % 2 ? FERRY_TRUNCATE_LEFT
                                                              : FERRY_TRUNCATE_RIGHT,
                                               .offsets = (enum ferry_offset_unit)(at / count % 3),
                                               .add_special_tokens = true,
                                               .windows = at % 4 == 1};
        const char *pair = at % 5 == 2 ? round_text : NULL;
        if (ferry_tokenizer_encode(session, texts[at % count], strlen(texts[at % count]), pair,
                                   pair ? strlen(pair) : 0, &options, &encodings,
                                   &error) != FERRY_OK)
            fail(error.text);
        const char *decoded = NULL;
        size_t size = 0;
        if (ferry_tokenizer_decode(session, encodings.windows[0].ids, encodings.windows[0].count,
                                   false, &decoded, &size, &error) != FERRY_OK)
            fail(error.text);
    }
}

static void check(const struct ferry_tokenizer_file *files, size_t file_count) {
    struct ferry_tokenizer *tokenizer = NULL;
    struct ferry_tokenizer_session *session = NULL;
    struct ferry_error error;
    if (ferry_tokenizer_load_files(files, file_count, NULL, &tokenizer, &error) != FERRY_OK ||
        ferry_tokenizer_session_create(tokenizer, 1 << 20, &session, &error) != FERRY_OK)
        fail(error.text);
    if (allocations == 0)
        fail("the counters count nothing");
    encode_all(session, "abc999abc"); /* as long as any that follows */
    encode_all(session, "abc999abc");
    unsigned long before = allocations;
    for (int round = 0; round < 200; round++) {
        char word[32]; /* the cache keeps learning; that must not allocate either */
        snprintf(word, sizeof word, "abc%dabc", round);
        encode_all(session, word);
    }
    unsigned long after = allocations;
    ferry_tokenizer_session_free(session);
    ferry_tokenizer_free(tokenizer);
    printf("%lu allocations while loading and warming up, %lu in 14400 warm calls\n", before,
           after - before);
    if (after != before)
        fail("a warm session allocated");
}

/* Byte-level: every byte, and "aa". */
static void check_ranks(void) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char ranks[256 * 16];
    size_t size = 0;
    for (unsigned byte = 0; byte < 256; byte++)
        size += (size_t)snprintf(ranks + size, sizeof ranks - size, "%c%c== %u\n",
                                 digits[byte >> 2], digits[(byte & 3) << 4], byte);
    size += (size_t)snprintf(ranks + size, sizeof ranks - size, "YWE= 256\n");
    const struct ferry_tokenizer_file file = {"bytes.tiktoken", ranks, size};
    check(&file, 1);
}

int main(void) {
    const struct ferry_tokenizer_file files[] = {
        {"vocab.txt", vocabulary, sizeof vocabulary - 1},
        {"tokenizer_config.json", config, sizeof config - 1}};
    check(files, 1);
    check(files, 2); /* with an added token in the normalised text */
    check_ranks();
    return 0;
}
