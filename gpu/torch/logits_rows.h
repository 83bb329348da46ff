// Logits of a trace, reduced to one number a token: what proofs compare, and all that is kept.
#ifndef FERRY_GPU_TORCH_LOGITS_ROWS_H
#define FERRY_GPU_TORCH_LOGITS_ROWS_H

#include <vector>

#include <ATen/core/Tensor.h>

#include "gpu/engine.h"
#include "gpu/padding_policy.h"
#include "gpu/torch/batch_runner.h"

namespace ferry {

// The natural-log probability of each token's successor in each sequence of the step, and after its
// last token of its own first one; NaN where a row of logits is not usable. `logits` is float32
// [rows, length, vocabulary], contiguous, on the CPU.
std::vector<std::vector<float>> successor_logprobs(const at::Tensor &logits,
                                                   const ferry_batch &batch,
                                                   const ferry_padding_step &step);

// The same of a whole batch through the trace, padded as `rules` say.
std::vector<std::vector<float>>
trace_logprobs(BatchRunner &runner, const ferry_padding_rules &rules, const ferry_batch &batch);

} // namespace ferry
#endif
