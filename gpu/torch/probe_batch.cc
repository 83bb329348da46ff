#include "gpu/torch/probe_batch.h"

#include <algorithm>
#include <limits>

#include "gpu/golden_check.h"
#include "gpu/torch/logits_rows.h"

namespace ferry {

namespace {

// SplitMix64.
uint64_t next_random(uint64_t &state) {
    uint64_t mixed = state += 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return mixed ^ (mixed >> 31);
}

} // namespace

ProbeSequence make_probe_sequence(const ferry_model_spec &spec, uint32_t length, uint64_t seed) {
    ProbeSequence sequence;
    uint64_t ids = spec.vocabulary_size > 0 ? static_cast<uint64_t>(spec.vocabulary_size) : 1;
    for (uint32_t at = 0; at < length; at++) {
        int32_t id = static_cast<int32_t>(next_random(seed) % ids);
        if (id == spec.pad_id)
            id = id > 0 ? id - 1 : static_cast<int32_t>(ids > 1);
        sequence.ids.push_back(id);
    }
    sequence.type_ids.assign(length, 0);
    return sequence;
}

ProbeSequence golden_sequence(const ferry_golden_row &golden) {
    ProbeSequence sequence;
    sequence.ids.assign(golden.ids, golden.ids + golden.length);
    if (golden.type_ids != nullptr)
        sequence.type_ids.assign(golden.type_ids, golden.type_ids + golden.length);
    else
        sequence.type_ids.assign(golden.length, 0);
    return sequence;
}

void ProbeBatch::add(const ProbeSequence &sequence) {
    ids_.insert(ids_.end(), sequence.ids.begin(), sequence.ids.end());
    type_ids_.insert(type_ids_.end(), sequence.type_ids.begin(), sequence.type_ids.end());
    offsets_.push_back(static_cast<uint32_t>(ids_.size()));
}

ferry_batch ProbeBatch::view() const {
    return {ids_.data(), type_ids_.data(), offsets_.data(),
            static_cast<uint32_t>(offsets_.size() - 1)};
}

uint32_t ProbeBatch::longest() const {
    uint32_t longest = 0;
    for (size_t at = 1; at < offsets_.size(); at++)
        longest = std::max(longest, offsets_[at] - offsets_[at - 1]);
    return longest;
}

namespace {

void run_chunk(BatchRunner &runner, const std::vector<ProbeSequence> &sequences, size_t first,
               const ProbeShape &shape, ProbeRows &results) {
    ProbeBatch chunk;
    size_t end = std::min(sequences.size(), first + shape.together);
    for (size_t at = first; at < end; at++)
        chunk.add(sequences[at]);
    ferry_batch batch = chunk.view();
    ferry_padding_step step = {0, batch.sequences, shape.rows,
                               shape.length != 0 ? shape.length : chunk.longest()};
    at::Tensor answer = runner.compute(batch, step, 0);
    if (runner.model().layout().output_shape == FERRY_OUTPUT_LOGITS) {
        for (std::vector<float> &row : successor_logprobs(answer, batch, step))
            results.push_back(std::move(row));
        return;
    }
    size_t width = static_cast<size_t>(answer.size(-1));
    size_t count = runner.row_count(batch, step);
    std::vector<float> all(count * width);
    runner.collect(answer, batch, step, all.data());
    size_t position = 0;
    for (size_t at = first; at < end; at++) {
        size_t share = count == batch.sequences ? width : sequences[at].ids.size() * width;
        results.emplace_back(all.begin() + static_cast<std::ptrdiff_t>(position),
                             all.begin() + static_cast<std::ptrdiff_t>(position + share));
        position += share;
    }
}

} // namespace

ProbeRows run_probe(BatchRunner &runner, const std::vector<ProbeSequence> &sequences,
                    const ProbeShape &shape) {
    ProbeRows results;
    for (size_t first = 0; first < sequences.size(); first += shape.together)
        run_chunk(runner, sequences, first, shape, results);
    return results;
}

float worst_difference(const ProbeRows &left, const ProbeRows &right) {
    float worst = 0;
    for (size_t at = 0; at < left.size(); at++) {
        if (at >= right.size() || left[at].size() != right[at].size())
            return std::numeric_limits<float>::infinity();
        float difference =
            ferry_worst_difference(left[at].data(), right[at].data(), left[at].size());
        worst = std::max(worst, difference);
    }
    return worst;
}

} // namespace ferry
