/* Walking over the maps of a reply whose form has been validated as a whole. Used by the files that
 * read replies. Errors: BAD_DATA, OUT_OF_MEMORY. */
#ifndef FERRY_IPC_WIRE_READ_H
#define FERRY_IPC_WIRE_READ_H

#include "base/arena.h"
#include "ipc/msgpack_reader.h"

enum { FERRY_WIRE_VALUE_NAME_BYTES = 24 };

/* One value of the reply: where it begins, and what to call it in an error text. */
struct ferry_wire_value {
    struct ferry_msgpack_reader reader;
    char name[FERRY_WIRE_VALUE_NAME_BYTES]; /* the key, cut and made printable */
};

/* Called for each pair of a map; handlers skip a key that they
 * do not know by returning FERRY_OK. */
typedef enum ferry_status ferry_wire_pair_handler(void *context,
                                                  const struct ferry_msgpack_token *key,
                                                  const struct ferry_wire_value *value,
                                                  struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_wire_each_pair(const struct ferry_wire_value *map,
                                                        ferry_wire_pair_handler *handler,
                                                        void *context, struct ferry_error *error);

bool ferry_wire_key_is(const struct ferry_msgpack_token *key, const char *name);

/* Read the value as one type; anything else is BAD_DATA. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_token(const struct ferry_wire_value *value,
                                                         enum ferry_msgpack_type wanted,
                                                         struct ferry_msgpack_token *ret_token,
                                                         struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_uint(const struct ferry_wire_value *value,
                                                        uint64_t maximum, uint64_t *ret_number,
                                                        struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_uint32(const struct ferry_wire_value *value,
                                                          uint32_t *ret_number,
                                                          struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_bool(const struct ferry_wire_value *value,
                                                        bool *ret_boolean,
                                                        struct ferry_error *error);
/* Copied into the arena, NUL-terminated; must be UTF-8. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_text(const struct ferry_wire_value *value,
                                                        struct ferry_arena *arena,
                                                        const char **ret_text,
                                                        struct ferry_error *error);
/* A bin of 32-bit numbers, copied into the arena, as numbers inside the body are not aligned. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_numbers(const struct ferry_wire_value *value,
                                                           struct ferry_arena *arena,
                                                           void *ret_numbers, uint32_t *ret_count,
                                                           struct ferry_error *error);
FERRY_MUST_CHECK enum ferry_status ferry_wire_read_double(const struct ferry_wire_value *value,
                                                          double *ret_number,
                                                          struct ferry_error *error);
/* Opens the array: the value then stands at its first element. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_open_array(struct ferry_wire_value *value,
                                                         uint32_t *ret_count,
                                                         struct ferry_error *error);
/* Moves the value, which stands at an element, past it. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_next_element(struct ferry_wire_value *value,
                                                           struct ferry_error *error);
/* At least one byte, so that NULL always means failure. */
FERRY_MUST_CHECK enum ferry_status ferry_wire_allocate(struct ferry_arena *arena, size_t count,
                                                       size_t size, void *ret_pointer,
                                                       struct ferry_error *error);

#endif
