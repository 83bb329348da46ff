/* From ids back to text, as the reference's decode() with its WordPiece decoder, with its ByteLevel
 * decoder, or with none. */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/tokenizer_session.h"

/* The reference's clean-up, applied to each token in this order. No replacement is longer than what
 * it replaces. */
static const struct {
    const char *from, *to;
} cleanup_rules[] = {
    {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
    {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
    {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
};

static size_t replace_all(char *text, size_t size, const char *from, const char *to) {
    size_t from_size = strlen(from), to_size = strlen(to), out = 0;
    for (size_t at = 0; at < size;) {
        if (size - at >= from_size && memcmp(text + at, from, from_size) == 0) {
            memcpy(text + out, to, to_size);
            out += to_size;
            at += from_size;
        } else {
            text[out++] = text[at++];
        }
    }
    return out;
}

static size_t clean_up(char *text, size_t size) {
    if (!memchr(text, ' ', size)) /* every rule begins with one */
        return size;
    for (size_t rule = 0; rule < sizeof cleanup_rules / sizeof *cleanup_rules; rule++)
        size = replace_all(text, size, cleanup_rules[rule].from, cleanup_rules[rule].to);
    return size;
}

static enum ferry_status fail_memory(struct ferry_error *error) {
    return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the decoded text");
}

/* Appends a token at `at` and returns the new end. */
static size_t put_token(const struct ferry_wordpiece_decoder *decoder, char *target, size_t at,
                        const struct ferry_token_text *token, bool is_first) {
    size_t begin = at, skip = 0;
    if (!is_first) {
        if (decoder->is_present && token->size >= decoder->prefix_size &&
            memcmp(token->bytes, decoder->prefix, decoder->prefix_size) == 0)
            skip = decoder->prefix_size;
        else
            target[at++] = ' ';
    }
    memcpy(target + at, token->bytes + skip, token->size - skip);
    at += token->size - skip;
    if (decoder->is_present && decoder->cleanup)
        at = begin + clean_up(target + begin, at - begin);
    return at;
}

static enum ferry_status decode_words(struct ferry_tokenizer_session *session, const int32_t *ids,
                                      size_t count, bool skip_special_tokens,
                                      struct ferry_error *error) {
    const struct ferry_tokenizer *tokenizer = session->tokenizer;
    struct ferry_buffer *text = &session->decoded;
    bool is_first = true;
    for (size_t at = 0; at < count; at++) {
        const struct ferry_token_text *token = &tokenizer->texts[ids[at]];
        if (skip_special_tokens && token->is_special)
            continue;
        if (ferry_buffer_reserve(text, token->size + 1) != FERRY_OK)
            return fail_memory(error);
        text->size =
            put_token(&tokenizer->decoder, (char *)text->data, text->size, token, is_first);
        is_first = false;
    }
    return FERRY_OK;
}

static enum ferry_status decode_bytes(struct ferry_tokenizer_session *session, const int32_t *ids,
                                      size_t count, bool skip_special_tokens,
                                      struct ferry_error *error) {
    struct ferry_text_stream stream;
    enum ferry_status status =
        ferry_text_stream_begin(&stream, session->tokenizer, skip_special_tokens, error);
    for (size_t at = 0; at < count && status == FERRY_OK; at++)
        status = ferry_text_stream_push(&stream, ids[at], &session->decoded, error);
    return status == FERRY_OK ? ferry_text_stream_end(&stream, &session->decoded, error) : status;
}

enum ferry_status ferry_tokenizer_decode(struct ferry_tokenizer_session *session,
                                         const int32_t *ids, size_t count, bool skip_special_tokens,
                                         const char **ret_text, size_t *ret_size,
                                         struct ferry_error *error) {
    const struct ferry_tokenizer *tokenizer = session->tokenizer;
    for (size_t at = 0; at < count; at++)
        if (ids[at] < 0 || ids[at] >= tokenizer->id_bound || !tokenizer->texts[ids[at]].bytes)
            return ferry_fail(error, FERRY_INVALID_INPUT, "no token has the id %d (position %zu)",
                              ids[at], at);
    session->decoded.size = 0;
    if (ferry_buffer_reserve(&session->decoded, 1) != FERRY_OK) /* never NULL */
        return fail_memory(error);
    enum ferry_status status = tokenizer->has_byte_decoder
                                   ? decode_bytes(session, ids, count, skip_special_tokens, error)
                                   : decode_words(session, ids, count, skip_special_tokens, error);
    *ret_text = (const char *)session->decoded.data;
    *ret_size = session->decoded.size;
    return status;
}
