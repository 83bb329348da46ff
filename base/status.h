/* Status codes and error texts shared by every room.
 *
 * A function that can fail returns enum ferry_status and, as its last parameter, takes a
 * struct ferry_error that it fills only on failure. The text is made where the cause is known and
 * says what was wrong, where, and what to do about it. */
#ifndef FERRY_BASE_STATUS_H
#define FERRY_BASE_STATUS_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FERRY_MUST_CHECK __attribute__((warn_unused_result))
#define FERRY_PRINTF(format_index, first_argument)                                                 \
    __attribute__((format(printf, format_index, first_argument)))

/* Appending only: the numbers are part of the engine ABI. The names (ferry_status_name) are part of
 * protocol v1. */
enum ferry_status {
    FERRY_OK = 0,
    FERRY_BAD_REQUEST,   /* malformed frame, unknown key, wrong type */
    FERRY_UNSUPPORTED,   /* understood, but not offered by this model or version */
    FERRY_TOO_LARGE,     /* over a stated limit */
    FERRY_NOT_FOUND,     /* no such model */
    FERRY_BUSY,          /* queue full: try again after retry_after_ms */
    FERRY_DEADLINE,      /* the request's deadline passed before it was computed */
    FERRY_CANCELLED,     /* the client asked for it */
    FERRY_INVALID_INPUT, /* this item: not UTF-8, ids out of range, ... */
    FERRY_TOO_LONG,      /* this item is longer than the model and truncation is "error" */
    FERRY_OUT_OF_MEMORY, /* host or device memory */
    FERRY_ENGINE,        /* the model failed on this item */
    FERRY_DEVICE_LOST,   /* fatal for the device: the process must be restarted */
    FERRY_SHUTTING_DOWN, /* the daemon is stopping */
    FERRY_UNAUTHORIZED,  /* not allowed to use this daemon */
    FERRY_INTERNAL,      /* a bug in ferry */
    FERRY_UNAVAILABLE,   /* client side: nobody answers at the endpoint */
    FERRY_TIMEOUT,       /* client side: no reply within the deadline */
    FERRY_IO,            /* file or socket error */
    FERRY_NO_INPUT,      /* a named file does not exist or cannot be read */
    FERRY_BAD_DATA,      /* a file's content is wrong: model, vocabulary, manifest */
    FERRY_CONFIG,        /* configuration is wrong */
    FERRY_USAGE,         /* command line is wrong */
    FERRY_PERMISSION,    /* not permitted by the system */
    FERRY_STATUS_COUNT
};

enum { FERRY_ERROR_TEXT_BYTES = 512 };

struct ferry_error {
    enum ferry_status status;
    char text[FERRY_ERROR_TEXT_BYTES]; /* NUL-terminated UTF-8, cut at the end when too long */
};

/* Exported by the shared libraries too, which are built with hidden symbols. */
#pragma GCC visibility push(default)

/* Fills *error (which may be NULL) and returns status, so that "return ferry_fail(...)" reads well.
 */
enum ferry_status ferry_fail(struct ferry_error *error, enum ferry_status status,
                             const char *format, ...) FERRY_PRINTF(3, 4);

/* Puts "prefix: " before the text that is there, as an error travels up. Returns error->status. */
enum ferry_status ferry_fail_within(struct ferry_error *error, const char *format, ...)
    FERRY_PRINTF(2, 3);

/* The wire name, for instance "BUSY". Never NULL. */
const char *ferry_status_name(enum ferry_status status);

/* The status with this wire name, or FERRY_STATUS_COUNT. */
enum ferry_status ferry_status_from_name(const char *name, unsigned long name_bytes);

/* Exit code from sysexits(3) for a program that ends because of this status. */
int ferry_status_exit_code(enum ferry_status status);

/* True when the same request may succeed if it is sent again. */
bool ferry_status_is_retryable(enum ferry_status status);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif
#endif
