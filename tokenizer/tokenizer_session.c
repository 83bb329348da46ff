#include "tokenizer/tokenizer_session.h"

#include <stdlib.h>

enum { TEXT_BYTES_LIMIT = INT32_MAX, DEFAULT_CACHE_BYTES = 16 << 20 };

enum ferry_status ferry_tokenizer_session_create(const struct ferry_tokenizer *tokenizer,
                                                 size_t word_cache_bytes,
                                                 struct ferry_tokenizer_session **ret_session,
                                                 struct ferry_error *error) {
    struct ferry_tokenizer_session *session = calloc(1, sizeof *session);
    if (!session)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a tokenizer session");
    enum ferry_status status = ferry_word_cache_init(
        &session->cache, word_cache_bytes ? word_cache_bytes : DEFAULT_CACHE_BYTES, error);
    if (status != FERRY_OK) {
        free(session);
        return status;
    }
    session->tokenizer = tokenizer;
    session->normalizer.options = tokenizer->normalizer;
    session->words.wordpiece = &tokenizer->wordpiece;
    *ret_session = session;
    return FERRY_OK;
}

void ferry_tokenizer_session_free(struct ferry_tokenizer_session *session) {
    if (!session)
        return;
    ferry_word_cache_free(&session->cache);
    ferry_normalizer_free(&session->normalizer);
    ferry_word_builder_free(&session->words);
    ferry_token_run_free(&session->runs[0]);
    ferry_token_run_free(&session->runs[1]);
    free(session->normalized_text);
    free(session->normalized_sources);
    free(session->arrays.windows);
    free(session->arrays.ids);
    free(session->arrays.type_ids);
    free(session->arrays.special_mask);
    free(session->arrays.offsets);
    free(session->arrays.parts);
    free(session->arrays.merged_parts);
    free(session->decoded);
    free(session);
}

enum ferry_status ferry_tokenizer_encode(struct ferry_tokenizer_session *session, const char *text,
                                         size_t text_bytes, const char *pair, size_t pair_bytes,
                                         const struct ferry_encode_options *options,
                                         struct ferry_encodings *ret_encodings,
                                         struct ferry_error *error) {
    if (text_bytes > TEXT_BYTES_LIMIT || (pair && pair_bytes > TEXT_BYTES_LIMIT))
        return ferry_fail(error, FERRY_TOO_LARGE, "the text has %zu bytes; %d are allowed",
                          text_bytes > TEXT_BYTES_LIMIT ? text_bytes : pair_bytes,
                          TEXT_BYTES_LIMIT);
    size_t limit = ferry_windows_read_limit(session->tokenizer, options, pair != NULL);
    size_t bytes_read[2] = {0, 0};
    enum ferry_status status =
        ferry_text_read(session, 0, text, text_bytes, limit, options, &bytes_read[0], error);
    if (status == FERRY_OK && pair) {
        status =
            ferry_text_read(session, 1, pair, pair_bytes, limit, options, &bytes_read[1], error);
        if (status == FERRY_INVALID_INPUT)
            status = ferry_fail_within(error, "second text");
    }
    if (status == FERRY_OK)
        status = ferry_windows_make(session, text, pair, options, ret_encodings, error);
    if (status == FERRY_OK) {
        ret_encodings->bytes_read[0] = bytes_read[0];
        ret_encodings->bytes_read[1] = bytes_read[1];
    }
    return status;
}
