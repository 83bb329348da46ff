/* The exact way to read text: every character through the normaliser, with its place in the text.
 */
#include "tokenizer/text_reader.h"
#include "tokenizer/utf8_checked.h"

enum { DRAIN_AT = 256 /* normalised characters that may wait for the word builder */ };

/* Hands the normalised characters to the word builder. */
static enum ferry_status drain(struct text_reader *reader) {
    struct ferry_normalizer *normalizer = &reader->session->normalizer;
    for (size_t at = 0; at < normalizer->count; at++) {
        if (!ferry_word_builder_push(&reader->session->words, normalizer->output[at].code_point,
                                     normalizer->output[at].source))
            return ferry_reader_fail_memory(reader);
        if (ferry_reader_is_done(reader))
            break;
    }
    normalizer->count = 0;
    return FERRY_OK;
}

enum ferry_status ferry_read_characters(struct text_reader *reader, size_t *at, size_t end) {
    struct ferry_normalizer *normalizer = &reader->session->normalizer;
    enum ferry_status status = FERRY_OK;
    while (*at < end && status == FERRY_OK && !ferry_reader_is_done(reader)) {
        uint32_t code_point = 0;
        unsigned length =
            ferry_utf8_decode_checked(reader->text + *at, reader->size - *at, &code_point);
        if (length == 0)
            return ferry_reader_fail_utf8(reader, *at);
        struct ferry_token_offsets source = {(uint32_t)*at, (uint32_t)(*at + length)};
        *at += length;
        if (!ferry_normalizer_push(normalizer, code_point, source))
            return ferry_reader_fail_memory(reader);
        if (normalizer->count >= DRAIN_AT)
            status = drain(reader);
    }
    return status;
}

enum ferry_status ferry_finish_characters(struct text_reader *reader) {
    if (!ferry_normalizer_finish(&reader->session->normalizer))
        return ferry_reader_fail_memory(reader);
    enum ferry_status status = drain(reader);
    if (status == FERRY_OK && !ferry_reader_is_done(reader) &&
        !ferry_word_builder_finish(&reader->session->words))
        status = ferry_reader_fail_memory(reader);
    return status;
}
