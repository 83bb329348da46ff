#include "gpu/torch/trace_decoder.h"

#include <algorithm>
#include <cstdio>
#include <thread>
#include <vector>

#include <ATen/Functions.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include "gpu/decode_output.h"
#include "gpu/torch/batch_runner.h"
#include "gpu/torch/decoder_slots.h"

namespace ferry {

namespace {

constexpr uint32_t default_sequences = 16;
// Logits of one forward. A single sequence may take more: the trace wants it whole.
constexpr uint64_t logits_bytes = 256u << 20;
constexpr uint32_t most_positions = 16384;
constexpr int64_t scored_together = 256; // rows that leave an accelerator at once

uint32_t positions_together(int32_t vocabulary_size) {
    uint64_t fitting = logits_bytes / (sizeof(float) * static_cast<uint64_t>(vocabulary_size));
    return static_cast<uint32_t>(std::clamp<uint64_t>(fitting, 1, most_positions));
}

// The sequences of a step that want an answer, packed; the longest first, so that those of about
// the same length are padded together.
class StepBatch {
  public:
    StepBatch(ferry_decode_entry *entries, uint32_t count) {
        for (uint32_t at = 0; at < count; at++)
            if (entries[at].wanted != FERRY_DECODE_NOTHING)
                entries_.push_back(&entries[at]);
        std::stable_sort(entries_.begin(), entries_.end(),
                         [](auto *left, auto *right) { return left->length > right->length; });
        for (const ferry_decode_entry *entry : entries_) {
            ids_.insert(ids_.end(), entry->ids, entry->ids + entry->length);
            offsets_.push_back(static_cast<uint32_t>(ids_.size()));
        }
    }
    ferry_batch view() const {
        return {ids_.data(), nullptr, offsets_.data(), static_cast<uint32_t>(entries_.size())};
    }
    ferry_decode_entry &entry(uint32_t sequence) const {
        return *entries_[sequence];
    }

  private:
    std::vector<ferry_decode_entry *> entries_;
    std::vector<int32_t> ids_;
    std::vector<uint32_t> offsets_ = {0};
};

class TraceDecoder final : public Decoder {
  public:
    TraceDecoder(const TracedModel &model, const ferry_padding_rules &rules,
                 int32_t vocabulary_size, const ferry_decoder_options &options,
                 const std::string &reason)
        : model_(model), runner_(model), rules_(rules), threads_(options.threads) {
        fill_info(options, reason);
        limits_ = {vocabulary_size, info_.max_length, info_.max_step_tokens, 0, 0};
        most_positions_ = positions_together(vocabulary_size);
        slots_ = std::make_unique<DecoderSlots>(info_.max_sequences);
        scratch_ = make_row_scratch(static_cast<uint32_t>(vocabulary_size));
    }

    const ferry_decoder_info &info() const override {
        return info_;
    }
    ferry_status step(ferry_decode_entry *entries, uint32_t count, ferry_error *error) override;
    void release(uint32_t slot) override {
        ferry_decode_slots_release(slots_->get(), slot);
    }

  private:
    void fill_info(const ferry_decoder_options &options, const std::string &reason);
    void set_threads();
    ferry_padding_step next_step(const ferry_batch &batch, uint32_t first) const;
    at::Tensor forward(const ferry_batch &batch, const ferry_padding_step &step);
    void answer(const at::Tensor &logits, ferry_decode_entry &entry);
    void score(const at::Tensor &logits, ferry_decode_entry &entry);

