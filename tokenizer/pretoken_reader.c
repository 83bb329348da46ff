/* Reads text for byte-level tokenizers: pre-tokens are looked up in the word cache some of them
 * after their place in it was asked for; what is not there is merged. Every pre-token's tokens
 * depend on its bytes alone. */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/cached_chunk.h"
#include "tokenizer/pretoken_scan.h"
#include "tokenizer/text_reader.h"

enum {
    BATCH = 64,  /* pre-tokens that are prepared before the first is looked up */
    BEYOND = 64, /* as many more may be */
};

/* A part of the text in which no added token stands. */
struct stretch {
    size_t end;        /* of what is known */
    bool is_end_known; /* it ends there */
    bool has_space;    /* a space that is not in the text stands before it */
    size_t invalid;    /* where reading ends with an error, else SIZE_MAX */
};

/* Offsets cover whole characters. */
static void widen(const char *text, size_t end, struct ferry_token_offsets *offsets) {
    while (((unsigned char)text[offsets->begin] & 0xC0) == 0x80)
        offsets->begin--;
    while (offsets->end < end && ((unsigned char)text[offsets->end] & 0xC0) == 0x80)
        offsets->end++;
}

/* The offsets of tokens from `first` on, which are counted from the pre-token's begin, in the
 * text. A space that is not in the text counts as the character behind it. */
static void place_offsets(struct text_reader *reader, size_t first, size_t begin, bool has_space) {
    struct ferry_token_run *run = reader->run;
    for (size_t at = first; at < run->count; at++) {
        struct ferry_token_offsets *offsets = &run->offsets[at];
        uint32_t shift = has_space;
        offsets->begin = (uint32_t)begin + offsets->begin - (offsets->begin > 0 ? shift : 0);
        offsets->end = (uint32_t)begin + offsets->end - (offsets->end > 1 ? shift : 0);
        widen(reader->text, reader->size, offsets);
    }
}

/* Tokens from the cache come without their places, but with their sizes. */
static void count_offsets(struct text_reader *reader, size_t first) {
    const struct ferry_bpe *bpe = &reader->tokenizer->bpe;
    struct ferry_token_run *run = reader->run;
    uint32_t at = 0;
    for (size_t token = first; token < run->count; token++) {
        uint32_t end = at + ferry_bpe_token_size(bpe, run->ids[token]);
        run->offsets[token] = (struct ferry_token_offsets){at, end};
        at = end;
    }
}

/* Appends the tokens of a pre-token of `text` that are not in the cache, and puts them there. */
static bool append_merged(struct text_reader *reader, const struct ferry_chunk *chunk,
                          const char *text) {
    struct ferry_tokenizer_session *session = reader->session;
    struct ferry_token_run *run = reader->run;
    size_t before = run->count;
    if (!ferry_bpe_encode(&reader->tokenizer->bpe, &session->bpe, text + chunk->begin, chunk->size,
                          run))
        return false;
    ferry_cache_put(&session->cache, &chunk->key, text + chunk->begin, chunk->size,
                    run->ids + before, run->count - before);
    return true;
}

/* Appends the tokens of a pre-token of `text`. */
static inline bool append_pretoken(struct text_reader *reader, const struct ferry_chunk *chunk,
                                   const char *text) {
    struct ferry_token_run *run = reader->run;
    if (run->capacity - run->count < FERRY_CACHE_LONG_IDS + 1 &&
        !ferry_token_run_reserve(run, FERRY_CACHE_LONG_IDS + 1))
        return false;
    return ferry_chunk_append(&reader->session->cache, text, chunk, run) ||
           append_merged(reader, chunk, text);
}

/* The same with offsets, counted from the pre-token's begin. */
static bool append_with_offsets(struct text_reader *reader, const struct ferry_chunk *chunk,
                                const char *text) {
    const struct ferry_bpe *bpe = &reader->tokenizer->bpe;
    struct ferry_token_run *run = reader->run;
    size_t before = run->count;
    if (!ferry_token_run_reserve(run, FERRY_CACHE_LONG_IDS + 1))
        return false;
    /* An unknown byte's token does not tell how many bytes it stands for. */
    if (bpe->has_unknown)
        return ferry_bpe_encode(bpe, &reader->session->bpe, text + chunk->begin, chunk->size, run);
    if (!ferry_chunk_append(&reader->session->cache, text, chunk, run))
        return append_merged(reader, chunk, text);
    count_offsets(reader, before);
    return true;
}

static enum ferry_status consume_with_offsets(struct text_reader *reader,
                                              const struct ferry_chunk *chunks, size_t count) {
    for (size_t at = 0; at < count && !ferry_reader_is_done(reader); at++) {
        size_t before = reader->run->count;
        if (!append_with_offsets(reader, &chunks[at], reader->text))
            return ferry_reader_fail_memory(reader);
        place_offsets(reader, before, chunks[at].begin, false);
        reader->furthest = chunks[at].begin + chunks[at].size;
    }
    return FERRY_OK;
}

