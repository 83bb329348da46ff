/* The options of every command of ferry: one table, from which parsing and --help are made. */
#ifndef FERRY_CLIENTS_CLI_COMMAND_OPTIONS_H
#define FERRY_CLIENTS_CLI_COMMAND_OPTIONS_H

#include <stdio.h>

#include "clients/c/ferry_client.h"

enum cli_command {
    CLI_EMBED = 1,
    CLI_TOKENIZE = 2,
    CLI_STATUS = 4,
    CLI_PING = 8,
    CLI_BENCH = 16,
    CLI_SCORE = 32,
    CLI_NEXT = 64,
    CLI_GENERATE = 128,
    CLI_DETOKENIZE = 256,
    CLI_LANGUAGE = CLI_SCORE | CLI_NEXT | CLI_GENERATE
};

enum cli_format { CLI_FORMAT_JSON, CLI_FORMAT_NPY, CLI_FORMAT_F32 };

/* Options that may be given several times; the protocol takes no more of them. */
enum { CLI_MOST_STOPS = 16 };
struct cli_texts {
    const char *texts[CLI_MOST_STOPS];
    size_t count;
};
struct cli_ids {
    int32_t ids[CLI_MOST_STOPS];
    size_t count;
};
struct cli_seed {
    uint64_t value;
    bool is_given;
};

/* Strings are borrowed from argv or the environment. Plain ints, so that one table fills them all.
 */
struct cli_options {
    enum cli_command command;
    const char *const *texts; /* arguments that are no options */
    size_t text_count;
    const char *connect, *model, *file, *output;
    uint32_t deadline_ms, patience_ms;
    uint32_t max_tokens, batch, in_flight;
    int dtype, normalize, truncate, strategy, priority, special_tokens, format; /* enums */
    int pair, windows, no_special_tokens, no_offsets, json;                     /* flags */
    uint32_t stride;
    /* score, next, generate */
    int ids, echo, ignore_end, stream, logprobs, keep_special_tokens; /* flags */
    uint32_t top, max_new_tokens, min_new_tokens, choices, top_k;     /* 0: not given */
    double temperature;                                               /* below 0: not given */
    double top_p, min_p, repetition_penalty;                          /* 0: not given */
    struct cli_seed generation_seed;
    struct cli_texts stop;
    struct cli_ids stop_ids;
    /* bench */
    int operation;
    uint32_t clients, count, duration_ms, warm_up_ms, seed, words;
    double rate; /* requests a second; 0: closed loop */
    int help;
};

struct cli_command_row {
    enum cli_command command;
    const char *name;
    const char *arguments; /* for the usage line */
    const char *summary;
};
extern const struct cli_command_row cli_commands[];
extern const size_t cli_command_count;

/* NULL: there is no such command. */
const struct cli_command_row *cli_find_command(const char *name);
/* "embed, tokenize, ..." into text[size]. */
void cli_command_names(char *text, size_t size);

/* Reads the environment, then the arguments after the command's name (arguments[0]).
 * Errors: USAGE, with the option and what it takes. */
FERRY_MUST_CHECK enum ferry_status cli_parse(const struct cli_command_row *command, int count,
                                             char **arguments, struct cli_options *ret_options,
                                             struct ferry_error *error);
void cli_print_help(FILE *output);
void cli_print_command_help(FILE *output, const struct cli_command_row *command);

/* What the options ask for, without items; options must outlive it. */
struct ferry_client_request cli_request(const struct cli_options *options);
FERRY_MUST_CHECK enum ferry_status cli_connect(const struct cli_options *options,
                                               struct ferry_client **ret_client,
                                               struct ferry_error *error);

#endif
