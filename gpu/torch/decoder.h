// What stands behind ferry_decoder: one class for each way of decoding.
#ifndef FERRY_GPU_TORCH_DECODER_H
#define FERRY_GPU_TORCH_DECODER_H

#include "gpu/engine.h"

namespace ferry {

// Used by one thread at a time.
class Decoder {
  public:
    Decoder() = default;
    virtual ~Decoder() = default;
    Decoder(const Decoder &) = delete;
    Decoder &operator=(const Decoder &) = delete;

    virtual const ferry_decoder_info &info() const = 0;
    // As decoder_step of engine.h; may throw as well, what is thrown becomes ENGINE, memory or the
    // device.
    virtual ferry_status step(ferry_decode_entry *entries, uint32_t count, ferry_error *error) = 0;
    virtual void release(uint32_t slot) = 0;
};

} // namespace ferry
#endif
