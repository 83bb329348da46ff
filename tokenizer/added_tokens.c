#include "tokenizer/added_tokens.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/unicode_tables.h"
#include "tokenizer/utf8_checked.h"

enum { MOST_JOINED = 1024 };

static void free_token(struct ferry_added_token *token) {
    free(token->content);
    free(token->pattern);
}

static char *copy_bytes(const char *bytes, size_t size) {
    char *copy = malloc(size + 1);
    if (!copy)
        return NULL;
    memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}

const struct ferry_added_token *ferry_added_tokens_find(const struct ferry_added_tokens *added,
                                                        const char *content, size_t size) {
    int32_t place = ferry_vocabulary_id(&added->places, content, size);
    return place < 0 ? NULL : &added->tokens[place];
}

/* The place for this content: an existing one (emptied) or a new one. */
static enum ferry_status make_place(struct ferry_added_tokens *added, const char *content,
                                    size_t size, struct ferry_added_token **ret_place,
                                    struct ferry_error *error) {
    int32_t existing = ferry_vocabulary_id(&added->places, content, size);
    if (existing >= 0) {
        *ret_place = &added->tokens[existing];
        free_token(*ret_place);
        **ret_place = (struct ferry_added_token){0};
        return FERRY_OK;
    }
    if (added->count == added->capacity) {
        size_t capacity = added->capacity * 2 + 16;
        struct ferry_added_token *tokens = realloc(added->tokens, capacity * sizeof *tokens);
        if (!tokens)
            return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for added tokens");
        added->tokens = tokens;
        added->capacity = capacity;
    }
    enum ferry_status status =
        ferry_vocabulary_add(&added->places, content, size, (int64_t)added->count, error);
    if (status != FERRY_OK)
        return status;
    added->tokens[added->count] = (struct ferry_added_token){0};
    *ret_place = &added->tokens[added->count++];
    return FERRY_OK;
}

enum ferry_status ferry_added_tokens_put(struct ferry_added_tokens *added,
                                         const struct ferry_added_token *token,
                                         struct ferry_error *error) {
    struct ferry_added_token *place = NULL;
    char *content = copy_bytes(token->content, token->content_size);
    char *pattern = copy_bytes(token->pattern, token->pattern_size);
    enum ferry_status status =
        content && pattern ? make_place(added, content, token->content_size, &place, error)
                           : ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for added tokens");
    if (status != FERRY_OK || !place) {
        free(content);
        free(pattern);
        return status;
    }
    *place = *token;
    place->content = content;
    place->pattern = pattern;
    return FERRY_OK;
}

static enum ferry_status build_matcher(struct ferry_added_tokens *added, bool normalized,
                                       struct ferry_added_matcher *matcher,
                                       struct ferry_error *error) {
    struct ferry_trie_key *keys = malloc((added->count + 1) * sizeof *keys);
    if (!keys)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for added tokens");
    size_t count = 0;
    for (size_t at = 0; at < added->count; at++) {
        const struct ferry_added_token *token = &added->tokens[at];
        if (token->normalized != normalized)
            continue;
        keys[count++] = (struct ferry_trie_key){token->pattern, token->pattern_size, (int32_t)at};
        uint8_t first = (uint8_t)token->pattern[0];
        matcher->first_byte_count += !matcher->is_first_byte[first];
        matcher->is_first_byte[first] = 1;
        matcher->first_byte = first;
    }
    enum ferry_status status = ferry_trie_build(&matcher->trie, keys, count, error);
    free(keys);
    return status;
}

/* Whether the end of one content is the begin of the other, or one holds the other. */
static bool may_overlap(const struct ferry_added_token *one,
                        const struct ferry_added_token *other) {
    if (memmem(one->content, one->content_size, other->content, other->content_size) ||
        memmem(other->content, other->content_size, one->content, one->content_size))
        return true;
    size_t shorter =
        one->content_size < other->content_size ? one->content_size : other->content_size;
    for (size_t size = 1; size < shorter; size++)
        if (memcmp(one->content + one->content_size - size, other->content, size) == 0 ||
            memcmp(other->content + other->content_size - size, one->content, size) == 0)
            return true;
    return false;
}

/* A normalised token that takes nothing with it and leaves its neighbours alone. */
static bool is_simple(const struct ferry_added_token *token) {
    if (token->single_word || token->left_strip || token->right_strip)
        return false;
    uint32_t character = 0;
    for (size_t at = 0; at < token->content_size;) {
        at += ferry_utf8_decode(token->content + at, &character);
        if (ferry_unicode_lookup(character) & FERRY_UNICODE_WHITESPACE)
            return false;
    }
    return true;
}

