#include "daemon/ops/golden_texts.h"

#include <string.h>

enum { SMALL_CACHE_BYTES = 64 * 1024 };

static bool are_equal(const struct ferry_encoding *encoding, const struct ferry_golden_row *row) {
    if (encoding->count != row->length ||
        memcmp(encoding->ids, row->ids, row->length * sizeof *row->ids) != 0)
        return false;
    return row->type_ids == NULL || memcmp(encoding->type_ids, row->type_ids, row->length) == 0;
}

static enum ferry_status check_row(const struct ferry_manifest *manifest, uint32_t index,
                                   struct ferry_tokenizer_session *session,
                                   struct ferry_error *error) {
    const struct ferry_golden_text *texts = &manifest->golden_texts[index];
    const struct ferry_golden_row *row = &manifest->golden[index];
    if (texts->text == NULL || row->length == manifest->max_length)
        return FERRY_OK;
    const struct ferry_encode_options options = {.offsets = FERRY_OFFSETS_NONE,
                                                 .add_special_tokens = true};
    struct ferry_encodings encodings;
    size_t pair_bytes = texts->pair != NULL ? strlen(texts->pair) : 0;
    enum ferry_status status =
        ferry_tokenizer_encode(session, texts->text, strlen(texts->text), texts->pair, pair_bytes,
                               &options, &encodings, error);
    if (status != FERRY_OK)
        return ferry_fail_within(error, "%s: golden.rows[%u]", manifest->path, index);
    if (are_equal(&encodings.windows[0], row))
        return FERRY_OK;
    return ferry_fail(
        error, FERRY_BAD_DATA,
        "%s: golden.rows[%u]: the tokenizer does not give these ids for this text: its "
        "files, or \"tokenizer\" in ferry.json, are not the original model's",
        manifest->path, index);
}

enum ferry_status ferry_golden_texts_check(const struct ferry_manifest *manifest,
                                           const struct ferry_tokenizer *tokenizer,
                                           struct ferry_error *error) {
    struct ferry_tokenizer_session *session = NULL;
    enum ferry_status status =
        ferry_tokenizer_session_create(tokenizer, SMALL_CACHE_BYTES, &session, error);
    for (uint32_t i = 0; status == FERRY_OK && i < manifest->golden_count; i++)
        status = check_row(manifest, i, session, error);
    ferry_tokenizer_session_free(session);
    return status;
}
