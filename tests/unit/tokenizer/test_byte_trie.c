#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "tokenizer/byte_trie.h"

enum { KEYS = 3000, KEY_BYTES = 9 };

static struct ferry_trie build(struct ferry_trie_key *keys, size_t count) {
    struct ferry_trie trie;
    struct ferry_error error;
    cr_assert_eq(ferry_trie_build(&trie, keys, count, &error), FERRY_OK);
    return trie;
}

Test(byte_trie, an_empty_set_has_no_match) {
    struct ferry_trie trie = build(NULL, 0);
    int32_t value = -1;
    cr_assert_eq(ferry_trie_longest(&trie, "abc", 3, &value), 0);
    ferry_trie_free(&trie);
}

Test(byte_trie, finds_the_longest_beginning) {
    struct ferry_trie_key keys[] = {{"a", 1, 1}, {"abcd", 4, 2}, {"ab", 2, 3}, {"b", 1, 4}};
    struct ferry_trie trie = build(keys, 4);
    int32_t value = -1;
    cr_assert_eq(ferry_trie_longest(&trie, "abcx", 4, &value), 2);
    cr_assert_eq(value, 3);
    cr_assert_eq(ferry_trie_longest(&trie, "abcd", 4, &value), 4);
    cr_assert_eq(value, 2);
    cr_assert_eq(ferry_trie_longest(&trie, "abcd", 3, &value), 2);
    cr_assert_eq(ferry_trie_longest(&trie, "xa", 2, &value), 0);
    cr_assert_eq(ferry_trie_longest(&trie, "", 0, &value), 0);
    cr_assert_eq(trie.longest, 4);
    ferry_trie_free(&trie);
}

Test(byte_trie, of_equal_keys_the_lowest_value_stays) {
    struct ferry_trie_key keys[] = {{"x", 1, 9}, {"x", 1, 3}, {"x", 1, 5}};
    struct ferry_trie trie = build(keys, 3);
    int32_t value = -1;
    cr_assert_eq(ferry_trie_longest(&trie, "xy", 2, &value), 1);
    cr_assert_eq(value, 3);
    ferry_trie_free(&trie);
}

Test(byte_trie, a_zero_byte_in_the_text_matches_nothing) {
    struct ferry_trie_key keys[] = {{"a", 1, 0}, {"ab", 2, 97}};
    struct ferry_trie trie = build(keys, 2);
    int32_t value = -1;
    cr_assert_eq(ferry_trie_longest(&trie, "a\0b", 3, &value), 1);
    cr_assert_eq(ferry_trie_longest(&trie, "\0\0\0", 3, &value), 0);
    ferry_trie_free(&trie);
}

static size_t naive_longest(const struct ferry_trie_key *keys, size_t count, const char *text,
                            size_t size, int32_t *value) {
    size_t longest = 0;
    for (size_t at = 0; at < count; at++)
        if (keys[at].size <= size && keys[at].size >= longest &&
            memcmp(keys[at].bytes, text, keys[at].size) == 0 &&
            (keys[at].size > longest || keys[at].value < *value)) {
            longest = keys[at].size;
            *value = keys[at].value;
        }
    return longest;
}

Test(byte_trie, agrees_with_comparing_every_key) {
    static char pool[KEYS][KEY_BYTES];
    static struct ferry_trie_key keys[KEYS];
    srandom(7);
    for (int round = 0; round < 4; round++) {
        unsigned letters = round < 2 ? 3 : 255; /* deep and narrow, then flat and wide */
        for (size_t at = 0; at < KEYS; at++) {
            size_t size = 1 + (size_t)random() % KEY_BYTES;
            for (size_t byte = 0; byte < size; byte++)
                pool[at][byte] = (char)(1 + (unsigned)random() % letters);
            keys[at] = (struct ferry_trie_key){pool[at], size, (int32_t)at};
        }
        struct ferry_trie trie = build(keys, KEYS);
        for (int probe = 0; probe < 2000; probe++) {
            char text[KEY_BYTES + 3];
            for (size_t byte = 0; byte < sizeof text; byte++)
                text[byte] = (char)((unsigned)random() % (letters + 1));
            int32_t value = -1, expected = -1;
            size_t longest = ferry_trie_longest(&trie, text, sizeof text, &value);
            cr_assert_eq(longest, naive_longest(keys, KEYS, text, sizeof text, &expected));
            if (longest > 0)
                cr_assert_eq(value, expected);
        }
        ferry_trie_free(&trie);
    }
}
