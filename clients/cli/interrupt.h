/* Ctrl-C as something that can be waited for, so that what was asked for is cancelled at the
 * daemon. */
#ifndef FERRY_CLIENTS_CLI_INTERRUPT_H
#define FERRY_CLIENTS_CLI_INTERRUPT_H

#include "base/status.h"

enum { INTERRUPT_EXIT_CODE = 130 }; /* 128 + SIGINT, as shells have it */

/* From now on SIGINT ends nothing but makes the descriptor readable. Before any thread is made.
 * Errors: IO. */
FERRY_MUST_CHECK enum ferry_status interrupt_open(int *ret_fd, struct ferry_error *error);
/* A negative descriptor is allowed. SIGINT ends the program again. */
void interrupt_close(int fd);

#endif
