#include "gpu/torch/trace_probe.h"

#include <algorithm>
#include <iterator>

#include "gpu/golden_check.h"
#include "gpu/torch/torch_errors.h"
#include "gpu/torch/trace_attempt.h"
#include "gpu/torch/trace_diagnosis.h"

namespace ferry {

namespace {

constexpr uint32_t default_length = 512;
constexpr uint32_t golden_rows_probed = 16;

class TraceProbe {
  public:
    TraceProbe(const TracedModel &model, const ferry_model_spec &spec, const ProbeResult *bound)
        : model_(model), spec_(spec), bound_(bound), runner_(model), attempts_(runner_, spec),
          tolerance_(ferry_golden_tolerance(&spec)) {
        wanted_length_ = spec.max_length != 0      ? spec.max_length
                         : spec.traced_length != 0 ? spec.traced_length
                                                   : default_length;
    }

    ProbeResult run() {
        ProbeResult result = {};
        base_ = bound_ != nullptr ? TraceShape{bound_->findings.batch, bound_->findings.length}
                                  : find_base();
        make_reference();
        result.width = runner_.answer_width();
        result.findings = find_what_varies();
        const ferry_trace_findings &findings = result.findings;
        cheap_shape_ = {1, rows_, findings.length_varies_padded ? 0 : base_.length};
        result.max_type_id = find_max_type_id();
        check_vocabulary();
        if (gives_logits())
            take_longest(result);
        return result;
    }

  private:
    // Beyond the traced shape only where the CPU has shown that it is safe.
    bool exploring() const {
        return model_.device().is_cpu();
    }
    bool may_vary_batch() const {
        return bound_ == nullptr || bound_->findings.batch_varies;
    }
    bool may_vary_length() const {
        return bound_ == nullptr || bound_->findings.length_varies_padded ||
               bound_->findings.length_varies_unpadded;
    }

    TraceShape find_base() {
        TraceShape given = {spec_.traced_batch, spec_.traced_length};
        if (given.batch != 0 && given.length != 0) {
            if (!attempts_.runs(given))
                throw Failure(exploring() ? diagnose_trace(model_, spec_, runner_, attempts_, given)
                                          : attempts_.last_error());
            return given;
        }
        if (!exploring())
            throw Failure(FERRY_BAD_DATA,
                          "the trace does not run on the CPU, so its traced batch "
                          "and length must be given: %s",
                          attempts_.last_error().text);
        std::optional<TraceShape> found = attempts_.search(given, true);
        if (!found)
            throw Failure(
                FERRY_BAD_DATA,
                "no batch and length were found at which the trace runs (traced batch and "
                "length are not given): %s",
                attempts_.last_error().text);
        // Without a traced length the longest that will be asked for stands for it.
        TraceShape longest = {found->batch, wanted_length_};
        return given.length == 0 && attempts_.runs(longest) ? longest : *found;
    }

    void take_longest(ProbeResult &result) {
        bool beyond_base = !longest_.ids.empty();
        result.longest = beyond_base ? longest_ : sequences_.back();
        result.longest_logprobs = beyond_base ? longest_logprobs_ : reference_.back();
    }

    bool gives_logits() const {
        return model_.layout().output_shape == FERRY_OUTPUT_LOGITS;
    }

    // Lengths at the ends and in between; odd ones, so that they equal no other size by chance. Of
    // logits every position is compared, so that fewer sequences, of a larger model, do.
    void make_reference() {
        uint32_t previous = 0;
        std::vector<uint32_t> lengths = {1u, 3u, base_.length / 2 | 1u, base_.length};
        if (gives_logits())
            lengths = {7u, base_.length};
        for (uint32_t length : lengths) {
            if (length <= previous || length > base_.length)
                continue;
            sequences_.push_back(make_probe_sequence(spec_, length, length));
            previous = length;
        }
        std::optional<ProbeRows> rows =
            attempts_.run(sequences_, {base_.batch, base_.batch, base_.length});
        if (!rows)
            throw Failure(attempts_.last_error());
        reference_ = std::move(*rows);
        if (worst_difference(reference_, reference_) > 0)
            throw Failure(FERRY_BAD_DATA, "the trace's answer is not finite (NaN or infinity)");
    }

