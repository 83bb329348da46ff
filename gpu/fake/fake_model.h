/* The fake engine's model, shared by its batches and its decoders. */
#ifndef FERRY_GPU_FAKE_MODEL_H
#define FERRY_GPU_FAKE_MODEL_H

#include <stdatomic.h>

#include "gpu/batch_check.h"
#include "gpu/engine.h"
#include "gpu/fake/fake_script.h"
#include "gpu/padding_policy.h"

struct ferry_engine_model {
    struct ferry_fake_script script;
    struct ferry_model_info info;
    struct ferry_batch_limits limits;
    struct ferry_padding_rules rules;
    enum ferry_output_shape output_shape;
    uint32_t max_new_tokens; /* combined model */
    atomic_ullong batches;   /* started, over all workers; steps of decoders count as well */
    atomic_bool lost;        /* a lost device stays lost */
};

/* Counts the batch or step and lets happen what the script says of its number and size, after
 * `delay` nanoseconds. */
FERRY_MUST_CHECK enum ferry_status ferry_fake_play(struct ferry_engine_model *model, uint64_t delay,
                                                   uint64_t positions, struct ferry_error *error);

/* The decoder functions of engine.h. */
enum ferry_status ferry_fake_decoder_create(struct ferry_engine_model *model,
                                            const struct ferry_decoder_options *options,
                                            struct ferry_decoder **ret_decoder,
                                            struct ferry_error *error);
void ferry_fake_decoder_free(struct ferry_decoder *decoder);
const struct ferry_decoder_info *ferry_fake_decoder_info(const struct ferry_decoder *decoder);
enum ferry_status ferry_fake_decoder_step(struct ferry_decoder *decoder,
                                          struct ferry_decode_entry *entries, uint32_t count,
                                          struct ferry_error *error);
void ferry_fake_decoder_release(struct ferry_decoder *decoder, uint32_t slot);

#endif
