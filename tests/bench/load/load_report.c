#include "tests/bench/load/load_report.h"

#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void load_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    verrx(1, format, arguments);
}

uint64_t load_now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static size_t parse_count(const char *name, const char *text) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (*end != '\0' || text == end)
        load_fail("--%s wants a number, not \"%s\"", name, text);
    return value;
}

struct load_options load_parse_options(int argument_count, char **arguments) {
    static const struct option names[] = {{"endpoint", required_argument, NULL, 'e'},
                                          {"frames", required_argument, NULL, 'f'},
                                          {"expect", required_argument, NULL, 'x'},
                                          {"clients", required_argument, NULL, 'c'},
                                          {"in-flight", required_argument, NULL, 'i'},
                                          {"requests", required_argument, NULL, 'n'},
                                          {"warm-up", required_argument, NULL, 'w'},
                                          {"limit-s", required_argument, NULL, 'l'},
                                          {NULL, 0, NULL, 0}};
    struct load_options options = {.expect = "", .clients = 1, .in_flight = 1, .limit_s = 300};
    int letter, index;
    while ((letter = getopt_long(argument_count, arguments, "", names, &index)) != -1) {
        switch (letter) {
        case 'e':
            options.endpoint = optarg;
            break;
        case 'f':
            options.frames_path = optarg;
            break;
        case 'x':
            options.expect = optarg;
            break;
        case 'c':
            options.clients = parse_count("clients", optarg);
            break;
        case 'i':
            options.in_flight = parse_count("in-flight", optarg);
            break;
        case 'n':
            options.requests = parse_count("requests", optarg);
            break;
        case 'w':
            options.warm_up = parse_count("warm-up", optarg);
            break;
        case 'l':
            options.limit_s = (double)parse_count("limit-s", optarg);
            break;
        default:
            exit(64);
        }
    }
    if (!options.endpoint || !options.frames_path || !options.requests || !options.clients ||
        !options.in_flight || optind != argument_count)
        load_fail("needs --endpoint, --frames and --requests; see load_report.h");
    return options;
}

static uint8_t *read_file(const char *path, size_t *ret_size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0)
        load_fail("cannot read %s", path);
    long size = ftell(file);
    rewind(file);
    uint8_t *bytes = malloc((size_t)size + 1);
    if (!bytes || fread(bytes, 1, (size_t)size, file) != (size_t)size)
        load_fail("cannot read %s", path);
    fclose(file);
    *ret_size = (size_t)size;
    return bytes;
}

struct load_frames load_frames_read(const char *path) {
    size_t size, capacity = 0;
    struct load_frames frames = {.file = read_file(path, &size)};
    for (size_t at = 0; at < size;) {
        uint32_t body_size;
        if (size - at < sizeof body_size)
            load_fail("%s ends within a size", path);
        memcpy(&body_size, frames.file + at, sizeof body_size);
        at += sizeof body_size;
        if (size - at < body_size)
            load_fail("%s ends within a body", path);
        if (frames.count == capacity) {
            capacity = capacity ? capacity * 2 : 1024;
            frames.bodies = realloc(frames.bodies, capacity * sizeof *frames.bodies);
            frames.sizes = realloc(frames.sizes, capacity * sizeof *frames.sizes);
            if (!frames.bodies || !frames.sizes)
                load_fail("out of memory");
        }
        frames.bodies[frames.count] = frames.file + at;
        frames.sizes[frames.count++] = body_size;
        at += body_size;
    }
    if (!frames.count)
        load_fail("%s holds no request", path);
    return frames;
}

void load_frames_free(struct load_frames *frames) {
    free(frames->file);
    free(frames->bodies);
    free(frames->sizes);
}

void load_check_reply(const struct load_options *options, const void *reply, size_t size) {
    size_t expected = strlen(options->expect);
    if (!memmem(reply, size, options->expect, expected))
        load_fail("a reply of %zu bytes is not \"%s\": %.*s", size, options->expect,
                  (int)(size < 300 ? size : 300), (const char *)reply);
}

struct load_latencies load_latencies_create(size_t capacity) {
    struct load_latencies latencies = {.values_ns = malloc(capacity * sizeof(uint64_t)),
                                       .capacity = capacity};
    if (!latencies.values_ns)
        load_fail("out of memory");
    return latencies;
}

void load_latencies_add(struct load_latencies *latencies, uint64_t value_ns) {
    if (latencies->count < latencies->capacity)
        latencies->values_ns[latencies->count++] = value_ns;
}

static int compare_numbers(const void *left, const void *right) {
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* Nearest rank, in microseconds. */
static double percentile_us(const struct load_latencies *latencies, double fraction) {
    size_t rank = (size_t)(fraction * (double)latencies->count);
    if (rank >= latencies->count)
        rank = latencies->count - 1;
    return (double)latencies->values_ns[rank] / 1e3;
}

void load_print_report(const struct load_options *options, struct load_latencies *latencies,
                       uint64_t elapsed_ns, uint64_t reply_bytes) {
    qsort(latencies->values_ns, latencies->count, sizeof(uint64_t), compare_numbers);
    double seconds = (double)elapsed_ns / 1e9;
    printf("{\"clients\": %zu, \"in_flight\": %zu, \"requests\": %zu, \"seconds\": %.6f, "
           "\"requests_per_s\": %.2f, \"reply_bytes\": %" PRIu64 ", \"p50_us\": %.1f, "
           "\"p90_us\": %.1f, \"p99_us\": %.1f, \"max_us\": %.1f}\n",
           options->clients, options->in_flight, options->requests, seconds,
           (double)options->requests / seconds, reply_bytes / options->requests,
           percentile_us(latencies, 0.50), percentile_us(latencies, 0.90),
           percentile_us(latencies, 0.99), percentile_us(latencies, 1.0));
    free(latencies->values_ns);
}
