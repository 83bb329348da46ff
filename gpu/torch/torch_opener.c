/* libferry_torch.so: stands in front of libtorch. Some things must be settled before libtorch
 * enters the process (the caches of oneDNN, MKL's code path), and they depend on
 * options that are known only at the first model_load. So this object links no libtorch; it opens
 * libferry_torch_engine.so, which does, from its own folder. */
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "gpu/engine.h"
#include "gpu/torch/cpu_vendor.h"

static pthread_mutex_t open_mutex = PTHREAD_MUTEX_INITIALIZER;
static const struct ferry_engine *opened; /* under open_mutex until set; never closed */

/* What the user has set stays. Without a limit oneDNN keeps a primitive for every shape it has met,
 * and OpenMP's threads wait for each other for milliseconds without giving up their cores. */
static void settle_environment(void) {
    setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64", 0);
    setenv("LRU_CACHE_CAPACITY", "16", 0);
    setenv("GOMP_SPINCOUNT", "20000", 0);
}

static enum ferry_status path_beside(const char *name, char path[PATH_MAX],
                                     struct ferry_error *error) {
    Dl_info info;
    if (dladdr((const void *)&open_mutex, &info) == 0 || info.dli_fname == NULL)
        return ferry_fail(error, FERRY_INTERNAL, "the path of libferry_torch.so is unknown");
    const char *slash = strrchr(info.dli_fname, '/');
    int folder = slash == NULL ? 0 : (int)(slash - info.dli_fname + 1);
    if (snprintf(path, PATH_MAX, "%.*s%s", folder, info.dli_fname, name) >= PATH_MAX)
        return ferry_fail(error, FERRY_TOO_LARGE, "the path of %s is too long", name);
    return FERRY_OK;
}

static enum ferry_status open_beside(const char *name, int flags, void **ret_library,
                                     struct ferry_error *error) {
    char path[PATH_MAX];
    enum ferry_status status = path_beside(name, path, error);
    if (status != FERRY_OK)
        return status;
    *ret_library = dlopen(path, flags);
    if (*ret_library == NULL)
        return ferry_fail(error, FERRY_UNSUPPORTED, "libtorch cannot be loaded: %s", dlerror());
    return FERRY_OK;
}

/* The object exports a function by which MKL asks whether it runs on an Intel processor. Opened
 * before libtorch and globally, it is found first. */
static enum ferry_status open_mkl_path(struct ferry_error *error) {
    void *library;
    if (!ferry_cpu_is_amd())
        return FERRY_OK;
    ferry_log(FERRY_LOG_INFO, "MKL takes its Intel code path on this AMD processor");
    return open_beside("libferry_mkl_intel_path.so", RTLD_NOW | RTLD_GLOBAL, &library, error);
}

static enum ferry_status open_engine(const struct ferry_engine_options *options,
                                     struct ferry_error *error) {
    if (options->log_level != 0)
        ferry_log_set_level((enum ferry_log_level)options->log_level);
    settle_environment();
    enum ferry_status status = options->mkl_intel_path ? open_mkl_path(error) : FERRY_OK;
    if (status != FERRY_OK)
        return status;
    void *library;
    int64_t started = ferry_clock_now();
    status = open_beside("libferry_torch_engine.so", RTLD_NOW | RTLD_LOCAL, &library, error);
    if (status != FERRY_OK)
        return status;
    ferry_engine_entry_function *entry;
    *(void **)&entry = dlsym(library, FERRY_ENGINE_SYMBOL);
    opened = entry == NULL ? NULL : entry(FERRY_ENGINE_ABI_VERSION);
    if (opened == NULL)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "libferry_torch_engine.so is of another version of ferry");
    ferry_log(FERRY_LOG_INFO, "libtorch loaded in %lld ms",
              (long long)((ferry_clock_now() - started) / FERRY_NANOSECONDS_PER_MILLISECOND));
    return FERRY_OK;
}

static enum ferry_status opener_model_load(const struct ferry_model_spec *spec,
                                           const struct ferry_engine_options *options,
                                           struct ferry_engine_model **ret_model,
                                           struct ferry_error *error) {
    pthread_mutex_lock(&open_mutex);
    enum ferry_status status = opened != NULL ? FERRY_OK : open_engine(options, error);
    pthread_mutex_unlock(&open_mutex);
    return status != FERRY_OK ? status : opened->model_load(spec, options, ret_model, error);
}

/* The functions below are given models and workers, so the engine is open. */
static void opener_model_free(struct ferry_engine_model *model) {
    if (model != NULL)
        opened->model_free(model);
}

static const struct ferry_model_info *opener_model_info(const struct ferry_engine_model *model) {
    return opened->model_info(model);
}

static enum ferry_status opener_worker_create(struct ferry_engine_model *model,
                                              struct ferry_engine_worker **ret_worker,
                                              struct ferry_error *error) {
    return opened->worker_create(model, ret_worker, error);
}

static void opener_worker_free(struct ferry_engine_worker *worker) {
    if (worker != NULL)
        opened->worker_free(worker);
}

static enum ferry_status opener_worker_run(struct ferry_engine_worker *worker,
                                           const struct ferry_batch *batch,
                                           struct ferry_batch_result *result,
                                           struct ferry_error *error) {
    return opened->worker_run(worker, batch, result, error);
}

static enum ferry_status opener_decoder_create(struct ferry_engine_model *model,
                                               const struct ferry_decoder_options *options,
                                               struct ferry_decoder **ret_decoder,
                                               struct ferry_error *error) {
    return opened->decoder_create(model, options, ret_decoder, error);
}

static void opener_decoder_free(struct ferry_decoder *decoder) {
    if (decoder != NULL)
        opened->decoder_free(decoder);
}

static const struct ferry_decoder_info *opener_decoder_info(const struct ferry_decoder *decoder) {
    return opened->decoder_info(decoder);
}

static enum ferry_status opener_decoder_step(struct ferry_decoder *decoder,
                                             struct ferry_decode_entry *entries, uint32_t count,
                                             struct ferry_error *error) {
    return opened->decoder_step(decoder, entries, count, error);
}

static void opener_decoder_release(struct ferry_decoder *decoder, uint32_t slot) {
    opened->decoder_release(decoder, slot);
}

__attribute__((visibility("default"))) ferry_engine_entry_function ferry_engine_entry;

const struct ferry_engine *ferry_engine_entry(uint32_t abi_version) {
    static const struct ferry_engine engine = {
        .abi_version = FERRY_ENGINE_ABI_VERSION,
        .name = "torch",
        .model_load = opener_model_load,
        .model_free = opener_model_free,
        .model_info = opener_model_info,
        .worker_create = opener_worker_create,
        .worker_free = opener_worker_free,
        .worker_run = opener_worker_run,
        .decoder_create = opener_decoder_create,
        .decoder_free = opener_decoder_free,
        .decoder_info = opener_decoder_info,
        .decoder_step = opener_decoder_step,
        .decoder_release = opener_decoder_release,
    };
    return abi_version == FERRY_ENGINE_ABI_VERSION ? &engine : NULL;
}
