/* One function a command. Each prints its own errors on standard error and returns the program's
 * exit code, from sysexits(3). */
#ifndef FERRY_CLIENTS_CLI_COMMANDS_H
#define FERRY_CLIENTS_CLI_COMMANDS_H

#include "clients/cli/command_options.h"

int cli_run_texts(const struct cli_options *options); /* embed, tokenize, score, generate, ... */
int cli_run_status(const struct cli_options *options);
int cli_run_ping(const struct cli_options *options);
int cli_run_bench(const struct cli_options *options);

/* "ferry: text" on standard error; returns the status' exit code. */
int cli_complain(const struct ferry_error *error);

#endif