    const TracedModel &model_;
    BatchRunner runner_;
    ferry_padding_rules rules_;
    ferry_decoder_info info_ = {};
    ferry_decode_limits limits_ = {};
    uint32_t threads_;
    uint32_t most_positions_ = 0;
    bool threads_are_set_ = false; // OpenMP keeps the number per thread
    std::unique_ptr<DecoderSlots> slots_;
    RowScratch scratch_;
};

void TraceDecoder::fill_info(const ferry_decoder_options &options, const std::string &reason) {
    std::snprintf(info_.engine, sizeof info_.engine, "torch");
    std::snprintf(info_.precision, sizeof info_.precision, "%s", model_.precision().c_str());
    info_.max_length = rules_.max_length;
    info_.max_sequences = options.max_sequences != 0 ? options.max_sequences : default_sequences;
    info_.max_step_tokens = options.max_step_tokens != 0
                                ? options.max_step_tokens
                                : std::max(rules_.max_length, info_.max_sequences);
    char cost[128] = "its whole sequence";
    if (rules_.fixed_length != 0 || rules_.fixed_batch != 0)
        std::snprintf(cost, sizeof cost, "%u x %s positions, as the trace is fixed",
                      std::max(1u, rules_.fixed_batch),
                      rules_.fixed_length != 0 ? std::to_string(rules_.fixed_length).c_str()
                                               : "all its");
    std::snprintf(info_.proof, sizeof info_.proof,
                  "no cache, each token costs a forward over %s%s; %s", cost,
                  rules_.padding_affects_result ? ", whose padding changes the answer"
                  : rules_.equal_lengths_only   ? ", only equal lengths together"
                                                : "",
                  reason.c_str());
}

void TraceDecoder::set_threads() {
    if (threads_are_set_)
        return;
    unsigned threads = threads_ != 0 ? threads_ : std::max(1u, std::thread::hardware_concurrency());
    at::set_num_threads(static_cast<int>(threads));
    threads_are_set_ = true;
}

ferry_padding_step TraceDecoder::next_step(const ferry_batch &batch, uint32_t first) const {
    ferry_padding_step step = ferry_padding_next(&rules_, &batch, first);
    uint32_t fitting = std::max(1u, most_positions_ / step.length);
    if (step.count > fitting) {
        step.count = fitting; // the longest is the first, so the length stays
        step.rows = rules_.fixed_batch != 0 ? rules_.fixed_batch : fitting;
    }
    return step;
}

at::Tensor TraceDecoder::forward(const ferry_batch &batch, const ferry_padding_step &step) {
    std::vector<c10::IValue> inputs;
    for (at::Tensor &input : runner_.make_inputs(batch, step))
        inputs.emplace_back(std::move(input));
    at::Tensor logits = model_.forward(std::move(inputs));
    if (logits.dim() != 3 || logits.size(0) != step.rows || logits.size(1) != step.length ||
        logits.size(2) != limits_.vocabulary_size || !logits.is_floating_point())
        throw Failure(FERRY_ENGINE, "the trace's logits changed their shape at %u x %u", step.rows,
                      step.length);
    return logits;
}

at::Tensor on_cpu(const at::Tensor &rows) {
    return rows.to(at::kCPU, at::kFloat).contiguous();
}

void TraceDecoder::score(const at::Tensor &logits, ferry_decode_entry &entry) {
    const uint32_t vocabulary = static_cast<uint32_t>(limits_.vocabulary_size);
    const int64_t begin = entry.cached;
    for (int64_t first = begin; first < entry.length; first += scored_together) {
        int64_t count = std::min<int64_t>(scored_together, entry.length - first);
        at::Tensor part = on_cpu(logits.narrow(0, first, count));
        const float *row = part.const_data_ptr<float>();
        for (int64_t at = 0; at < count; at++, row += vocabulary)
            if (!ferry_decode_score(scratch_.get(), row, vocabulary, &entry,
                                    static_cast<uint32_t>(first + at - begin)))
                entry.status = FERRY_ENGINE;
    }
}

// `logits` is of one sequence: [length or more, vocabulary].
void TraceDecoder::answer(const at::Tensor &logits, ferry_decode_entry &entry) {
    if (entry.wanted == FERRY_DECODE_SCORE) {
        score(logits, entry);
        return;
    }
    at::Tensor last = on_cpu(logits.select(0, static_cast<int64_t>(entry.length) - 1));
    ferry_decode_sample(scratch_.get(), last.const_data_ptr<float>(),
                        static_cast<uint32_t>(limits_.vocabulary_size), &entry);
}

ferry_status TraceDecoder::step(ferry_decode_entry *entries, uint32_t count, ferry_error *error) {
    ferry_status status = ferry_decode_check(slots_->get(), &limits_, entries, count, error);
    if (status != FERRY_OK)
        return status;
    set_threads();
    c10::InferenceMode inference;
    for (uint32_t at = 0; at < count; at++) {
        entries[at].status = FERRY_OK;
        entries[at].new_count = 0;
    }
    StepBatch packed(entries, count);
    ferry_batch batch = packed.view();
    for (uint32_t first = 0; first < batch.sequences;) {
        ferry_padding_step step = next_step(batch, first);
        at::Tensor logits = forward(batch, step);
        for (uint32_t row = 0; row < step.count; row++)
            answer(logits.select(0, row), packed.entry(step.first + row));
        first += step.count;
    }
    // Only now: a forward that throws leaves all slots as they were.
    for (uint32_t at = 0; at < count; at++)
        ferry_decode_slots_take(slots_->get(), &entries[at]);
    return FERRY_OK;
}

} // namespace

std::unique_ptr<Decoder> make_trace_decoder(const TracedModel &model,
                                            const ferry_padding_rules &rules,
                                            int32_t vocabulary_size,
                                            const ferry_decoder_options &options,
                                            const std::string &reason) {
    return std::make_unique<TraceDecoder>(model, rules, vocabulary_size, options, reason);
}

} // namespace ferry
