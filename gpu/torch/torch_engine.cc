// The engine `torch`: a TorchScript as it is, behind engine.h. Nothing is thrown out of this file.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <thread>

#include <ATen/Parallel.h>
#include <c10/util/Flags.h>

#include "base/clock.h"
#include "base/log.h"
#include "gpu/batch_check.h"
#include "gpu/engine.h"
#include "gpu/golden_check.h"
#include "gpu/pooling.h"
#include "gpu/torch/batch_runner.h"
#include "gpu/torch/probe_batch.h"
#include "gpu/torch/tensor_memory.h"
#include "gpu/torch/torch_device.h"
#include "gpu/torch/torch_errors.h"
#include "gpu/torch/trace_probe.h"

// Without it the interpreter turns every exception into a std::runtime_error: the type, which tells
// out of memory from a lost device, would be gone.
C10_DECLARE_bool(torch_jit_enable_rethrow_caught_exception);

struct ferry_engine_model {
    std::unique_ptr<ferry::TracedModel> traced;
    ferry_model_info info = {};
    ferry_batch_limits limits = {};
    ferry_padding_rules rules = {};
    int threads_per_worker = 1;
};

struct ferry_engine_worker {
    explicit ferry_engine_worker(ferry_engine_model &owner) : model(owner), runner(*owner.traced) {}
    ferry_engine_model &model; // borrowed
    ferry::BatchRunner runner;
    bool threads_are_set = false; // OpenMP keeps the number per thread
};

namespace ferry {

namespace {

unsigned core_count() {
    return std::max(1u, std::thread::hardware_concurrency());
}

void set_up_process(const ferry_engine_options &options) {
    if (options.log_level != 0)
        ferry_log_set_level(static_cast<ferry_log_level>(options.log_level));
    static const bool once = [] {
        install_tensor_memory();
        FLAGS_torch_jit_enable_rethrow_caught_exception = true;
        at::set_num_interop_threads(1);
        return true;
    }();
    (void)once;
}

void run_batch(ferry_engine_worker &worker, const ferry_batch &batch, ferry_batch_result &result) {
    const ferry_engine_model &model = worker.model;
    float *rows = result.rows;
    uint64_t positions = 0;
    for (uint32_t first = 0; first < batch.sequences;) {
        ferry_padding_step step = ferry_padding_next(&model.rules, &batch, first);
        at::Tensor answer = worker.runner.compute(batch, step, model.info.width);
        worker.runner.collect(answer, batch, step, rows);
        rows += worker.runner.row_count(batch, step) * model.info.width;
        positions += static_cast<uint64_t>(step.rows) * step.length;
        first += step.count;
    }
    size_t values = static_cast<size_t>(rows - result.rows);
    for (size_t row = 0; row * model.info.width < values; row++)
        if (!ferry_all_finite(result.rows + row * model.info.width, model.info.width))
            throw Failure(FERRY_ENGINE,
                          "row %zu of the model's answer is not finite (NaN or infinity)", row);
    result.padded_tokens = positions - (batch.offsets[batch.sequences] - batch.offsets[0]);
}

ferry_status run_checked(ferry_engine_worker &worker, const ferry_batch &batch,
                         ferry_batch_result &result, ferry_error *error) {
    ferry_status status = ferry_batch_check(&batch, &result, &worker.model.limits, error);
    if (status != FERRY_OK)
        return status;
    if (!worker.threads_are_set) {
        at::set_num_threads(worker.model.threads_per_worker);
        worker.threads_are_set = true;
    }
    run_batch(worker, batch, result);
    return FERRY_OK;
}

// One golden row, or all of them as one batch, through the same code as every batch later.
class GoldenProof {
  public:
    GoldenProof(ferry_engine_model &model, const ferry_model_spec &spec)
        : model_(model), spec_(spec), worker_(model) {}

    // Returns the worst difference. Throws Failure(BAD_DATA).
    float run() {
        for (uint32_t at = 0; at < spec_.golden_count; at++)
            check({at, 1});
        for (uint32_t first = 0; first < spec_.golden_count;) {
            uint32_t count = count_together(first);
            if (count > 1)
                check({first, count});
            first += count;
        }
        ferry_error error = {};
        throw_unless_ok(ferry_golden_judge(&verdict_, ferry_golden_tolerance(&spec_),
                                           model_.rules.padding_affects_result, &error),
                        error);
        return verdict_.worst;
    }

  private:
    static constexpr uint32_t positions_together = 1024; // bounds the time
    struct Range {
        uint32_t first;
        uint32_t count;
    };

