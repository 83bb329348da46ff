/* The texts that ferry bench sends, over and over: given, from a file, or made up. */
#ifndef FERRY_CLIENTS_CLI_BENCH_TEXTS_H
#define FERRY_CLIENTS_CLI_BENCH_TEXTS_H

#include "base/buffer.h"
#include "clients/cli/command_options.h"

struct bench_texts {
    struct ferry_client_item *items; /* owned; [count + batch] */
    size_t count;                    /* different ones */
    size_t next;
    struct ferry_buffer bytes;
};

/* Errors: NO_INPUT, BAD_DATA (an empty file), OUT_OF_MEMORY, IO. */
FERRY_MUST_CHECK enum ferry_status bench_texts_open(const struct cli_options *options,
                                                    struct bench_texts *texts,
                                                    struct ferry_error *error);
void bench_texts_close(struct bench_texts *texts);
/* The next `batch` texts, in a circle. */
const struct ferry_client_item *bench_texts_next(struct bench_texts *texts, size_t batch);

/* xorshift64*, Vigna 2014; uniform in (0, 1]. */
double bench_random(uint64_t *state);

#endif
