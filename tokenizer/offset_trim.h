/* Offsets without the spaces that a byte-level token begins or ends with, as the reference's
 * ByteLevel and RobertaProcessing trim them. */
#ifndef FERRY_OFFSET_TRIM_H
#define FERRY_OFFSET_TRIM_H

#include "tokenizer/tokenizer_model.h"

/* bytes: the text when offsets are in bytes, NULL when they are in characters. is_first: the token
 * is the first of its text in this window. tokenizer->spaces must be there. */
void ferry_trim_offsets(const struct ferry_tokenizer *tokenizer, const char *bytes, int32_t id,
                        bool is_first, struct ferry_token_offsets *offsets);

#endif
