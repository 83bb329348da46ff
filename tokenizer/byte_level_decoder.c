/* From ids back to text for byte-level tokenizers: the bytes of all tokens joined, and U+FFFD for
 * what is not UTF-8, as the reference's ByteLevel decoder does; whole or token by token. */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/offset_trim.h"
#include "tokenizer/tokenizer_model.h"

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */
enum { REPLACEMENT_SIZE = sizeof replacement - 1 };

static bool fill_spaces(struct ferry_tokenizer *tokenizer) {
    tokenizer->spaces = calloc((size_t)tokenizer->id_bound + 1, sizeof *tokenizer->spaces);
    for (int32_t id = 0; tokenizer->spaces && id < tokenizer->id_bound; id++)
        if (tokenizer->texts[id].bytes)
            tokenizer->spaces[id] =
                ferry_count_spaces(tokenizer->texts[id].bytes, tokenizer->texts[id].size);
    return tokenizer->spaces != NULL;
}

/* A text that does not stand for bytes is written as it is. */
static bool fill_decoded(struct ferry_tokenizer *tokenizer) {
    size_t total = 0, used = 0;
    for (int32_t id = 0; id < tokenizer->id_bound; id++)
        total += tokenizer->texts[id].size;
    tokenizer->decoded_bytes = malloc(total + 1);
    tokenizer->decoded_offsets =
        malloc(((size_t)tokenizer->id_bound + 1) * sizeof *tokenizer->decoded_offsets);
    if (!tokenizer->decoded_bytes || !tokenizer->decoded_offsets)
        return false;
    for (int32_t id = 0; id < tokenizer->id_bound; id++) {
        const struct ferry_token_text *text = &tokenizer->texts[id];
        char *target = tokenizer->decoded_bytes + used;
        size_t size = text->size;
        tokenizer->decoded_offsets[id] = used;
        if (text->bytes && !ferry_byte_level_bytes(text->bytes, text->size, target, &size)) {
            size = text->size;
            memcpy(target, text->bytes, size);
        }
        used += size;
    }
    tokenizer->decoded_offsets[tokenizer->id_bound] = used;
    return true;
}

enum ferry_status ferry_byte_level_finish(struct ferry_tokenizer *tokenizer,
                                          struct ferry_error *error) {
    if ((tokenizer->trims_offsets && !fill_spaces(tokenizer)) ||
        (tokenizer->has_byte_decoder && !fill_decoded(tokenizer)))
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the vocabulary");
    return FERRY_OK;
}

/* Bytes that did not make a whole character yet, and those that follow them. */
struct joined {
    const uint8_t *pending;
    size_t pending_size;
    const uint8_t *bytes;
    size_t size; /* of both together */
};

static uint8_t byte_at(const struct joined *joined, size_t at) {
    return at < joined->pending_size ? joined->pending[at]
                                     : joined->bytes[at - joined->pending_size];
}

enum sequence { WHOLE, BROKEN, OPEN /* it goes on behind the last byte */ };

