#include "clients/c/json_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

void json_begin(struct json_text *json, struct ferry_buffer *buffer) {
    *json = (struct json_text){.buffer = buffer};
}

enum ferry_status json_finish(const struct json_text *json) {
    return json->status;
}

static void append(struct json_text *json, const void *bytes, size_t size) {
    if (json->status == FERRY_OK)
        json->status = ferry_buffer_append(json->buffer, bytes, size);
}

static void begin_value(struct json_text *json) {
    if (json->needs_comma)
        append(json, ",", 1);
    json->needs_comma = true;
}

void json_open(struct json_text *json, char bracket) {
    begin_value(json);
    append(json, &bracket, 1);
    json->needs_comma = false;
}

void json_close(struct json_text *json, char bracket) {
    append(json, &bracket, 1);
    json->needs_comma = true;
}

void json_name(struct json_text *json, const char *name) {
    json_put_text(json, name);
    append(json, ":", 1);
    json->needs_comma = false;
}

static void escape_byte(struct json_text *json, unsigned char byte) {
    static const char short_forms[] = "\"\"\\\\\bb\ff\nn\rr\tt"; /* pairs: byte, letter */
    for (const char *form = short_forms; *form != '\0'; form += 2) {
        if ((unsigned char)form[0] == byte) {
            char escaped[2] = {'\\', form[1]};
            append(json, escaped, sizeof escaped);
            return;
        }
    }
    char escaped[8];
    snprintf(escaped, sizeof escaped, "\\u%04x", byte);
    append(json, escaped, 6);
}

static bool is_plain(unsigned char byte) {
    return byte >= 0x20 && byte != '"' && byte != '\\' && byte != 0x7F;
}

static void append_valid(struct json_text *json, const char *text, size_t bytes) {
    size_t begin = 0;
    for (size_t at = 0; at < bytes; at++) {
        if (is_plain((unsigned char)text[at]))
            continue;
        append(json, text + begin, at - begin);
        escape_byte(json, (unsigned char)text[at]);
        begin = at + 1;
    }
    append(json, text + begin, bytes - begin);
}

void json_put_string(struct json_text *json, const char *text, size_t bytes) {
    begin_value(json);
    append(json, "\"", 1);
    while (bytes > 0) {
        size_t valid = ferry_utf8_valid_prefix(text, bytes);
        append_valid(json, text, valid);
        text += valid;
        bytes -= valid;
        if (bytes > 0) {
            append(json, "\xEF\xBF\xBD", 3);
            text++;
            bytes--;
        }
    }
    append(json, "\"", 1);
}

void json_put_raw(struct json_text *json, const char *text) {
    begin_value(json);
    append(json, text, strlen(text));
}

void json_put_text(struct json_text *json, const char *text) {
    if (text == NULL)
        json_put_raw(json, "null");
    else
        json_put_string(json, text, strlen(text));
}

/* Digits by hand: ids and offsets are most of what `ferry tokenize` prints. */
void json_put_unsigned(struct json_text *json, uint64_t value) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    begin_value(json);
    append(json, digits + at, sizeof digits - at);
}

void json_put_signed(struct json_text *json, int64_t value) {
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)value);
    json_put_raw(json, number);
}

void json_put_boolean(struct json_text *json, bool value) {
    json_put_raw(json, value ? "true" : "false");
}

void json_put_float(struct json_text *json, float value) {
    char number[32];
    if (!isfinite(value)) {
        json_put_raw(json, "null");
        return;
    }
    snprintf(number, sizeof number, "%.9g", (double)value);
    json_put_raw(json, number);
}

void json_put_double(struct json_text *json, double value) {
    char number[32];
    if (!isfinite(value)) {
        json_put_raw(json, "null");
        return;
    }
    snprintf(number, sizeof number, "%.17g", value);
    json_put_raw(json, number);
}

void json_put_fixed(struct json_text *json, double value, int decimals) {
    char number[400]; /* the largest double has 309 digits before its point */
    if (!isfinite(value)) {
        json_put_raw(json, "null");
        return;
    }
    snprintf(number, sizeof number, "%.*f", decimals, value);
    json_put_raw(json, number);
}
