/* A main() for fuzz targets where libFuzzer is not there: runs every file of a corpus folder and
 * then a bounded number of mutations of them, the same ones for the same seed. Used as an ordinary
 * test, most usefully under AddressSanitizer.
 *
 *     TARGET [--mutations N] [--seed N] [--seconds-per-input N] CORPUS_FOLDER_OR_FILE...
 *
 * FERRY_FUZZ_MUTATIONS and FERRY_FUZZ_SEED in the environment win over the options. When an input
 * crashes the target or takes too long, it is written to TARGET.crash in the working directory, to
 * be given as the only argument of the next run and then kept in the corpus. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_INPUT_BYTES = 1 << 20,
    MAX_CORPUS_FILES = 4096,
    MAX_STEPS_PER_MUTATION = 6,
    DEFAULT_MUTATIONS = 2000,
    DEFAULT_SECONDS_PER_INPUT = 60
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

struct input {
    uint8_t *data;
    size_t size;
    char *path;
};

struct corpus {
    struct input *inputs;
    size_t count;
};

struct options {
    uint64_t mutations;
    uint64_t seed;
    unsigned seconds_per_input;
};

/* What runs now, for the signal handler alone. */
static const uint8_t *volatile running_data;
static volatile size_t running_size;
static char crash_path[512];

static void write_crash(int signal_number) {
    int file = open(crash_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    size_t done = 0;
    while (file >= 0 && done < running_size) {
        ssize_t n = write(file, running_data + done, running_size - done);
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    static const char note[] = "replay driver: the input that failed was written to ";
    if (write(2, note, sizeof note - 1) < 0 || write(2, crash_path, strlen(crash_path)) < 0 ||
        write(2, "\n", 1) < 0)
        _exit(70);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void install_handlers(const char *program) {
    const char *name = strrchr(program, '/');
    snprintf(crash_path, sizeof crash_path, "%s.crash", name ? name + 1 : program);
    signal(SIGABRT, write_crash);
    signal(SIGALRM, write_crash);
#ifndef __SANITIZE_ADDRESS__ /* it has better handlers, which end in SIGABRT */
    signal(SIGSEGV, write_crash);
    signal(SIGBUS, write_crash);
    signal(SIGFPE, write_crash);
    signal(SIGILL, write_crash);
#endif
}

static _Noreturn void die(const char *what, const char *path) {
    fprintf(stderr, "replay driver: %s: %s: %s\n", what, path, strerror(errno));
    exit(66);
}

static void *must_allocate(void *old, size_t size) {
    void *memory = realloc(old, size ? size : 1);
    if (!memory)
        die("out of memory", "realloc");
    return memory;
}

static void add_file(struct corpus *corpus, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file)
        die("cannot open", path);
    uint8_t *data = must_allocate(NULL, MAX_INPUT_BYTES + 1);
    size_t size = fread(data, 1, MAX_INPUT_BYTES + 1, file);
    if (ferror(file))
        die("cannot read", path);
    fclose(file);
    if (size > MAX_INPUT_BYTES || corpus->count == MAX_CORPUS_FILES) {
        errno = EFBIG;
        die("corpus over the driver's limits", path);
    }
    struct input input = {must_allocate(data, size), size, strdup(path)};
    corpus->inputs[corpus->count++] = input;
}

static int is_visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static void add_path(struct corpus *corpus, const char *path) {
    struct stat info;
    if (stat(path, &info))
        die("cannot stat", path);
    if (!S_ISDIR(info.st_mode)) {
        add_file(corpus, path);
        return;
    }
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, is_visible, alphasort);
    if (count < 0)
        die("cannot list", path);
    for (int i = 0; i < count; i++) {
        char child[4096];
        snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
        add_path(corpus, child);
        free(entries[i]);
    }
    free(entries);
}

/* splitmix64 (Steele, Lea, Flood 2014): any seed is good, the sequence is the same everywhere. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t random_below(uint64_t *state, size_t bound) {
    return bound ? (size_t)(next_random(state) % bound) : 0;
}

static void insert_bytes(struct input *input, size_t at, const uint8_t *bytes, size_t count) {
    if (input->size + count > MAX_INPUT_BYTES)
        return;
    memmove(input->data + at + count, input->data + at, input->size - at);
    memcpy(input->data + at, bytes, count);
    input->size += count;
}

static void remove_bytes(struct input *input, size_t at, size_t count) {
    memmove(input->data + at, input->data + at + count, input->size - at - count);
    input->size -= count;
}

static void write_interesting_number(struct input *input, size_t at, uint64_t *random) {
    static const uint64_t numbers[] = {0,          1,           0x7f,       0x80,
                                       0xff,       0x7fff,      0x8000,     0xffff,
                                       0x7fffffff, 0x80000000u, 0xffffffff, UINT64_MAX};
    uint64_t number = numbers[random_below(random, sizeof numbers / sizeof *numbers)];
    size_t width = (size_t)1 << random_below(random, 4);
    bool is_big_endian = random_below(random, 2);
    for (size_t i = 0; i < width && at + i < input->size; i++) {
        size_t shift = 8 * (is_big_endian ? width - 1 - i : i);
        input->data[at + i] = (uint8_t)(number >> shift);
    }
}

/* Copies a piece of another (or the same) corpus file into the input. */
static void splice_piece(struct input *input, size_t at, const struct corpus *corpus,
                         uint64_t *random) {
    const struct input *other = &corpus->inputs[random_below(random, corpus->count)];
    size_t from = random_below(random, other->size);
    size_t count = random_below(random, other->size - from + 1);
    if (random_below(random, 2) && count > 32)
        count = random_below(random, 32);
    insert_bytes(input, at, other->data + from, count);
}

static void duplicate_piece(struct input *input, size_t at, uint64_t *random) {
    uint8_t piece[64];
    size_t count = random_below(random, sizeof piece);
    if (count > input->size - at)
        count = input->size - at;
    memcpy(piece, input->data + at, count);
    insert_bytes(input, at, piece, count);
}

static void mutate_once(struct input *input, const struct corpus *corpus, uint64_t *random) {
    uint8_t byte = (uint8_t)next_random(random);
    size_t choice = random_below(random, 8);
    size_t at = random_below(random, input->size);
    if (!input->size || choice == 0) {
        insert_bytes(input, at, &byte, 1);
    } else if (choice == 1) {
        input->data[at] ^= (uint8_t)(1u << (byte & 7));
    } else if (choice == 2) {
        input->data[at] = byte;
    } else if (choice == 3) {
        size_t count = random_below(random, input->size - at) % 64 + 1;
        remove_bytes(input, at, count);
    } else if (choice == 4) {
        duplicate_piece(input, at, random);
    } else if (choice == 5) {
        write_interesting_number(input, at, random);
    } else if (choice == 6) {
        splice_piece(input, at, corpus, random);
    } else if (random_below(random, 4) == 0) {
        input->size = at; /* cut off */
    }
}

/* Each input lies in a block of exactly its size, so that AddressSanitizer sees one byte too far.
 */
static void run_one(const struct input *input, const struct options *options) {
    uint8_t *exact = must_allocate(NULL, input->size);
    if (input->size)
        memcpy(exact, input->data, input->size);
    running_data = exact;
    running_size = input->size;
    alarm(options->seconds_per_input);
    LLVMFuzzerTestOneInput(exact, input->size);
    alarm(0);
    running_size = 0;
    free(exact);
}

static void run_mutations(const struct corpus *corpus, const struct options *options) {
    uint64_t random = options->seed;
    struct input scratch = {must_allocate(NULL, MAX_INPUT_BYTES), 0, NULL};
    for (uint64_t i = 0; i < options->mutations; i++) {
        const struct input *origin = &corpus->inputs[random_below(&random, corpus->count)];
        memcpy(scratch.data, origin->data, origin->size);
        scratch.size = origin->size;
        size_t steps = 1 + random_below(&random, MAX_STEPS_PER_MUTATION);
        for (size_t step = 0; step < steps; step++)
            mutate_once(&scratch, corpus, &random);
        run_one(&scratch, options);
    }
    free(scratch.data);
}

static uint64_t parse_number(const char *text, const char *name) {
    char *end = NULL;
    errno = 0;
    unsigned long long number = text ? strtoull(text, &end, 10) : 0;
    if (!text || errno || end == text || *end) {
        fprintf(stderr, "replay driver: %s needs a number\n", name);
        exit(64);
    }
    return number;
}

static void read_environment(struct options *options) {
    const char *mutations = getenv("FERRY_FUZZ_MUTATIONS");
    const char *seed = getenv("FERRY_FUZZ_SEED");
    if (mutations)
        options->mutations = parse_number(mutations, "FERRY_FUZZ_MUTATIONS");
    if (seed)
        options->seed = parse_number(seed, "FERRY_FUZZ_SEED");
}

static void parse_arguments(int argc, char **argv, struct options *options, struct corpus *corpus) {
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strncmp(argv[i], "--", 2) != 0) {
            add_path(corpus, argv[i]);
            continue;
        }
        uint64_t number = parse_number(value, argv[i]);
        if (strcmp(argv[i], "--mutations") == 0) {
            options->mutations = number;
        } else if (strcmp(argv[i], "--seed") == 0) {
            options->seed = number;
        } else if (strcmp(argv[i], "--seconds-per-input") == 0) {
            options->seconds_per_input = (unsigned)number;
        } else {
            fprintf(stderr, "replay driver: unknown option %s\n", argv[i]);
            exit(64);
        }
        i++;
    }
    read_environment(options);
}

