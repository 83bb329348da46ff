/* GPT-2's split pattern, by hand instead of by a regular expression:
 * 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * Source: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, and the
 * program that was published with it. */
#ifndef FERRY_PRETOKEN_SCAN_H
#define FERRY_PRETOKEN_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes behind a pre-token decide where it ends: a white-space character and another one.
 */
enum { FERRY_PRETOKEN_LOOKAHEAD = 8 };

struct ferry_pretoken_scan {
    const char *text;
    size_t end;      /* the text that is split ends here */
    size_t readable; /* bytes of text that may be read, at least `end` */
    size_t invalid;  /* set to the place of bytes that are not UTF-8 before `end`, else SIZE_MAX */
};

/* One past the last byte of the pre-token that begins at `at`, which is below scan->end. When it
 * met bytes that are not UTF-8, scan->invalid says where, and the result means nothing. */
size_t ferry_pretoken_end(struct ferry_pretoken_scan *scan, size_t at);

/* The same with a space before `at` that is not in the text, where another character stands. May
 * return `at`: then that space is a pre-token of its own. */
size_t ferry_pretoken_end_after_space(struct ferry_pretoken_scan *scan, size_t at);

/* Where pre-tokens begin in the 64 bytes from `at` on, where one begins: bit i stands for the byte
 * at + i. Only what is ASCII and does not depend on what lies further; with is_end, scan->end
 * counts as a begin as well. Bit 0 is always set; nothing else: ask ferry_pretoken_end. */
__attribute__((noinline)) uint64_t ferry_pretoken_begins(const struct ferry_pretoken_scan *scan,
                                                         size_t at, bool is_end);

#endif
