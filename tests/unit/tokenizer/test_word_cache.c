#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tokenizer/word_cache.h"

enum { SMALL_CACHE = 1 << 16, LARGE_CACHE = 8 << 20 };

static struct ferry_word_cache open_cache(size_t bytes) {
    struct ferry_word_cache cache;
    struct ferry_error error;
    cr_assert_eq(ferry_word_cache_init(&cache, bytes, &error), FERRY_OK);
    return cache;
}

/* Key of a piece of any size; short pieces are padded as the reader does. */
static struct ferry_cache_key key_of(const char *piece, size_t size) {
    struct ferry_cache_key key = {0};
    char padded[16] = {0};
    if (size > FERRY_CACHE_SHORT_BYTES) {
        key.hash = ferry_cache_long_hash(piece, size);
        return key;
    }
    memcpy(padded, piece, size);
    return ferry_cache_short_key(padded, size);
}

Test(word_cache, what_follows_a_piece_does_not_change_its_key) {
    struct ferry_cache_key first = ferry_cache_short_key("hello, abcdefghi", 6);
    struct ferry_cache_key second = ferry_cache_short_key("hello,ZZZZZZZZZZ", 6);
    struct ferry_cache_key longer = ferry_cache_short_key("hello, abcdefghi", 7);
    cr_assert(first.low == second.low && first.high == second.high && first.hash == second.hash);
    cr_assert(first.low != longer.low || first.high != longer.high);
}

Test(word_cache, trailing_zero_bytes_count) {
    char zeros[16] = {0};
    struct ferry_cache_key one = ferry_cache_short_key(zeros, 1);
    struct ferry_cache_key two = ferry_cache_short_key(zeros, 2);
    cr_assert(one.high != two.high && one.high != 0);
}

Test(word_cache, finds_short_pieces_again) {
    struct ferry_word_cache cache = open_cache(SMALL_CACHE);
    const int32_t ids[] = {5, (1 << 24) - 1, 7, 8};
    for (size_t count = 0; count <= FERRY_CACHE_SHORT_IDS; count++) {
        char piece[8];
        size_t size = (size_t)snprintf(piece, sizeof piece, "piece%zu", count);
        struct ferry_cache_key key = key_of(piece, size);
        cr_assert_null(ferry_cache_find_short(&cache, &key));
        ferry_cache_put(&cache, &key, piece, size, ids, count);
        const struct ferry_short_entry *found = ferry_cache_find_short(&cache, &key);
        cr_assert_not_null(found);
        cr_assert_eq((uint32_t)found->ids[0] >> FERRY_CACHE_COUNT_SHIFT, count);
        for (size_t at = 1; at < count; at++)
            cr_assert_eq(found->ids[at], ids[at]);
    }
    ferry_word_cache_free(&cache);
}

Test(word_cache, short_pieces_with_many_ids_lie_with_the_long_ones) {
    struct ferry_word_cache cache = open_cache(SMALL_CACHE);
    const int32_t ids[] = {1, 2, 3, 4, 5, 6};
    struct ferry_cache_key key = key_of("abcdef", 6);
    ferry_cache_put(&cache, &key, "abcdef", 6, ids, 6);
    const struct ferry_short_entry *marker = ferry_cache_find_short(&cache, &key);
    cr_assert_not_null(marker);
    cr_assert_eq((uint32_t)marker->ids[0] >> FERRY_CACHE_COUNT_SHIFT, FERRY_CACHE_IS_LONG);
    const struct ferry_long_entry *found = ferry_cache_find_long(&cache, key.hash, "abcdef", 6);
    cr_assert_not_null(found);
    cr_assert_eq(found->count, 6);
    cr_assert_eq(memcmp(found->ids, ids, sizeof ids), 0);
    ferry_word_cache_free(&cache);
}

/* Far more pieces than there is room for: what is found is right, and the newest is always there.
 */
static void fill(size_t bytes, size_t pieces, const char *format) {
    struct ferry_word_cache cache = open_cache(bytes);
    size_t kept = 0;
    for (size_t number = 0; number < pieces; number++) {
        char piece[64];
        size_t size = (size_t)snprintf(piece, sizeof piece, format, number);
        int32_t ids[2] = {(int32_t)(number & 0xFFFFF), 77};
        struct ferry_cache_key key = key_of(piece, size);
        ferry_cache_put(&cache, &key, piece, size, ids, 2);
        cr_assert(size <= FERRY_CACHE_SHORT_BYTES
                      ? ferry_cache_find_short(&cache, &key) != NULL
                      : ferry_cache_find_long(&cache, key.hash, piece, size) != NULL);
    }
    for (size_t number = 0; number < pieces; number++) {
        char piece[64];
        size_t size = (size_t)snprintf(piece, sizeof piece, format, number);
        struct ferry_cache_key key = key_of(piece, size);
        int32_t first = -1;
        if (size <= FERRY_CACHE_SHORT_BYTES) {
            const struct ferry_short_entry *found = ferry_cache_find_short(&cache, &key);
            first = found ? found->ids[0] & 0xFFFFFF : -1;
        } else {
            const struct ferry_long_entry *found =
                ferry_cache_find_long(&cache, key.hash, piece, size);
            first = found ? found->ids[0] : -1;
        }
        kept += first >= 0;
        cr_assert(first == -1 || first == (int32_t)(number & 0xFFFFF));
    }
    cr_assert(kept > 0);
    cr_assert(cache.arena_used <= cache.arena_size);
    ferry_word_cache_free(&cache);
}

Test(word_cache, short_pieces_give_way_when_it_is_full) {
    fill(SMALL_CACHE, 20000, "w%zu");
    fill(LARGE_CACHE, 400000, "w%zu");
}

Test(word_cache, long_pieces_give_way_when_it_is_full) {
    fill(SMALL_CACHE, 20000, "a-piece-that-is-long-%zu");
    fill(1, 20000, "a-piece-that-is-long-%zu"); /* less than the smallest cache */
}

Test(word_cache, what_fits_nowhere_is_left_out) {
    struct ferry_word_cache cache = open_cache(SMALL_CACHE);
    static char piece[FERRY_CACHE_LONG_BYTES + 1];
    static int32_t ids[FERRY_CACHE_LONG_IDS + 1];
    memset(piece, 'x', sizeof piece);
    struct ferry_cache_key key = key_of(piece, sizeof piece);
    ferry_cache_put(&cache, &key, piece, sizeof piece, ids, 1);
    key = key_of(piece, 100);
    ferry_cache_put(&cache, &key, piece, 100, ids, FERRY_CACHE_LONG_IDS + 1);
    cr_assert_null(ferry_cache_find_long(&cache, key.hash, piece, 100));
    ferry_cache_put(&cache, &key, piece, 100, ids, FERRY_CACHE_LONG_IDS);
    cr_assert_not_null(ferry_cache_find_long(&cache, key.hash, piece, 100));
    ferry_word_cache_free(&cache);
}
