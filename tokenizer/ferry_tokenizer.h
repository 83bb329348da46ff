/* Text to token ids and back: the public interface of libferry_tokenizer.
 *
 * A tokenizer is immutable after loading and may be shared by any number of threads. A session
 * holds one thread's scratch memory and word cache; it does not allocate once it is warm. What a
 * session returns is owned by the session and valid until its next call.
 *
 * The reference is the Hugging Face `tokenizers` library: ids, type ids, masks and offsets are
 * equal to its own for every input that is valid UTF-8. */
#ifndef FERRY_TOKENIZER_H
#define FERRY_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* These functions are what libferry_tokenizer.so exports. */
#pragma GCC visibility push(default)

struct ferry_tokenizer;
struct ferry_tokenizer_session;

/* What the manifest may set over the tokenizer's own files; -1 leaves what the files say. */
struct ferry_tokenizer_overrides {
    int lowercase;
    int strip_accents;
    int clean_text;
    int handle_chinese_chars;
};

/* Loads tokenizer.json, else vocab.txt with tokenizer_config.json beside it; `path` is a directory
 * or one of these files. overrides may be NULL.
 * Errors: NO_INPUT, BAD_DATA (with file and reason), UNSUPPORTED (a kind of tokenizer, normalizer
 * or option that ferry does not have, named), OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status
ferry_tokenizer_load(const char *path, const struct ferry_tokenizer_overrides *overrides,
                     struct ferry_tokenizer **ret_tokenizer, struct ferry_error *error);

/* A file that was read already, "tokenizer.json" for instance. */
struct ferry_tokenizer_file {
    const char *name; /* without directories */
    const char *bytes;
    size_t size;
};

/* The same from memory: so can a caller be sure that what it verified is what is loaded. Files with
 * other names are ignored; the memory may be freed afterwards. */
FERRY_MUST_CHECK enum ferry_status
ferry_tokenizer_load_files(const struct ferry_tokenizer_file *files, size_t count,
                           const struct ferry_tokenizer_overrides *overrides,
                           struct ferry_tokenizer **ret_tokenizer, struct ferry_error *error);
void ferry_tokenizer_free(struct ferry_tokenizer *tokenizer);

/* "wordpiece" or "byte_level_bpe". */
const char *ferry_tokenizer_kind(const struct ferry_tokenizer *tokenizer);
/* One more than the highest id, added tokens included. */
int32_t ferry_tokenizer_id_bound(const struct ferry_tokenizer *tokenizer);
/* Id used for padding, or -1 when the tokenizer has none. */
int32_t ferry_tokenizer_pad_id(const struct ferry_tokenizer *tokenizer);
/* Special tokens that encoding adds around one text, and around a pair. */
uint32_t ferry_tokenizer_added_count(const struct ferry_tokenizer *tokenizer, bool is_pair);
/* The token's own text as in the vocabulary ("##ing"); NULL for an id that does not exist. Not
 * NUL-terminated. Owned by the tokenizer. */
const char *ferry_tokenizer_token_text(const struct ferry_tokenizer *tokenizer, int32_t id,
                                       size_t *size);
/* Id of a token given by its text, or -1. */
int32_t ferry_tokenizer_token_id(const struct ferry_tokenizer *tokenizer, const char *text,
                                 size_t size);

/* word_cache_bytes: bound of the session's word cache; 0 chooses the default (16 MiB).
 * The tokenizer must outlive the session. */
FERRY_MUST_CHECK enum ferry_status
ferry_tokenizer_session_create(const struct ferry_tokenizer *tokenizer, size_t word_cache_bytes,
                               struct ferry_tokenizer_session **ret_session,
                               struct ferry_error *error);
void ferry_tokenizer_session_free(struct ferry_tokenizer_session *session);
/* Gives back the working memory that long texts took if it is over keep_bytes; the word cache
 * stays. What the session returned before ends with it. */
void ferry_tokenizer_session_trim(struct ferry_tokenizer_session *session, size_t keep_bytes);

enum ferry_truncation_strategy {
    FERRY_TRUNCATE_LONGEST_FIRST,
    FERRY_TRUNCATE_ONLY_FIRST,
    FERRY_TRUNCATE_ONLY_SECOND
};
enum ferry_truncation_side { FERRY_TRUNCATE_RIGHT, FERRY_TRUNCATE_LEFT };
enum ferry_offset_unit {
    FERRY_OFFSETS_NONE,      /* fastest */
    FERRY_OFFSETS_BYTES,     /* in bytes of the text as given */
    FERRY_OFFSETS_CHARACTERS /* in Unicode characters, as the reference's Python package */
};

