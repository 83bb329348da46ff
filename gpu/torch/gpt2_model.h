// GPT-2 out of a trace, packed: owns what gpu/packed keeps of it.
#ifndef FERRY_GPU_TORCH_GPT2_MODEL_H
#define FERRY_GPU_TORCH_GPT2_MODEL_H

#include <memory>
#include <string>

#include "gpu/packed/gpt2_decoder.h"
#include "gpu/torch/gpt2_reader.h"

namespace ferry {

struct FreeGpt2Decoder {
    void operator()(ferry_gpt2_decoder *decoder) const {
        ferry_gpt2_decoder_free(decoder);
    }
};
using Gpt2Decoder = std::unique_ptr<ferry_gpt2_decoder, FreeGpt2Decoder>;

class Gpt2Model {
  public:
    // Throws Failure(OUT_OF_MEMORY).
    explicit Gpt2Model(const Gpt2Reading &reading);
    ~Gpt2Model();
    Gpt2Model(const Gpt2Model &) = delete;
    Gpt2Model &operator=(const Gpt2Model &) = delete;

    // One of the reading's variants.
    void set_variant(const ferry_gpt2_shape &shape);
    // Borrows this model. Throws Failure(CONFIG or OUT_OF_MEMORY).
    Gpt2Decoder make_decoder(uint32_t max_length, const ferry_decoder_options &options);

  private:
    ferry_gpt2 *model_ = nullptr;
};

} // namespace ferry
#endif
