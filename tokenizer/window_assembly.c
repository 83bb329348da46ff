/* Truncation, overflow windows and special tokens: from the tokens of one or two texts to the
 * encodings that are returned. Equal to the reference in every window and in their order. */
#include <stdlib.h>
#include <string.h>

#include "tokenizer/offset_trim.h"
#include "tokenizer/tokenizer_session.h"

/* More tokens than this in all windows together are refused: two long texts that both overflow
 * multiply. */
enum { WINDOW_TOKEN_LIMIT = 1 << 26 };

/* How one text is cut: part 0 is the encoding, the others overflowed. */
struct text_cut {
    size_t count;  /* tokens of the text */
    size_t length; /* of a part; all of it when nothing is cut */
    size_t step;   /* from part to part */
    uint32_t parts;
    bool from_left;
};

struct window_maker {
    struct ferry_tokenizer_session *session;
    const struct ferry_encode_options *options;
    const struct ferry_template *template;
    const char *texts[2];
    bool is_pair;
    struct text_cut cuts[2];
    uint32_t sequences; /* pieces of the template that stand for a text */
    size_t window_count;
    bool truncated;
    struct ferry_error *error;
};

static size_t added_count(const struct ferry_template *template,
                          const struct ferry_encode_options *options) {
    return options->add_special_tokens ? template->added : 0;
}

size_t ferry_windows_read_limit(const struct ferry_tokenizer *tokenizer,
                                const struct ferry_encode_options *options, bool is_pair) {
    const struct ferry_template *template = is_pair ? &tokenizer->pair : &tokenizer->single;
    size_t added = added_count(template, options);
    if (options->max_tokens == 0 || options->windows || options->side == FERRY_TRUNCATE_LEFT)
        return SIZE_MAX;
    return options->max_tokens > added ? options->max_tokens - added : 0;
}

static void part_range(const struct text_cut *cut, uint32_t part, size_t *begin, size_t *end) {
    size_t shift = part * cut->step;
    if (cut->from_left) {
        *end = cut->count - shift;
        *begin = *end > cut->length ? *end - cut->length : 0;
    } else {
        *begin = shift;
        *end = cut->count - shift > cut->length ? shift + cut->length : cut->count;
    }
}

static enum ferry_status cut_text(struct window_maker *maker, unsigned index, size_t length) {
    struct text_cut *cut = &maker->cuts[index];
    const struct ferry_encode_options *options = maker->options;
    if (length >= cut->count)
        return FERRY_OK;
    maker->truncated = true;
    cut->length = length;
    if (!options->windows)
        return FERRY_OK;
    if (length == 0)
        return ferry_fail(maker->error, FERRY_INVALID_INPUT,
                          "a limit of %u tokens leaves no room for windows of text %u",
                          options->max_tokens, index + 1);
    if (options->stride >= length)
        return ferry_fail(maker->error, FERRY_INVALID_INPUT,
                          "the stride is %u, but a window has room for only %zu tokens of text %u; "
                          "the stride must be smaller",
                          options->stride, length, index + 1);
    cut->step = length - options->stride;
    size_t parts = (cut->count - length + cut->step - 1) / cut->step + 1;
    if (parts > WINDOW_TOKEN_LIMIT)
        return ferry_fail(maker->error, FERRY_TOO_LARGE, "the text makes more than %d windows",
                          WINDOW_TOKEN_LIMIT);
    cut->parts = (uint32_t)parts;
    return FERRY_OK;
}

/* Halves for both when both are too long, else the longer one gives way. */
static void longest_first(size_t room, size_t *first, size_t *second) {
    bool is_swapped = *first > *second;
    size_t shorter = is_swapped ? *second : *first;
    size_t longer = 0;
    if (shorter > room)
        longer = shorter;
    else
        longer = room - shorter > shorter ? room - shorter : shorter;
    if (shorter + longer > room) {
        shorter = room / 2;
        longer = shorter + room % 2;
    }
    *first = is_swapped ? longer : shorter;
    *second = is_swapped ? shorter : longer;
}

static enum ferry_status cut_one(struct window_maker *maker, size_t room, size_t total) {
    unsigned index = maker->options->strategy == FERRY_TRUNCATE_ONLY_SECOND;
    if (index == 1 && !maker->is_pair)
        return ferry_fail(maker->error, FERRY_TOO_LONG,
                          "the text is too long, and truncation is only_second without a second "
                          "text");
    size_t excess = total - room;
    if (maker->cuts[index].count <= excess)
        return ferry_fail(maker->error, FERRY_TOO_LONG,
                          "text %u cannot be shortened so far that both fit into %u tokens",
                          index + 1, maker->options->max_tokens);
    return cut_text(maker, index, maker->cuts[index].count - excess);
}

