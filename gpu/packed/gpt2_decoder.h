/* The decoder of the packed engine: sequences in slots, keys and values in blocks, one forward pass
 * a step. The decoding functions of engine.h for a model that is proven elsewhere. */
#ifndef FERRY_GPU_PACKED_GPT2_DECODER_H
#define FERRY_GPU_PACKED_GPT2_DECODER_H

#include "gpu/packed/gpt2.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ferry_gpt2_decoder;

/* `model` is borrowed and must outlive the decoder. `max_length` is at most its positions. The
 * proof of the information is empty. CONFIG: cache_bytes are not enough for one sequence of
 * max_length; OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status
ferry_gpt2_decoder_create(struct ferry_gpt2 *model, uint32_t max_length,
                          const struct ferry_decoder_options *options,
                          struct ferry_gpt2_decoder **ret_decoder, struct ferry_error *error);
void ferry_gpt2_decoder_free(struct ferry_gpt2_decoder *decoder); /* NULL is allowed */
struct ferry_decoder_info *ferry_gpt2_decoder_info(struct ferry_gpt2_decoder *decoder);
FERRY_MUST_CHECK enum ferry_status ferry_gpt2_decoder_step(struct ferry_gpt2_decoder *decoder,
                                                           struct ferry_decode_entry *entries,
                                                           uint32_t count,
                                                           struct ferry_error *error);
/* For proofs: of a last step that wanted at most FERRY_GPT2_KEPT_ROWS rows, the logits of row `at`,
 * [vocabulary]. */
enum { FERRY_GPT2_KEPT_ROWS = 64 };
const float *ferry_gpt2_decoder_logits(const struct ferry_gpt2_decoder *decoder, uint32_t at);
void ferry_gpt2_decoder_release(struct ferry_gpt2_decoder *decoder, uint32_t slot);

#ifdef __cplusplus
}
#endif
#endif
