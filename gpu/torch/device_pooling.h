// The pooling of gpu/pooling.h in tensor operations, so that only one row a sequence travels back
// from an accelerator.
#ifndef FERRY_GPU_TORCH_DEVICE_POOLING_H
#define FERRY_GPU_TORCH_DEVICE_POOLING_H

#include <ATen/core/Tensor.h>

#include "gpu/padding_policy.h"

namespace ferry {

// tokens: [step.rows, step.length, width] on any device; returns float32 [step.rows, width] there.
// Rows beyond step.count hold nothing of use. Not for FERRY_POOLING_NONE.
at::Tensor pool_on_device(const at::Tensor &tokens, const ferry_batch &batch,
                          const ferry_padding_step &step, ferry_pooling pooling);

} // namespace ferry
#endif
