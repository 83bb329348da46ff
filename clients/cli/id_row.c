#include "clients/cli/id_row.h"

#include <stdint.h>

const char id_row_explanation[] =
    "no row of ids: a JSON array of integers, or integers with spaces between them, is wanted";

static bool is_space(char letter) {
    return letter == ' ' || letter == '\t' || letter == '\r';
}

static void skip_spaces(const char **at, const char *end) {
    while (*at < end && is_space(**at))
        (*at)++;
}

/* One integer of 32 bits; which ids there are the daemon knows. */
static bool read_id(const char **at, const char *end, int32_t *ret_id) {
    bool is_negative = *at < end && **at == '-';
    *at += is_negative;
    int64_t value = 0;
    const char *begin = *at;
    for (; *at < end && **at >= '0' && **at <= '9' && value <= INT32_MAX; (*at)++)
        value = value * 10 + (**at - '0');
    if (*at == begin || value > (int64_t)INT32_MAX + is_negative)
        return false;
    *ret_id = (int32_t)(is_negative ? -value : value);
    return true;
}

static enum ferry_status wrong(struct ferry_error *error) {
    return ferry_fail(error, FERRY_INVALID_INPUT, "%s", id_row_explanation);
}

/* What stands between two ids: a comma inside brackets, spaces outside. */
static bool read_gap(const char **at, const char *end, bool has_brackets) {
    const char *begin = *at;
    skip_spaces(at, end);
    if (!has_brackets)
        return *at > begin;
    if (*at == end || **at != ',')
        return false;
    (*at)++;
    skip_spaces(at, end);
    return true;
}

enum ferry_status id_row_parse(const char *text, size_t size, struct ferry_buffer *ids,
                               struct ferry_error *error) {
    const char *at = text, *end = text + size;
    ids->size = 0;
    skip_spaces(&at, end);
    while (end > at && is_space(end[-1]))
        end--;
    bool has_brackets = at < end && *at == '[';
    if (has_brackets) {
        if (end - at < 2 || end[-1] != ']')
            return wrong(error);
        at++;
        end--;
        skip_spaces(&at, end);
        while (end > at && is_space(end[-1]))
            end--;
    }
    while (at < end) {
        int32_t id;
        if (!read_id(&at, end, &id) ||
            (at < end && (!read_gap(&at, end, has_brackets) || at == end)))
            return wrong(error);
        if (ferry_buffer_append(ids, &id, sizeof id) != FERRY_OK)
            return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a row of ids");
    }
    return FERRY_OK;
}