    bool equal(const std::vector<ProbeSequence> &sequences, const ProbeRows &expected,
               const ProbeShape &shape) {
        std::optional<ProbeRows> rows = attempts_.run(sequences, shape);
        return rows && worst_difference(expected, *rows) <= tolerance_;
    }

    ferry_trace_findings find_what_varies() {
        ferry_trace_findings findings = {};
        findings.batch = base_.batch;
        findings.length = findings.longest = base_.length;
        // One row is cheaper to try lengths with than a full batch, where it is allowed.
        bool one_row_runs = may_vary_batch() &&
                            (base_.batch == 1 ||
                             equal({sequences_.back()}, {reference_.back()}, {1, 1, base_.length}));
        rows_ = one_row_runs ? 1 : base_.batch;
        find_length_varies(findings);
        findings.batch_varies = one_row_runs && find_batch_varies(findings);
        if (!findings.batch_varies && rows_ != base_.batch) {
            rows_ = base_.batch;
            find_length_varies(findings);
        }
        if (!findings.batch_varies)
            check_rows_independent();
        findings.padding_is_masked = findings.length_varies_padded || find_padding_is_masked();
        return findings;
    }

    // Fewer rows are known to be right; now more of them, of several lengths.
    bool find_batch_varies(const ferry_trace_findings &findings) {
        uint32_t more = base_.batch + 1;
        if (!findings.length_varies_padded)
            return equal(sequences_, reference_, {more, more, base_.length});
        std::vector<ProbeSequence> shorter(sequences_.begin(), std::prev(sequences_.end()));
        if (shorter.empty())
            shorter = sequences_;
        ProbeRows expected(reference_.begin(),
                           reference_.begin() + static_cast<std::ptrdiff_t>(shorter.size()));
        return equal(shorter, expected, {more, more, 0}) &&
               equal({shorter.front()}, {expected.front()}, {1, 8 * more, 0});
    }

    // The same sequences in other company, at the one batch size that there is.
    void check_rows_independent() {
        if (base_.batch == 1)
            return;
        std::vector<ProbeSequence> reversed(sequences_.rbegin(), sequences_.rend());
        ProbeRows expected(reference_.rbegin(), reference_.rend());
        if (!equal(reversed, expected, {1, base_.batch, base_.length}))
            throw Failure(FERRY_UNSUPPORTED,
                          "the rows of a batch influence each other in this trace: it cannot serve "
                          "several texts at once");
    }

    void find_length_varies(ferry_trace_findings &findings) {
        findings.longest = base_.length;
        findings.length_varies_padded = findings.length_varies_unpadded = false;
        if (!may_vary_length())
            return;
        // At the base shape a sequence that fills it was the reference itself.
        size_t count = sequences_.size() - (rows_ == base_.batch && sequences_.size() > 1 ? 1 : 0);
        auto end = static_cast<std::ptrdiff_t>(count);
        std::optional<ProbeRows> alone =
            attempts_.run(std::vector<ProbeSequence>(sequences_.begin(), sequences_.begin() + end),
                          {1, rows_, 0});
        if (!alone)
            return;
        ProbeRows expected(reference_.begin(), reference_.begin() + end);
        if (worst_difference(expected, *alone) > tolerance_) {
            findings.length_varies_unpadded = golden_rows_are_equal_unpadded(findings);
            return;
        }
        findings.length_varies_padded = true;
        if (may_be_longer() && runs_longest())
            findings.longest = wanted_length_;
    }

    bool runs_longest() {
        if (!gives_logits())
            return equal(sequences_, reference_, {1, rows_, wanted_length_});
        // A run at the longest length is dear for such a model. One sequence that fills it and
        // begins as one of those before must, up to there, have the same answer.
        ProbeSequence filled = make_probe_sequence(spec_, wanted_length_, base_.length);
        std::optional<ProbeRows> rows = attempts_.run({filled}, {1, rows_, wanted_length_});
        if (!rows)
            return false;
        std::vector<float> answer = rows->front();
        std::vector<float> known = reference_.back();
        known.pop_back(); // of another successor
        if (ferry_worst_difference(known.data(), answer.data(), known.size()) > tolerance_)
            return false;
        longest_ = std::move(filled);
        longest_logprobs_ = std::move(answer);
        return true;
    }

