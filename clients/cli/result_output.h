/* Results on their way out: JSON lines, a NumPy array or raw floats. One thread. */
#ifndef FERRY_CLIENTS_CLI_RESULT_OUTPUT_H
#define FERRY_CLIENTS_CLI_RESULT_OUTPUT_H

#include "clients/c/json_text.h"
#include "clients/cli/command_options.h"

struct result_output {
    const struct cli_options *options; /* borrowed */
    int fd;
    bool owns_fd;
    struct ferry_buffer bytes; /* not yet written */
    uint64_t rows;
    size_t width;     /* of the rows so far; 0: none yet */
    bool is_in_text;  /* plain text that has no end yet */
    bool is_terminal; /* which control characters could take over */
};

/* Errors: USAGE (--format npy without --output), IO. */
FERRY_MUST_CHECK enum ferry_status result_output_open(const struct cli_options *options,
                                                      struct result_output *output,
                                                      struct ferry_error *error);
/* Appends the item `at` of a reply as text number `index`. Errors: BAD_DATA, IO, OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status result_output_put(struct result_output *output, uint64_t index,
                                                     const struct ferry_reply *reply, size_t at,
                                                     struct ferry_error *error);
/* A part of a stream, as text number `index`: written at once. Errors: IO, OUT_OF_MEMORY. */
FERRY_MUST_CHECK enum ferry_status result_output_put_part(struct result_output *output,
                                                          uint64_t index,
                                                          const struct ferry_part *part,
                                                          struct ferry_error *error);
/* Ends the line of a text that was streamed, if it has begun. */
FERRY_MUST_CHECK enum ferry_status result_output_end_text(struct result_output *output,
                                                          struct ferry_error *error);
/* A text without result: an error line, or a row of zeros. */
FERRY_MUST_CHECK enum ferry_status result_output_put_error(struct result_output *output,
                                                           uint64_t index, enum ferry_status status,
                                                           const char *message,
                                                           struct ferry_error *error);
/* Writes what is held back. Errors: IO. */
FERRY_MUST_CHECK enum ferry_status result_output_flush(struct result_output *output,
                                                       struct ferry_error *error);
/* Flushes, finishes the header of a NumPy array, and closes; reports what only closing shows. */
FERRY_MUST_CHECK enum ferry_status result_output_close(struct result_output *output,
                                                       struct ferry_error *error);

#endif
