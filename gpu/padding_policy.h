/* How a trace is run, decided from what was proven about it by running it. Pure functions. */
#ifndef FERRY_GPU_PADDING_POLICY_H
#define FERRY_GPU_PADDING_POLICY_H

#include "gpu/engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What running the trace has shown. "Equal" is always: within the tolerance, compared with the
 * trace's own output at its traced shape. */
struct ferry_trace_findings {
    uint32_t batch;              /* the traced shape: known to run */
    uint32_t length;             /* likewise */
    uint32_t longest;            /* longest length that was run with a right answer; >= length */
    bool batch_varies;           /* rows are equal in batches of other sizes */
    bool length_varies_padded;   /* without padding equal to padded to the traced length */
    bool length_varies_unpadded; /* without padding equal to the golden rows, though padding is not
                                  */
    bool padding_is_masked;      /* what stands in the padding does not change the result */
};

struct ferry_padding_rules {
    uint32_t fixed_length; /* 0: pad to the longest of the batch */
    uint32_t fixed_batch;  /* 0: as many rows as there are sequences */
    uint32_t max_length;
    bool equal_lengths_only;
    bool padding_affects_result;
};

/* What is not proven is not used: see the table in gpu/torch/README.md. `wanted_length` is the
 * longest sequence that will be asked for; rules.max_length may be smaller. */
struct ferry_padding_rules ferry_padding_decide(const struct ferry_trace_findings *findings,
                                                uint32_t wanted_length);

/* A run of sequences that goes through the model as one tensor of [rows, length]. */
struct ferry_padding_step {
    uint32_t first; /* sequence */
    uint32_t count; /* sequences; rows beyond them are filled up */
    uint32_t rows;
    uint32_t length;
};

/* The next step of a batch that starts at sequence `first` (< batch->sequences). A batch that obeys
 * the rules is one step; one that does not is cut. */
struct ferry_padding_step ferry_padding_next(const struct ferry_padding_rules *rules,
                                             const struct ferry_batch *batch, uint32_t first);

#ifdef __cplusplus
}
#endif
#endif
