#include "tokenizer/offset_trim.h"

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

void ferry_trim_offsets(const struct ferry_tokenizer *tokenizer, const char *bytes, int32_t id,
                        bool is_first, struct ferry_token_offsets *offsets) {
    const struct ferry_token_spaces *spaces = &tokenizer->spaces[id];
    uint32_t leading = spaces->leading;
    if (leading > 0) {
        bool may_be_prefix = is_first || offsets->begin == 0;
        if (may_be_prefix && tokenizer->trims_as_if_prefixed)
            leading--;
        offsets->begin = forward(bytes, offsets->begin, offsets->end, leading);
    }
    if (spaces->trailing > 0)
        offsets->end = backward(bytes, offsets->begin, offsets->end, spaces->trailing);
}
