/* Proves that the tokenizer is the original's: the golden rows' texts must give their ids. */
#ifndef FERRY_DAEMON_GOLDEN_TEXTS_H
#define FERRY_DAEMON_GOLDEN_TEXTS_H

#include "daemon/ops/manifest.h"

/* Rows without a text, and those as long as the limit, which may be cut, are passed over.
 * Errors: BAD_DATA (names the row), OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_golden_texts_check(const struct ferry_manifest *manifest,
                                                            const struct ferry_tokenizer *tokenizer,
                                                            struct ferry_error *error);

#endif