/* The ids of a short pre-token that is in the cache with them; NULL when it is not. */
static inline const int32_t *find_ids(const struct ferry_word_cache *cache,
                                      const struct ferry_chunk *chunk, uint32_t *count) {
    if (chunk->size > FERRY_CACHE_SHORT_BYTES)
        return NULL;
    const struct ferry_short_entry *found = ferry_cache_find_short(cache, &chunk->key);
    if (!found)
        return NULL;
    *count = (uint32_t)found->ids[0] >> FERRY_CACHE_COUNT_SHIFT;
    return *count == FERRY_CACHE_IS_LONG ? NULL : found->ids;
}

/* Appends ids as long as pre-tokens are short and in the cache; returns how many pre-tokens. Room
 * for FERRY_CACHE_SHORT_IDS of each must be there. */
static size_t consume_short(const struct text_reader *reader, const struct ferry_chunk *chunks,
                            size_t count) {
    const struct ferry_word_cache cache = reader->session->cache; /* stays in registers */
    const size_t limit = reader->limit;
    int32_t *const ids = reader->run->ids;
    size_t filled = reader->run->count, at = 0;
    for (; at < count && filled <= limit; at++) {
        uint32_t found_count = 0;
        const int32_t *found = find_ids(&cache, &chunks[at], &found_count);
        if (!found)
            break;
        memcpy(ids + filled, found, FERRY_CACHE_SHORT_IDS * sizeof *found);
        ids[filled] = found[0] & ((1 << FERRY_CACHE_COUNT_SHIFT) - 1);
        filled += found_count;
    }
    reader->run->count = filled;
    return at;
}

/* The entry of a pre-token that is long, or has more ids than stand with its key; NULL when it is
 * not in the cache. */
static inline const struct ferry_long_entry *find_long_entry(const struct text_reader *reader,
                                                             const struct ferry_chunk *chunk) {
    const struct ferry_word_cache *cache = &reader->session->cache;
    if (chunk->size > FERRY_CACHE_LONG_BYTES)
        return NULL;
    if (chunk->size > FERRY_CACHE_SHORT_BYTES)
        return ferry_cache_find_long(cache, chunk->key.hash, reader->text + chunk->begin,
                                     chunk->size);
    const struct ferry_short_entry *found = ferry_cache_find_short(cache, &chunk->key);
    return found ? ferry_cache_linked(cache, found) : NULL;
}

/* Appends the ids of such a pre-token, four at a time: up to three more are read and written. False
 * when it is not in the cache, or the run has no room. */
static inline bool append_long(struct text_reader *reader, const struct ferry_chunk *chunk) {
    struct ferry_token_run *run = reader->run;
    const struct ferry_long_entry *entry = find_long_entry(reader, chunk);
    if (!entry || run->capacity - run->count < (size_t)entry->count + FERRY_CACHE_SHORT_IDS)
        return false;
    int32_t *target = run->ids + run->count;
    for (unsigned at = 0; at < entry->count; at += FERRY_CACHE_SHORT_IDS)
        memcpy(target + at, entry->ids + at, FERRY_CACHE_SHORT_IDS * sizeof *target);
    run->count += entry->count;
    return true;
}

/* Ids only: nearly all pre-tokens are short and in the cache. */
static enum ferry_status consume(struct text_reader *reader, const struct ferry_chunk *chunks,
                                 size_t count) {
    if (reader->run->wants_offsets)
        return consume_with_offsets(reader, chunks, count);
    size_t at = 0;
    while (at < count && !ferry_reader_is_done(reader)) {
        if (!ferry_token_run_reserve(reader->run, (count - at) * FERRY_CACHE_SHORT_IDS))
            return ferry_reader_fail_memory(reader);
        at += consume_short(reader, chunks + at, count - at);
        if (at == count || ferry_reader_is_done(reader))
            break;
        if (!append_long(reader, &chunks[at]) &&
            !append_pretoken(reader, &chunks[at], reader->text))
            return ferry_reader_fail_memory(reader);
        at++;
    }
    if (at > 0)
        reader->furthest = chunks[at - 1].begin + chunks[at - 1].size;
    return FERRY_OK;
}

/* Whether the end of a pre-token is what it will be when more of the text is known. */
static bool is_settled(const struct stretch *stretch, const struct ferry_pretoken_scan *scan,
                       size_t end) {
    if (stretch->is_end_known)
        return true;
    size_t met = scan->invalid == SIZE_MAX ? end : scan->invalid;
    return met + FERRY_PRETOKEN_LOOKAHEAD <= stretch->end;
}

