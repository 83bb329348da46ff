/* Lets the parity tests call libferry_tokenizer for millions of texts without a Python call for
 * each: reads batches of commands on standard input, answers each batch on standard output.
 *
 * Batch:  u64 size, then commands one after another. Reply: u64 size, then one answer per command.
 * All numbers are little-endian. A command is one byte and then
 *   'L' load      i32 lowercase, strip_accents, clean_text, handle_chinese_chars; u32 slot; bytes
 * path answer    i32 status, bytes error, and when the status is 0: i32 id_bound, i32 pad_id, u32
 * added to a single text, u32 added to a pair 'E' encode    u32 slot, max_tokens, stride; u8
 * strategy, side, offsets, flags; bytes text; bytes pair (FLAG_PAIR only) answer    i32 status,
 * bytes error, and when the status is 0: u64 read of text, u64 read of pair, u32 windows; per
 * window u32 count, u8 truncated, i32 ids[], u8 type_ids[], u8 special_mask[], u8 has_offsets, u32
 * offsets[2 * count] 'D' decode    u32 slot, u8 skip_special_tokens, bytes ids (i32 each) answer
 * i32 status, bytes error, and when the status is 0: bytes text 'T' token     u32 slot, i32 id
 *       answer    u8 exists, bytes text, i32 the id that this text has
 *   'S' stream    as 'D', token by token; each push's text is checked to be whole characters
 *   'P' split     u32 slot; bytes text
 *       answer    u32 count, u32 bytes of each pre-token, with a space that is put before the first
 *   'M' trim      u32 slot, keep_bytes
 *       answer    u64 resident bytes of the process
 * where "bytes" is u32 size and that many bytes. One session per slot serves every option; with
 * FLAG_FRESH_SESSION the session is made anew for this one text. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "tokenizer/ferry_tokenizer.h"
#include "tokenizer/pretoken_scan.h"
#include "tokenizer/tokenizer_model.h"

enum { SLOTS = 256, SECONDS_PER_TEXT = 30 };
enum encode_flag {
    FLAG_SPECIAL_TOKENS = 1,
    FLAG_SPECIAL_AS_TEXT = 2,
    FLAG_WINDOWS = 4,
    FLAG_PAIR = 8,
    FLAG_FRESH_SESSION = 16
};

struct reader {
    const uint8_t *data;
    size_t size;
    size_t at;
};

struct writer {
    uint8_t *data;
    size_t size;
    size_t capacity;
};

struct slot {
    struct ferry_tokenizer *tokenizer;
    struct ferry_tokenizer_session *session;
};

static _Noreturn void die(const char *why) {
    fprintf(stderr, "tokenizer_driver: %s\n", why);
    exit(70);
}

static const uint8_t *take(struct reader *reader, size_t count) {
    if (count > reader->size - reader->at)
        die("a command is cut off");
    reader->at += count;
    return reader->data + reader->at - count;
}

static uint8_t take_u8(struct reader *reader) {
    return *take(reader, 1);
}

static uint32_t take_u32(struct reader *reader) {
    uint32_t value;
    memcpy(&value, take(reader, sizeof value), sizeof value);
    return value;
}

static int32_t take_i32(struct reader *reader) {
    return (int32_t)take_u32(reader);
}

/* A copy in a block of exactly that size, so that AddressSanitizer sees a read past the end. */
static char *take_bytes(struct reader *reader, size_t *ret_size) {
    size_t size = take_u32(reader);
    char *copy = malloc(size ? size : 1);
    if (!copy)
        die("out of memory");
    memcpy(copy, take(reader, size), size);
    *ret_size = size;
    return copy;
}

static void put(struct writer *writer, const void *data, size_t count) {
    if (count > writer->capacity - writer->size) {
        size_t capacity = 2 * (writer->capacity + count);
        uint8_t *grown = realloc(writer->data, capacity);
        if (!grown)
            die("out of memory");
        writer->data = grown;
        writer->capacity = capacity;
    }
    if (count)
        memcpy(writer->data + writer->size, data, count);
    writer->size += count;
}

static void put_u8(struct writer *writer, uint8_t value) {
    put(writer, &value, sizeof value);
}

