#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

struct status_row {
    const char *name;
    int exit_code;
    bool retryable;
};

static const struct status_row status_rows[FERRY_STATUS_COUNT] = {
    [FERRY_OK] = {"OK", EX_OK, false},
    [FERRY_BAD_REQUEST] = {"BAD_REQUEST", EX_DATAERR, false},
    [FERRY_UNSUPPORTED] = {"UNSUPPORTED", EX_DATAERR, false},
    [FERRY_TOO_LARGE] = {"TOO_LARGE", EX_DATAERR, false},
    [FERRY_NOT_FOUND] = {"NOT_FOUND", EX_DATAERR, false},
    [FERRY_BUSY] = {"BUSY", EX_TEMPFAIL, true},
    [FERRY_DEADLINE] = {"DEADLINE", EX_TEMPFAIL, true},
    [FERRY_CANCELLED] = {"CANCELLED", EX_TEMPFAIL, false},
    [FERRY_INVALID_INPUT] = {"INVALID_INPUT", EX_DATAERR, false},
    [FERRY_TOO_LONG] = {"TOO_LONG", EX_DATAERR, false},
    [FERRY_OUT_OF_MEMORY] = {"OUT_OF_MEMORY", EX_TEMPFAIL, true},
    [FERRY_ENGINE] = {"ENGINE", EX_SOFTWARE, false},
    [FERRY_DEVICE_LOST] = {"DEVICE_LOST", EX_TEMPFAIL, true},
    [FERRY_SHUTTING_DOWN] = {"SHUTTING_DOWN", EX_TEMPFAIL, true},
    [FERRY_UNAUTHORIZED] = {"UNAUTHORIZED", EX_NOPERM, false},
    [FERRY_INTERNAL] = {"INTERNAL", EX_SOFTWARE, false},
    [FERRY_UNAVAILABLE] = {"UNAVAILABLE", EX_UNAVAILABLE, true},
    [FERRY_TIMEOUT] = {"TIMEOUT", EX_TEMPFAIL, true},
    [FERRY_IO] = {"IO", EX_IOERR, false},
    [FERRY_NO_INPUT] = {"NO_INPUT", EX_NOINPUT, false},
    [FERRY_BAD_DATA] = {"BAD_DATA", EX_DATAERR, false},
    [FERRY_CONFIG] = {"CONFIG", EX_CONFIG, false},
    [FERRY_USAGE] = {"USAGE", EX_USAGE, false},
    [FERRY_PERMISSION] = {"PERMISSION", EX_NOPERM, false},
};

static const struct status_row *row_of(enum ferry_status status) {
    return &status_rows[(unsigned)status < FERRY_STATUS_COUNT ? status : FERRY_INTERNAL];
}

/* A text cut in the middle of a UTF-8 character would make the reply that carries it invalid. */
static void drop_cut_character(char *text) {
    size_t end = strlen(text);
    size_t lead = end;
    while (lead > 0 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80)
        lead--;
    if (lead == 0)
        return;
    unsigned char first = (unsigned char)text[lead - 1];
    size_t wanted = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    if (end - (lead - 1) < wanted)
        text[lead - 1] = '\0';
}

enum ferry_status ferry_fail(struct ferry_error *error, enum ferry_status status,
                             const char *format, ...) {
    if (error == NULL)
        return status;
    va_list arguments;
    va_start(arguments, format);
    error->status = status;
    int wanted = vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    if (wanted >= (int)sizeof error->text)
        drop_cut_character(error->text);
    return status;
}

enum ferry_status ferry_fail_within(struct ferry_error *error, const char *format, ...) {
    if (error == NULL)
        return FERRY_INTERNAL;
    struct ferry_error outer = {.status = error->status};
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(outer.text, sizeof outer.text, format, arguments);
    va_end(arguments);
    if (used >= 0 && (size_t)used < sizeof outer.text) {
        size_t room = sizeof outer.text - (size_t)used;
        int wanted = snprintf(outer.text + used, room, ": %s", error->text);
        if (wanted >= (int)room)
            drop_cut_character(outer.text);
    }
    *error = outer;
    return error->status;
}

const char *ferry_status_name(enum ferry_status status) {
    return row_of(status)->name;
}

enum ferry_status ferry_status_from_name(const char *name, unsigned long name_bytes) {
    for (int status = 0; status < FERRY_STATUS_COUNT; status++) {
        const char *candidate = status_rows[status].name;
        if (strlen(candidate) == name_bytes && memcmp(candidate, name, name_bytes) == 0)
            return (enum ferry_status)status;
    }
    return FERRY_STATUS_COUNT;
}

int ferry_status_exit_code(enum ferry_status status) {
    return row_of(status)->exit_code;
}

bool ferry_status_is_retryable(enum ferry_status status) {
    return row_of(status)->retryable;
}
