/* What ferry bench measured, for people and as JSON. */
#ifndef FERRY_CLIENTS_CLI_BENCH_REPORT_H
#define FERRY_CLIENTS_CLI_BENCH_REPORT_H

#include "clients/cli/command_options.h"
#include "clients/cli/latency_samples.h"

struct bench_result {
    struct latency_samples latency; /* of requests that were answered */
    uint64_t requests, texts, tokens, padded_tokens, truncated, failed_texts;
    uint64_t errors[FERRY_STATUS_COUNT]; /* requests by how they failed */
    uint64_t error_count;
    uint64_t late;  /* open loop: sent over a millisecond after their time */
    double seconds; /* from the first measured request to the last reply */
    char first_error[FERRY_ERROR_TEXT_BYTES];
    struct ferry_reply_times times; /* sums over all requests, microseconds */
};

/* Errors: OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status bench_report(const struct cli_options *options,
                                                const char *endpoint, struct bench_result *result,
                                                struct ferry_error *error);

#endif
