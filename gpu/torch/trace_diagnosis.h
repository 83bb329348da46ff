// Why a trace does not run with the inputs that the manifest describes.
#ifndef FERRY_GPU_TORCH_TRACE_DIAGNOSIS_H
#define FERRY_GPU_TORCH_TRACE_DIAGNOSIS_H

#include "gpu/torch/trace_attempt.h"
#include "gpu/torch/traced_model.h"

namespace ferry {

// The failure to throw after the trace failed at `given` (attempts.last_error): names the input,
// the shape wanted and the shape given, where trying finds them.
ferry_error diagnose_trace(const TracedModel &model, const ferry_model_spec &spec,
                           BatchRunner &runner, TraceAttempts &attempts, const TraceShape &given);

} // namespace ferry
#endif