static enum ferry_status truncate_texts(struct window_maker *maker) {
    const struct ferry_encode_options *options = maker->options;
    size_t added = added_count(maker->template, options);
    if (options->max_tokens == 0)
        return FERRY_OK;
    if (options->max_tokens < added)
        return ferry_fail(maker->error, FERRY_INVALID_INPUT,
                          "a limit of %u tokens leaves no room: %zu special tokens are added",
                          options->max_tokens, added);
    size_t room = options->max_tokens - added;
    size_t first = maker->cuts[0].count, second = maker->cuts[1].count;
    if (first + second <= room)
        return FERRY_OK;
    if (room > 0 && options->strategy != FERRY_TRUNCATE_LONGEST_FIRST)
        return cut_one(maker, room, first + second);
    if (room == 0 || !maker->is_pair)
        first = second = room;
    else
        longest_first(room, &first, &second);
    enum ferry_status status = cut_text(maker, 0, first);
    return status == FERRY_OK ? cut_text(maker, 1, second) : status;
}

static unsigned text_of(const struct ferry_template_piece *piece) {
    return piece->kind == FERRY_TEMPLATE_SECOND;
}

static size_t window_size(const struct window_maker *maker, const uint32_t *parts) {
    size_t tokens = added_count(maker->template, maker->options);
    for (uint32_t at = 0, sequence = 0; at < maker->template->count; at++) {
        const struct ferry_template_piece *piece = &maker->template->pieces[at];
        if (piece->kind == FERRY_TEMPLATE_SPECIAL)
            continue;
        size_t begin = 0, end = 0;
        part_range(&maker->cuts[text_of(piece)], parts[sequence++], &begin, &end);
        tokens += end - begin;
    }
    return tokens;
}

static bool grow_parts(struct ferry_window_arrays *arrays, size_t wanted) {
    if (wanted <= arrays->parts_capacity)
        return true;
    size_t capacity = wanted * 2;
    uint32_t *parts = realloc(arrays->parts, capacity * sizeof *parts);
    if (!parts)
        return false;
    arrays->parts = parts;
    uint32_t *merged = realloc(arrays->merged_parts, capacity * sizeof *merged);
    if (!merged)
        return false;
    arrays->merged_parts = merged;
    arrays->parts_capacity = capacity;
    return true;
}

/* Joins one more sequence to all windows so far. In the order of the reference: first the windows
 * that overflowed already, each with every part of the new one; then the encoding itself with the
 * parts that overflowed. The encoding (all parts 0) stays in front. */
static enum ferry_status merge_sequence(struct window_maker *maker, uint32_t sequence,
                                        uint32_t parts) {
    struct ferry_window_arrays *arrays = &maker->session->arrays;
    size_t width = maker->sequences, count = maker->window_count;
    if (count * parts > WINDOW_TOKEN_LIMIT / 8)
        return ferry_fail(maker->error, FERRY_TOO_LARGE,
                          "the texts make %zu windows; %d are allowed", count * parts,
                          WINDOW_TOKEN_LIMIT / 8);
    if (!grow_parts(arrays, count * parts * width))
        return ferry_fail(maker->error, FERRY_OUT_OF_MEMORY, "no memory for overflow windows");
    size_t made = 1;
    memcpy(arrays->merged_parts, arrays->parts, width * sizeof *arrays->parts);
    for (size_t pass = 0; pass < 2; pass++) {
        size_t first = pass == 0 ? 1 : 0, last = pass == 0 ? count : 1;
        for (size_t window = first; window < last; window++)
            for (uint32_t part = pass == 0 ? 0 : 1; part < parts; part++) {
                uint32_t *target = &arrays->merged_parts[made++ * width];
                memcpy(target, &arrays->parts[window * width], width * sizeof *target);
                target[sequence] = part;
            }
    }
    uint32_t *swap = arrays->parts;
    arrays->parts = arrays->merged_parts;
    arrays->merged_parts = swap;
    maker->window_count = made;
    return FERRY_OK;
}

static enum ferry_status choose_windows(struct window_maker *maker) {
    struct ferry_window_arrays *arrays = &maker->session->arrays;
    for (uint32_t at = 0; at < maker->template->count; at++)
        maker->sequences += maker->template->pieces[at].kind != FERRY_TEMPLATE_SPECIAL;
    if (!grow_parts(arrays, maker->sequences + 1))
        return ferry_fail(maker->error, FERRY_OUT_OF_MEMORY, "no memory for windows");
    memset(arrays->parts, 0, maker->sequences * sizeof *arrays->parts);
    maker->window_count = 1;
    if (maker->cuts[0].parts == 1 && maker->cuts[1].parts == 1)
        return FERRY_OK;
    enum ferry_status status = FERRY_OK;
    for (uint32_t at = 0, sequence = 0; at < maker->template->count && status == FERRY_OK; at++) {
        const struct ferry_template_piece *piece = &maker->template->pieces[at];
        if (piece->kind != FERRY_TEMPLATE_SPECIAL)
            status = merge_sequence(maker, sequence++, maker->cuts[text_of(piece)].parts);
    }
    return status;
}