/* One pre-token, whatever it is; false when it is not settled or not UTF-8. */
static bool scan_one(struct text_reader *reader, struct stretch *stretch, size_t *at,
                     struct ferry_chunk *chunk) {
    struct ferry_pretoken_scan scan = {reader->text, stretch->end, reader->size, SIZE_MAX};
    size_t end = ferry_pretoken_end(&scan, *at);
    if (!is_settled(stretch, &scan, end))
        return false;
    stretch->invalid = scan.invalid;
    if (scan.invalid != SIZE_MAX)
        return false;
    ferry_chunk_prepare(&reader->session->cache, reader->text, reader->size, chunk, *at, end);
    *at = end;
    return true;
}

/* Prepares the pre-tokens of a block that end where the bits say; moves *at behind them, and
 * returns behind the last chunk. */
static inline struct ferry_chunk *prepare_block(const struct text_reader *reader, size_t *at,
                                                uint64_t ends, struct ferry_chunk *chunks) {
    const struct ferry_word_cache cache = reader->session->cache; /* stays in registers */
    const char *const text = reader->text;
    const size_t size = reader->size;
    const size_t block = *at;
    size_t begin = block;
    for (; ends; ends &= ends - 1) {
        size_t end = block + (size_t)__builtin_ctzll(ends);
        ferry_chunk_prepare(&cache, text, size, chunks++, begin, end);
        begin = end;
    }
    *at = begin;
    return chunks;
}

/* Whether what follows is not worth a look at 64 bytes. */
static inline bool begins_beyond_ascii(const struct ferry_pretoken_scan *scan, size_t at) {
    uint64_t eight = 0;
    size_t left = scan->readable - at;
    if (left >= sizeof eight)
        memcpy(&eight, scan->text + at, sizeof eight);
    else
        memcpy(&eight, scan->text + at, left);
    return (eight & UINT64_C(0x8080808080808080)) != 0;
}

/* Prepares pre-tokens from *at on; returns how many, and moves *at behind them. */
static size_t scan_batch(struct text_reader *reader, struct stretch *stretch, size_t *at,
                         struct ferry_chunk *chunks) {
    const struct ferry_pretoken_scan scan = {reader->text, stretch->end, reader->size, SIZE_MAX};
    size_t count = 0, room = reader->limit - reader->run->count;
    /* Every pre-token is one token or more: preparing more than the limit takes is lost. */
    size_t wanted = room < BATCH ? room + 1 : BATCH;
    while (*at < stretch->end && count < wanted) {
        uint64_t ends = 0;
        if (!begins_beyond_ascii(&scan, *at))
            ends = ferry_pretoken_begins(&scan, *at, stretch->is_end_known) & ~UINT64_C(1);
        if (ends) {
            count = (size_t)(prepare_block(reader, at, ends, chunks + count) - chunks);
        } else if (scan_one(reader, stretch, at, &chunks[count])) {
            count++;
        } else {
            break;
        }
    }
    return count;
}

static bool reserve_spaced(struct ferry_bpe_workspace *workspace, size_t size) {
    if (size <= workspace->spaced_capacity)
        return true;
    char *spaced = realloc(workspace->spaced, size * 2);
    if (!spaced)
        return false;
    workspace->spaced = spaced;
    workspace->spaced_capacity = size * 2;
    return true;
}

/* The first pre-token of a stretch that gets a space before it. *is_read stays false when more of
 * the text must be known first. */
static enum ferry_status read_spaced(struct text_reader *reader, struct stretch *stretch,
                                     size_t *at, bool *is_read) {
    struct ferry_pretoken_scan scan = {reader->text, stretch->end, reader->size, SIZE_MAX};
    size_t begin = *at, end = ferry_pretoken_end_after_space(&scan, begin);
    struct ferry_bpe_workspace *workspace = &reader->session->bpe;
    if (!is_settled(stretch, &scan, end))
        return FERRY_OK;
    stretch->invalid = scan.invalid;
    if (scan.invalid != SIZE_MAX)
        return FERRY_OK;
    size_t size = end - begin + 1, before = reader->run->count;
    if (!reserve_spaced(workspace, size + FERRY_CHUNK_KEY_BYTES))
        return ferry_reader_fail_memory(reader);
    workspace->spaced[0] = ' ';
    memcpy(workspace->spaced + 1, reader->text + begin, size - 1);
    struct ferry_chunk chunk;
    ferry_chunk_prepare(&reader->session->cache, workspace->spaced, size, &chunk, 0, size);
    bool wants_offsets = reader->run->wants_offsets;
    if (!(wants_offsets ? append_with_offsets(reader, &chunk, workspace->spaced)
                        : append_pretoken(reader, &chunk, workspace->spaced)))
        return ferry_reader_fail_memory(reader);
    if (wants_offsets)
        place_offsets(reader, before, begin, true);
    reader->furthest = *at = end;
    stretch->has_space = false;
    *is_read = true;
    return FERRY_OK;
}