void ferry_added_tokens_join(struct ferry_added_tokens *added) {
    size_t raw = 0;
    if (added->count > MOST_JOINED)
        return; /* comparing all with all would take long */
    for (size_t at = 0; at < added->count; at++)
        raw += !added->tokens[at].normalized;
    for (size_t at = 0; raw > 0 && at < added->count; at++) {
        const struct ferry_added_token *token = &added->tokens[at];
        if (!token->normalized)
            continue;
        if (!is_simple(token))
            return;
        for (size_t other = 0; other < added->count; other++)
            if (!added->tokens[other].normalized && may_overlap(token, &added->tokens[other]))
                return;
    }
    for (size_t at = 0; at < added->count; at++)
        added->tokens[at].normalized = false;
}

enum ferry_status ferry_added_tokens_finish(struct ferry_added_tokens *added,
                                            struct ferry_error *error) {
    enum ferry_status status = build_matcher(added, false, &added->raw, error);
    if (status == FERRY_OK)
        status = build_matcher(added, true, &added->normalized, error);
    return status;
}

void ferry_added_tokens_free(struct ferry_added_tokens *added) {
    for (size_t at = 0; at < added->count; at++)
        free_token(&added->tokens[at]);
    free(added->tokens);
    ferry_vocabulary_free(&added->places);
    ferry_trie_free(&added->raw.trie);
    ferry_trie_free(&added->normalized.trie);
    *added = (struct ferry_added_tokens){0};
}

/* The next byte that a token can begin with, or `until`. */
static size_t next_candidate(const struct ferry_added_matcher *matcher, const char *text,
                             size_t from, size_t until) {
    if (matcher->first_byte_count == 1) {
        const char *found = memchr(text + from, matcher->first_byte, until - from);
        return found ? (size_t)(found - text) : until;
    }
    while (from < until && !matcher->is_first_byte[(unsigned char)text[from]])
        from++;
    return from;
}

bool ferry_added_match_next(const struct ferry_added_tokens *added,
                            const struct ferry_added_matcher *matcher, const char *text,
                            size_t size, size_t from, size_t until,
                            struct ferry_added_match *match) {
    if (matcher->first_byte_count == 0)
        return false;
    for (; from < until; from++) {
        from = next_candidate(matcher, text, from, until);
        if (from == until)
            return false;
        int32_t index = 0;
        size_t length = ferry_trie_longest(&matcher->trie, text + from, size - from, &index);
        if (length > 0) {
            *match = (struct ferry_added_match){&added->tokens[index], from, from + length};
            return true;
        }
    }
    return false;
}

static bool is_word_character(uint32_t code_point) {
    return ferry_unicode_lookup(code_point) & FERRY_UNICODE_WORD;
}

static bool is_space(uint32_t code_point) {
    return ferry_unicode_lookup(code_point) & FERRY_UNICODE_WHITESPACE;
}

static bool stands_alone(const struct ferry_added_match *match, const char *text, size_t size) {
    uint32_t neighbour = 0;
    if (match->begin > 0 && ferry_utf8_decode_before(text, match->begin, &neighbour) > 0 &&
        is_word_character(neighbour))
        return false;
    return match->end == size ||
           ferry_utf8_decode_checked(text + match->end, size - match->end, &neighbour) == 0 ||
           !is_word_character(neighbour);
}

bool ferry_added_match_accept(struct ferry_added_match *match, const char *text, size_t size,
                              size_t piece_begin, bool special_tokens_as_text) {
    const struct ferry_added_token *token = match->token;
    if (special_tokens_as_text && token->special)
        return false;
    if (token->single_word && !stands_alone(match, text, size))
        return false;
    uint32_t neighbour = 0;
    unsigned length = 0;
    if (token->left_strip) {
        while (match->begin > piece_begin &&
               (length = ferry_utf8_decode_before(text, match->begin, &neighbour)) > 0 &&
               is_space(neighbour))
            match->begin -= length;
        if (match->begin < piece_begin)
            match->begin = piece_begin;
    }
    if (token->right_strip)
        while (match->end < size &&
               (length = ferry_utf8_decode_checked(text + match->end, size - match->end,
                                                   &neighbour)) > 0 &&
               is_space(neighbour))
            match->end += length;
    return true;
}