static void put_u32(struct writer *writer, uint32_t value) {
    put(writer, &value, sizeof value);
}

static void put_u64(struct writer *writer, uint64_t value) {
    put(writer, &value, sizeof value);
}

static void put_bytes(struct writer *writer, const void *data, size_t count) {
    put_u32(writer, (uint32_t)count);
    put(writer, data, count);
}

static void put_status(struct writer *writer, enum ferry_status status,
                       const struct ferry_error *error) {
    put_u32(writer, (uint32_t)status);
    put_bytes(writer, error->text, status == FERRY_OK ? 0 : strlen(error->text));
    if (status != FERRY_OK && error->status != status)
        die("the error does not carry the status that was returned");
}

static struct slot *take_slot(struct reader *reader, struct slot *slots) {
    uint32_t index = take_u32(reader);
    if (index >= SLOTS)
        die("no such slot");
    return &slots[index];
}

static void open_session(struct slot *slot) {
    struct ferry_error error;
    if (ferry_tokenizer_session_create(slot->tokenizer, 0, &slot->session, &error) != FERRY_OK)
        die(error.text);
}

static void close_slot(struct slot *slot) {
    ferry_tokenizer_session_free(slot->session);
    ferry_tokenizer_free(slot->tokenizer);
    slot->session = NULL;
    slot->tokenizer = NULL;
}

static void run_load(struct reader *reader, struct writer *writer, struct slot *slots) {
    struct ferry_tokenizer_overrides overrides;
    overrides.lowercase = take_i32(reader);
    overrides.strip_accents = take_i32(reader);
    overrides.clean_text = take_i32(reader);
    overrides.handle_chinese_chars = take_i32(reader);
    struct slot *slot = take_slot(reader, slots);
    size_t path_size;
    char *path = take_bytes(reader, &path_size);
    path = realloc(path, path_size + 1);
    if (!path)
        die("out of memory");
    path[path_size] = 0;
    close_slot(slot);
    struct ferry_error error = {FERRY_OK, ""};
    enum ferry_status status = ferry_tokenizer_load(path, &overrides, &slot->tokenizer, &error);
    put_status(writer, status, &error);
    free(path);
    if (status != FERRY_OK) {
        slot->tokenizer = NULL;
        return;
    }
    put_u32(writer, (uint32_t)ferry_tokenizer_id_bound(slot->tokenizer));
    put_u32(writer, (uint32_t)ferry_tokenizer_pad_id(slot->tokenizer));
    put_u32(writer, ferry_tokenizer_added_count(slot->tokenizer, false));
    put_u32(writer, ferry_tokenizer_added_count(slot->tokenizer, true));
    open_session(slot);
}

static void put_window(struct writer *writer, const struct ferry_encoding *window) {
    size_t count = window->count;
    put_u32(writer, window->count);
    put_u8(writer, window->truncated);
    put(writer, window->ids, count * sizeof *window->ids);
    put(writer, window->type_ids, count);
    put(writer, window->special_mask, count);
    put_u8(writer, window->offsets != NULL);
    if (window->offsets)
        put(writer, window->offsets, count * sizeof *window->offsets);
}

static struct ferry_encode_options take_options(struct reader *reader, uint8_t *ret_flags) {
    struct ferry_encode_options options;
    memset(&options, 0, sizeof options);
    options.max_tokens = take_u32(reader);
    options.stride = take_u32(reader);
    options.strategy = (enum ferry_truncation_strategy)take_u8(reader);
    options.side = (enum ferry_truncation_side)take_u8(reader);
    options.offsets = (enum ferry_offset_unit)take_u8(reader);
    *ret_flags = take_u8(reader);
    options.add_special_tokens = *ret_flags & FLAG_SPECIAL_TOKENS;
    options.special_tokens_as_text = *ret_flags & FLAG_SPECIAL_AS_TEXT;
    options.windows = *ret_flags & FLAG_WINDOWS;
    return options;
}

