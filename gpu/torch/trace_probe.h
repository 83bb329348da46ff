// Finds out by running what a trace allows, and proves it against the trace's own output at its
// traced shape. What counts as proven: the table in gpu/torch/README.md.
#ifndef FERRY_GPU_TORCH_TRACE_PROBE_H
#define FERRY_GPU_TORCH_TRACE_PROBE_H

#include "gpu/padding_policy.h"
#include "gpu/torch/probe_batch.h"

namespace ferry {

struct ProbeResult {
    ferry_trace_findings findings;
    uint32_t width;
    uint8_t max_type_id; // largest that may be given to the trace: 0 or 1
    // Of logits: a sequence as long as may be, and the trace's answer; see successor_logprobs.
    ProbeSequence longest;
    std::vector<float> longest_logprobs;
};

// Runs the model a bounded number of times where it lies. `bound` NULL: everything is tried, which
// on a CUDA device would be fatal for the process where a table is overrun. Otherwise nothing is
// tried beyond what `bound` found on the CPU. Throws Failure(BAD_DATA) when the trace does not run,
// with the input at fault.
ProbeResult probe_trace(const TracedModel &model, const ferry_model_spec &spec,
                        const ProbeResult *bound);

} // namespace ferry
#endif
