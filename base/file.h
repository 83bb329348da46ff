/* Whole files as bytes. */
#ifndef FERRY_BASE_FILE_H
#define FERRY_BASE_FILE_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/status.h"

/* Reads a regular file into an initialised, empty buffer; the buffer's maximum bounds it. One NUL
 * byte follows the content (not counted in size), so that a text file can be read as a string.
 * Errors: NO_INPUT (not there, not a regular file, not readable), TOO_LARGE, IO, OUT_OF_MEMORY;
 * each text names the path. */
FERRY_MUST_CHECK enum ferry_status ferry_file_read(const char *path, struct ferry_buffer *buffer,
                                                   struct ferry_error *error);

#endif
