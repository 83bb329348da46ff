/* Sessions of several threads on one tokenizer give the same ids as one alone. Linked to the shared
 * library: only its public functions are there. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/ferry_tokenizer.h"

enum { THREADS = 4, ROUNDS = 300, TEXTS = 50 };

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\n##a\n##b\n##c\n,\n中\n";
static struct ferry_tokenizer *tokenizer;
static uint64_t expected;

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static uint64_t hash_texts(struct ferry_tokenizer_session *session) {
    const struct ferry_encode_options options = {.add_special_tokens = true};
    uint64_t hash = 0;
    for (unsigned number = 0; number < TEXTS; number++) {
        char text[128];
        struct ferry_encodings encodings;
        struct ferry_error error;
        int size = snprintf(text, sizeof text, "abc%u, cab b%xc 中ab É%u", number, number, number);
        if (ferry_tokenizer_encode(session, text, (size_t)size, NULL, 0, &options, &encodings,
                                   &error) != FERRY_OK)
            fail(error.text);
        for (uint32_t at = 0; at < encodings.windows[0].count; at++)
            hash = hash * 1000003 + (uint32_t)encodings.windows[0].ids[at];
    }
    return hash;
}

static void *encode_much(void *argument) {
    struct ferry_tokenizer_session *session = NULL;
    struct ferry_error error;
    (void)argument;
    if (ferry_tokenizer_session_create(tokenizer, 1 << 16, &session, &error) != FERRY_OK)
        fail(error.text);
    for (int round = 0; round < ROUNDS; round++)
        if (hash_texts(session) != expected)
            fail("a thread got other ids");
    ferry_tokenizer_session_free(session);
    return NULL;
}

int main(void) {
    const struct ferry_tokenizer_file file = {"vocab.txt", vocabulary, sizeof vocabulary - 1};
    struct ferry_error error;
    struct ferry_tokenizer_session *session = NULL;
    if (ferry_tokenizer_load_files(&file, 1, NULL, &tokenizer, &error) != FERRY_OK ||
        ferry_tokenizer_session_create(tokenizer, 0, &session, &error) != FERRY_OK)
        fail(error.text);
    expected = hash_texts(session);
    pthread_t threads[THREADS];
    for (size_t at = 0; at < THREADS; at++)
        if (pthread_create(&threads[at], NULL, encode_much, NULL) != 0)
            fail("pthread_create");
    for (size_t at = 0; at < THREADS; at++)
        pthread_join(threads[at], NULL);
    ferry_tokenizer_session_free(session);
    ferry_tokenizer_free(tokenizer);
    return 0;
}
