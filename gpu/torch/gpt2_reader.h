// Finds GPT-2 in a trace: by the names of its weights or, where these say nothing, by their shapes
// in order. Heads, scales and the like are no weights: they come as variants, to be told apart by
// running them.
#ifndef FERRY_GPU_TORCH_GPT2_READER_H
#define FERRY_GPU_TORCH_GPT2_READER_H

#include <memory>
#include <string>
#include <vector>

#include "gpu/packed/gpt2.h"
#include "gpu/torch/traced_model.h"

namespace ferry {

struct Gpt2Reading {
    ferry_gpt2_shape shape = {};                 // without heads, scales, activation
    std::unique_ptr<ferry_gpt2_weights> weights; // borrowed from the trace's tensors
    std::vector<ferry_gpt2_shape> variants;      // the likeliest first
};

// No weights: this is not GPT-2, `reason` says what is missing.
Gpt2Reading read_gpt2(const TracedModel &model, std::string &reason);

} // namespace ferry
#endif