static bool grow_tokens(struct ferry_window_arrays *arrays, size_t tokens, bool wants_offsets) {
    if (tokens > arrays->token_capacity) {
        size_t capacity = tokens * 2;
        int32_t *ids = realloc(arrays->ids, capacity * sizeof *ids);
        if (ids)
            arrays->ids = ids;
        uint8_t *type_ids = realloc(arrays->type_ids, capacity);
        if (type_ids)
            arrays->type_ids = type_ids;
        uint8_t *special_mask = realloc(arrays->special_mask, capacity);
        if (special_mask)
            arrays->special_mask = special_mask;
        if (!ids || !type_ids || !special_mask)
            return false;
        arrays->token_capacity = capacity;
    }
    if (wants_offsets && arrays->offsets_capacity < arrays->token_capacity) {
        struct ferry_token_offsets *offsets =
            realloc(arrays->offsets, arrays->token_capacity * sizeof *offsets);
        if (!offsets)
            return false;
        arrays->offsets = offsets;
        arrays->offsets_capacity = arrays->token_capacity;
    }
    return true;
}

static enum ferry_status reserve_windows(struct window_maker *maker) {
    struct ferry_window_arrays *arrays = &maker->session->arrays;
    size_t tokens = 0;
    for (size_t window = 0; window < maker->window_count; window++)
        tokens += window_size(maker, &arrays->parts[window * maker->sequences]);
    size_t limit = maker->options->max_window_tokens;
    if (limit == 0 || limit > WINDOW_TOKEN_LIMIT)
        limit = WINDOW_TOKEN_LIMIT;
    if (maker->window_count > 1 && tokens > limit)
        return ferry_fail(maker->error, FERRY_TOO_LARGE,
                          "the windows of the texts have %zu tokens; %zu are allowed", tokens,
                          limit);
    bool has_memory =
        grow_tokens(arrays, tokens + 1, maker->options->offsets != FERRY_OFFSETS_NONE);
    if (has_memory && maker->window_count > arrays->window_capacity) {
        size_t capacity = maker->window_count * 2;
        struct ferry_encoding *windows = realloc(arrays->windows, capacity * sizeof *windows);
        has_memory = windows != NULL;
        if (has_memory) {
            arrays->windows = windows;
            arrays->window_capacity = capacity;
        }
    }
    return has_memory ? FERRY_OK
                      : ferry_fail(maker->error, FERRY_OUT_OF_MEMORY, "no memory for an encoding");
}

static size_t put_special(const struct window_maker *maker,
                          const struct ferry_template_piece *piece, size_t at) {
    struct ferry_window_arrays *arrays = &maker->session->arrays;
    if (!maker->options->add_special_tokens)
        return at;
    arrays->ids[at] = piece->id;
    arrays->type_ids[at] = piece->type_id;
    arrays->special_mask[at] = 1;
    if (maker->options->offsets != FERRY_OFFSETS_NONE)
        arrays->offsets[at] = (struct ferry_token_offsets){0, 0};
    return at + 1;
}

/* Trims the tokens of a part that begins with token `first` of its text. Done in each window anew,
 * because the reference treats the first token of each in its own way. */
static void trim_part(const struct window_maker *maker, unsigned index, size_t first, size_t at,
                      size_t count) {
    struct ferry_window_arrays *arrays = &maker->session->arrays;
    const struct ferry_tokenizer *tokenizer = maker->session->tokenizer;
    const struct ferry_token_run *run = &maker->session->runs[index];
    bool is_bytes = maker->options->offsets == FERRY_OFFSETS_BYTES;
    const char *bytes = is_bytes ? maker->texts[index] : NULL;
    size_t padded = ferry_token_run_padded_from(run, first);
    for (size_t token = 0; token < count; token++) {
        struct ferry_token_spaces spaces = tokenizer->spaces[arrays->ids[at + token]];
        if (padded < run->padded_count && run->padded[padded].token == first + token)
            spaces = run->padded[padded++].spaces;
        ferry_trim_offsets(spaces, tokenizer->trims_as_if_prefixed, bytes, token == 0,
                           &arrays->offsets[at + token]);
    }
}

