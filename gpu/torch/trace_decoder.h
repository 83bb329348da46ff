// Decoding through the trace's own forward: every step computes its sequences from their first
// token, so it is slow, and right for any trace that gives logits.
#ifndef FERRY_GPU_TORCH_TRACE_DECODER_H
#define FERRY_GPU_TORCH_TRACE_DECODER_H

#include <memory>
#include <string>

#include "gpu/padding_policy.h"
#include "gpu/torch/decoder.h"
#include "gpu/torch/traced_model.h"

namespace ferry {

// `model` is borrowed and must outlive the decoder; `rules` are those proven at load. `reason` says
// for people why there is no better way. Throws Failure.
std::unique_ptr<Decoder> make_trace_decoder(const TracedModel &model,
                                            const ferry_padding_rules &rules,
                                            int32_t vocabulary_size,
                                            const ferry_decoder_options &options,
                                            const std::string &reason);

} // namespace ferry
#endif
