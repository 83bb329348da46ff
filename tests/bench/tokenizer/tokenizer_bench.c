/* Times libferry_tokenizer from C, under orders of tokenizer_bench.py, so that its rounds take
 * turns with those of other tokenizers. One command a line on standard input, one line of answer:
 *
 *     corpus FILE                     read texts (u32 size, bytes; little-endian): "TEXTS BYTES"
 *     cold                            a new session encodes the corpus once: "NANOSECONDS TOKENS
 * HASH" hash                            an untimed pass over every id: "HASH" warm PASSES the same
 * session as before, PASSES times: as above, all passes long LIMIT SIDE REPEAT CALLS    the
 * corpus's first text REPEAT times in one; LIMIT 0: none; SIDE right or left; answer for all CALLS:
 *                                     "NANOSECONDS TOKENS TRUNCATED BYTES_READ BYTES"
 * The HASH of timed passes is over one id of each text: it keeps the compiler honest. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tokenizer/ferry_tokenizer.h"

struct corpus {
    char *bytes;
    size_t *begins; /* count + 1 */
    size_t count;
};

struct bench {
    struct ferry_tokenizer *tokenizer;
    struct ferry_tokenizer_session *session;
    struct corpus corpus;
};

struct work {
    uint64_t nanoseconds;
    uint64_t tokens;
    uint64_t hash;
};

static _Noreturn void die(const char *what, const char *why) {
    fprintf(stderr, "tokenizer_bench: %s: %s\n", what, why);
    exit(70);
}

/* Time of the processor, so that other programs on the machine count less. */
static uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *must_allocate(void *old, size_t size) {
    void *memory = realloc(old, size ? size : 1);
    if (!memory)
        die("realloc", "out of memory");
    return memory;
}

static void read_corpus(struct corpus *corpus, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        die(path, "cannot open");
    size_t capacity = 0;
    uint32_t size;
    corpus->count = 0;
    corpus->begins = must_allocate(corpus->begins, sizeof(size_t));
    corpus->begins[0] = 0;
    while (fread(&size, sizeof size, 1, file) == 1) {
        size_t begin = corpus->begins[corpus->count];
        if (begin + size > capacity) {
            capacity = 2 * (begin + size);
            corpus->bytes = must_allocate(corpus->bytes, capacity);
        }
        if (fread(corpus->bytes + begin, 1, size, file) != size)
            die(path, "cut off");
        corpus->count++;
        corpus->begins =
            must_allocate(corpus->begins, (corpus->count + 1) * sizeof *corpus->begins);
        corpus->begins[corpus->count] = begin + size;
    }
    fclose(file);
    printf("%zu %zu\n", corpus->count, corpus->begins[corpus->count]);
}

static void open_session(struct bench *bench) {
    struct ferry_error error;
    ferry_tokenizer_session_free(bench->session);
    if (ferry_tokenizer_session_create(bench->tokenizer, 0, &bench->session, &error) != FERRY_OK)
        die("session", error.text);
}

static struct ferry_encodings encode(struct bench *bench, const char *text, size_t size,
                                     const struct ferry_encode_options *options) {
    struct ferry_encodings encodings;
    struct ferry_error error;
    enum ferry_status status =
        ferry_tokenizer_encode(bench->session, text, size, NULL, 0, options, &encodings, &error);
    if (status != FERRY_OK)
        die("encode", error.text);
    return encodings;
}

/* The ids are read, as any user would, but no more than that: copying them is the user's cost. */
static void encode_corpus(struct bench *bench, struct work *work) {
    const struct corpus *corpus = &bench->corpus;
    struct ferry_encode_options options;
    memset(&options, 0, sizeof options);
    options.add_special_tokens = true;
    uint64_t begin = now_ns();
    for (size_t i = 0; i < corpus->count; i++) {
        const char *text = corpus->bytes + corpus->begins[i];
        size_t size = corpus->begins[i + 1] - corpus->begins[i];
        struct ferry_encodings encodings = encode(bench, text, size, &options);
        const struct ferry_encoding *window = &encodings.windows[0];
        work->tokens += window->count;
        work->hash = work->hash * 31 + (uint32_t)window->ids[window->count / 2];
    }
    work->nanoseconds += now_ns() - begin;
}

