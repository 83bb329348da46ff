#include "daemon/serve/serve_command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/ops/model_opening.h"
#include "daemon/ops/service_notify.h"
#include "daemon/ops/stop_signals.h"
#include "daemon/serve/server.h"
#include "ipc/default_endpoint.h"

enum { LINGER_MS = 2000, JOIN_MS = 2000 };

/* Everything that is open, in the order of opening. */
struct service {
    const struct ferry_options *options;
    struct ferry_loaded_model *models[FERRY_OPTIONS_MAX_LIST];
    uint32_t model_count;
    struct ferry_pipeline *pipeline;
    struct ferry_server_endpoint *endpoint;
    char default_endpoint[FERRY_ENDPOINT_BYTES];
    const char *endpoints[FERRY_OPTIONS_MAX_LIST];
    uint32_t endpoint_count;
};

static enum ferry_status check_names(const struct service *service, struct ferry_error *error) {
    const char *name = service->models[service->model_count - 1]->name;
    for (uint32_t i = 0; i + 1 < service->model_count; i++)
        if (strcmp(service->models[i]->name, name) == 0)
            return ferry_fail(
                error, FERRY_USAGE,
                "two models are called \"%s\": name one of them with --model NAME=DIR", name);
    return FERRY_OK;
}

/* What the engine is told may be more than the scheduler asks for in one step: each running
 * sequence may add a token to the prompts' share. */
static struct ferry_decoder_options decoder_options(const struct ferry_options *options) {
    return (struct ferry_decoder_options){
        .cache_bytes = options->cache_bytes,
        .max_sequences = (uint32_t)options->sequences,
        .max_step_tokens =
            options->step_tokens == 0 ? 0 : (uint32_t)(options->step_tokens + options->sequences),
        .threads = (uint32_t)options->decode_threads};
}

static enum ferry_status open_models(struct service *service, struct ferry_error *error) {
    const struct ferry_options *options = service->options;
    struct ferry_model_opening_options opening = {.engine = options->engine,
                                                  .engine_folder = options->engine_path,
                                                  .device = options->device,
                                                  .mkl_intel_path = options->mkl_intel_path != 0,
                                                  .decoder = decoder_options(options)};
    if (options->models.count == 0)
        return ferry_fail(error, FERRY_USAGE,
                          "no model: name a model directory with --model DIR (FERRY_MODEL); "
                          "tools/export/ferry-export makes one");
    for (uint32_t i = 0; i < options->models.count; i++) {
        int64_t begin = ferry_clock_now();
        enum ferry_status status = ferry_model_open(options->models.values[i], &opening,
                                                    &service->models[service->model_count], error);
        if (status == FERRY_OK) {
            service->model_count++;
            status = check_names(service, error);
        }
        if (status != FERRY_OK)
            return status;
        const struct ferry_loaded_model *model = service->models[i];
        ferry_log(FERRY_LOG_NOTICE, "model %s: %s on %s, %s, %.12s, opened in %" PRId64 " ms: %s",
                  model->name, ferry_model_engine(model), model->info->device,
                  ferry_model_precision(model), model->digest,
                  (ferry_clock_now() - begin) / FERRY_NANOSECONDS_PER_MILLISECOND,
                  ferry_model_proof(model));
    }
    return FERRY_OK;
}

static enum ferry_status start_pipeline(struct service *service, struct ferry_error *error) {
    const struct ferry_options *options = service->options;
    struct ferry_pipeline_options pipeline = {
        .text_workers = (uint32_t)options->text_workers,
        .text_queue_requests = (uint32_t)options->queue_items,
        .word_cache_bytes = options->word_cache_bytes,
        .inline_text_bytes = (uint32_t)options->inline_text_bytes,
        .device_workers = (uint32_t)options->device_workers,
        .batch_tokens = (uint32_t)options->batch_tokens,
        .batch_sequences = (uint32_t)options->batch_sequences,
        .bulk_limit_ns = (int64_t)options->bulk_wait_ms * FERRY_NANOSECONDS_PER_MILLISECOND,
        .step_tokens = (uint32_t)options->step_tokens,
        .engine_timeout_ns =
            (int64_t)options->engine_timeout_ms * FERRY_NANOSECONDS_PER_MILLISECOND,
    };
    return ferry_pipeline_start(service->models, service->model_count, &pipeline,
                                &service->pipeline, error);
}

/* The folder of the default endpoint: systemd makes it for the service, root makes it itself. */
static enum ferry_status default_endpoint(struct service *service, struct ferry_error *error) {
    enum ferry_status status = ferry_default_endpoint(
        service->default_endpoint, sizeof service->default_endpoint, true, error);
    if (status != FERRY_OK)
        return status;
    if (strncmp(service->default_endpoint, "ipc:///run/ferry/", 17) == 0 &&
        mkdir("/run/ferry", 0750) != 0 && errno != EEXIST)
        return ferry_fail(error, FERRY_PERMISSION, "/run/ferry cannot be made: %s",
                          strerror(errno));
    service->endpoints[0] = service->default_endpoint;
    service->endpoint_count = 1;
    return FERRY_OK;
}

