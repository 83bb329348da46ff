// A decoder over a combined model: an entry is a whole generation, one at a time.
#ifndef FERRY_GPU_TORCH_COMBINED_DECODER_H
#define FERRY_GPU_TORCH_COMBINED_DECODER_H

#include <memory>
#include <string>

#include "gpu/torch/combined_model.h"
#include "gpu/torch/decoder.h"

namespace ferry {

// `model` is borrowed and must outlive the decoder; `proof` says what was proven at load.
std::unique_ptr<Decoder> make_combined_decoder(const CombinedModel &model,
                                               const ferry_decoder_options &options,
                                               const std::string &proof);

} // namespace ferry
#endif