    bool may_be_longer() const {
        uint32_t safe = bound_ != nullptr ? bound_->findings.longest
                        : exploring()     ? wanted_length_
                                          : base_.length;
        return wanted_length_ > base_.length && wanted_length_ <= safe;
    }

    bool golden_is_equal(const ferry_golden_row &golden) {
        std::optional<ProbeRows> rows = attempts_.run({golden_sequence(golden)}, {1, rows_, 0});
        if (!rows)
            return false;
        if (gives_logits())
            rows->front().pop_back(); // what follows the last token is in no golden row
        ProbeRows expected = {
            std::vector<float>(golden.expected, golden.expected + golden.expected_count)};
        return worst_difference(expected, *rows) <= tolerance_;
    }

    // Padding changes this trace's answers, so they cannot prove other lengths; the original
    // model's answers can. Where there is neither a golden row nor a traced length, nothing
    // contradicts.
    bool golden_rows_are_equal_unpadded(ferry_trace_findings &findings) {
        uint32_t other_lengths = 0;
        for (uint32_t at = 0; at < std::min(spec_.golden_count, golden_rows_probed); at++) {
            const ferry_golden_row &golden = spec_.golden[at];
            if (!golden_is_equal(golden))
                return false;
            other_lengths += golden.length != base_.length;
            findings.longest = std::max(findings.longest, golden.length);
        }
        return other_lengths > 0 || (spec_.golden_count == 0 && spec_.traced_length == 0);
    }

    // Other ids in the padding, the same mask: when the answer stays, nothing of it is read.
    bool find_padding_is_masked() {
        int32_t other = spec_.pad_id != 0 ? 0 : std::min(1, spec_.vocabulary_size - 1);
        runner_.set_pad_id(other);
        bool same = equal(sequences_, reference_, {base_.batch, base_.batch, base_.length});
        runner_.set_pad_id(spec_.pad_id);
        return same;
    }

    uint8_t find_max_type_id() {
        if (bound_ != nullptr)
            return bound_->max_type_id;
        const std::vector<ferry_model_input> &inputs = model_.layout().inputs;
        bool has_types = std::any_of(inputs.begin(), inputs.end(), [](const auto &input) {
            return input.kind == FERRY_INPUT_TYPE_IDS;
        });
        if (!has_types)
            return 1; // never reaches the trace
        if (!exploring())
            return 0;
        ProbeSequence second_text = sequences_.front();
        std::fill(second_text.type_ids.begin(), second_text.type_ids.end(), uint8_t{1});
        return attempts_.run({second_text}, cheap_shape_).has_value() ? 1 : 0;
    }

    void check_vocabulary() {
        int64_t table = model_.most_weight_rows();
        if (table != 0 && table < spec_.vocabulary_size)
            throw Failure(
                FERRY_BAD_DATA,
                "the manifest says vocabulary_size %d, but the largest table in the trace "
                "has %lld rows",
                spec_.vocabulary_size, static_cast<long long>(table));
        if (!exploring())
            return;
        ProbeSequence last_id = sequences_.front();
        last_id.ids.front() = spec_.vocabulary_size - 1;
        if (!attempts_.run({last_id}, cheap_shape_))
            throw Failure(FERRY_BAD_DATA,
                          "the manifest says vocabulary_size %d, but the trace fails at id %d: %s",
                          spec_.vocabulary_size, spec_.vocabulary_size - 1,
                          attempts_.last_error().text);
    }

    const TracedModel &model_;
    const ferry_model_spec &spec_;
    const ProbeResult *bound_;
    BatchRunner runner_;
    TraceAttempts attempts_;
    float tolerance_;
    uint32_t wanted_length_;
    uint32_t rows_ = 1; // of a tensor that carries one sequence
    TraceShape base_ = {};
    ProbeShape cheap_shape_ = {}; // carries one sequence at least cost
    std::vector<ProbeSequence> sequences_;
    ProbeSequence longest_; // of logits, where longer than the base shape
    std::vector<float> longest_logprobs_;
    ProbeRows reference_; // of sequences_, at the base shape
};

} // namespace

ProbeResult probe_trace(const TracedModel &model, const ferry_model_spec &spec,
                        const ProbeResult *bound) {
    return TraceProbe(model, spec, bound).run();
}

} // namespace ferry
