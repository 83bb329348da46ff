#include "clients/cli/bench_report.h"

#include <stdio.h>

#include "clients/c/json_text.h"

static const struct {
    const char *name;
    double fraction;
} percentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}};
enum { PERCENTILES = sizeof percentiles / sizeof percentiles[0] };

static const char *const operation_names[] = {"embed", "tokenize", "ping"};

static double mean(const struct bench_result *result) {
    return result->latency.count > 0 ? result->latency.sum / (double)result->latency.count : 0;
}

static double per_second(uint64_t count, const struct bench_result *result) {
    return result->seconds > 0 ? (double)count / result->seconds : 0;
}

/* ---- for people ---- */

static void print_load(const struct cli_options *options, const char *endpoint) {
    printf("%s at %s: %u client%s, ", operation_names[options->operation], endpoint,
           options->clients, options->clients == 1 ? "" : "s");
    if (options->rate > 0)
        printf("Poisson arrivals, %g requests/s", options->rate);
    else
        printf("closed loop, %u in flight each", options->in_flight);
    printf(", %u text%s a request\n", options->batch, options->batch == 1 ? "" : "s");
}

static void print_errors(const struct bench_result *result) {
    if (result->error_count == 0)
        return;
    printf("errors      ");
    for (int status = 0; status < FERRY_STATUS_COUNT; status++)
        if (result->errors[status] > 0)
            printf(" %s %llu", ferry_status_name((enum ferry_status)status),
                   (unsigned long long)result->errors[status]);
    printf("\n  first      %s\n", result->first_error);
}

static void print_report(const struct cli_options *options, const char *endpoint,
                         const struct bench_result *result) {
    print_load(options, endpoint);
    printf("requests     %llu in %.2f s, %.1f/s\n", (unsigned long long)result->requests,
           result->seconds, per_second(result->requests, result));
    if (result->texts > 0)
        printf("throughput   %.1f texts/s, %.1f tokens/s\n", per_second(result->texts, result),
               per_second(result->tokens, result));
    printf("latency ms   ");
    for (int at = 0; at < PERCENTILES; at++)
        printf("%s %.3f  ", percentiles[at].name,
               latency_samples_at(&result->latency, percentiles[at].fraction) / 1e3);
    printf("max %.3f  mean %.3f\n", result->latency.maximum / 1e3, mean(result) / 1e3);
    if (options->rate > 0)
        printf("sent late    %llu (latency counts from the time they were due)\n",
               (unsigned long long)result->late);
    if (result->truncated > 0 || result->failed_texts > 0)
        printf("texts        %llu truncated, %llu failed\n", (unsigned long long)result->truncated,
               (unsigned long long)result->failed_texts);
    print_errors(result);
}

/* ---- JSON ---- */

static void put_count(struct json_text *json, const char *name, uint64_t value) {
    json_name(json, name);
    json_put_unsigned(json, value);
}

static void put_fixed(struct json_text *json, const char *name, double value, int decimals) {
    json_name(json, name);
    json_put_fixed(json, value, decimals);
}

static void put_load(struct json_text *json, const struct cli_options *options,
                     const char *endpoint) {
    json_name(json, "endpoint");
    json_put_text(json, endpoint);
    json_name(json, "operation");
    json_put_text(json, operation_names[options->operation]);
    json_name(json, "mode");
    json_put_text(json, options->rate > 0 ? "poisson" : "closed");
    put_count(json, "clients", options->clients);
    put_count(json, "batch", options->batch);
    if (options->rate > 0)
        put_fixed(json, "rate", options->rate, 3);
    else
        put_count(json, "in_flight", options->in_flight);
}

static void put_latency(struct json_text *json, const struct bench_result *result) {
    json_name(json, "latency_us");
    json_open(json, '{');
    for (int at = 0; at < PERCENTILES; at++)
        put_fixed(json, percentiles[at].name,
                  latency_samples_at(&result->latency, percentiles[at].fraction), 1);
    put_fixed(json, "max", result->latency.maximum, 1);
    put_fixed(json, "mean", mean(result), 1);
    json_close(json, '}');
}

/* Where the time went, as the daemon measured it: mean of all requests. */
static void put_times(struct json_text *json, const struct bench_result *result) {
    double requests = result->requests > 0 ? (double)result->requests : 1;
    json_name(json, "daemon_mean_us");
    json_open(json, '{');
    put_fixed(json, "tokenize", (double)result->times.tokenize / requests, 1);
    put_fixed(json, "queue", (double)result->times.queue / requests, 1);
    put_fixed(json, "compute", (double)result->times.compute / requests, 1);
    put_fixed(json, "total", (double)result->times.total / requests, 1);
    json_close(json, '}');
}

static void put_errors(struct json_text *json, const struct bench_result *result) {
    json_name(json, "errors");
    json_open(json, '{');
    for (int status = 0; status < FERRY_STATUS_COUNT; status++)
        if (result->errors[status] > 0)
            put_count(json, ferry_status_name((enum ferry_status)status), result->errors[status]);
    json_close(json, '}');
    if (result->error_count == 0)
        return;
    json_name(json, "first_error");
    json_put_text(json, result->first_error);
}

static void put_report(struct json_text *json, const struct cli_options *options,
                       const char *endpoint, const struct bench_result *result) {
    json_open(json, '{');
    put_load(json, options, endpoint);
    put_fixed(json, "seconds", result->seconds, 6);
    put_count(json, "requests", result->requests);
    put_count(json, "texts", result->texts);
    put_count(json, "tokens", result->tokens);
    put_count(json, "padded_tokens", result->padded_tokens);
    put_count(json, "truncated", result->truncated);
    put_count(json, "failed_texts", result->failed_texts);
    put_fixed(json, "requests_per_s", per_second(result->requests, result), 3);
    put_fixed(json, "texts_per_s", per_second(result->texts, result), 3);
    put_fixed(json, "tokens_per_s", per_second(result->tokens, result), 3);
    put_latency(json, result);
    put_times(json, result);
    put_count(json, "sent_late", result->late);
    put_errors(json, result);
    json_close(json, '}');
}

enum ferry_status bench_report(const struct cli_options *options, const char *endpoint,
                               struct bench_result *result, struct ferry_error *error) {
    latency_samples_sort(&result->latency);
    if (options->json == 0) {
        print_report(options, endpoint, result);
        return FERRY_OK;
    }
    struct ferry_buffer buffer;
    struct json_text json;
    ferry_buffer_init(&buffer, 1 << 20);
    json_begin(&json, &buffer);
    put_report(&json, options, endpoint, result);
    enum ferry_status status = json_finish(&json);
    if (status == FERRY_OK)
        printf("%.*s\n", (int)buffer.size, (const char *)buffer.data);
    else
        ferry_fail(error, status, "no memory for the report");
    ferry_buffer_free(&buffer);
    return status;
}