static void run_encode(struct reader *reader, struct writer *writer, struct slot *slots) {
    struct slot *slot = take_slot(reader, slots);
    uint8_t flags;
    struct ferry_encode_options options = take_options(reader, &flags);
    size_t text_size;
    size_t pair_size = 0;
    char *text = take_bytes(reader, &text_size);
    char *pair = flags & FLAG_PAIR ? take_bytes(reader, &pair_size) : NULL;
    if (!slot->tokenizer)
        die("nothing is loaded in this slot");
    if (flags & FLAG_FRESH_SESSION) {
        ferry_tokenizer_session_free(slot->session);
        open_session(slot);
    }
    struct ferry_encodings encodings;
    memset(&encodings, 0, sizeof encodings);
    struct ferry_error error = {FERRY_OK, ""};
    alarm(SECONDS_PER_TEXT); /* a text that never ends shows as death by SIGALRM */
    enum ferry_status status = ferry_tokenizer_encode(slot->session, text, text_size, pair,
                                                      pair_size, &options, &encodings, &error);
    alarm(0);
    put_status(writer, status, &error);
    free(text); /* before the answer is read: it must not point into the text */
    free(pair);
    if (status != FERRY_OK)
        return;
    put_u64(writer, encodings.bytes_read[0]);
    put_u64(writer, encodings.bytes_read[1]);
    put_u32(writer, encodings.count);
    for (uint32_t i = 0; i < encodings.count; i++)
        put_window(writer, &encodings.windows[i]);
}

static void run_decode(struct reader *reader, struct writer *writer, struct slot *slots) {
    struct slot *slot = take_slot(reader, slots);
    bool skip = take_u8(reader);
    size_t size;
    char *bytes = take_bytes(reader, &size);
    const char *text = NULL;
    size_t text_size = 0;
    struct ferry_error error = {FERRY_OK, ""};
    if (!slot->tokenizer)
        die("nothing is loaded in this slot");
    enum ferry_status status =
        ferry_tokenizer_decode(slot->session, (const int32_t *)(const void *)bytes,
                               size / sizeof(int32_t), skip, &text, &text_size, &error);
    free(bytes);
    put_status(writer, status, &error);
    if (status == FERRY_OK)
        put_bytes(writer, text, text_size);
}

static enum ferry_status stream_ids(const struct slot *slot, const int32_t *ids, size_t count,
                                    bool skip, struct ferry_buffer *text,
                                    struct ferry_error *error) {
    struct ferry_text_stream stream;
    enum ferry_status status = ferry_text_stream_begin(&stream, slot->tokenizer, skip, error);
    for (size_t i = 0; i < count && status == FERRY_OK; i++) {
        size_t before = text->size;
        status = ferry_text_stream_push(&stream, ids[i], text, error);
        size_t pushed = text->size - before;
        if (ferry_utf8_valid_prefix((const char *)text->data + before, pushed) != pushed)
            die("a push ended within a character");
        struct ferry_text_stream copy = stream; /* it owns nothing */
        stream = copy;
    }
    return status == FERRY_OK ? ferry_text_stream_end(&stream, text, error) : status;
}

static void run_stream(struct reader *reader, struct writer *writer, struct slot *slots) {
    struct slot *slot = take_slot(reader, slots);
    bool skip = take_u8(reader);
    size_t size;
    char *bytes = take_bytes(reader, &size);
    struct ferry_error error = {FERRY_OK, ""};
    struct ferry_buffer text;
    if (!slot->tokenizer)
        die("nothing is loaded in this slot");
    ferry_buffer_init(&text, SIZE_MAX);
    enum ferry_status status = stream_ids(slot, (const int32_t *)(const void *)bytes,
                                          size / sizeof(int32_t), skip, &text, &error);
    free(bytes);
    put_status(writer, status, &error);
    if (status == FERRY_OK)
        put_bytes(writer, text.data, text.size);
    ferry_buffer_free(&text);
}

/* Both ways to find pre-tokens must find the same. */
static void check_begins(const struct ferry_pretoken_scan *scan, const uint8_t *is_begin) {
    for (size_t at = 0; at < scan->end; at++) {
        if (!is_begin[at])
            continue;
        uint64_t begins = ferry_pretoken_begins(scan, at, true);
        unsigned last = 63 - (unsigned)__builtin_clzll(begins);
        for (unsigned i = 0; i <= last; i++)
            if ((begins >> i & 1) != is_begin[at + i])
                die("ferry_pretoken_begins finds other pre-tokens than ferry_pretoken_end");
    }
}

