/* Offsets without the spaces that a byte-level token begins or ends with, as the reference's
 * ByteLevel and RobertaProcessing trim them. */
#ifndef FERRY_OFFSET_TRIM_H
#define FERRY_OFFSET_TRIM_H

#include "tokenizer/tokenizer_model.h"

/* Spaces at both ends of a text, in characters; "Ġ" is one. */
struct ferry_token_spaces ferry_count_spaces(const char *text, size_t size);

/* bytes: the text when offsets are in bytes, NULL when they are in characters. is_first: the token
 * is the first of its text in this window. */
void ferry_trim_offsets(struct ferry_token_spaces spaces, bool may_be_prefixed, const char *bytes,
                        bool is_first, struct ferry_token_offsets *offsets);

#endif