struct ferry_encode_options {
    uint32_t max_tokens; /* limit of one window, special tokens included; 0: none */
    uint32_t stride;     /* tokens that neighbouring overflow windows share */
    enum ferry_truncation_strategy strategy;
    enum ferry_truncation_side side;
    enum ferry_offset_unit offsets;
    bool add_special_tokens;
    /* Special tokens written in the text, such as "[SEP]", are read as plain text. */
    bool special_tokens_as_text;
    /* Return every window of a text that is too long, not just the first. Costs reading all of it.
     */
    bool windows;
    uint32_t max_window_tokens; /* of all windows together: TOO_LARGE beyond; 0: 2^26 */
};

struct ferry_token_offsets {
    uint32_t begin;
    uint32_t end; /* one past the last; both 0 for tokens that encoding added */
};

/* One window. All arrays have `count` entries. */
struct ferry_encoding {
    const int32_t *ids;
    const uint8_t *type_ids;
    const uint8_t *special_mask;               /* 1 for tokens that encoding added */
    const struct ferry_token_offsets *offsets; /* NULL unless asked for */
    uint32_t count;
    bool truncated; /* something of this text is in no window, or in another one */
};

struct ferry_encodings {
    const struct ferry_encoding *windows; /* windows[0] is the encoding; the rest overflowed */
    uint32_t count;                       /* at least 1 */
    size_t bytes_read[2];                 /* of text and of pair: all, or where reading stopped */
};

/* Encodes one text (pair == NULL) or a pair. With truncation on the right and no windows, reading
 * stops at the truncation point; up to 2 KiB behind it are searched for white space and added
 * tokens, nothing more. (Of a pair that is cut in both texts, more is read to learn which one is
 * longer.) Errors: INVALID_INPUT (not UTF-8, with the byte offset; stride or limit that leave no
 * room), TOO_LONG (the strategy cannot shorten it far enough), TOO_LARGE (over 2 GiB,
 * or over max_window_tokens), OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status
ferry_tokenizer_encode(struct ferry_tokenizer_session *session, const char *text, size_t text_bytes,
                       const char *pair, size_t pair_bytes,
                       const struct ferry_encode_options *options,
                       struct ferry_encodings *ret_encodings, struct ferry_error *error);

/* The text of some ids, as the reference's decode(); owned by the session.
 * Errors: INVALID_INPUT (an id that does not exist), OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_tokenizer_decode(struct ferry_tokenizer_session *session,
                                                          const int32_t *ids, size_t count,
                                                          bool skip_special_tokens,
                                                          const char **ret_text, size_t *ret_size,
                                                          struct ferry_error *error);

/* Decoding token by token: what was written never changes afterwards, and never ends within a
 * character. The texts of all pushes and of the end, joined, equal ferry_tokenizer_decode of all
 * ids. Copyable; owns nothing; the tokenizer must outlive it. */
struct ferry_text_stream {
    const struct ferry_tokenizer *tokenizer;
    bool skip_special_tokens;
    uint8_t pending[4]; /* the beginning of a character that is not complete */
    uint32_t pending_size;
};

/* Errors: UNSUPPORTED (a WordPiece tokenizer). */
FERRY_MUST_CHECK enum ferry_status ferry_text_stream_begin(struct ferry_text_stream *stream,
                                                           const struct ferry_tokenizer *tokenizer,
                                                           bool skip_special_tokens,
                                                           struct ferry_error *error);
/* Appends the characters that are complete now. Errors: INVALID_INPUT (an id that does not exist),
 * TOO_LARGE (the buffer's maximum), OUT_OF_MEMORY; the stream stays as it was. */
FERRY_MUST_CHECK enum ferry_status ferry_text_stream_push(struct ferry_text_stream *stream,
                                                          int32_t id, struct ferry_buffer *text,
                                                          struct ferry_error *error);
/* What is unfinished becomes U+FFFD, as in decode. Errors: TOO_LARGE, OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status ferry_text_stream_end(struct ferry_text_stream *stream,
                                                         struct ferry_buffer *text,
                                                         struct ferry_error *error);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
