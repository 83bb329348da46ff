/* Where texts come from: arguments, a file, or standard input; one text a line. One thread. */
#ifndef FERRY_CLIENTS_CLI_TEXT_SOURCE_H
#define FERRY_CLIENTS_CLI_TEXT_SOURCE_H

#include "base/buffer.h"
#include "clients/cli/command_options.h"

enum { LONGEST_LINE = 64 << 20 }; /* bytes */

struct text_source {
    const char *const *arguments; /* borrowed; NULL: lines of fd */
    size_t argument_count, next_argument;
    bool pairs;
    bool ids; /* each text is a row of ids */
    int fd;
    bool owns_fd, at_end, skipping_line;
    const char *name;          /* for error texts */
    struct ferry_buffer bytes; /* read and not yet handed out, from `begin` on */
    size_t begin, scanned;
    struct ferry_buffer row; /* int32: the ids of the last text */
};

enum text_result {
    TEXT_IS_THERE,
    TEXT_NOT_YET, /* text_source_read first */
    TEXT_AT_END,
    TEXT_IS_WRONG /* this line only: *error says why */
};

/* Arguments if there are any, else --file, else standard input. Errors: NO_INPUT, USAGE (an odd
 * number of arguments for pairs). */
FERRY_MUST_CHECK enum ferry_status text_source_open(const struct cli_options *options,
                                                    struct text_source *source,
                                                    struct ferry_error *error);
void text_source_close(struct text_source *source);
/* The next text. A line ends with \n, \r\n or the end of the input. The views in *ret_item end with
 * the next text_source_read, ids already with the next text. */
enum text_result text_source_next(struct text_source *source, struct ferry_client_item *ret_item,
                                  struct ferry_error *error);
/* The message for a line with this error. */
const char *text_source_explain(enum ferry_status status);
/* One read(2), which may block; look with poll first where that matters. Errors: IO, OUT_OF_MEMORY
 */
FERRY_MUST_CHECK enum ferry_status text_source_read(struct text_source *source,
                                                    struct ferry_error *error);

#endif
