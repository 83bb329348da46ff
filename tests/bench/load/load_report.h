/* What both load generators share: request bodies from a file, latencies, the JSON they end with.
 *
 * They are closed loops: each client sends its next request when an answer has come. Errors end the
 * program with exit code 1 and a text: a benchmark with lost or refused requests has no result. */
#ifndef FERRY_BENCH_LOAD_REPORT_H
#define FERRY_BENCH_LOAD_REPORT_H

#include <stddef.h>
#include <stdint.h>

/* Request bodies: a little-endian uint32 size and the bytes, again and again. */
struct load_frames {
    uint8_t *file;
    const uint8_t **bodies;
    uint32_t *sizes;
    size_t count;
};

struct load_options {
    const char *endpoint;
    const char *frames_path;
    const char *expect; /* bytes that every reply must hold; "" accepts any */
    size_t clients;     /* connections */
    size_t in_flight;   /* requests of one connection that are open at the same time */
    size_t requests;    /* measured ones, over all clients */
    size_t warm_up;     /* sent before the clock starts */
    double limit_s;     /* the program gives up after this long */
};

struct load_latencies {
    uint64_t *values_ns;
    size_t count, capacity;
};

_Noreturn void load_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t load_now_ns(void);

/* Usage: --endpoint E --frames FILE [--expect TEXT] [--clients N] [--in-flight N] --requests N
 * [--warm-up N] [--limit-s S]. Ends the program on anything else. */
struct load_options load_parse_options(int argument_count, char **arguments);

/* Never fails: ends the program. Freed by load_frames_free. */
struct load_frames load_frames_read(const char *path);
void load_frames_free(struct load_frames *frames);

void load_check_reply(const struct load_options *options, const void *reply, size_t size);

struct load_latencies load_latencies_create(size_t capacity);
void load_latencies_add(struct load_latencies *latencies, uint64_t value_ns);

/* Prints one line of JSON and frees the latencies. */
void load_print_report(const struct load_options *options, struct load_latencies *latencies,
                       uint64_t elapsed_ns, uint64_t reply_bytes);

#endif