/* Bytes of the character that `first` begins, 0 when it begins none. */
static unsigned character_size(uint8_t first) {
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

static bool may_be_second(uint8_t first, uint8_t second) {
    uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
    uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
    return second >= low && second <= high;
}

/* What begins at `at`, and its length: the longest begin of a character, one byte when there is
 * none. One U+FFFD stands for each that is broken: the "maximal subpart" of the Unicode Standard,
 * section 3.9. */
static enum sequence next_sequence(const struct joined *joined, size_t at, unsigned *length) {
    uint8_t first = byte_at(joined, at);
    unsigned wanted = character_size(first);
    *length = 1;
    if (wanted == 0)
        return BROKEN;
    for (; *length < wanted; ++*length) {
        if (at + *length == joined->size)
            return OPEN;
        uint8_t byte = byte_at(joined, at + *length);
        if (*length == 1 ? !may_be_second(first, byte) : (byte & 0xC0) != 0x80)
            return BROKEN;
    }
    return WHOLE;
}

/* Writes what is known (nothing where text is NULL) and returns its size; *open is where an
 * unfinished character begins, or the end. */
static size_t write_known(const struct joined *joined, char *text, size_t *open) {
    size_t size = 0, at = 0;
    while (at < joined->size) {
        unsigned length = 0;
        enum sequence sequence = next_sequence(joined, at, &length);
        if (sequence == OPEN)
            break;
        for (unsigned byte = 0; sequence == WHOLE && byte < length; byte++, size++)
            if (text)
                text[size] = (char)byte_at(joined, at + byte);
        if (sequence == BROKEN) {
            if (text)
                memcpy(text + size, replacement, REPLACEMENT_SIZE);
            size += REPLACEMENT_SIZE;
        }
        at += length;
    }
    *open = at;
    return size;
}

static enum ferry_status fail_room(enum ferry_status status, const struct ferry_buffer *text,
                                   struct ferry_error *error) {
    if (status == FERRY_TOO_LARGE)
        return ferry_fail(error, status, "the text has more than %zu bytes", text->maximum);
    return ferry_fail(error, status, "no memory for the decoded text");
}

static enum ferry_status push_bytes(struct ferry_text_stream *stream, const char *bytes,
                                    size_t size, struct ferry_buffer *text,
                                    struct ferry_error *error) {
    const struct joined joined = {stream->pending, stream->pending_size, (const uint8_t *)bytes,
                                  stream->pending_size + size};
    bool is_plain = stream->pending_size == 0 && ferry_utf8_valid_prefix(bytes, size) == size;
    size_t open = size, known = is_plain ? size : write_known(&joined, NULL, &open);
    enum ferry_status status = ferry_buffer_reserve(text, known);
    if (status != FERRY_OK)
        return fail_room(status, text, error);
    if (is_plain && size > 0)
        memcpy(text->data + text->size, bytes, size);
    else if (known > 0)
        write_known(&joined, (char *)text->data + text->size, &open);
    text->size += known;
    uint8_t pending[sizeof stream->pending];
    size_t left = is_plain ? 0 : joined.size - open;
    for (size_t at = 0; at < left; at++)
        pending[at] = byte_at(&joined, open + at);
    if (left > 0)
        memcpy(stream->pending, pending, left);
    stream->pending_size = (uint32_t)left;
    return FERRY_OK;
}

enum ferry_status ferry_text_stream_begin(struct ferry_text_stream *stream,
                                          const struct ferry_tokenizer *tokenizer,
                                          bool skip_special_tokens, struct ferry_error *error) {
    *stream = (struct ferry_text_stream){.tokenizer = tokenizer,
                                         .skip_special_tokens = skip_special_tokens};
    if (!tokenizer->has_byte_decoder)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "only a tokenizer with a ByteLevel decoder decodes token by token; this "
                          "one is %s%s",
                          ferry_tokenizer_kind(tokenizer),
                          tokenizer->kind == FERRY_MODEL_BPE ? " without a decoder" : "");
    return FERRY_OK;
}

enum ferry_status ferry_text_stream_push(struct ferry_text_stream *stream, int32_t id,
                                         struct ferry_buffer *text, struct ferry_error *error) {
    const struct ferry_tokenizer *tokenizer = stream->tokenizer;
    if (id < 0 || id >= tokenizer->id_bound || !tokenizer->texts[id].bytes)
        return ferry_fail(error, FERRY_INVALID_INPUT, "no token has the id %d", id);
    if (stream->skip_special_tokens && tokenizer->texts[id].is_special)
        return FERRY_OK;
    size_t begin = tokenizer->decoded_offsets[id];
    return push_bytes(stream, tokenizer->decoded_bytes + begin,
                      tokenizer->decoded_offsets[id + 1] - begin, text, error);
}

enum ferry_status ferry_text_stream_end(struct ferry_text_stream *stream, struct ferry_buffer *text,
                                        struct ferry_error *error) {
    if (stream->pending_size == 0)
        return FERRY_OK;
    enum ferry_status status = ferry_buffer_append(text, replacement, REPLACEMENT_SIZE);
    if (status != FERRY_OK)
        return fail_room(status, text, error);
    stream->pending_size = 0;
    return FERRY_OK;
}
