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
#include "gpu/engine.h"
#include "gpu/golden_check.h"
#include "gpu/pooling.h"
#include "gpu/torch/combined_decoder.h"
#include "gpu/torch/decoder.h"
#include "gpu/torch/engine_model.h"
#include "gpu/torch/golden_proof.h"
#include "gpu/torch/packed_decoder.h"
#include "gpu/torch/tensor_memory.h"
#include "gpu/torch/torch_device.h"
#include "gpu/torch/torch_errors.h"
#include "gpu/torch/trace_decoder.h"
#include "gpu/torch/trace_probe.h"

// Without it the interpreter turns every exception into a std::runtime_error: the type, which tells
// out of memory from a lost device, would be gone.
C10_DECLARE_bool(torch_jit_enable_rethrow_caught_exception);

struct ferry_decoder {
    std::unique_ptr<ferry::Decoder> decoder;
};

namespace ferry {

ProofMaterial::ProofMaterial(const ferry_model_spec &spec)
    : vocabulary_size(spec.vocabulary_size), pad_id(spec.pad_id),
      tolerance(ferry_golden_tolerance(&spec)) {
    for (uint32_t at = 0; at < spec.golden_count; at++) {
        const ferry_golden_row &row = spec.golden[at];
        golden.push_back(golden_sequence(row));
        expected.emplace_back(row.expected, row.expected + row.expected_count);
    }
}

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

} // namespace

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

namespace {

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
    if (spec.output_shape == FERRY_OUTPUT_LOGITS &&
        found.width != static_cast<uint32_t>(spec.vocabulary_size))
        throw Failure(FERRY_BAD_DATA,
                      "the manifest says vocabulary_size %d, the trace gives logits "
                      "of %u ids",
                      spec.vocabulary_size, found.width);
    model.rules = ferry_padding_decide(&found.findings, wanted);
    fill_info(model, found);
    model.limits = {spec.vocabulary_size, model.info.max_length, model.info.width,
                    found.max_type_id, model.info.rows_per_token};
}

void load_combined(c10::Device device, const ferry_model_spec &spec, ferry_engine_model &model) {
    model.combined = std::make_unique<CombinedModel>(spec, device);
    model.combined->prove(spec);
    ferry_model_info &info = model.info;
    std::snprintf(info.engine, sizeof info.engine, "torch");
    std::snprintf(info.precision, sizeof info.precision, "%s",
                  model.combined->module().precision().c_str());
    std::snprintf(info.device, sizeof info.device, "%s", device.str().c_str());
    info.max_length = model.combined->max_length();
    info.suggested_workers = 1;
    std::snprintf(info.proof, sizeof info.proof,
                  "combined model, one run at a time; %u golden rows with exactly their ids",
                  spec.golden_count);
}

void load_trace(c10::Device device, const ferry_model_spec &spec, ferry_engine_model &model) {
    ProbeResult found = load_and_probe(device, spec, model);
    take_findings(spec, found, model);
    model.material = std::make_unique<ProofMaterial>(spec);
    model.material->longest = std::move(found.longest);
    model.material->longest_logprobs = std::move(found.longest_logprobs);
    write_proof(model.info, model.rules, spec.golden_count, prove_golden_rows(model, spec));
}

long long milliseconds_since(int64_t started) {
    return static_cast<long long>((ferry_clock_now() - started) /
                                  FERRY_NANOSECONDS_PER_MILLISECOND);
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
    // One thread, as later: more of them wait for each other, and on a busy machine for long. The
    // products of a model with logits are large enough to be worth all.
    bool logits = spec.output_shape == FERRY_OUTPUT_LOGITS;
    at::set_num_threads(logits ? static_cast<int>(core_count()) : model->threads_per_worker);
    if (is_combined(spec))
        load_combined(device, spec, *model);
    else
        load_trace(device, spec, *model);
    release_tensor_memory();
    ferry_log(FERRY_LOG_INFO, "model '%s': loaded and proven on %s in %lld ms: %s", spec.name,
              model->info.device, milliseconds_since(started), model->info.proof);
    return model;
}

std::unique_ptr<Decoder> make_decoder(ferry_engine_model &model,
                                      const ferry_decoder_options &options) {
    at::set_num_threads(static_cast<int>(options.threads != 0 ? options.threads : core_count()));
    if (model.combined)
        return make_combined_decoder(*model.combined, options, model.info.proof);
    if (model.traced->layout().output_shape != FERRY_OUTPUT_LOGITS)
        throw Failure(FERRY_UNSUPPORTED, "the model gives no logits: there is nothing to decode");
    std::string reason;
    std::unique_ptr<Decoder> packed = make_packed_decoder(model, options, reason);
    if (packed)
        return packed;
    return make_trace_decoder(*model.traced, model.rules, model.material->vocabulary_size, options,
                              reason);
}

std::unique_ptr<ferry_decoder> create_decoder(ferry_engine_model &model,
                                              const ferry_decoder_options &options) {
    int64_t started = ferry_clock_now();
    auto decoder = std::make_unique<ferry_decoder>();
    decoder->decoder = make_decoder(model, options);
    release_tensor_memory();
    ferry_log(FERRY_LOG_INFO, "decoder: engine %s, proven in %lld ms: %s",
              decoder->decoder->info().engine, milliseconds_since(started),
              decoder->decoder->info().proof);
    return decoder;
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
        if (!model->traced)
            throw ferry::Failure(FERRY_UNSUPPORTED, "a combined model generates, it has no rows");
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

static ferry_status torch_decoder_create(ferry_engine_model *model,
                                         const ferry_decoder_options *options,
                                         ferry_decoder **ret_decoder, ferry_error *error) noexcept {
    return ferry::guarded(FERRY_ENGINE, error, [&] {
        *ret_decoder = ferry::create_decoder(*model, *options).release();
        return FERRY_OK;
    });
}

static void torch_decoder_free(ferry_decoder *decoder) noexcept {
    ferry::guarded(FERRY_ENGINE, nullptr, [&] {
        delete decoder;
        return FERRY_OK;
    });
}

static const ferry_decoder_info *torch_decoder_info(const ferry_decoder *decoder) noexcept {
    return &decoder->decoder->info();
}

static ferry_status torch_decoder_step(ferry_decoder *decoder, ferry_decode_entry *entries,
                                       uint32_t count, ferry_error *error) noexcept {
    return ferry::guarded(FERRY_ENGINE, error,
                          [&] { return decoder->decoder->step(entries, count, error); });
}

static void torch_decoder_release(ferry_decoder *decoder, uint32_t slot) noexcept {
    ferry::guarded(FERRY_ENGINE, nullptr, [&] {
        decoder->decoder->release(slot);
        return FERRY_OK;
    });
}

static const ferry_engine torch_engine = {
    .abi_version = FERRY_ENGINE_ABI_VERSION,
    .name = "torch",
    .model_load = torch_model_load,
    .model_free = torch_model_free,
    .model_info = torch_model_info,
    .worker_create = torch_worker_create,
    .worker_free = torch_worker_free,
    .worker_run = torch_worker_run,
    .decoder_create = torch_decoder_create,
    .decoder_free = torch_decoder_free,
    .decoder_info = torch_decoder_info,
    .decoder_step = torch_decoder_step,
    .decoder_release = torch_decoder_release,
};

__attribute__((visibility("default"))) const ferry_engine *
ferry_engine_entry(uint32_t abi_version) noexcept {
    return abi_version == FERRY_ENGINE_ABI_VERSION ? &torch_engine : nullptr;
}

} // extern "C"
