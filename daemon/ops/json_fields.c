#include "daemon/ops/json_fields.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 384 };

enum ferry_status ferry_json_fail(const struct ferry_json_fields *fields, const char *key,
                                  const char *format, ...) {
    char text[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return ferry_fail(fields->error, FERRY_BAD_DATA, "%s: %s%s%s: %s", fields->file, fields->path,
                      fields->path[0] != '\0' ? "." : "", key, text);
}

static const char *kind_of(const json_t *value) {
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static enum ferry_status fail_kind(const struct ferry_json_fields *fields, const char *key,
                                   const char *wanted, const json_t *value) {
    if (value == NULL)
        return ferry_json_fail(fields, key, "is missing; it must be %s", wanted);
    return ferry_json_fail(fields, key, "must be %s, not %s", wanted, kind_of(value));
}

static json_t *get(struct ferry_json_fields *fields, const char *key) {
    if (fields->read_count < FERRY_JSON_MAX_FIELDS)
        fields->read[fields->read_count++] = key;
    return json_object_get(fields->object, key);
}

enum ferry_status ferry_json_open(struct ferry_json_fields *fields, const char *file,
                                  const char *path, json_t *value, struct ferry_error *error) {
    *fields = (struct ferry_json_fields){.file = file, .object = value, .error = error};
    if (!json_is_object(value))
        return ferry_fail(error, FERRY_BAD_DATA, "%s: %s must be an object, not %s", file,
                          path[0] != '\0' ? path : "the whole", kind_of(value));
    size_t size = strnlen(path, sizeof fields->path - 1);
    memcpy(fields->path, path, size);
    return FERRY_OK;
}

enum ferry_status ferry_json_object(struct ferry_json_fields *outer, const char *key,
                                    struct ferry_json_fields *ret_inner, bool *ret_there) {
    json_t *value = get(outer, key);
    if (ret_there != NULL)
        *ret_there = value != NULL;
    if (value == NULL && ret_there != NULL)
        return FERRY_OK;
    if (!json_is_object(value))
        return fail_kind(outer, key, "an object", value);
    char path[FERRY_JSON_PATH_BYTES];
    int wanted =
        snprintf(path, sizeof path, "%s%s%s", outer->path, outer->path[0] != '\0' ? "." : "", key);
    if (wanted < 0 || wanted >= (int)sizeof path)
        return ferry_json_fail(outer, key, "the key is too long");
    return ferry_json_open(ret_inner, outer->file, path, value, outer->error);
}

enum ferry_status ferry_json_string(struct ferry_json_fields *fields, const char *key,
                                    const char *fallback, const char **ret_text) {
    json_t *value = get(fields, key);
    if (value == NULL && fallback != NULL) {
        *ret_text = fallback;
        return FERRY_OK;
    }
    if (!json_is_string(value))
        return fail_kind(fields, key, "a string", value);
    *ret_text = json_string_value(value);
    return FERRY_OK;
}

enum ferry_status ferry_json_optional_integer(struct ferry_json_fields *fields, const char *key,
                                              int64_t smallest, int64_t largest, int64_t *number) {
    json_t *value = get(fields, key);
    if (value == NULL)
        return FERRY_OK;
    if (!json_is_integer(value))
        return fail_kind(fields, key, "an integer", value);
    json_int_t got = json_integer_value(value);
    if (got < smallest || got > largest)
        return ferry_json_fail(fields, key,
                               "is %" JSON_INTEGER_FORMAT "; it must be %" PRId64 " to %" PRId64,
                               got, smallest, largest);
    *number = got;
    return FERRY_OK;
}

enum ferry_status ferry_json_integer(struct ferry_json_fields *fields, const char *key,
                                     int64_t smallest, int64_t largest, int64_t *ret_number) {
    if (json_object_get(fields->object, key) == NULL)
        return fail_kind(fields, key, "an integer", NULL);
    return ferry_json_optional_integer(fields, key, smallest, largest, ret_number);
}

enum ferry_status ferry_json_optional_real(struct ferry_json_fields *fields, const char *key,
                                           double *number) {
    json_t *value = get(fields, key);
    if (value == NULL)
        return FERRY_OK;
    if (!json_is_number(value))
        return fail_kind(fields, key, "a number", value);
    *number = json_number_value(value);
    return FERRY_OK;
}

enum ferry_status ferry_json_optional_boolean(struct ferry_json_fields *fields, const char *key,
                                              int *flag) {
    json_t *value = get(fields, key);
    if (value == NULL)
        return FERRY_OK;
    if (!json_is_boolean(value))
        return fail_kind(fields, key, "true or false", value);
    *flag = json_is_true(value) ? 1 : 0;
    return FERRY_OK;
}

enum ferry_status ferry_json_array(struct ferry_json_fields *fields, const char *key, bool required,
                                   json_t **ret_array) {
    json_t *value = get(fields, key);
    *ret_array = value;
    if (value == NULL && !required)
        return FERRY_OK;
    return json_is_array(value) ? FERRY_OK : fail_kind(fields, key, "an array", value);
}

static void list_names(const char *const *names, char *text, size_t room) {
    size_t used = 0;
    text[0] = '\0';
    for (unsigned i = 0; names[i] != NULL && used < room; i++) {
        int wrote = snprintf(text + used, room - used, "%s\"%s\"", i > 0 ? ", " : "", names[i]);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

enum ferry_status ferry_json_choice(struct ferry_json_fields *fields, const char *key,
                                    const char *const *names, int fallback, int *ret_index) {
    char known[MESSAGE_BYTES / 2];
    list_names(names, known, sizeof known);
    json_t *value = get(fields, key);
    if (value == NULL && fallback >= 0) {
        *ret_index = fallback;
        return FERRY_OK;
    }
    if (value == NULL)
        return ferry_json_fail(fields, key, "is missing; it must be one of %s", known);
    if (!json_is_string(value))
        return ferry_json_fail(fields, key, "must be one of %s, not %s", known, kind_of(value));
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], json_string_value(value)) == 0) {
            *ret_index = i;
            return FERRY_OK;
        }
    return ferry_json_fail(fields, key, "\"%.64s\" is not known; it must be one of %s",
                           json_string_value(value), known);
}

static bool was_read(const struct ferry_json_fields *fields, const char *key) {
    for (unsigned i = 0; i < fields->read_count; i++)
        if (strcmp(fields->read[i], key) == 0)
            return true;
    return false;
}

enum ferry_status ferry_json_close(struct ferry_json_fields *fields) {
    const char *key;
    json_t *value;
    json_object_foreach(fields->object, key, value) {
        if (!was_read(fields, key))
            return ferry_json_fail(fields, key, "is not a key that ferry knows here");
    }
    return FERRY_OK;
}
