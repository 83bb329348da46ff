/* ferry: the command-line client. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "clients/cli/commands.h"

int cli_complain(const struct ferry_error *error) {
    fprintf(stderr, "ferry: %s\n", error->text);
    return ferry_status_exit_code(error->status);
}

static int run(const struct cli_options *options) {
    switch (options->command) {
    case CLI_EMBED:
    case CLI_TOKENIZE:
    case CLI_DETOKENIZE:
    case CLI_SCORE:
    case CLI_NEXT:
    case CLI_GENERATE:
        return cli_run_texts(options);
    case CLI_STATUS:
        return cli_run_status(options);
    case CLI_PING:
        return cli_run_ping(options);
    case CLI_BENCH:
        return cli_run_bench(options);
    default:
        break;
    }
    return EX_SOFTWARE;
}

/* A full disk must not look like success. */
static int finish_output(void) {
    bool has_failed = ferror(stdout) != 0;
    if (fflush(stdout) == 0 && !has_failed)
        return EX_OK;
    fprintf(stderr, "ferry: cannot write standard output: %s\n",
            has_failed ? "it is full or broken" : strerror(errno));
    return EX_IOERR;
}

static int unknown_command(const char *name) {
    char names[256];
    cli_command_names(names, sizeof names);
    fprintf(stderr, "ferry: unknown command \"%s\": there are %s\n", name, names);
    return EX_USAGE;
}

int main(int count, char **arguments) {
    if (count < 2) {
        cli_print_help(stderr);
        return EX_USAGE;
    }
    const char *name = arguments[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        cli_print_help(stdout);
        return finish_output();
    }
    if (strcmp(name, "--version") == 0) {
        printf("ferry %s\n", FERRY_VERSION);
        return finish_output();
    }
    const struct cli_command_row *command = cli_find_command(name);
    if (command == NULL)
        return unknown_command(name);
    struct cli_options options;
    struct ferry_error error;
    if (cli_parse(command, count - 1, arguments + 1, &options, &error) != FERRY_OK)
        return cli_complain(&error);
    if (options.help != 0) {
        cli_print_command_help(stdout, command);
        return finish_output();
    }
    int code = run(&options);
    return code != EX_OK ? code : finish_output();
}
