// One worker's way from a packed batch to rows: padded input tensors in buffers that are reused,
// the forward call, pooling.
#ifndef FERRY_GPU_TORCH_BATCH_RUNNER_H
#define FERRY_GPU_TORCH_BATCH_RUNNER_H

#include <optional>
#include <vector>

#include <c10/core/Stream.h>

#include "gpu/padding_policy.h"
#include "gpu/torch/traced_model.h"

namespace ferry {

// Used by one thread at a time.
class BatchRunner {
  public:
    // `model` is borrowed and must outlive the runner.
    explicit BatchRunner(const TracedModel &model);

    // The model's answer for one step, checked, on the CPU: float32 [rows, length, width], or
    // [rows, width] where it is one row a sequence. `width` 0 means any. Throws Failure or what
    // libtorch throws.
    at::Tensor compute(const ferry_batch &batch, const ferry_padding_step &step, uint32_t width);
    // Last size of the last answer: the width of a row, or the size of the vocabulary.
    uint32_t answer_width() const {
        return answer_width_;
    }
    // Pools that answer into rows: one of `width` numbers a sequence, or a token.
    void collect(const at::Tensor &answer, const ferry_batch &batch, const ferry_padding_step &step,
                 float *rows) const;

    // Rows that collect writes for this step.
    size_t row_count(const ferry_batch &batch, const ferry_padding_step &step) const;

    const TracedModel &model() const {
        return model_;
    }

    // What padded positions hold; the layout's pad_id unless set.
    void set_pad_id(int32_t pad_id) {
        pad_id_ = pad_id;
    }

    // The padded inputs of the last run stay valid until the next.
    std::vector<at::Tensor> make_inputs(const ferry_batch &batch, const ferry_padding_step &step);

  private:
    at::Tensor make_input(size_t input, const ferry_batch &batch, const ferry_padding_step &step);
    void *reserve(size_t input, size_t bytes);
    void check_output(const at::Tensor &output, const ferry_padding_step &step,
                      uint32_t width) const;

    const TracedModel &model_;
    std::vector<at::Tensor> staging_;   // one byte tensor an input; pinned for an accelerator
    std::optional<c10::Stream> stream_; // of this worker; none on the CPU
    int32_t pad_id_;
    uint32_t answer_width_ = 0;
};

} // namespace ferry
#endif