/* Reads what is settled of the stretch. *is_read: at least one pre-token was. */
static enum ferry_status read_known(struct text_reader *reader, struct stretch *stretch, size_t *at,
                                    bool *is_read) {
    struct ferry_chunk chunks[BATCH + BEYOND];
    enum ferry_status status = FERRY_OK;
    *is_read = false;
    if (stretch->has_space) {
        status = read_spaced(reader, stretch, at, is_read);
        if (status != FERRY_OK || stretch->has_space)
            return status;
    }
    while (status == FERRY_OK && !ferry_reader_is_done(reader)) {
        size_t count = scan_batch(reader, stretch, at, chunks);
        status = consume(reader, chunks, count);
        *is_read = *is_read || count > 0;
        if (count == 0)
            break;
    }
    return status;
}

static enum ferry_status read_known_or_fail(struct text_reader *reader, struct stretch *stretch,
                                            size_t *at, bool *is_read) {
    enum ferry_status status = read_known(reader, stretch, at, is_read);
    if (status == FERRY_OK && stretch->invalid != SIZE_MAX && !ferry_reader_is_done(reader))
        return ferry_reader_fail_utf8(reader, stretch->invalid);
    return status;
}

static bool needs_space(const struct text_reader *reader, size_t begin, size_t end) {
    return reader->tokenizer->add_prefix_space && begin < end && reader->text[begin] != ' ';
}

/* [begin, end) is all of the stretch. */
static enum ferry_status read_stretch(struct text_reader *reader, size_t begin, size_t end) {
    struct stretch stretch = {end, true, needs_space(reader, begin, end), SIZE_MAX};
    size_t at = begin;
    bool is_read = false;
    return begin < end ? read_known_or_fail(reader, &stretch, &at, &is_read) : FERRY_OK;
}

static bool is_end_known(const struct text_reader *reader) {
    return reader->has_match || reader->searched == reader->size;
}

/* The piece from `begin` on, as far as it is known, then further: where a pre-token is longer than
 * what is known, twice as much must be, so that it is not scanned too often. */
static enum ferry_status read_in_steps(struct text_reader *reader, size_t begin) {
    struct stretch stretch = {0, false, reader->tokenizer->add_prefix_space, SIZE_MAX};
    size_t at = begin, wanted = begin + 1;
    enum ferry_status status = FERRY_OK;
    bool is_read = false;
    while (status == FERRY_OK && !ferry_reader_is_done(reader)) {
        while (reader->searched < wanted && !is_end_known(reader))
            ferry_reader_search(reader, begin);
        stretch.end = reader->searched;
        stretch.is_end_known = is_end_known(reader);
        if (at >= stretch.end)
            break;
        if (at == begin)
            stretch.has_space = needs_space(reader, begin, stretch.end);
        status = read_known_or_fail(reader, &stretch, &at, &is_read);
        if (stretch.is_end_known)
            break;
        wanted = is_read ? stretch.end + 1 : stretch.end + (stretch.end - at);
    }
    return status;
}

/* Added tokens that are looked for in normalised text: where both kinds are there, the raw ones
 * come first in all of the text, these in what is left of it. */
static enum ferry_status read_with_normalized(struct text_reader *reader, size_t begin) {
    const struct ferry_added_tokens *added = &reader->tokenizer->added;
    struct ferry_added_match match;
    enum ferry_status status = FERRY_OK;
    while (!is_end_known(reader))
        ferry_reader_search(reader, begin);
    if (reader->searched <= begin)
        return FERRY_OK; /* the next raw token begins in blanks that the one before took */
    const char *text = reader->text + begin;
    size_t size = reader->searched - begin, stretch_begin = 0, search_from = 0;
    while (
        status == FERRY_OK && !ferry_reader_is_done(reader) && search_from < size &&
        ferry_added_match_next(added, &added->normalized, text, size, search_from, size, &match)) {
        search_from = match.end;
        if (!ferry_added_match_accept(&match, text, size, stretch_begin,
                                      reader->special_tokens_as_text))
            continue;
        status = read_stretch(reader, begin + stretch_begin, begin + match.begin);
        const struct ferry_added_match found = {match.token, begin + match.begin,
                                                begin + match.end};
        if (status == FERRY_OK && !ferry_reader_is_done(reader))
            status = ferry_reader_append_match(reader, &found);
        stretch_begin = match.end;
        reader->furthest = begin + match.end;
    }
    if (status == FERRY_OK && !ferry_reader_is_done(reader))
        status = read_stretch(reader, begin + stretch_begin, begin + size);
    return status;
}

enum ferry_status ferry_read_pretokens(struct text_reader *reader, size_t begin) {
    return reader->tokenizer->added.normalized.first_byte_count > 0
               ? read_with_normalized(reader, begin)
               : read_in_steps(reader, begin);
}
