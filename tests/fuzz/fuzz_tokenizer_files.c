/* Fuzz target: load a tokenizer from arbitrary files, and use what was loaded.
 *
 * Input: one byte says which file the rest is: 'J' tokenizer.json, 'V' vocab.txt, 'C'
 * tokenizer_config.json beside a sound vocab.txt, 'M' vocab.json, a zero byte and merges.txt, 'R' a
 * rank file, 'S' tokenizer_config.json beside vocab.json and merges.txt. Whatever it
 * holds, loading says OK, BAD_DATA or UNSUPPORTED with a reason, and what was loaded encodes and
 * decodes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tokenizer/ferry_tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUIRE(condition)                                                                         \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "fuzz_tokenizer_files: broken promise: %s (line %d)\n", #condition,    \
                    __LINE__);                                                                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static char folder[64];

static void remove_folder(void) {
    static const char *const names[] = {"tokenizer.json", "vocab.txt",  "tokenizer_config.json",
                                        "vocab.json",     "merges.txt", "fuzz.tiktoken"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void make_folder(void) {
    if (folder[0])
        return;
    struct stat info;
    const char *base = stat("/dev/shm", &info) == 0 ? "/dev/shm" : "/tmp";
    snprintf(folder, sizeof folder, "%s/fuzz_tokenizer.XXXXXX", base);
    REQUIRE(mkdtemp(folder));
    atexit(remove_folder);
}

static void write_file(const char *name, const void *data, size_t size) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    REQUIRE(file);
    REQUIRE(!size || fwrite(data, 1, size, file) == size);
    REQUIRE(fclose(file) == 0);
}

static void remove_file(const char *name) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

/* vocab.json with a token for each byte, and two merges. */
static void write_sound_bpe(void) {
    char words[8192];
    size_t size = 0;
    size += (size_t)snprintf(words, sizeof words, "{\"ab\": 256, \"abb\": 257");
    unsigned substitute = 0x100;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool is_printable = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
        size += (size_t)snprintf(words + size, sizeof words - size, ", \"\\u%04x\": %u",
                                 is_printable ? byte : substitute++, byte);
    }
    size += (size_t)snprintf(words + size, sizeof words - size, "}");
    write_file("vocab.json", words, size);
    write_file("merges.txt", "a b\nab b\n", 9);
}

static void lay_out(const uint8_t *data, size_t size) {
    static const char sound[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nun\n##able\na\nb\n##b\n";
    char kind = (char)data[0];
    static const char *const optional[] = {"tokenizer.json", "tokenizer_config.json",
                                           "vocab.txt",      "vocab.json",
                                           "merges.txt",     "fuzz.tiktoken"};
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++)
        remove_file(optional[i]);
    if (kind == 'V') {
        write_file("vocab.txt", data + 1, size - 1);
    } else if (kind == 'C') {
        write_file("vocab.txt", sound, sizeof sound - 1);
        write_file("tokenizer_config.json", data + 1, size - 1);
    } else if (kind == 'M') {
        const uint8_t *middle = memchr(data, 0, size);
        size_t words = middle ? (size_t)(middle - data) : size;
        write_file("vocab.json", data + 1, words - 1);
        write_file("merges.txt", data + words, size - words);
    } else if (kind == 'R') {
        write_file("fuzz.tiktoken", data + 1, size - 1);
    } else if (kind == 'S') {
        write_sound_bpe();
        write_file("tokenizer_config.json", data + 1, size - 1);
    } else {
        write_file("tokenizer.json", data + 1, size - 1);
    }
}

static void ask_questions(const struct ferry_tokenizer *tokenizer) {
    int32_t bound = ferry_tokenizer_id_bound(tokenizer);
    REQUIRE(bound >= 0 && ferry_tokenizer_pad_id(tokenizer) < bound);
    REQUIRE(ferry_tokenizer_kind(tokenizer));
    int32_t step = bound / 500 + 1;
    for (int32_t id = -1; id <= bound && id >= -1 && id < INT32_MAX - step; id += step) {
        size_t size = 0;
        const char *text = ferry_tokenizer_token_text(tokenizer, id, &size);
        REQUIRE(!text || (id >= 0 && id < bound));
        /* Two ids may share a text, and a normalized added token's text is not its name. */
        if (text)
            REQUIRE(ferry_tokenizer_token_id(tokenizer, text, size) < bound);
    }
}

static void use(const struct ferry_tokenizer *tokenizer) {
    static const char text[] = "Unable the a[SEP]abb <x> stra\xc3\x9f"
                               "e \xe4\xb8\xad\xe5\x9b\xbd [MASK] e\xcc\x81. [NEW]TAIL abcd";
    struct ferry_tokenizer_session *session = NULL;
    struct ferry_error error;
    REQUIRE(ferry_tokenizer_session_create(tokenizer, 1, &session, &error) == FERRY_OK);
    for (uint32_t limit = 0; limit < 12; limit++) {
        struct ferry_encode_options options = {
            .max_tokens = limit,
            .stride = 1,
            .strategy = FERRY_TRUNCATE_LONGEST_FIRST,
            .side = limit % 2 ? FERRY_TRUNCATE_LEFT : FERRY_TRUNCATE_RIGHT,
            .offsets = FERRY_OFFSETS_CHARACTERS,
            .add_special_tokens = true,
            .windows = limit % 3 == 0,
        };
        struct ferry_encodings encodings;
        const char *pair = limit % 5 == 4 ? text : NULL;
        enum ferry_status status =
            ferry_tokenizer_encode(session, text, sizeof text - 1, pair, pair ? sizeof text - 1 : 0,
                                   &options, &encodings, &error);
        REQUIRE(status == FERRY_OK || limit);
        const char *back;
        size_t back_size;
        if (status == FERRY_OK)
            REQUIRE(ferry_tokenizer_decode(session, encodings.windows[0].ids,
                                           encodings.windows[0].count, limit % 2, &back, &back_size,
                                           &error) == FERRY_OK);
    }
    ferry_tokenizer_session_free(session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!size)
        return 0;
    make_folder();
    lay_out(data, size);
    struct ferry_tokenizer *tokenizer = NULL;
    struct ferry_error error = {FERRY_OK, ""};
    enum ferry_status status = ferry_tokenizer_load(folder, NULL, &tokenizer, &error);
    REQUIRE(status == FERRY_OK || status == FERRY_BAD_DATA || status == FERRY_UNSUPPORTED);
    if (status != FERRY_OK) {
        REQUIRE(error.status == status && error.text[0]);
        return 0;
    }
    ask_questions(tokenizer);
    use(tokenizer);
    ferry_tokenizer_free(tokenizer);
    return 0;
}