/* Not timed: every id counts. */
static uint64_t hash_corpus(struct bench *bench) {
    const struct corpus *corpus = &bench->corpus;
    struct ferry_encode_options options;
    memset(&options, 0, sizeof options);
    options.add_special_tokens = true;
    uint64_t hash = 0;
    for (size_t i = 0; i < corpus->count; i++) {
        size_t size = corpus->begins[i + 1] - corpus->begins[i];
        struct ferry_encodings encodings =
            encode(bench, corpus->bytes + corpus->begins[i], size, &options);
        for (uint32_t at = 0; at < encodings.windows[0].count; at++)
            hash = hash * 1000003u + (uint32_t)encodings.windows[0].ids[at];
    }
    return hash;
}

static void print_work(const struct work *work) {
    printf("%llu %llu %llu\n", (unsigned long long)work->nanoseconds,
           (unsigned long long)work->tokens, (unsigned long long)work->hash);
}

static void run_cold(struct bench *bench) {
    struct work work = {0, 0, 0};
    open_session(bench);
    encode_corpus(bench, &work);
    print_work(&work);
}

static void run_warm(struct bench *bench, unsigned long passes) {
    struct work work = {0, 0, 0};
    for (unsigned long pass = 0; pass < passes; pass++)
        encode_corpus(bench, &work);
    work.tokens /= passes ? passes : 1;
    print_work(&work);
}

static const char *next_word(char **arguments) {
    const char *word = strsep(arguments, " ");
    if (!word || !*word)
        die("long", "needs LIMIT SIDE REPEAT CALLS");
    return word;
}

static unsigned next_number(char **arguments) {
    return (unsigned)strtoul(next_word(arguments), NULL, 10);
}

static void run_long(struct bench *bench, char *arguments) {
    unsigned limit = next_number(&arguments);
    bool is_left = strcmp(next_word(&arguments), "left") == 0;
    unsigned repeat = next_number(&arguments);
    unsigned calls = next_number(&arguments);
    size_t once = bench->corpus.begins[1];
    char *text = must_allocate(NULL, once * repeat);
    for (size_t i = 0; i < repeat; i++)
        memcpy(text + i * once, bench->corpus.bytes, once);
    struct ferry_encode_options options;
    memset(&options, 0, sizeof options);
    options.add_special_tokens = true;
    options.max_tokens = limit;
    options.side = is_left ? FERRY_TRUNCATE_LEFT : FERRY_TRUNCATE_RIGHT;
    struct ferry_encodings encodings = encode(bench, text, once * repeat, &options);
    uint64_t begin = now_ns();
    for (unsigned call = 0; call < calls; call++)
        encodings = encode(bench, text, once * repeat, &options);
    uint64_t nanoseconds = now_ns() - begin;
    const struct ferry_encoding *window = &encodings.windows[0];
    printf("%llu %u %d %zu %zu\n", (unsigned long long)nanoseconds, window->count,
           window->truncated, encodings.bytes_read[0], once * repeat);
    free(text);
}

static void run_command(struct bench *bench, char *line) {
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "corpus ", 7) == 0)
        read_corpus(&bench->corpus, line + 7);
    else if (strcmp(line, "cold") == 0)
        run_cold(bench);
    else if (strcmp(line, "hash") == 0)
        printf("%llu\n", (unsigned long long)hash_corpus(bench));
    else if (strncmp(line, "warm ", 5) == 0)
        run_warm(bench, strtoul(line + 5, NULL, 10));
    else if (strncmp(line, "long ", 5) == 0)
        run_long(bench, line + 5);
    else
        die("unknown command", line);
    fflush(stdout);
}

int main(int argc, char **argv) {
    struct bench bench;
    struct ferry_error error;
    char line[4096];
    memset(&bench, 0, sizeof bench);
    if (argc != 2)
        die("usage", "tokenizer_bench FOLDER");
    if (ferry_tokenizer_load(argv[1], NULL, &bench.tokenizer, &error) != FERRY_OK)
        die(argv[1], error.text);
    open_session(&bench);
    while (fgets(line, sizeof line, stdin))
        run_command(&bench, line);
    ferry_tokenizer_session_free(bench.session);
    ferry_tokenizer_free(bench.tokenizer);
    free(bench.corpus.bytes);
    free(bench.corpus.begins);
    return 0;
}
