// A combined model: a TorchScript that takes a prompt and settings and generates by itself.
#ifndef FERRY_GPU_TORCH_COMBINED_MODEL_H
#define FERRY_GPU_TORCH_COMBINED_MODEL_H

#include <vector>

#include "gpu/torch/traced_model.h"

namespace ferry {

// Whether the specification is of one: its output are ids.
bool is_combined(const ferry_model_spec &spec);

class CombinedModel {
  public:
    // Loads the module and compares the arguments of its forward with the inputs of the
    // specification. Throws Failure(BAD_DATA), which names the argument.
    CombinedModel(const ferry_model_spec &spec, c10::Device device);

    // The new ids after a prompt: at most max_new, each in the vocabulary. `ids` has been checked.
    // Throws Failure(ENGINE) when the answer is not that. A run that never ends never returns.
    std::vector<int32_t> run(const int32_t *ids, uint32_t length, uint32_t max_new,
                             const ferry_sampling &sampling) const;

    // Every golden row must give exactly its ids, in a first run and in a later one, which the
    // interpreter compiles in another way. Throws Failure(BAD_DATA).
    void prove(const ferry_model_spec &spec) const;

    const TracedModel &module() const {
        return module_;
    }
    int32_t vocabulary_size() const {
        return vocabulary_size_;
    }
    uint32_t max_length() const {
        return max_length_;
    }
    uint32_t max_new_tokens() const {
        return max_new_tokens_;
    }

  private:
    void check_inputs() const;
    void check_argument(size_t input) const;
    std::vector<int32_t> take_ids(const at::Tensor &output, const int32_t *ids, uint32_t length,
                                  uint32_t max_new) const;

    TracedModel module_;
    int32_t vocabulary_size_;
    uint32_t max_length_;
    uint32_t max_new_tokens_;
};

} // namespace ferry
#endif
