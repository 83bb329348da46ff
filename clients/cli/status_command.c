/* ferry status and ferry ping. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "clients/c/client_parts.h"
#include "clients/cli/commands.h"

static bool is_language_model(const struct ferry_wire_status_model *model) {
    return strcmp(model->task, "score") == 0 || strcmp(model->task, "generate") == 0;
}

static void print_decoding(const struct ferry_wire_status_model *model) {
    printf("  decoding    %u sequences, %u wait", model->decode_running, model->decode_waiting);
    if (model->decode_blocks > 0)
        printf("; %u of %u blocks of the cache in use", model->decode_blocks_used,
               model->decode_blocks);
    printf("\n  decoded     %llu new tokens in %llu steps, %llu tokens computed, %llu sent back\n",
           (unsigned long long)model->decode_new_tokens, (unsigned long long)model->decode_steps,
           (unsigned long long)model->decode_computed_tokens,
           (unsigned long long)model->decode_preempted);
}

static void print_model(const struct ferry_wire_status_model *model) {
    printf("model %s\n", model->name);
    if (is_language_model(model))
        printf("  task        %s, vocabulary of %u ids\n", model->task, model->vocabulary_size);
    else
        printf("  task        %s, %u numbers a vector, pooling %s%s\n", model->task, model->width,
               model->pooling, model->normalize ? ", normalised" : "");
    printf("  engine      %s on %s, %s, %u workers\n", model->engine, model->device,
           model->precision, model->workers);
    printf("  longest     %u tokens", model->max_length);
    if (model->fixed_length > 0)
        printf(", always padded to %u", model->fixed_length);
    if (model->fixed_batch > 0)
        printf(", batches always of %u", model->fixed_batch);
    printf("%s%s\n", model->equal_lengths_only ? ", only equal lengths share a batch" : "",
           model->padding_affects_result ? ", padding affects the result" : "");
    if (model->proof[0] != '\0')
        printf("  proof       %s\n", model->proof);
    printf("  digest      %s\n", model->digest);
    if (is_language_model(model))
        print_decoding(model);
}

static void print_step(const char *name, const struct ferry_wire_histogram *step) {
    printf("  %-11s %10.3f %10.3f %10.3f %10.3f\n", name, (double)step->p50 / 1e3,
           (double)step->p90 / 1e3, (double)step->p99 / 1e3, (double)step->maximum / 1e3);
}

static void print_requests(const struct ferry_wire_status *status) {
    printf("requests     ");
    bool has_any = false;
    for (int at = 0; at < FERRY_STATUS_COUNT; at++) {
        if (status->requests[at] == 0)
            continue;
        printf("%s%s %llu", has_any ? ", " : "", ferry_status_name((enum ferry_status)at),
               (unsigned long long)status->requests[at]);
        has_any = true;
    }
    printf("%s\n", has_any ? "" : "none yet");
}

static void print_work(const struct ferry_wire_status *status) {
    uint64_t positions = status->tokens + status->padded_tokens;
    printf(
        "computed     %llu texts, %llu tokens in %llu batches; %.1f %% padding, %llu duplicates\n",
        (unsigned long long)status->items, (unsigned long long)status->tokens,
        (unsigned long long)status->batches,
        positions > 0 ? 100.0 * (double)status->padded_tokens / (double)positions : 0.0,
        (unsigned long long)status->duplicates);
    printf("waiting now  %llu texts, %llu tokens, %llu bytes\n",
           (unsigned long long)status->queued_items, (unsigned long long)status->queued_tokens,
           (unsigned long long)status->queued_bytes);
    printf("milliseconds        p50        p90        p99        max\n");
    print_step("tokenize", &status->tokenize);
    print_step("queue", &status->queue);
    print_step("compute", &status->compute);
    print_step("total", &status->total);
    const struct ferry_server_counters *endpoint = &status->endpoint;
    printf("dropped      %llu client gone, %llu slow reader, %llu malformed, %llu oversized\n",
           (unsigned long long)endpoint->dropped_client_gone,
           (unsigned long long)endpoint->dropped_slow_reader,
           (unsigned long long)endpoint->malformed_envelopes,
           (unsigned long long)endpoint->oversized);
}

static void print_status(const struct ferry_wire_status *status) {
    printf("ferryd %s, %s, process %u, up %llu s\n", status->version, status->state, status->pid,
           (unsigned long long)status->uptime_s);
    for (uint32_t at = 0; at < status->endpoint_count; at++)
        printf("endpoint     %s\n", status->endpoints[at]);
    for (uint32_t at = 0; at < status->model_count; at++)
        print_model(&status->models[at]);
    print_requests(status);
    print_work(status);
}

static enum ferry_status check_no_texts(const struct cli_options *options,
                                        struct ferry_error *error) {
    if (options->text_count == 0)
        return FERRY_OK;
    return ferry_fail(error, FERRY_USAGE, "this command takes no arguments: \"%s\"",
                      options->texts[0]);
}

int cli_run_status(const struct cli_options *options) {
    struct ferry_client *client = NULL;
    struct ferry_reply *reply = NULL;
    struct ferry_error error;
    enum ferry_status status = check_no_texts(options, &error);
    if (status == FERRY_OK)
        status = cli_connect(options, &client, &error);
    if (status == FERRY_OK)
        status = ferry_client_status(client, &reply, &error);
    if (status == FERRY_OK && options->json != 0)
        puts(ferry_reply_status_json(reply));
    else if (status == FERRY_OK)
        print_status(ferry_reply_wire_status(reply));
    ferry_reply_free(reply);
    ferry_client_free(client);
    return status == FERRY_OK ? 0 : cli_complain(&error);
}

/* Each answer shows at once. */
static enum ferry_status print_pong(const struct cli_options *options,
                                    const struct ferry_client *client, uint64_t microseconds,
                                    struct ferry_error *error) {
    if (options->json != 0)
        printf("{\"round_trip_us\":%llu}\n", (unsigned long long)microseconds);
    else
        printf("%s answered in %.3f ms\n", ferry_client_endpoint_name(client),
               (double)microseconds / 1e3);
    if (fflush(stdout) == 0)
        return FERRY_OK;
    return ferry_fail(error, FERRY_IO, "cannot write standard output: %s", strerror(errno));
}

int cli_run_ping(const struct cli_options *options) {
    struct ferry_client *client = NULL;
    struct ferry_error error;
    enum ferry_status status = check_no_texts(options, &error);
    if (status == FERRY_OK)
        status = cli_connect(options, &client, &error);
    uint32_t count = options->count > 0 ? options->count : 1;
    for (uint32_t at = 0; at < count && status == FERRY_OK; at++) {
        uint64_t microseconds;
        if (at > 0)
            nanosleep(&(struct timespec){.tv_sec = 1}, NULL);
        status = ferry_client_ping(client, 0, &microseconds, &error);
        if (status == FERRY_OK)
            status = print_pong(options, client, microseconds, &error);
    }
    ferry_client_free(client);
    return status == FERRY_OK ? 0 : cli_complain(&error);
}
