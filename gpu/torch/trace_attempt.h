// Trying a shape on a trace: the answer or the reason, and the bounded search for a shape that
// runs.
#ifndef FERRY_GPU_TORCH_TRACE_ATTEMPT_H
#define FERRY_GPU_TORCH_TRACE_ATTEMPT_H

#include <optional>

#include "gpu/torch/probe_batch.h"

namespace ferry {

struct TraceShape {
    uint32_t batch;
    uint32_t length;
};

class TraceAttempts {
  public:
    // Both are borrowed.
    TraceAttempts(BatchRunner &runner, const ferry_model_spec &spec)
        : runner_(runner), spec_(spec) {}

    // No value: the trace failed at this shape, last_error says how. Memory and device errors are
    // thrown: they say nothing about the trace.
    std::optional<ProbeRows> run(const std::vector<ProbeSequence> &sequences,
                                 const ProbeShape &shape);
    bool runs(const TraceShape &shape);
    // Tries `first`, then what the trace's own error texts name, then common shapes; a size of 0 is
    // open, another one is kept where `keep` says so.
    std::optional<TraceShape> search(const TraceShape &first, bool keep);

    const ferry_error &last_error() const {
        return last_error_;
    }
    // The trace ran and its output did not fit the layout.
    bool output_was_wrong() const {
        return output_was_wrong_;
    }

  private:
    BatchRunner &runner_;
    const ferry_model_spec &spec_;
    ferry_error last_error_ = {};
    bool output_was_wrong_ = false;
};

} // namespace ferry
#endif