/* A part that overflowed keeps the number of its text as type id, whatever the template says (but
 * for RoBERTa's with special tokens): so the reference. */
static int type_of_part(const struct window_maker *maker, const struct ferry_template_piece *piece,
                        uint32_t part) {
    bool has_own_type = part > 0 && !(maker->session->tokenizer->overflow_has_template_types &&
                                      maker->options->add_special_tokens);
    return has_own_type ? (int)text_of(piece) : piece->type_id;
}

static size_t put_part(const struct window_maker *maker, const struct ferry_template_piece *piece,
                       uint32_t part, size_t at) {
    struct ferry_window_arrays *arrays = &maker->session->arrays;
    unsigned index = text_of(piece);
    const struct ferry_token_run *run = &maker->session->runs[index];
    const struct text_cut *cut = &maker->cuts[index];
    size_t begin = 0, end = 0;
    part_range(cut, part, &begin, &end);
    size_t count = end - begin;
    if (count == 0)
        return at;
    memcpy(arrays->ids + at, run->ids + begin, count * sizeof *run->ids);
    memset(arrays->type_ids + at, type_of_part(maker, piece, part), count);
    memset(arrays->special_mask + at, 0, count);
    if (maker->options->offsets != FERRY_OFFSETS_NONE) {
        memcpy(arrays->offsets + at, run->offsets + begin, count * sizeof *run->offsets);
        if (maker->session->tokenizer->spaces)
            trim_part(maker, index, begin, at, count);
    }
    return at + count;
}

static void fill_windows(struct window_maker *maker) {
    struct ferry_window_arrays *arrays = &maker->session->arrays;
    bool wants_offsets = maker->options->offsets != FERRY_OFFSETS_NONE;
    size_t at = 0;
    for (size_t window = 0; window < maker->window_count; window++) {
        const uint32_t *parts = &arrays->parts[window * maker->sequences];
        size_t begin = at;
        for (uint32_t piece = 0, sequence = 0; piece < maker->template->count; piece++) {
            const struct ferry_template_piece *next = &maker->template->pieces[piece];
            if (next->kind == FERRY_TEMPLATE_SPECIAL)
                at = put_special(maker, next, at);
            else
                at = put_part(maker, next, parts[sequence++], at);
        }
        arrays->windows[window] = (struct ferry_encoding){
            arrays->ids + begin,          arrays->type_ids + begin,
            arrays->special_mask + begin, wants_offsets ? arrays->offsets + begin : NULL,
            (uint32_t)(at - begin),       maker->truncated};
    }
}

/* Bytes to characters, in place; offsets mostly rise, so that counting goes on where it was. */
static void count_characters(const char *text, struct ferry_token_offsets *offsets, size_t count) {
    uint32_t byte = 0, character = 0;
    for (size_t at = 0; at < count; at++) {
        uint32_t *bounds[2] = {&offsets[at].begin, &offsets[at].end};
        for (unsigned bound = 0; bound < 2; bound++) {
            for (; byte < *bounds[bound]; byte++)
                character += ((unsigned char)text[byte] & 0xC0) != 0x80;
            for (; byte > *bounds[bound]; byte--)
                character -= ((unsigned char)text[byte - 1] & 0xC0) != 0x80;
            *bounds[bound] = character;
        }
    }
}

enum ferry_status ferry_windows_make(struct ferry_tokenizer_session *session, const char *text,
                                     const char *pair, const struct ferry_encode_options *options,
                                     struct ferry_encodings *ret_encodings,
                                     struct ferry_error *error) {
    struct window_maker maker = {
        .session = session,
        .options = options,
        .template = pair ? &session->tokenizer->pair : &session->tokenizer->single,
        .texts = {text, pair},
        .is_pair = pair != NULL,
        .error = error,
    };
    for (unsigned index = 0; index < 2; index++) {
        size_t count = index == 0 || pair ? session->runs[index].count : 0;
        maker.cuts[index] =
            (struct text_cut){count, count, 0, 1, options->side == FERRY_TRUNCATE_LEFT};
        if (options->offsets == FERRY_OFFSETS_CHARACTERS && count > 0)
            count_characters(maker.texts[index], session->runs[index].offsets, count);
    }
    enum ferry_status status = truncate_texts(&maker);
    if (status == FERRY_OK)
        status = choose_windows(&maker);
    if (status == FERRY_OK)
        status = reserve_windows(&maker);
    if (status != FERRY_OK)
        return status;
    fill_windows(&maker);
    ret_encodings->windows = session->arrays.windows;
    ret_encodings->count = (uint32_t)maker.window_count;
    return FERRY_OK;
}
