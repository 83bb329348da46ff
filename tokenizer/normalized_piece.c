/* Pieces of text for tokenizers with added tokens that are looked for in the normalised text. Such
 * a token may span words, so the piece is normalised before it is split. Rare with BERT: exact and
 * linear, but without a cache. */
#include <stdlib.h>

#include "base/utf8.h"
#include "tokenizer/text_reader.h"
#include "tokenizer/utf8_checked.h"
#include "tokenizer/whitespace_scan.h"

enum { FIRST_WINDOW = 4096, WINDOW_GROWTH = 4 };

/* The normalised piece as bytes, with the source of each. */
struct normalized_text {
    const char *bytes;
    const struct ferry_token_offsets *sources;
    size_t size;
};

static bool reserve(struct ferry_tokenizer_session *session, size_t wanted) {
    if (session->normalized_text && session->normalized_sources &&
        wanted <= session->normalized_capacity)
        return true;
    size_t capacity = wanted * 2;
    char *text = realloc(session->normalized_text, capacity);
    if (!text)
        return false;
    session->normalized_text = text;
    struct ferry_token_offsets *sources =
        realloc(session->normalized_sources, capacity * sizeof *sources);
    if (!sources)
        return false;
    session->normalized_sources = sources;
    session->normalized_capacity = capacity;
    return true;
}

static enum ferry_status normalize(struct text_reader *reader, size_t begin, size_t end,
                                   struct normalized_text *ret_text) {
    struct ferry_tokenizer_session *session = reader->session;
    struct ferry_normalizer *normalizer = &session->normalizer;
    ferry_normalizer_begin(normalizer);
    for (size_t at = begin; at < end;) {
        uint32_t code_point = 0;
        unsigned length =
            ferry_utf8_decode_checked(reader->text + at, reader->size - at, &code_point);
        if (length == 0)
            return ferry_reader_fail_utf8(reader, at);
        struct ferry_token_offsets source = {(uint32_t)at, (uint32_t)(at + length)};
        if (!ferry_normalizer_push(normalizer, code_point, source))
            return ferry_reader_fail_memory(reader);
        at += length;
    }
    if (!ferry_normalizer_finish(normalizer) || !reserve(session, normalizer->count * 4 + 1))
        return ferry_reader_fail_memory(reader);
    size_t size = 0;
    for (size_t at = 0; at < normalizer->count; at++) {
        unsigned length =
            ferry_utf8_encode(normalizer->output[at].code_point, session->normalized_text + size);
        for (unsigned byte = 0; byte < length; byte++)
            session->normalized_sources[size + byte] = normalizer->output[at].source;
        size += length;
    }
    normalizer->count = 0;
    *ret_text =
        (struct normalized_text){session->normalized_text, session->normalized_sources, size};
    return FERRY_OK;
}

/* Words of [begin, end); *at is where reading stopped. */
static enum ferry_status read_words(struct text_reader *reader, const struct normalized_text *text,
                                    size_t begin, size_t end, size_t *at) {
    struct ferry_word_builder *words = &reader->session->words;
    for (*at = begin; *at < end && !ferry_reader_is_done(reader);) {
        uint32_t code_point = 0;
        unsigned length = ferry_utf8_decode(text->bytes + *at, &code_point);
        if (!ferry_word_builder_push(words, code_point, text->sources[*at]))
            return ferry_reader_fail_memory(reader);
        *at += length;
    }
    if (!ferry_reader_is_done(reader) && !ferry_word_builder_finish(words))
        return ferry_reader_fail_memory(reader);
    return FERRY_OK;
}

static enum ferry_status append_token(struct text_reader *reader,
                                      const struct normalized_text *text,
                                      const struct ferry_added_match *match) {
    if (match->begin >= match->end)
        return FERRY_OK;
    bool has_memory =
        ferry_token_run_append(reader->run, match->token->id, text->sources[match->begin].begin,
                               text->sources[match->end - 1].end);
    return has_memory ? FERRY_OK : ferry_reader_fail_memory(reader);
}

/* Tokens and words of the normalised text; *stopped_at is where the limit was reached. */
static enum ferry_status split(struct text_reader *reader, const struct normalized_text *text,
                               size_t *stopped_at) {
    const struct ferry_added_tokens *added = &reader->tokenizer->added;
    struct ferry_added_match match;
    size_t piece_begin = 0, search_from = 0;
    enum ferry_status status = FERRY_OK;
    *stopped_at = 0;
    if (text->size == 0)
        return FERRY_OK;
    while (status == FERRY_OK && !ferry_reader_is_done(reader) &&
           ferry_added_match_next(added, &added->normalized, text->bytes, text->size, search_from,
                                  text->size, &match)) {
        search_from = match.end;
        if (!ferry_added_match_accept(&match, text->bytes, text->size, piece_begin,
                                      reader->special_tokens_as_text))
            continue;
        if (piece_begin < match.begin)
            status = read_words(reader, text, piece_begin, match.begin, stopped_at);
        if (status == FERRY_OK && !ferry_reader_is_done(reader)) {
            status = append_token(reader, text, &match);
            *stopped_at = match.end;
        }
        piece_begin = match.end;
    }
    if (status == FERRY_OK && !ferry_reader_is_done(reader))
        status = read_words(reader, text, piece_begin, text->size, stopped_at);
    return status;
}

/* The end of a first part of the piece that ends at white space; `begin` when there is none yet. */
static size_t choose_end(struct text_reader *reader, size_t begin, size_t window, bool *is_whole) {
    /* An added token that takes spaces with it may end behind what was searched. */
    while (!reader->has_match && reader->searched < reader->size &&
           (reader->searched < begin || reader->searched - begin < window))
        ferry_reader_search(reader, begin);
    *is_whole = reader->has_match || reader->searched == reader->size;
    size_t end = reader->searched;
    while (!*is_whole && end > begin && !ferry_is_hard_space(reader->text[end]))
        end--;
    return end;
}

enum ferry_status ferry_read_normalized_piece(struct text_reader *reader, size_t begin) {
    size_t window = reader->limit == SIZE_MAX ? SIZE_MAX : FIRST_WINDOW;
    size_t before = reader->run->count;
    size_t reach = reader->tokenizer->added.normalized.trie.longest + 4;
    bool is_whole = false;
    while (true) {
        struct normalized_text text = {0};
        size_t stopped_at = 0;
        size_t end = choose_end(reader, begin, window, &is_whole);
        enum ferry_status status = normalize(reader, begin, end, &text);
        if (status != FERRY_OK || !text.bytes)
            return status;
        status = split(reader, &text, &stopped_at);
        reader->furthest = end;
        /* A first part gives the same tokens as the whole, but for what its end may cut. */
        bool is_safe = ferry_reader_is_done(reader) && stopped_at + reach <= text.size;
        if (status != FERRY_OK || is_whole || is_safe)
            return status;
        reader->run->count = before;
        reader->session->words.size = 0;
        reader->session->words.characters = 0;
        window *= WINDOW_GROWTH;
    }
}
