#include "gpu/torch/logits_rows.h"

#include "gpu/torch/decoder_slots.h"
#include <limits>

namespace ferry {

namespace {

float logprob(ferry_row_scratch *scratch, const float *row, uint32_t vocabulary, int32_t id) {
    int32_t best = ferry_row_best(scratch, row, vocabulary);
    if (best < 0 || id < 0 || static_cast<uint32_t>(id) >= vocabulary)
        return std::numeric_limits<float>::quiet_NaN();
    return static_cast<float>(static_cast<double>(row[id]) -
                              ferry_row_normaliser(row, vocabulary, best));
}

} // namespace

std::vector<std::vector<float>> successor_logprobs(const at::Tensor &logits,
                                                   const ferry_batch &batch,
                                                   const ferry_padding_step &step) {
    const uint32_t vocabulary = static_cast<uint32_t>(logits.size(-1));
    RowScratch scratch = make_row_scratch(vocabulary);
    std::vector<std::vector<float>> results;
    for (uint32_t row = 0; row < step.count; row++) {
        const int32_t *ids = batch.ids + batch.offsets[step.first + row];
        uint32_t length = batch.offsets[step.first + row + 1] - batch.offsets[step.first + row];
        const float *values =
            logits.const_data_ptr<float>() + static_cast<size_t>(row) * step.length * vocabulary;
        std::vector<float> result;
        for (uint32_t at = 0; at < length; at++)
            result.push_back(logprob(scratch.get(), values + static_cast<size_t>(at) * vocabulary,
                                     vocabulary, ids[at + 1 < length ? at + 1 : 0]));
        results.push_back(std::move(result));
    }
    return results;
}

std::vector<std::vector<float>>
trace_logprobs(BatchRunner &runner, const ferry_padding_rules &rules, const ferry_batch &batch) {
    std::vector<std::vector<float>> results;
    for (uint32_t first = 0; first < batch.sequences;) {
        ferry_padding_step step = ferry_padding_next(&rules, &batch, first);
        for (std::vector<float> &row :
             successor_logprobs(runner.compute(batch, step, 0), batch, step))
            results.push_back(std::move(row));
        first += step.count;
    }
    return results;
}

} // namespace ferry
