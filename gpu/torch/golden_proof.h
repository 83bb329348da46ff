// The last proof of a load: every golden row through the code that later runs batches.
#ifndef FERRY_GPU_TORCH_GOLDEN_PROOF_H
#define FERRY_GPU_TORCH_GOLDEN_PROOF_H

#include "gpu/torch/engine_model.h"

namespace ferry {

// Returns the worst difference. Throws Failure(BAD_DATA).
float prove_golden_rows(ferry_engine_model &model, const ferry_model_spec &spec);

// torch_engine.cc: checks the batch, then runs it.
ferry_status run_checked(ferry_engine_worker &worker, const ferry_batch &batch,
                         ferry_batch_result &result, ferry_error *error);

} // namespace ferry
#endif