static void run_split(struct reader *reader, struct writer *writer, struct slot *slots) {
    struct slot *slot = take_slot(reader, slots);
    size_t size;
    char *text = take_bytes(reader, &size);
    uint8_t *is_begin = calloc(size + 1, 1);
    uint32_t *sizes = malloc((size + 1) * sizeof *sizes);
    if (!is_begin || !sizes)
        die("out of memory");
    struct ferry_pretoken_scan scan = {text, size, size, SIZE_MAX};
    size_t at = 0;
    uint32_t count = 0;
    bool has_space = size > 0 && slot->tokenizer->add_prefix_space && text[0] != ' ';
    while (at < size) {
        size_t end =
            has_space ? ferry_pretoken_end_after_space(&scan, at) : ferry_pretoken_end(&scan, at);
        if (scan.invalid != SIZE_MAX || end < at || (end == at && !has_space))
            die("a text cannot be split");
        is_begin[at] = end > at && !has_space; /* what a space precedes is no begin of its own */
        sizes[count++] = (uint32_t)(end - at) + has_space;
        has_space = false;
        at = end;
    }
    is_begin[size] = 1;
    check_begins(&scan, is_begin);
    put_u32(writer, count);
    put(writer, sizes, count * sizeof *sizes);
    free(text);
    free(is_begin);
    free(sizes);
}

static void run_token(struct reader *reader, struct writer *writer, struct slot *slots) {
    struct slot *slot = take_slot(reader, slots);
    int32_t id = take_i32(reader);
    size_t size = 0;
    const char *text = ferry_tokenizer_token_text(slot->tokenizer, id, &size);
    put_u8(writer, text != NULL);
    put_bytes(writer, text, text ? size : 0);
    put_u32(writer, text ? (uint32_t)ferry_tokenizer_token_id(slot->tokenizer, text, size) : 0);
}

static uint64_t resident_bytes(void) {
    unsigned long pages = 0;
    char line[128] = "";
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || !fgets(line, sizeof line, file))
        die("cannot read /proc/self/statm");
    fclose(file);
    const char *second = strchr(line, ' ');
    pages = second ? strtoul(second, NULL, 10) : 0;
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void run_trim(struct reader *reader, struct writer *writer, struct slot *slots) {
    struct slot *slot = take_slot(reader, slots);
    ferry_tokenizer_session_trim(slot->session, take_u32(reader));
    put_u64(writer, resident_bytes());
}

static void run_batch(struct reader *reader, struct writer *writer, struct slot *slots) {
    while (reader->at < reader->size) {
        uint8_t command = take_u8(reader);
        if (command == 'L')
            run_load(reader, writer, slots);
        else if (command == 'E')
            run_encode(reader, writer, slots);
        else if (command == 'D')
            run_decode(reader, writer, slots);
        else if (command == 'T')
            run_token(reader, writer, slots);
        else if (command == 'S')
            run_stream(reader, writer, slots);
        else if (command == 'P')
            run_split(reader, writer, slots);
        else if (command == 'M')
            run_trim(reader, writer, slots);
        else
            die("unknown command");
    }
}

int main(void) {
    static struct slot slots[SLOTS];
    struct writer writer = {NULL, 0, 0};
    uint64_t size;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        uint8_t *batch = malloc(size ? size : 1);
        if (!batch || fread(batch, 1, size, stdin) != size)
            die("a batch is cut off");
        struct reader reader = {batch, size, 0};
        writer.size = 0;
        run_batch(&reader, &writer, slots);
        free(batch);
        uint64_t answer_size = writer.size;
        if (fwrite(&answer_size, sizeof answer_size, 1, stdout) != 1 ||
            fwrite(writer.data, 1, writer.size, stdout) != writer.size || fflush(stdout))
            die("cannot write the answers");
    }
    for (size_t i = 0; i < SLOTS; i++)
        close_slot(&slots[i]);
    free(writer.data);
    return 0;
}
