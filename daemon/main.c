/* ferryd: reads its command and hands over. */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "base/log.h"
#include "daemon/ops/model_opening.h"
#include "daemon/ops/options.h"
#include "daemon/serve/serve_command.h"

static int print_help(FILE *out, int exit_code) {
    fputs("ferryd serves traced text models over ZeroMQ.\n\n"
          "  ferryd serve [OPTION VALUE]...         serve until SIGTERM\n"
          "  ferryd check-config [OPTION VALUE]...  check options and model directories, and end\n"
          "  ferryd --help | --version\n\n"
          "An option goes before its environment variable, and that before the default.\n"
          "In the environment the values of --model and --listen are separated by commas.\n\n",
          out);
    ferry_options_print_help(out);
    fputs("\nExit codes: 0 stopped, 64 usage, 65 bad model, 66 no such file, 69 endpoint taken or\n"
          "engine not there, 70 internal, 74 I/O, 75 device lost (start again), 77 permission,\n"
          "78 configuration.\n",
          out);
    return exit_code;
}

static enum ferry_status apply_log_level(const struct ferry_options *options,
                                         struct ferry_error *error) {
    enum ferry_log_level level = ferry_log_level_from_name(options->log_level);
    if (level == 0)
        return ferry_fail(error, FERRY_CONFIG,
                          "log-level: \"%.32s\" must be error, warning, notice, info or debug",
                          options->log_level);
    ferry_log_set_level(level);
    return FERRY_OK;
}

static int check_config(const struct ferry_options *options) {
    struct ferry_error error;
    ferry_options_print(options, stdout);
    for (uint32_t i = 0; i < options->models.count; i++) {
        enum ferry_status status = ferry_model_check(options->models.values[i], &error);
        if (status != FERRY_OK) {
            ferry_log(FERRY_LOG_ERROR, "%s", error.text);
            return ferry_status_exit_code(status);
        }
    }
    return 0;
}

static int run_command(int count, char **arguments) {
    struct ferry_options options;
    struct ferry_error error;
    enum ferry_status status = ferry_options_read(count, arguments, &options, &error);
    if (status == FERRY_OK) {
        status = apply_log_level(&options, &error);
        if (status != FERRY_OK)
            ferry_options_free(&options);
    }
    if (status != FERRY_OK) {
        ferry_log(FERRY_LOG_ERROR, "%s", error.text);
        return ferry_status_exit_code(status);
    }
    int exit_code =
        strcmp(arguments[0], "serve") == 0 ? ferry_serve_command(&options) : check_config(&options);
    ferry_options_free(&options);
    return exit_code;
}

static bool asks_for(int count, char **arguments, const char *option) {
    for (int i = 1; i < count; i++)
        if (strcmp(arguments[i], option) == 0)
            return true;
    return false;
}

int main(int count, char **arguments) {
    if (asks_for(count, arguments, "--help"))
        return print_help(stdout, 0);
    if (asks_for(count, arguments, "--version")) {
        puts("ferryd " FERRY_VERSION);
        return 0;
    }
    if (count >= 2 &&
        (strcmp(arguments[1], "serve") == 0 || strcmp(arguments[1], "check-config") == 0))
        return run_command(count - 1, arguments + 1);
    fprintf(stderr, "ferryd: %s%.64s\n\n",
            count < 2 ? "no command" : "unknown command: ", count < 2 ? "" : arguments[1]);
    return print_help(stderr, EX_USAGE);
}
