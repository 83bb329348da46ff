/* JSON written into a capped buffer. Strings that are not valid UTF-8 get U+FFFD for each wrong
 * byte, so that the output is always valid JSON. The first failure (no memory, over the cap) stays
 * in the writer and later calls do nothing: check json_finish once. */
#ifndef FERRY_CLIENTS_C_JSON_TEXT_H
#define FERRY_CLIENTS_C_JSON_TEXT_H

#include "base/buffer.h"

struct json_text {
    struct ferry_buffer *buffer; /* not owned */
    enum ferry_status status;
    bool needs_comma;
};

void json_begin(struct json_text *json, struct ferry_buffer *buffer);
FERRY_MUST_CHECK enum ferry_status json_finish(const struct json_text *json);

void json_open(struct json_text *json, char bracket);  /* '{' or '[' */
void json_close(struct json_text *json, char bracket); /* '}' or ']' */
/* "name": of a member; the value follows. */
void json_name(struct json_text *json, const char *name);

void json_put_string(struct json_text *json, const char *text, size_t bytes);
void json_put_text(struct json_text *json, const char *text); /* NUL-terminated; NULL: null */
void json_put_unsigned(struct json_text *json, uint64_t value);
void json_put_signed(struct json_text *json, int64_t value);
void json_put_boolean(struct json_text *json, bool value);
/* Nine significant digits, which give the same float back; NaN and infinities become null. */
void json_put_float(struct json_text *json, float value);
/* As many digits as give the same double back; NaN and infinities become null. */
void json_put_double(struct json_text *json, double value);
/* `decimals` digits after the point. */
void json_put_fixed(struct json_text *json, double value, int decimals);
/* What is JSON already. */
void json_put_raw(struct json_text *json, const char *text);

#endif