    uint32_t count_together(uint32_t first) const {
        uint32_t longest = spec_.golden[first].length;
        uint32_t count = 1;
        for (; first + count < spec_.golden_count; count++) {
            longest = std::max(longest, spec_.golden[first + count].length);
            if (longest * (count + 1) > positions_together)
                break;
        }
        return count;
    }

    void check(const Range &range) {
        ProbeBatch probe;
        for (uint32_t at = range.first; at < range.first + range.count; at++)
            probe.add(golden_sequence(spec_.golden[at]));
        ferry_batch batch = probe.view();
        size_t rows = model_.info.rows_per_token ? batch.offsets[batch.sequences] : batch.sequences;
        std::vector<float> values(rows * model_.info.width);
        ferry_batch_result result = {values.data(), values.size(), 0};
        ferry_error error = {};
        if (run_checked(worker_, batch, result, &error) != FERRY_OK) {
            ferry_fail_within(&error, "golden row %u", range.first);
            throw Failure(FERRY_BAD_DATA, "%s", error.text);
        }
        compare(range, values.data());
    }

    void compare(const Range &range, const float *computed) {
        for (uint32_t at = range.first; at < range.first + range.count; at++) {
            size_t rows = model_.info.rows_per_token ? spec_.golden[at].length : 1;
            ferry_error error = {};
            throw_unless_ok(ferry_golden_add(&verdict_, &spec_.golden[at], at, computed,
                                             rows * model_.info.width, &error),
                            error);
            computed += rows * model_.info.width;
        }
    }

    ferry_engine_model &model_;
    const ferry_model_spec &spec_;
    ferry_engine_worker worker_;
    ferry_golden_verdict verdict_ = {};
};

// What the trace does on the CPU, where an index beyond a table is an exception and not, as on a
// CUDA device, the end of the process. No value: it does not run there (a trace may name a device).
std::optional<ProbeResult> explore_on_cpu(const ferry_model_spec &spec) {
    ProbeResult found = {};
    ferry_error error = {};
    ferry_status status = guarded(FERRY_BAD_DATA, &error, [&] {
        found = probe_trace(TracedModel(spec, c10::kCPU), spec, nullptr);
        return FERRY_OK;
    });
    if (status == FERRY_OK)
        return found;
    if (status != FERRY_BAD_DATA)
        throw Failure(error);
    ferry_log(FERRY_LOG_WARNING,
              "model '%s' does not run on the CPU, so nothing beyond its traced shape is tried: %s",
              spec.name, error.text);
    return std::nullopt;
}

ProbeResult load_and_probe(c10::Device device, const ferry_model_spec &spec,
                           ferry_engine_model &model) {
    std::optional<ProbeResult> bound;
    if (!device.is_cpu())
        bound = explore_on_cpu(spec);
    model.traced = std::make_unique<TracedModel>(spec, device);
    return probe_trace(*model.traced, spec, bound ? &*bound : nullptr);
}

const char *length_text(const ferry_padding_rules &rules) {
    if (rules.fixed_length != 0)
        return rules.padding_affects_result ? "length fixed, padding changes the answer"
                                            : "length fixed, padding proven neutral";
    return rules.equal_lengths_only ? "any length, padding changes the answer"
                                    : "any length, padding proven neutral";
}

void write_proof(ferry_model_info &info, const ferry_padding_rules &rules, uint32_t golden_count,
                 float worst) {
    char golden[64] = "no golden rows";
    if (golden_count > 0)
        std::snprintf(golden, sizeof golden, "%u golden rows within %.2g", golden_count,
                      static_cast<double>(worst));
    std::snprintf(info.proof, sizeof info.proof, "%s; %s; %s",
                  rules.fixed_batch != 0 ? "batch fixed" : "any batch", length_text(rules), golden);
}

void fill_info(ferry_engine_model &model, const ProbeResult &found) {
    ferry_model_info &info = model.info;
    std::snprintf(info.engine, sizeof info.engine, "torch");
    std::snprintf(info.precision, sizeof info.precision, "%s", model.traced->precision().c_str());
    std::snprintf(info.device, sizeof info.device, "%s", model.traced->device().str().c_str());
    info.width = found.width;
    info.max_length = model.rules.max_length;
    info.fixed_length = model.rules.fixed_length;
    info.fixed_batch = model.rules.fixed_batch;
    info.pads = true;
    info.equal_lengths_only = model.rules.equal_lengths_only;
    info.padding_affects_result = model.rules.padding_affects_result;
    info.rows_per_token = model.traced->layout().rows_per_token;
    unsigned threads = static_cast<unsigned>(model.threads_per_worker);
    // Two per accelerator: one prepares and collects while the other computes.
    info.suggested_workers =
        model.traced->device().is_cpu() ? std::max(1u, core_count() / threads) : 2;
}

void check_spec(const ferry_model_spec &spec) {
    if (spec.vocabulary_size <= 0)
        throw Failure(FERRY_BAD_DATA,
                      "vocabulary_size %d: it must be known, so that no id overruns "
                      "the model's tables",
                      spec.vocabulary_size);
}

void take_findings(const ferry_model_spec &spec, const ProbeResult &found,
                   ferry_engine_model &model) {
    if (spec.width != 0 && spec.width != found.width)
        throw Failure(FERRY_BAD_DATA, "the manifest says width %u, the trace gives %u", spec.width,
                      found.width);
    uint32_t wanted = spec.max_length != 0 ? spec.max_length : found.findings.longest;
    model.rules = ferry_padding_decide(&found.findings, wanted);
    fill_info(model, found);
    model.limits = {spec.vocabulary_size, model.info.max_length, model.info.width,
                    found.max_type_id, model.info.rows_per_token};
}

std::unique_ptr<ferry_engine_model> load(const ferry_model_spec &spec,
                                         const ferry_engine_options &options) {
    set_up_process(options);
    check_spec(spec);
    c10::Device device = choose_device(options.device);
    int64_t started = ferry_clock_now();
    auto model = std::make_unique<ferry_engine_model>();
    model->threads_per_worker =
        options.threads_per_worker != 0 ? static_cast<int>(options.threads_per_worker) : 1;
    // One thread, as later: more of them wait for each other, and on a busy machine for long.
    at::set_num_threads(model->threads_per_worker);
    take_findings(spec, load_and_probe(device, spec, *model), *model);
    float worst = GoldenProof(*model, spec).run();
    write_proof(model->info, model->rules, spec.golden_count, worst);
    ferry_log(
        FERRY_LOG_INFO, "model '%s': loaded and proven on %s in %lld ms: %s", spec.name,
        model->info.device,
        static_cast<long long>((ferry_clock_now() - started) / FERRY_NANOSECONDS_PER_MILLISECOND),
        model->info.proof);
    return model;
}

} // namespace

} // namespace ferry

