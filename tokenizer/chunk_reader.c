/* The fast way to read text: white space is found 64 bytes at a time, the chunks between are looked
 * up in the word cache some chunks after their place in it was asked for, and only what is not
 * there is read character by character. White space of ASCII is a hard boundary, so that the ids of
 * a chunk depend on its bytes alone. */
#include "tokenizer/cached_chunk.h"
#include "tokenizer/text_reader.h"
#include "tokenizer/whitespace_scan.h"

enum {
    BATCH = 64,           /* chunks that are prepared before the first is looked up */
    CHUNKS_OF_BLOCK = 33, /* at most: 32 that begin in it, one that began before */
};

/* Goes over [at, end) block by block. */
struct chunk_scanner {
    const struct ferry_word_cache *cache;
    const char *text;
    size_t text_size; /* bytes that may be read */
    size_t at, end;
    size_t open_begin; /* of the chunk that is not at its end */
    bool is_open;
};

/* 64 bytes at scanner->at as a mask; what lies behind the end counts as white space. */
static inline uint64_t scan_block(const struct chunk_scanner *scanner) {
    size_t left = scanner->end - scanner->at;
    if (left >= FERRY_SCAN_BYTES)
        return ferry_scan_whitespace(scanner->text + scanner->at);
    uint64_t beyond = ~UINT64_C(0) << left;
    if (scanner->end >= FERRY_SCAN_BYTES) {
        uint64_t mask = ferry_scan_whitespace(scanner->text + scanner->end - FERRY_SCAN_BYTES);
        return mask >> (FERRY_SCAN_BYTES - left) | beyond;
    }
    char padded[FERRY_SCAN_BYTES];
    memset(padded, ' ', sizeof padded);
    memcpy(padded, scanner->text + scanner->at, left);
    return ferry_scan_whitespace(padded);
}

static inline void prepare(const struct chunk_scanner *scanner, struct ferry_chunk *chunk,
                           size_t begin, size_t end) {
    ferry_chunk_prepare(scanner->cache, scanner->text, scanner->text_size, chunk, begin, end);
}

/* Adds the chunks that end in the next block; returns how many there are then. */
static inline size_t scan_chunks(struct chunk_scanner *scanner, struct ferry_chunk *chunks,
                                 size_t count) {
    uint64_t space = scan_block(scanner);
    uint64_t after_space = space << 1 | !scanner->is_open;
    uint64_t begins = ~space & after_space, ends = space & ~after_space;
    size_t begin = scanner->open_begin;
    if (!scanner->is_open && begins) {
        begin = scanner->at + (size_t)__builtin_ctzll(begins);
        begins &= begins - 1;
    }
    for (; ends; ends &= ends - 1) {
        prepare(scanner, &chunks[count++], begin, scanner->at + (size_t)__builtin_ctzll(ends));
        if (begins)
            begin = scanner->at + (size_t)__builtin_ctzll(begins);
        begins &= begins - 1;
    }
    scanner->at += FERRY_SCAN_BYTES;
    scanner->open_begin = begin;
    scanner->is_open = !(space >> 63);
    if (scanner->at >= scanner->end && scanner->is_open)
        prepare(scanner, &chunks[count++], begin, scanner->end);
    return count;
}

static enum ferry_status read_chunk(struct text_reader *reader, const struct ferry_chunk *chunk) {
    size_t at = chunk->begin, end = at + chunk->size, before = reader->run->count;
    enum ferry_status status = ferry_read_words(reader, &at, end);
    if (status == FERRY_OK && !ferry_reader_is_done(reader))
        status = ferry_finish_words(reader);
    reader->furthest = at;
    if (status == FERRY_OK && !ferry_reader_is_done(reader))
        ferry_cache_put(&reader->session->cache, &chunk->key, reader->text + chunk->begin,
                        chunk->size, reader->run->ids + before, reader->run->count - before);
    return status;
}

static enum ferry_status consume(struct text_reader *reader, const struct ferry_chunk *chunks,
                                 size_t count) {
    struct ferry_token_run *run = reader->run;
    for (size_t at = 0; at < count; at++) {
        if (run->capacity - run->count < FERRY_CACHE_LONG_IDS + 1 &&
            !ferry_token_run_reserve(run, FERRY_CACHE_LONG_IDS + 1))
            return ferry_reader_fail_memory(reader);
        if (ferry_chunk_append(&reader->session->cache, reader->text, &chunks[at], run)) {
            reader->furthest = chunks[at].begin + chunks[at].size;
        } else {
            enum ferry_status status = read_chunk(reader, &chunks[at]);
            if (status != FERRY_OK)
                return status;
        }
        if (ferry_reader_is_done(reader))
            break;
    }
    return FERRY_OK;
}

enum ferry_status ferry_read_chunks(struct text_reader *reader, size_t *at, size_t end) {
    struct chunk_scanner scanner = {
        &reader->session->cache, reader->text, reader->size, *at, end, *at, false};
    struct ferry_chunk chunks[BATCH + CHUNKS_OF_BLOCK];
    enum ferry_status status = FERRY_OK;
    while (scanner.at < end && status == FERRY_OK && !ferry_reader_is_done(reader)) {
        /* Most chunks are one token or more: preparing more than the limit takes is lost. */
        size_t count = 0, room = reader->limit - reader->run->count;
        size_t wanted = room < BATCH ? room + 1 : BATCH;
        while (scanner.at < end && count < wanted)
            count = scan_chunks(&scanner, chunks, count);
        status = consume(reader, chunks, count);
    }
    *at = ferry_reader_is_done(reader) ? reader->furthest : end;
    return status;
}
