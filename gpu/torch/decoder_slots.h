// What decoders in C++ own of the parts in C.
#ifndef FERRY_GPU_TORCH_DECODER_SLOTS_H
#define FERRY_GPU_TORCH_DECODER_SLOTS_H

#include <memory>

#include "gpu/decode_check.h"
#include "gpu/logits_row.h"
#include "gpu/torch/torch_errors.h"

namespace ferry {

// Slots of a decoder without a cache.
class DecoderSlots {
  public:
    explicit DecoderSlots(uint32_t count) {
        ferry_error error = {};
        throw_unless_ok(ferry_decode_slots_init(&slots_, count, 0, &error), error);
    }
    ~DecoderSlots() {
        ferry_decode_slots_free(&slots_);
    }
    DecoderSlots(const DecoderSlots &) = delete;
    DecoderSlots &operator=(const DecoderSlots &) = delete;

    ferry_decode_slots *get() {
        return &slots_;
    }

  private:
    ferry_decode_slots slots_ = {};
};

struct RowScratchDeleter {
    void operator()(ferry_row_scratch *scratch) const {
        ferry_row_scratch_free(scratch);
    }
};
using RowScratch = std::unique_ptr<ferry_row_scratch, RowScratchDeleter>;

inline RowScratch make_row_scratch(uint32_t vocabulary) {
    ferry_row_scratch *scratch = nullptr;
    ferry_error error = {};
    throw_unless_ok(ferry_row_scratch_create(vocabulary, &scratch, &error), error);
    return RowScratch(scratch);
}

} // namespace ferry
#endif
