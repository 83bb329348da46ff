// A decoder of the packed engine, made and proven for a loaded trace.
#ifndef FERRY_GPU_TORCH_PACKED_DECODER_H
#define FERRY_GPU_TORCH_PACKED_DECODER_H

#include <memory>
#include <string>

#include "gpu/torch/decoder.h"
#include "gpu/torch/engine_model.h"

namespace ferry {

// Null where the trace is not recognised or the packed way does not reproduce it: `reason` says
// which. Throws Failure(CONFIG, OUT_OF_MEMORY).
std::unique_ptr<Decoder> make_packed_decoder(ferry_engine_model &model,
                                             const ferry_decoder_options &options,
                                             std::string &reason);

} // namespace ferry
#endif
