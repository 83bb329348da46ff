#include "tokenizer/tokenizer_session.h"

#include <stdlib.h>

enum { TEXT_BYTES_LIMIT = INT32_MAX, DEFAULT_CACHE_BYTES = 16 << 20, READ_GROWTH = 8 };

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
    ferry_buffer_init(&session->decoded, SIZE_MAX); /* ids are the caller's: so is their number */
    session->tokenizer = tokenizer;
    session->normalizer.options = tokenizer->normalizer;
    session->words.wordpiece = &tokenizer->wordpiece;
    *ret_session = session;
    return FERRY_OK;
}

static size_t run_bytes(const struct ferry_token_run *run) {
    return run->capacity * sizeof *run->ids + run->offsets_capacity * sizeof *run->offsets +
           run->padded_capacity * sizeof *run->padded;
}

static size_t array_bytes(const struct ferry_window_arrays *arrays) {
    return arrays->window_capacity * sizeof *arrays->windows +
           arrays->token_capacity * (sizeof *arrays->ids + 2) +
           arrays->offsets_capacity * sizeof *arrays->offsets +
           arrays->parts_capacity * 2 * sizeof *arrays->parts;
}

/* Everything that grows with the texts. */
static void free_working_memory(struct ferry_tokenizer_session *session) {
    struct ferry_window_arrays *arrays = &session->arrays;
    const struct ferry_bert_options options = session->normalizer.options;
    ferry_normalizer_free(&session->normalizer); /* grows with runs of marks */
    session->normalizer.options = options;
    ferry_bpe_workspace_free(&session->bpe);
    ferry_token_run_free(&session->runs[0]);
    ferry_token_run_free(&session->runs[1]);
    free(session->normalized_text);
    free(session->normalized_sources);
    ferry_buffer_free(&session->decoded);
    free(arrays->windows);
    free(arrays->ids);
    free(arrays->type_ids);
    free(arrays->special_mask);
    free(arrays->offsets);
    free(arrays->parts);
    free(arrays->merged_parts);
    *arrays = (struct ferry_window_arrays){0};
    session->normalized_text = NULL;
    session->normalized_sources = NULL;
    session->normalized_capacity = 0;
}

void ferry_tokenizer_session_trim(struct ferry_tokenizer_session *session, size_t keep_bytes) {
    size_t bytes = run_bytes(&session->runs[0]) + run_bytes(&session->runs[1]) +
                   array_bytes(&session->arrays) + session->decoded.capacity +
                   ferry_bpe_workspace_bytes(&session->bpe) +
                   session->normalizer.capacity * sizeof *session->normalizer.output +
                   session->normalizer.pending_capacity * 2 * sizeof *session->normalizer.pending +
                   session->normalized_capacity * (1 + sizeof *session->normalized_sources);
    if (bytes > keep_bytes)
        free_working_memory(session);
}

void ferry_tokenizer_session_free(struct ferry_tokenizer_session *session) {
    if (!session)
        return;
    ferry_word_cache_free(&session->cache);
    ferry_word_builder_free(&session->words);
    free_working_memory(session);
    free(session);
}

struct encode_input {
    const char *texts[2]; /* the second may be NULL */
    size_t sizes[2];
    const struct ferry_encode_options *options;
};

static enum ferry_status read_texts(struct ferry_tokenizer_session *session,
                                    const struct encode_input *input, size_t limit,
                                    size_t *bytes_read, struct ferry_error *error) {
    bytes_read[1] = 0;
    enum ferry_status status = ferry_text_read(session, 0, input->texts[0], input->sizes[0], limit,
                                               input->options, &bytes_read[0], error);
    if (status != FERRY_OK || !input->texts[1])
        return status;
    status = ferry_text_read(session, 1, input->texts[1], input->sizes[1], limit, input->options,
                             &bytes_read[1], error);
    return status == FERRY_INVALID_INPUT ? ferry_fail_within(error, "second text") : status;
}

/* Two texts that are both cut share an odd number of tokens so that the longer one gets more: then
 * it must be known which one that is. */
static bool is_longer_unknown(const struct ferry_tokenizer_session *session,
                              const struct encode_input *input, size_t limit) {
    return input->texts[1] && input->options->strategy == FERRY_TRUNCATE_LONGEST_FIRST &&
           limit != SIZE_MAX && limit % 2 == 1 && session->runs[0].count > limit &&
           session->runs[1].count > limit;
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
    const struct encode_input input = {{text, pair}, {text_bytes, pair_bytes}, options};
    size_t limit = ferry_windows_read_limit(session->tokenizer, options, pair != NULL);
    enum ferry_status status = read_texts(session, &input, limit, ret_encodings->bytes_read, error);
    while (status == FERRY_OK && is_longer_unknown(session, &input, limit)) {
        limit = limit * READ_GROWTH + 1; /* odd as before */
        status = read_texts(session, &input, limit, ret_encodings->bytes_read, error);
    }
    return status == FERRY_OK
               ? ferry_windows_make(session, text, pair, options, ret_encodings, error)
               : status;
}