static enum ferry_status open_endpoint(struct service *service, struct ferry_error *error) {
    const struct ferry_options *options = service->options;
    struct ferry_server_options server = {
        .listen = options->listen.values,
        .listen_count = options->listen.count,
        .max_request_bytes = options->max_request_bytes,
        .outbox_bytes = options->outbox_bytes,
        .outbox_wait_ns = (int64_t)options->outbox_wait_ms * FERRY_NANOSECONDS_PER_MILLISECOND,
    };
    enum ferry_status status = FERRY_OK;
    if (server.listen_count == 0) {
        status = default_endpoint(service, error);
        server.listen = service->endpoints;
        server.listen_count = service->endpoint_count;
    }
    if (status == FERRY_OK)
        status = ferry_server_endpoint_open(&server, &service->endpoint, error);
    service->endpoint_count = 0;
    const char *address;
    while (status == FERRY_OK && service->endpoint_count < FERRY_OPTIONS_MAX_LIST &&
           (address = ferry_server_endpoint_address(service->endpoint, service->endpoint_count)) !=
               NULL)
        service->endpoints[service->endpoint_count++] = address;
    return status;
}

static enum ferry_status open_service(struct service *service, const volatile int *stops,
                                      struct ferry_error *error) {
    enum ferry_status status = open_models(service, error);
    if (status == FERRY_OK && *stops > 0)
        return ferry_fail(error, FERRY_SHUTTING_DOWN, "stopped before it was ready");
    if (status == FERRY_OK)
        status = start_pipeline(service, error);
    return status == FERRY_OK ? open_endpoint(service, error) : status;
}

/* A stuck device worker still uses pipeline and models: then only the process can end. */
static void close_service(struct service *service, bool all_out) {
    ferry_stop_signals_ring(-1);
    ferry_server_endpoint_close(service->endpoint, LINGER_MS);
    int64_t deadline = ferry_clock_now() + JOIN_MS * FERRY_NANOSECONDS_PER_MILLISECOND;
    if (!all_out || !ferry_pipeline_stop(service->pipeline, deadline)) {
        ferry_log(FERRY_LOG_ERROR, "a device worker does not come back; ending without it");
        _exit(ferry_status_exit_code(FERRY_DEVICE_LOST));
    }
    for (uint32_t i = 0; i < service->model_count; i++)
        ferry_model_close(service->models[i]);
}

static struct ferry_server_settings settings_of(const struct service *service) {
    const struct ferry_options *options = service->options;
    return (struct ferry_server_settings){
        .wire = {.max_items = (uint32_t)options->max_items,
                 .max_ids_per_item = (uint32_t)options->max_ids_per_item},
        .max_request_bytes = options->max_request_bytes,
        .queue = {.items = options->queue_items,
                  .tokens = options->queue_tokens,
                  .bytes = options->queue_bytes},
        .default_deadline_ms = (uint32_t)options->default_deadline_ms,
        .drain_ms = (uint32_t)options->drain_ms,
        .engine_timeout_ns =
            (int64_t)options->engine_timeout_ms * FERRY_NANOSECONDS_PER_MILLISECOND,
        .endpoints = service->endpoints,
        .endpoint_count = service->endpoint_count,
    };
}

/* The limit of open files bounds the clients: take what the administrator allows. */
static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int serve(struct service *service, const volatile int *stops) {
    struct ferry_server server;
    struct ferry_server_settings settings = settings_of(service);
    if (ferry_server_init(&server, &settings, service->models, service->model_count,
                          service->pipeline, service->endpoint) != FERRY_OK) {
        ferry_log(FERRY_LOG_ERROR, "no memory for the server");
        close_service(service, true);
        return ferry_status_exit_code(FERRY_OUT_OF_MEMORY);
    }
    ferry_stop_signals_ring(ferry_pipeline_done(service->pipeline)->bell);
    for (uint32_t i = 0; i < service->endpoint_count; i++)
        ferry_log(FERRY_LOG_NOTICE, "listening on %s", service->endpoints[i]);
    ferry_service_ready("%u models, listening on %s", service->model_count, service->endpoints[0]);
    bool all_out = ferry_server_run(&server, stops);
    bool lost = ferry_pipeline_device_lost(service->pipeline);
    ferry_log(FERRY_LOG_NOTICE, "%s", lost ? "ending: the device is lost" : "stopped");
    close_service(service, all_out);
    ferry_server_free(&server);
    return ferry_status_exit_code(lost ? FERRY_DEVICE_LOST : FERRY_OK);
}

int ferry_serve_command(const struct ferry_options *options) {
    struct service service = {.options = options};
    struct ferry_error error = {.status = FERRY_OK};
    const volatile int *stops = ferry_stop_signals_install();
    raise_file_limit();
    ferry_log(FERRY_LOG_NOTICE, "ferryd %s", FERRY_VERSION);
    enum ferry_status status = open_service(&service, stops, &error);
    if (status == FERRY_OK)
        return serve(&service, stops);
    if (status != FERRY_SHUTTING_DOWN)
        ferry_log(FERRY_LOG_ERROR, "%s", error.text);
    close_service(&service, true);
    return status == FERRY_SHUTTING_DOWN ? 0 : ferry_status_exit_code(status);
}
