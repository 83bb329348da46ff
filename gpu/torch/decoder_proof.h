// Proof of the packed decoder against the trace: the same sequences through both, in every manner
// in which steps can cut and mix them.
#ifndef FERRY_GPU_TORCH_DECODER_PROOF_H
#define FERRY_GPU_TORCH_DECODER_PROOF_H

#include <ATen/core/Tensor.h>

#include "gpu/torch/engine_model.h"
#include "gpu/torch/gpt2_model.h"

namespace ferry {

class DecoderProof {
  public:
    // Borrowed, like the decoders below.
    explicit DecoderProof(const ferry_engine_model &model);

    // Computes the trace's answers. Throws what the trace throws.
    void make_reference();

    // Largest difference over a short sequence, of its log-probabilities and of all its logits (of
    // those above 1 relative to them): tells variants apart, and what a trace does to its logits
    // that no log-probability shows. Of a decoder that takes the sequence in one step.
    float try_short(ferry_gpt2_decoder &decoder) const;
    // The same over all sequences: each alone in steps as large as they may be, then many together
    // in parts of every size, then over blocks that were used before.
    float try_all(ferry_gpt2_decoder &decoder) const;

    // "12 sequences of 1 to 1024 tokens"
    std::string description() const;
    float tolerance() const;

  private:
    struct Case {
        ProbeSequence sequence;
        std::vector<float> expected; // see successor_logprobs; of golden rows one fewer
    };
    class Run;
    void make_short_reference(BatchRunner &runner);
    float run(ferry_gpt2_decoder &decoder, size_t first, size_t count, bool cut) const;
    float compare_logits(const ferry_gpt2_decoder &decoder) const;
    size_t count_together(const ferry_decoder_info &info, size_t first) const;

    const ferry_engine_model &model_;
    std::vector<Case> cases_; // the short one first
    at::Tensor short_logits_; // [length, vocabulary]
};

} // namespace ferry
#endif