extern "C" {

static ferry_status torch_model_load(const ferry_model_spec *spec,
                                     const ferry_engine_options *options,
                                     ferry_engine_model **ret_model, ferry_error *error) noexcept {
    return ferry::guarded(FERRY_BAD_DATA, error, [&] {
        *ret_model = ferry::load(*spec, *options).release();
        return FERRY_OK;
    });
}

static void torch_model_free(ferry_engine_model *model) noexcept {
    ferry::guarded(FERRY_ENGINE, nullptr, [&] {
        delete model;
        return FERRY_OK;
    });
}

static const ferry_model_info *torch_model_info(const ferry_engine_model *model) noexcept {
    return &model->info;
}

static ferry_status torch_worker_create(ferry_engine_model *model, ferry_engine_worker **ret_worker,
                                        ferry_error *error) noexcept {
    return ferry::guarded(FERRY_ENGINE, error, [&] {
        *ret_worker = std::make_unique<ferry_engine_worker>(*model).release();
        return FERRY_OK;
    });
}

static void torch_worker_free(ferry_engine_worker *worker) noexcept {
    ferry::guarded(FERRY_ENGINE, nullptr, [&] {
        delete worker;
        return FERRY_OK;
    });
}

static ferry_status torch_worker_run(ferry_engine_worker *worker, const ferry_batch *batch,
                                     ferry_batch_result *result, ferry_error *error) noexcept {
    ferry_status status = ferry::guarded(
        FERRY_ENGINE, error, [&] { return ferry::run_checked(*worker, *batch, *result, error); });
    // The model has passed its proof: what it does wrong now, it does wrong to this batch.
    if (status != FERRY_BAD_DATA)
        return status;
    if (error != nullptr)
        error->status = FERRY_ENGINE;
    return FERRY_ENGINE;
}

static const ferry_engine torch_engine = {
    FERRY_ENGINE_ABI_VERSION, "torch",          torch_model_load,
    torch_model_free,         torch_model_info, torch_worker_create,
    torch_worker_free,        torch_worker_run,
};

__attribute__((visibility("default"))) const ferry_engine *
ferry_engine_entry(uint32_t abi_version) noexcept {
    return abi_version == FERRY_ENGINE_ABI_VERSION ? &torch_engine : nullptr;
}

} // extern "C"
