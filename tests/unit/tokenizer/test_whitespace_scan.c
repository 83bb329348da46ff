#include <criterion/criterion.h>
#include <stdlib.h>

#include "tokenizer/whitespace_scan.h"

uint64_t scan_whitespace_portable(const char *bytes);

static uint64_t naive(const char *bytes) {
    uint64_t mask = 0;
    for (unsigned at = 0; at < FERRY_SCAN_BYTES; at++)
        mask |= (uint64_t)(ferry_is_hard_space(bytes[at]) != 0) << at;
    return mask;
}

Test(whitespace_scan, every_byte_at_every_place) {
    for (unsigned place = 0; place < FERRY_SCAN_BYTES; place++)
        for (unsigned value = 0; value < 256; value++) {
            char bytes[FERRY_SCAN_BYTES];
            memset(bytes, 'x', sizeof bytes);
            bytes[place] = (char)value;
            cr_assert_eq(ferry_scan_whitespace(bytes), naive(bytes));
            cr_assert_eq(scan_whitespace_portable(bytes), naive(bytes));
        }
}

Test(whitespace_scan, random_blocks) {
    static const char choice[] = " \t\n\r\v\f\x1f!\x80\xa0\x8d\x89\x8a"
                                 "a";
    srandom(3);
    for (int round = 0; round < 100000; round++) {
        char bytes[FERRY_SCAN_BYTES];
        for (unsigned at = 0; at < FERRY_SCAN_BYTES; at++)
            bytes[at] = choice[(size_t)random() % (sizeof choice)]; /* its zero byte too */
        cr_assert_eq(ferry_scan_whitespace(bytes), naive(bytes));
        cr_assert_eq(scan_whitespace_portable(bytes), naive(bytes));
    }
}
