// Proof of the packed decoder against the trace: the same sequences through both, in every manner
// in which steps can cut and mix them.
#ifndef FERRY_GPU_TORCH_DECODER_PROOF_H
#define FERRY_GPU_TORCH_DECODER_PROOF_H

#include "gpu/torch/engine_model.h"
#include "gpu/torch/gpt2_model.h"

namespace ferry {

class DecoderProof {
  public:
    // Borrowed, like the decoders below.
    explicit DecoderProof(const ferry_engine_model &model);

    // Computes the trace's answers. Throws what the trace throws.
    void make_reference();

    // Largest difference of a log-probability over a short sequence: tells variants apart.
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
    float run(ferry_gpt2_decoder &decoder, size_t first, size_t count, bool cut) const;
    size_t count_together(const ferry_decoder_info &info, size_t first) const;

    const ferry_engine_model &model_;
    std::vector<Case> cases_; // the short one first
};

} // namespace ferry
#endif
