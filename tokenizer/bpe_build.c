/* Builds the tables of byte pair encoding while a tokenizer is loaded. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "tokenizer/bpe_merge.h"
#include "tokenizer/byte_level.h"

enum { FIRST_PLACES = 1024, FILTER_BITS_PER_MERGE = 16 };

static bool grow_merges(struct ferry_bpe *bpe) {
    struct ferry_bpe grown = *bpe;
    size_t places = bpe->merges ? (bpe->merge_mask + 1) * 2 : FIRST_PLACES;
    grown.merges = calloc(places, sizeof *grown.merges);
    if (!grown.merges)
        return false;
    grown.merge_mask = places - 1;
    for (size_t at = 0; bpe->merges && at <= bpe->merge_mask; at++)
        if (bpe->merges[at].key != 0)
            *ferry_bpe_place(&grown, bpe->merges[at].key) = bpe->merges[at];
    free(bpe->merges);
    *bpe = grown;
    return true;
}

enum ferry_status ferry_bpe_add_merge(struct ferry_bpe *bpe, int32_t left, int32_t right,
                                      uint32_t rank, int32_t id, struct ferry_error *error) {
    if ((bpe->merge_count + 1) * 2 > bpe->merge_mask && !grow_merges(bpe))
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the merges");
    uint64_t key = ferry_bpe_key(left, right);
    struct ferry_bpe_merge *merge = ferry_bpe_place(bpe, key);
    bpe->merge_count += merge->key == 0;
    *merge = (struct ferry_bpe_merge){key, rank, id};
    return FERRY_OK;
}

static bool build_filter(struct ferry_bpe *bpe) {
    if (!bpe->merges && !grow_merges(bpe))
        return false;
    size_t bits = 1024;
    while (bits < bpe->merge_count * FILTER_BITS_PER_MERGE)
        bits *= 2;
    bpe->filter = calloc(bits / 64, sizeof *bpe->filter);
    bpe->filter_mask = bits - 1;
    for (size_t at = 0; bpe->filter && at <= bpe->merge_mask; at++) {
        size_t bit = ferry_bpe_filter_bit(bpe, bpe->merges[at].key);
        if (bpe->merges[at].key != 0)
            bpe->filter[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    return bpe->filter != NULL;
}

/* The bytes of each token; a text that stands for none, such as a special token's, has none. */
static bool build_bytes(struct ferry_bpe *bpe, const struct ferry_vocabulary *vocabulary) {
    uint32_t used = 0;
    bpe->id_bound = vocabulary->id_bound;
    bpe->bytes = malloc(vocabulary->text_size + 1); /* a character is at least one byte */
    bpe->offsets = malloc(((size_t)bpe->id_bound + 1) * sizeof *bpe->offsets);
    if (!bpe->bytes || !bpe->offsets)
        return false;
    for (int32_t id = 0; id < bpe->id_bound; id++) {
        size_t size = 0, count = 0;
        const char *text = ferry_vocabulary_text(vocabulary, id, &size);
        bpe->offsets[id] = used;
        if (text && ferry_byte_level_bytes(text, size, bpe->bytes + used, &count))
            used += (uint32_t)count;
    }
    bpe->offsets[bpe->id_bound] = used;
    return true;
}

/* With unknown bytes every bigram counts: neighbours of them may become one token. */
static void build_bigrams(struct ferry_bpe *bpe) {
    memset(bpe->bigrams, bpe->has_unknown ? 0xFF : 0, sizeof bpe->bigrams);
    for (int32_t id = 0; id < bpe->id_bound; id++)
        for (uint32_t at = bpe->offsets[id] + 1; at < bpe->offsets[id + 1]; at++) {
            unsigned first = (unsigned char)bpe->bytes[at - 1];
            unsigned bit = first << 8 | (unsigned char)bpe->bytes[at];
            bpe->bigrams[bit / 64] |= UINT64_C(1) << bit % 64;
        }
}

static enum ferry_status find_bytes(struct ferry_bpe *bpe,
                                    const struct ferry_vocabulary *vocabulary,
                                    struct ferry_error *error) {
    bpe->has_unknown = false;
    for (unsigned byte = 0; byte < 256; byte++) {
        char text[2];
        unsigned length = ferry_byte_level_put((uint8_t)byte, text);
        bpe->byte_ids[byte] = ferry_vocabulary_id(vocabulary, text, length);
        if (bpe->byte_ids[byte] >= 0)
            continue;
        bpe->has_unknown = true;
        if (bpe->unknown_id < 0)
            return ferry_fail(error, FERRY_UNSUPPORTED,
                              "the vocabulary has no token for the byte 0x%02x (\"%.*s\") and no "
                              "unk_token; a byte-level vocabulary has one for each byte",
                              byte, (int)length, text);
    }
    return FERRY_OK;
}

static void put_whole(struct ferry_bpe *bpe, int32_t id) {
    uint64_t hash = ferry_hash(bpe->bytes + bpe->offsets[id], ferry_bpe_token_size(bpe, id), 0);
    size_t at = hash & bpe->whole_mask;
    while (bpe->whole[at] != 0)
        at = (at + 1) & bpe->whole_mask;
    bpe->whole[at] = (uint32_t)id + 1;
}

/* Tokens that their own bytes become: most are, but a merge that came first may keep one from being
 * reached, which must not be found then. */
static bool build_whole(struct ferry_bpe *bpe) {
    struct ferry_bpe_workspace workspace = {0};
    struct ferry_token_run run = {0};
    size_t places = FIRST_PLACES;
    bool has_memory = true;
    while (places < (size_t)bpe->id_bound * 2)
        places *= 2;
    uint32_t *whole = calloc(places, sizeof *whole);
    uint8_t *is_whole = calloc((size_t)bpe->id_bound, 1);
    bpe->whole_mask = places - 1;
    for (int32_t id = 0; whole && is_whole && has_memory && id < bpe->id_bound; id++) {
        run.count = 0;
        if (ferry_bpe_token_size(bpe, id) == 0)
            continue;
        has_memory = ferry_bpe_encode(bpe, &workspace, bpe->bytes + bpe->offsets[id],
                                      ferry_bpe_token_size(bpe, id), &run);
        is_whole[id] = bpe->ignore_merges || (run.count == 1 && run.ids[0] == id);
    }
    bpe->whole = whole; /* only now: encoding above must not look there */
    for (int32_t id = 0; whole && is_whole && has_memory && id < bpe->id_bound; id++)
        if (is_whole[id])
            put_whole(bpe, id);
    free(is_whole);
    ferry_token_run_free(&run);
    ferry_bpe_workspace_free(&workspace);
    return whole && is_whole && has_memory;
}

enum ferry_status ferry_bpe_finish(struct ferry_bpe *bpe, const struct ferry_vocabulary *vocabulary,
                                   struct ferry_error *error) {
    enum ferry_status status = find_bytes(bpe, vocabulary, error);
    if (status != FERRY_OK)
        return status;
    bool has_memory = build_filter(bpe) && build_bytes(bpe, vocabulary);
    if (has_memory)
        build_bigrams(bpe);
    if (!has_memory || !build_whole(bpe))
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the vocabulary");
    return FERRY_OK;
}

void ferry_bpe_free(struct ferry_bpe *bpe) {
    free(bpe->merges);
    free(bpe->filter);
    free(bpe->whole);
    free(bpe->bytes);
    free(bpe->offsets);
    *bpe = (struct ferry_bpe){0};
}
