#include "gpu/torch/device_pooling.h"

#include <limits>

#include <ATen/Functions.h>

#include "gpu/torch/torch_errors.h"

namespace ferry {

namespace {

// Lengths of the step's rows, on the device of the tokens: int64 [rows].
at::Tensor lengths_of(const at::Tensor &tokens, const ferry_batch &batch,
                      const ferry_padding_step &step) {
    at::Tensor lengths = at::ones({static_cast<int64_t>(step.rows)}, at::kLong);
    int64_t *values = lengths.mutable_data_ptr<int64_t>();
    for (uint32_t row = 0; row < step.count; row++)
        values[row] = batch.offsets[step.first + row + 1] - batch.offsets[step.first + row];
    return lengths.to(tokens.device());
}

// True where a token is padding: [rows, length, 1].
at::Tensor padding_of(const at::Tensor &tokens, const at::Tensor &lengths) {
    at::Tensor positions = at::arange(tokens.size(1), lengths.options());
    return positions.unsqueeze(0).ge(lengths.unsqueeze(1)).unsqueeze(2);
}

} // namespace

at::Tensor pool_on_device(const at::Tensor &tokens, const ferry_batch &batch,
                          const ferry_padding_step &step, ferry_pooling pooling) {
    if (pooling == FERRY_POOLING_CLS)
        return tokens.select(1, 0).to(at::kFloat);
    at::Tensor values = tokens.to(at::kFloat);
    at::Tensor lengths = lengths_of(tokens, batch, step);
    // Filled rather than multiplied by 0: what stands in the padding may be no number at all.
    if (pooling == FERRY_POOLING_MEAN)
        return values.masked_fill(padding_of(tokens, lengths), 0).sum(1).div(lengths.unsqueeze(1));
    if (pooling == FERRY_POOLING_MAX)
        return values
            .masked_fill(padding_of(tokens, lengths), -std::numeric_limits<float>::infinity())
            .amax(1);
    if (pooling == FERRY_POOLING_LAST) {
        at::Tensor last = lengths.sub(1).view({-1, 1, 1});
        return values.gather(1, last.expand({-1, 1, tokens.size(2)})).squeeze(1);
    }
    throw Failure(FERRY_INTERNAL, "pooling %d on the device", static_cast<int>(pooling));
}

} // namespace ferry
