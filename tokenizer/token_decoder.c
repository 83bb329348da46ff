/* From ids back to text, as the reference's decode() with its WordPiece decoder. */
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

static bool reserve(struct ferry_tokenizer_session *session, size_t wanted) {
    if (wanted <= session->decoded_capacity)
        return true;
    char *decoded = realloc(session->decoded, wanted * 2);
    if (!decoded)
        return false;
    session->decoded = decoded;
    session->decoded_capacity = wanted * 2;
    return true;
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

enum ferry_status ferry_tokenizer_decode(struct ferry_tokenizer_session *session,
                                         const int32_t *ids, size_t count, bool skip_special_tokens,
                                         const char **ret_text, size_t *ret_size,
                                         struct ferry_error *error) {
    const struct ferry_tokenizer *tokenizer = session->tokenizer;
    size_t size = 0;
    bool is_first = true;
    for (size_t at = 0; at < count; at++) {
        if (ids[at] < 0 || ids[at] >= tokenizer->id_bound || !tokenizer->texts[ids[at]].bytes)
            return ferry_fail(error, FERRY_INVALID_INPUT, "no token has the id %d (position %zu)",
                              ids[at], at);
        const struct ferry_token_text *token = &tokenizer->texts[ids[at]];
        if (skip_special_tokens && token->is_special)
            continue;
        if (!reserve(session, size + token->size + 1))
            return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the decoded text");
        size = put_token(&tokenizer->decoder, session->decoded, size, token, is_first);
        is_first = false;
    }
    if (!reserve(session, 1))
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the decoded text");
    *ret_text = session->decoded;
    *ret_size = size;
    return FERRY_OK;
}