static void free_corpus(struct corpus *corpus) {
    for (size_t i = 0; i < corpus->count; i++) {
        free(corpus->inputs[i].data);
        free(corpus->inputs[i].path);
    }
    free(corpus->inputs);
}

int main(int argc, char **argv) {
    struct options options = {DEFAULT_MUTATIONS, 1, DEFAULT_SECONDS_PER_INPUT};
    struct corpus corpus = {must_allocate(NULL, MAX_CORPUS_FILES * sizeof(struct input)), 0};
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    parse_arguments(argc, argv, &options, &corpus);
    if (!corpus.count) {
        fprintf(stderr, "replay driver: the corpus is empty; give a folder with inputs\n");
        free_corpus(&corpus);
        return 66;
    }
    install_handlers(argv[0]);
    for (size_t i = 0; i < corpus.count; i++)
        run_one(&corpus.inputs[i], &options);
    /* A single file is a crash to look at, not a corpus to grow. */
    bool is_reproduction = argc == 2 && corpus.count == 1;
    if (!is_reproduction)
        run_mutations(&corpus, &options);
    printf("%zu corpus inputs and %llu mutations (seed %llu) passed\n", corpus.count,
           is_reproduction ? 0ull : (unsigned long long)options.mutations,
           (unsigned long long)options.seed);
    free_corpus(&corpus);
    return 0;
}
