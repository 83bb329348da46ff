// The module behind TracedModel; includes all of TorchScript.
#ifndef FERRY_GPU_TORCH_TRACED_MODULE_H
#define FERRY_GPU_TORCH_TRACED_MODULE_H

#include <torch/script.h>

#include "gpu/torch/traced_model.h"

namespace ferry {

struct TracedModel::Module {
    torch::jit::Module traced;
};

} // namespace ferry
#endif
