// A loaded model and its workers, as the files of the engine share them.
#ifndef FERRY_GPU_TORCH_ENGINE_MODEL_H
#define FERRY_GPU_TORCH_ENGINE_MODEL_H

#include <memory>
#include <vector>

#include "gpu/batch_check.h"
#include "gpu/padding_policy.h"
#include "gpu/torch/batch_runner.h"
#include "gpu/torch/combined_model.h"
#include "gpu/torch/probe_batch.h"

namespace ferry {

class Gpt2Model;

// What the specification said and later proofs need; its memory is gone after model_load.
struct ProofMaterial {
    explicit ProofMaterial(const ferry_model_spec &spec);

    int32_t vocabulary_size;
    int32_t pad_id;
    float tolerance;
    std::vector<ProbeSequence> golden;
    std::vector<std::vector<float>> expected; // [golden]
    // Of logits: what the probe has computed already.
    ProbeSequence longest;
    std::vector<float> longest_logprobs;
};

} // namespace ferry

struct ferry_engine_model {
    std::unique_ptr<ferry::TracedModel> traced;     // null: a combined model
    std::unique_ptr<ferry::CombinedModel> combined; // null: a trace
    std::unique_ptr<ferry::ProofMaterial> material;
    ferry_model_info info = {};
    ferry_batch_limits limits = {};
    ferry_padding_rules rules = {};
    int threads_per_worker = 1;
    std::shared_ptr<ferry::Gpt2Model> packed; // made by the first decoder
};

struct ferry_engine_worker {
    explicit ferry_engine_worker(ferry_engine_model &owner) : model(owner), runner(*owner.traced) {}
    ferry_engine_model &model; // borrowed
    ferry::BatchRunner runner;
    bool threads_are_set = false; // OpenMP keeps the number per thread
};

#endif
