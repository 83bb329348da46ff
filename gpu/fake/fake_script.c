#include "gpu/fake/fake_script.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char separators[] = " ,\t\n";

enum { MAX_WORD_BYTES = 64 };

enum value_type { FLAG, NUMBER_32, NUMBER_64, ID_LIST, STATUS_NAME };

struct word_row {
    const char *name;
    enum value_type type;
    size_t offset; /* of the member */
};

#define MEMBER(name) offsetof(struct ferry_fake_script, name)
static const struct word_row word_rows[] = {
    {"load_ms", NUMBER_64, MEMBER(load_ms)},
    {"load_fails", STATUS_NAME, MEMBER(load_fails)},
    {"batch_us", NUMBER_64, MEMBER(batch_us)},
    {"token_ns", NUMBER_64, MEMBER(token_ns)},
    {"oom_above", NUMBER_64, MEMBER(out_of_memory_above)},
    {"lost_at", NUMBER_64, MEMBER(lost_at)},
    {"hang_at", NUMBER_64, MEMBER(hang_at)},
    {"hang_ms", NUMBER_64, MEMBER(hang_ms)},
    {"width", NUMBER_32, MEMBER(width)},
    {"workers", NUMBER_32, MEMBER(workers)},
    {"fixed_length", NUMBER_32, MEMBER(fixed_length)},
    {"fixed_batch", NUMBER_32, MEMBER(fixed_batch)},
    {"equal_lengths", FLAG, MEMBER(equal_lengths)},
    {"padding_affects", FLAG, MEMBER(padding_affects)},
    {"packed", FLAG, MEMBER(packed)},
    {"step_us", NUMBER_64, MEMBER(step_us)},
    {"vocabulary", NUMBER_32, MEMBER(vocabulary)},
    {"block_tokens", NUMBER_32, MEMBER(block_tokens)},
    {"blocks", NUMBER_32, MEMBER(blocks)},
    {"max_sequences", NUMBER_32, MEMBER(max_sequences)},
    {"max_step_tokens", NUMBER_32, MEMBER(max_step_tokens)},
    {"end_id", NUMBER_32, MEMBER(end_id)},
    {"end_at", NUMBER_32, MEMBER(end_at)},
    {"whole", FLAG, MEMBER(whole)},
    {"poison", ID_LIST, MEMBER(poisons)},
    {"step_poison", ID_LIST, MEMBER(step_poisons)},
};

static const struct word_row *row_of(const char *name) {
    for (size_t row = 0; row < sizeof word_rows / sizeof word_rows[0]; row++)
        if (strcmp(word_rows[row].name, name) == 0)
            return &word_rows[row];
    return NULL;
}

static bool parse_number(const char *text, uint64_t maximum, uint64_t *ret_number) {
    if (text == NULL || *text < '0' || *text > '9')
        return false;
    char *end = NULL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || number > maximum)
        return false;
    *ret_number = number;
    return true;
}

static bool set_number(const struct word_row *row, const char *value, void *member) {
    uint64_t number;
    if (!parse_number(value, row->type == NUMBER_32 ? UINT32_MAX : INT64_MAX, &number))
        return false;
    if (row->type == NUMBER_32)
        *(uint32_t *)member = (uint32_t)number;
    else
        *(uint64_t *)member = number;
    return true;
}

static bool add_id(struct ferry_fake_ids *list, const char *value) {
    uint64_t id;
    if (list->count == FERRY_FAKE_MAX_POISONS || !parse_number(value, INT32_MAX, &id))
        return false;
    list->ids[list->count++] = (int32_t)id;
    return true;
}

static bool set_status(const char *value, enum ferry_status *status) {
    *status = value == NULL ? FERRY_STATUS_COUNT : ferry_status_from_name(value, strlen(value));
    return *status != FERRY_STATUS_COUNT;
}

static bool apply(struct ferry_fake_script *script, const char *name, const char *value) {
    const struct word_row *row = row_of(name);
    if (row == NULL)
        return false;
    void *member = (char *)script + row->offset;
    switch (row->type) {
    case FLAG:
        *(bool *)member = true;
        return value == NULL;
    case ID_LIST:
        return add_id(member, value);
    case STATUS_NAME:
        return set_status(value, member);
    case NUMBER_32:
    case NUMBER_64:
        return set_number(row, value, member);
    }
    return false;
}

enum ferry_status ferry_fake_script_parse(const char *text, struct ferry_fake_script *ret_script,
                                          struct ferry_error *error) {
    struct ferry_fake_script script = {.workers = 1, .block_tokens = 16};
    for (text = text == NULL ? "" : text; *text != '\0';) {
        size_t size = strcspn(text, separators);
        char word[MAX_WORD_BYTES];
        if (size >= sizeof word)
            return ferry_fail(error, FERRY_CONFIG,
                              "a word of the fake engine's script is too long");
        memcpy(word, text, size);
        word[size] = '\0';
        text += size;
        text += strspn(text, separators);
        char *equals = strchr(word, '=');
        if (equals != NULL)
            *equals = '\0';
        if (size > 0 && !apply(&script, word, equals == NULL ? NULL : equals + 1))
            return ferry_fail(error, FERRY_CONFIG,
                              "the fake engine's script: '%s%s%s' is not understood, see "
                              "gpu/fake/README.md",
                              word, equals == NULL ? "" : "=", equals == NULL ? "" : equals + 1);
    }
    *ret_script = script;
    return FERRY_OK;
}

bool ferry_fake_ids_meet(const struct ferry_fake_ids *some, const int32_t *ids, uint32_t count,
                         int32_t *ret_id) {
    for (uint32_t at = 0; at < count; at++)
        for (uint32_t one = 0; one < some->count; one++)
            if (ids[at] == some->ids[one]) {
                *ret_id = ids[at];
                return true;
            }
    return false;
}
