/* Typed reading of a JSON object where every error names the file and the key. One object at a
 * time; keys that nobody asked for are found at the end. */
#ifndef FERRY_DAEMON_JSON_FIELDS_H
#define FERRY_DAEMON_JSON_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { FERRY_JSON_MAX_FIELDS = 64, FERRY_JSON_PATH_BYTES = 128 };

struct ferry_json_fields {
    const char *file;                        /* for error texts; borrowed */
    char path[FERRY_JSON_PATH_BYTES];        /* of this object in the file, "" for the outermost */
    json_t *object;                          /* borrowed */
    const char *read[FERRY_JSON_MAX_FIELDS]; /* keys that were asked for */
    unsigned read_count;
    struct ferry_error *error;
};

/* All of them: BAD_DATA, with file, key, what is there and what belongs there. */

/* An object that is `value` itself; path names it in errors. */
FERRY_MUST_CHECK enum ferry_status ferry_json_open(struct ferry_json_fields *fields,
                                                   const char *file, const char *path,
                                                   json_t *value, struct ferry_error *error);
/* The object under key of `outer`. *ret_there is false when it is absent, which is an error unless
 * ret_there is given. */
FERRY_MUST_CHECK enum ferry_status ferry_json_object(struct ferry_json_fields *outer,
                                                     const char *key,
                                                     struct ferry_json_fields *ret_inner,
                                                     bool *ret_there);
/* Without a fallback (NULL) the key is required. The string belongs to the JSON value. */
FERRY_MUST_CHECK enum ferry_status ferry_json_string(struct ferry_json_fields *fields,
                                                     const char *key, const char *fallback,
                                                     const char **ret_text);
FERRY_MUST_CHECK enum ferry_status ferry_json_integer(struct ferry_json_fields *fields,
                                                      const char *key, int64_t smallest,
                                                      int64_t largest, int64_t *ret_number);
/* As above; *number stays as it is when the key is absent. */
FERRY_MUST_CHECK enum ferry_status ferry_json_optional_integer(struct ferry_json_fields *fields,
                                                               const char *key, int64_t smallest,
                                                               int64_t largest, int64_t *number);
/* *number stays as it is when the key is absent. */
FERRY_MUST_CHECK enum ferry_status ferry_json_optional_real(struct ferry_json_fields *fields,
                                                            const char *key, double *number);
/* *flag stays as it is when the key is absent; else 0 or 1. */
FERRY_MUST_CHECK enum ferry_status ferry_json_optional_boolean(struct ferry_json_fields *fields,
                                                               const char *key, int *flag);
/* NULL in *ret_array when the key is absent and not required. */
FERRY_MUST_CHECK enum ferry_status ferry_json_array(struct ferry_json_fields *fields,
                                                    const char *key, bool required,
                                                    json_t **ret_array);
/* Which of `names` (NULL-terminated) the string is; -1 fallback makes the key required. */
FERRY_MUST_CHECK enum ferry_status ferry_json_choice(struct ferry_json_fields *fields,
                                                     const char *key, const char *const *names,
                                                     int fallback, int *ret_index);
/* A key of the object that nobody asked for is an error. */
FERRY_MUST_CHECK enum ferry_status ferry_json_close(struct ferry_json_fields *fields);

/* "file: key: text" with the whole path of key. Returns BAD_DATA. */
enum ferry_status ferry_json_fail(const struct ferry_json_fields *fields, const char *key,
                                  const char *format, ...) FERRY_PRINTF(3, 4);

#endif
