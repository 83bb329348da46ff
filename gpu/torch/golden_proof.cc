#include "gpu/torch/golden_proof.h"

#include <algorithm>

#include "gpu/golden_check.h"
#include "gpu/torch/logits_rows.h"
#include "gpu/torch/torch_errors.h"

namespace ferry {

namespace {

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
    static constexpr uint32_t logits_together = 256;     // and the memory of wide rows
    struct Range {
        uint32_t first;
        uint32_t count;
    };

    uint32_t count_together(uint32_t first) const {
        uint32_t longest = spec_.golden[first].length;
        uint32_t count = 1;
        const uint32_t most =
            spec_.output_shape == FERRY_OUTPUT_LOGITS ? logits_together : positions_together;
        for (; first + count < spec_.golden_count; count++) {
            longest = std::max(longest, spec_.golden[first + count].length);
            if (longest * (count + 1) > most)
                break;
        }
        return count;
    }

    void check(const Range &range) {
        ProbeBatch probe;
        for (uint32_t at = range.first; at < range.first + range.count; at++)
            probe.add(golden_sequence(spec_.golden[at]));
        ferry_batch batch = probe.view();
        if (spec_.output_shape == FERRY_OUTPUT_LOGITS) {
            check_logits(range, batch);
            return;
        }
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

    void check_logits(const Range &range, const ferry_batch &batch) {
        uint32_t at = range.first;
        for (std::vector<float> &row : trace_logprobs(worker_.runner, model_.rules, batch)) {
            ferry_error error = {};
            throw_unless_ok(ferry_golden_add(&verdict_, &spec_.golden[at], at, row.data(),
                                             row.size() - 1, &error),
                            error);
            at++;
        }
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

} // namespace

float prove_golden_rows(ferry_engine_model &model, const ferry_model_spec &spec) {
    return GoldenProof(model, spec).run();
}

} // namespace ferry
