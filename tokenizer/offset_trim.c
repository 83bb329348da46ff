#include "tokenizer/offset_trim.h"

#include "base/utf8.h"
#include "tokenizer/unicode_tables.h"

enum { SUBSTITUTE_OF_SPACE = 0x120 };

/* `count` characters further, at most to the end. */
static uint32_t forward(const char *bytes, uint32_t at, uint32_t end, uint32_t count) {
    if (!bytes)
        return end - at < count ? end : at + count;
    for (; count > 0 && at < end; count--)
        do
            at++;
        while (at < end && ((unsigned char)bytes[at] & 0xC0) == 0x80);
    return at;
}

static uint32_t backward(const char *bytes, uint32_t begin, uint32_t at, uint32_t count) {
    if (!bytes)
        return at - begin < count ? begin : at - count;
    for (; count > 0 && at > begin; count--)
        do
            at--;
        while (at > begin && ((unsigned char)bytes[at] & 0xC0) == 0x80);
    return at;
}

static bool is_space(uint32_t character) {
    return character == SUBSTITUTE_OF_SPACE ||
           (ferry_unicode_lookup(character) & FERRY_UNICODE_WHITESPACE);
}

struct ferry_token_spaces ferry_count_spaces(const char *text, size_t size) {
    struct ferry_token_spaces spaces = {0, 0};
    bool is_leading = true;
    for (size_t at = 0; at < size;) {
        uint32_t character = 0;
        at += ferry_utf8_decode(text + at, &character);
        bool is_one = is_space(character);
        is_leading = is_leading && is_one;
        spaces.leading += is_leading;
        spaces.trailing = is_one ? spaces.trailing + 1 : 0;
    }
    return spaces;
}

void ferry_trim_offsets(struct ferry_token_spaces spaces, bool may_be_prefixed, const char *bytes,
                        bool is_first, struct ferry_token_offsets *offsets) {
    bool is_kept = may_be_prefixed && spaces.leading == 1 && (is_first || offsets->begin == 0);
    if (spaces.leading > 0 && !is_kept)
        offsets->begin = forward(bytes, offsets->begin, offsets->end, spaces.leading);
    if (spaces.trailing > 0)
        offsets->end = backward(bytes, offsets->begin, offsets->end, spaces.trailing);
}
