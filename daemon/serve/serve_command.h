/* "ferryd serve": opens models and endpoint, serves, and closes in the right order. */
#ifndef FERRY_DAEMON_SERVE_COMMAND_H
#define FERRY_DAEMON_SERVE_COMMAND_H

#include "daemon/ops/options.h"

/* The process's exit code; what went wrong was logged. */
int ferry_serve_command(const struct ferry_options *options);

#endif
