/* What ferryd was told: one table of options gives the command line, the environment (FERRY_…), the
 * defaults, --help and check-config. Option > environment > default. */
#ifndef FERRY_DAEMON_OPTIONS_H
#define FERRY_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/status.h"

enum { FERRY_OPTIONS_MAX_LIST = 32 };

/* Strings are borrowed from the command line or the environment, or owned by `copies`. */
struct ferry_option_list {
    const char *values[FERRY_OPTIONS_MAX_LIST];
    uint32_t count;
};

struct ferry_options {
    struct ferry_option_list models; /* [NAME=]DIR */
    struct ferry_option_list listen; /* endpoints */
    const char *device;
    const char *engine;      /* "auto": what the manifest says */
    const char *engine_path; /* folder of the engines' shared objects; "": beside ferryd */
    const char *log_level;
    uint64_t device_workers, text_workers;
    uint64_t batch_tokens, batch_sequences, bulk_wait_ms;
    uint64_t inline_text_bytes, word_cache_bytes;
    uint64_t max_request_bytes, max_items, max_ids_per_item;
    uint64_t queue_items, queue_tokens, queue_bytes;
    uint64_t default_deadline_ms, drain_ms;
    uint64_t outbox_bytes, outbox_wait_ms;
    uint64_t cache_bytes, sequences, step_tokens, decode_threads; /* 0: by the engine */
    uint64_t engine_timeout_ms;                                   /* 0: none */
    uint64_t mkl_intel_path;                                      /* 0 or 1 */
    char *copies; /* owned: lists from the environment, cut at their commas */
};

/* arguments[0] is the command's name. Errors: USAGE (option unknown, without its value, or with a
 * wrong one), CONFIG (the same of an environment variable), OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_options_read(int count, char *const *arguments,
                                                      struct ferry_options *ret_options,
                                                      struct ferry_error *error);
void ferry_options_free(struct ferry_options *options);

/* One line an option: what it means, its environment variable, its default. */
void ferry_options_print_help(FILE *out);
/* One line an option: name = value as it is in effect. */
void ferry_options_print(const struct ferry_options *options, FILE *out);

#endif
