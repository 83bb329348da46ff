// Small batches made up for probing: they own what ferry_batch borrows.
#ifndef FERRY_GPU_TORCH_PROBE_BATCH_H
#define FERRY_GPU_TORCH_PROBE_BATCH_H

#include <cstdint>
#include <vector>

#include "gpu/torch/batch_runner.h"

namespace ferry {

struct ProbeSequence {
    std::vector<int32_t> ids;
    std::vector<uint8_t> type_ids;
};

// One entry a sequence: all its rows or, of logits, see successor_logprobs.
using ProbeRows = std::vector<std::vector<float>>;

// A sequence of `length` ids drawn from the vocabulary by a fixed generator, never the padding id.
ProbeSequence make_probe_sequence(const ferry_model_spec &spec, uint32_t length, uint64_t seed);
ProbeSequence golden_sequence(const ferry_golden_row &golden);

class ProbeBatch {
  public:
    void add(const ProbeSequence &sequence);
    // Borrowed from this object until the next add.
    ferry_batch view() const;
    uint32_t longest() const;

  private:
    std::vector<int32_t> ids_;
    std::vector<uint8_t> type_ids_;
    std::vector<uint32_t> offsets_ = {0};
};

struct ProbeShape {
    uint32_t together; // sequences that share a run
    uint32_t rows;     // of the tensor; >= together
    uint32_t length;   // of the tensor; 0: of the longest sequence in the run
};

// Throws what BatchRunner::compute throws.
ProbeRows run_probe(BatchRunner &runner, const std::vector<ProbeSequence> &sequences,
                    const ProbeShape &shape);
// Largest absolute difference over all sequences.
float worst_difference(const ProbeRows &left, const ProbeRows &right);

} // namespace ferry
#endif
