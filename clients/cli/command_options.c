#include "clients/cli/command_options.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

const struct cli_command_row cli_commands[] = {
    {CLI_EMBED, "embed", "[TEXT...]", "the vector of each text"},
    {CLI_TOKENIZE, "tokenize", "[TEXT...]", "ids, tokens and character offsets of each text"},
    {CLI_STATUS, "status", "", "what the daemon runs and how it is doing"},
    {CLI_PING, "ping", "", "whether the daemon answers, and how fast"},
    {CLI_BENCH, "bench", "[TEXT...]", "load the daemon and measure latency and throughput"},
};
const size_t cli_command_count = sizeof cli_commands / sizeof cli_commands[0];

enum option_kind {
    OPTION_FLAG,    /* int = 1 */
    OPTION_TEXT,    /* const char * */
    OPTION_COUNT,   /* uint32_t, minimum to UINT32_MAX */
    OPTION_SECONDS, /* uint32_t milliseconds, given as seconds with a fraction */
    OPTION_NUMBER,  /* double > 0 */
    OPTION_CHOICE   /* int, index of one of the names separated by | in `argument` */
};

struct option_row {
    const char *name;
    int letter; /* 0: none */
    enum option_kind kind;
    const char *argument; /* NULL for a flag */
    int commands;         /* bits of enum cli_command */
    uint32_t minimum;
    size_t offset;           /* in struct cli_options */
    const char *environment; /* NULL: none */
    const char *help;
};

enum {
    CLI_ALL = CLI_EMBED | CLI_TOKENIZE | CLI_STATUS | CLI_PING | CLI_BENCH,
    CLI_TEXTS = CLI_EMBED | CLI_TOKENIZE,
    CLI_WORK = CLI_TEXTS | CLI_BENCH,
    CLI_VECTORS = CLI_EMBED | CLI_BENCH
};

#define AT(member) offsetof(struct cli_options, member)

static const struct option_row option_rows[] = {
    {"connect", 'c', OPTION_TEXT, "ENDPOINT", CLI_ALL, 0, AT(connect), NULL,
     "ipc:///path or tcp://host:port; default: $FERRY_ENDPOINT, else the daemon's own default"},
    {"deadline", 'd', OPTION_SECONDS, "SECONDS", CLI_ALL, 1, AT(deadline_ms), "FERRY_DEADLINE",
     "give a request up after this time; default 30"},
    {"patience", 0, OPTION_SECONDS, "SECONDS", CLI_ALL, 1, AT(patience_ms), "FERRY_PATIENCE",
     "how long the daemon may be silent or not there; default 4"},
    {"file", 'f', OPTION_TEXT, "FILE", CLI_WORK, 0, AT(file), NULL,
     "read texts from FILE, one a line; without FILE and TEXT from standard input"},
    {"pair", 'p', OPTION_FLAG, NULL, CLI_TEXTS, 0, AT(pair), NULL,
     "pairs of texts: separated by a tab in a line, or two arguments each"},
    {"model", 'm', OPTION_TEXT, "NAME", CLI_WORK, 0, AT(model), "FERRY_MODEL",
     "which of the daemon's models; default: its first"},
    {"max-tokens", 0, OPTION_COUNT, "N", CLI_WORK, 1, AT(max_tokens), NULL,
     "a lower limit than the model's own"},
    {"truncate", 0, OPTION_CHOICE, "default|right|left|error", CLI_WORK, 0, AT(truncate), NULL,
     "which end of a text that is too long is cut; error: refuse it"},
    {"strategy", 0, OPTION_CHOICE, "longest_first|only_first|only_second", CLI_TEXTS, 0,
     AT(strategy), NULL, "which text of a pair is cut"},
    {"special-tokens", 0, OPTION_CHOICE, "parse|text", CLI_TEXTS, 0, AT(special_tokens), NULL,
     "whether \"[SEP]\" inside a text is the special token or plain text"},
    {"priority", 0, OPTION_CHOICE, "interactive|bulk", CLI_WORK, 0, AT(priority), NULL,
     "bulk lets others go first"},
    {"dtype", 0, OPTION_CHOICE, "f32|f16|int8|binary", CLI_VECTORS, 0, AT(dtype), NULL,
     "precision of the vectors on the wire"},
    {"normalize", 0, OPTION_CHOICE, "model|yes|no", CLI_VECTORS, 0, AT(normalize), NULL,
     "scale vectors to length 1; model: as its manifest says"},
    {"no-special-tokens", 0, OPTION_FLAG, NULL, CLI_TOKENIZE, 0, AT(no_special_tokens), NULL,
     "do not add [CLS] and [SEP]"},
    {"no-offsets", 0, OPTION_FLAG, NULL, CLI_TOKENIZE, 0, AT(no_offsets), NULL,
     "leave out the character offsets"},
    {"windows", 0, OPTION_FLAG, NULL, CLI_TOKENIZE, 0, AT(windows), NULL,
     "every window of a text that is too long, not just the first"},
    {"stride", 0, OPTION_COUNT, "N", CLI_TOKENIZE, 0, AT(stride), NULL,
     "tokens that neighbouring windows share"},
    {"format", 0, OPTION_CHOICE, "json|npy|f32", CLI_EMBED, 0, AT(format), NULL,
     "json: one line a text; npy: one NumPy array (needs --output); f32: little-endian floats"},
    {"output", 'o', OPTION_TEXT, "FILE", CLI_TEXTS, 0, AT(output), NULL,
     "write to FILE instead of standard output"},
    {"json", 'j', OPTION_FLAG, NULL, CLI_STATUS | CLI_PING | CLI_BENCH, 0, AT(json), NULL,
     "one JSON object instead of text"},
    {"operation", 0, OPTION_CHOICE, "embed|tokenize|ping", CLI_BENCH, 0, AT(operation), NULL,
     "what to ask for"},
    {"batch", 'b', OPTION_COUNT, "N", CLI_WORK, 1, AT(batch), NULL,
     "texts in one request; default 32, bench 1"},
    {"in-flight", 'i', OPTION_COUNT, "N", CLI_WORK, 1, AT(in_flight), NULL,
     "requests waiting for their reply (bench: of each client); default 32, bench 1"},
    {"clients", 0, OPTION_COUNT, "N", CLI_BENCH, 1, AT(clients), NULL, "connections; default 1"},
    {"rate", 'r', OPTION_NUMBER, "R", CLI_BENCH, 0, AT(rate), NULL,
     "Poisson arrivals, R requests a second over all clients, instead of a closed loop"},
    {"duration", 't', OPTION_SECONDS, "SECONDS", CLI_BENCH, 1, AT(duration_ms), NULL,
     "how long to measure; default 10"},
    {"count", 'n', OPTION_COUNT, "N", CLI_BENCH | CLI_PING, 1, AT(count), NULL,
     "end after N requests; ping: default 1"},
    {"warm-up", 'w', OPTION_SECONDS, "SECONDS", CLI_BENCH, 0, AT(warm_up_ms), NULL,
     "load before measuring; default 1"},
    {"words", 0, OPTION_COUNT, "N", CLI_BENCH, 1, AT(words), NULL,
     "median length of made-up texts; default 20"},
    {"seed", 0, OPTION_COUNT, "N", CLI_BENCH, 0, AT(seed), NULL,
     "of arrivals and made-up texts; default 1"},
    {"help", 'h', OPTION_FLAG, NULL, CLI_ALL, 0, AT(help), NULL, "this text"},
};
enum { OPTION_ROWS = sizeof option_rows / sizeof option_rows[0] };

const struct cli_command_row *cli_find_command(const char *name) {
    for (size_t at = 0; at < cli_command_count; at++)
        if (strcmp(cli_commands[at].name, name) == 0)
            return &cli_commands[at];
    return NULL;
}

void cli_command_names(char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (size_t at = 0; at < cli_command_count && used < size; at++)
        used += (size_t)snprintf(text + used, size - used, "%s%s", at > 0 ? ", " : "",
                                 cli_commands[at].name);
}

/* ---- values ---- */

static enum ferry_status wrong_value(const struct option_row *row, const char *value,
                                     struct ferry_error *error) {
    return ferry_fail(error, FERRY_USAGE, "--%s takes %s, not \"%s\"", row->name, row->argument,
                      value);
}

static bool parse_count(const char *value, uint32_t minimum, uint32_t *ret_count) {
    if (value[0] < '0' || value[0] > '9')
        return false;
    char *end;
    errno = 0;
    unsigned long long count = strtoull(value, &end, 10);
    if (errno != 0 || *end != '\0' || count < minimum || count > UINT32_MAX)
        return false;
    *ret_count = (uint32_t)count;
    return true;
}

static bool parse_number(const char *value, double *ret_number) {
    char *end;
    *ret_number = strtod(value, &end);
    return end != value && *end == '\0' && isfinite(*ret_number) && *ret_number >= 0;
}

static bool parse_seconds(const char *value, uint32_t minimum_ms, uint32_t *ret_ms) {
    double seconds;
    if (!parse_number(value, &seconds) || seconds * 1000 > (double)UINT32_MAX)
        return false;
    *ret_ms = (uint32_t)(seconds * 1000 + 0.5);
    return *ret_ms >= minimum_ms;
}

static bool parse_choice(const char *names, const char *value, int *ret_choice) {
    size_t size = strlen(value);
    for (int choice = 0; names != NULL; choice++) {
        const char *end = strchr(names, '|');
        size_t name_size = end != NULL ? (size_t)(end - names) : strlen(names);
        if (name_size == size && memcmp(names, value, size) == 0) {
            *ret_choice = choice;
            return true;
        }
        names = end != NULL ? end + 1 : NULL;
    }
    return false;
}

static enum ferry_status set_value(const struct option_row *row, const char *value,
                                   struct cli_options *options, struct ferry_error *error) {
    void *field = (char *)options + row->offset;
    bool is_good = true;
    switch (row->kind) {
    case OPTION_FLAG:
        *(int *)field = 1;
        break;
    case OPTION_TEXT:
        *(const char **)field = value;
        is_good = value[0] != '\0';
        break;
    case OPTION_COUNT:
        is_good = parse_count(value, row->minimum, field);
        break;
    case OPTION_SECONDS:
        is_good = parse_seconds(value, row->minimum, field);
        break;
    case OPTION_NUMBER:
        is_good = parse_number(value, field) && *(double *)field > 0;
        break;
    case OPTION_CHOICE:
        is_good = parse_choice(row->argument, value, field);
        break;
    }
    return is_good ? FERRY_OK : wrong_value(row, value, error);
}

static enum ferry_status read_environment(enum cli_command command, struct cli_options *options,
                                          struct ferry_error *error) {
    for (int at = 0; at < OPTION_ROWS; at++) {
        const struct option_row *row = &option_rows[at];
        const char *value = row->environment != NULL ? getenv(row->environment) : NULL;
        if (value == NULL || value[0] == '\0' || (row->commands & (int)command) == 0)
            continue;
        if (set_value(row, value, options, error) != FERRY_OK)
            return ferry_fail(error, FERRY_USAGE, "%s must be %s, not \"%s\"", row->environment,
                              row->argument, value);
    }
    return FERRY_OK;
}

/* ---- parsing ---- */

struct getopt_tables {
    struct option long_options[OPTION_ROWS + 1];
    char letters[2 * OPTION_ROWS + 3];
};

enum { LONG_ONLY = 0x100 }; /* getopt's value of row n is LONG_ONLY + n */

static void make_tables(enum cli_command command, struct getopt_tables *tables) {
    size_t used = 0, letters = 0;
    tables->letters[letters++] = ':'; /* tells a missing argument from an unknown option */
    for (int at = 0; at < OPTION_ROWS; at++) {
        const struct option_row *row = &option_rows[at];
        if ((row->commands & (int)command) == 0)
            continue;
        bool has_argument = row->kind != OPTION_FLAG;
        tables->long_options[used++] =
            (struct option){.name = row->name,
                            .has_arg = has_argument ? required_argument : no_argument,
                            .val = LONG_ONLY + at};
        if (row->letter == 0)
            continue;
        tables->letters[letters++] = (char)row->letter;
        if (has_argument)
            tables->letters[letters++] = ':';
    }
    tables->letters[letters] = '\0';
    tables->long_options[used] = (struct option){0};
}

static const struct option_row *row_of(int value) {
    if (value >= LONG_ONLY)
        return &option_rows[value - LONG_ONLY];
    for (int at = 0; at < OPTION_ROWS; at++)
        if (option_rows[at].letter == value)
            return &option_rows[at];
    return NULL;
}

static enum ferry_status wrong_option(const struct cli_command_row *command, int answer,
                                      char **arguments, struct ferry_error *error) {
    char letter[3] = {'-', (char)optopt, '\0'};
    bool is_letter = optopt > 0 && optopt < LONG_ONLY;
    const char *text = is_letter ? letter : arguments[optind - 1];
    return ferry_fail(error, FERRY_USAGE, "%s: %s (ferry %s --help)", text,
                      answer == ':' ? "needs a value" : "there is no such option", command->name);
}

enum ferry_status cli_parse(const struct cli_command_row *command, int count, char **arguments,
                            struct cli_options *ret_options, struct ferry_error *error) {
    bool is_bench = command->command == CLI_BENCH;
    *ret_options = (struct cli_options){.command = command->command,
                                        .batch = is_bench ? 1 : 32,
                                        .in_flight = is_bench ? 1 : 32,
                                        .clients = 1,
                                        .warm_up_ms = 1000,
                                        .words = 20,
                                        .seed = 1};
    enum ferry_status status = read_environment(command->command, ret_options, error);
    struct getopt_tables tables;
    make_tables(command->command, &tables);
    optind = 0; /* glibc: start afresh */
    opterr = 0;
    while (status == FERRY_OK) {
        int answer = getopt_long(count, arguments, tables.letters, tables.long_options, NULL);
        if (answer == -1)
            break;
        if (answer == '?' || answer == ':')
            return wrong_option(command, answer, arguments, error);
        status = set_value(row_of(answer), optarg, ret_options, error);
    }
    ret_options->texts = (const char *const *)arguments + optind;
    ret_options->text_count = (size_t)(count - optind);
    return status;
}

/* ---- help ---- */

void cli_print_help(FILE *output) {
    fprintf(output,
            "ferry %s: ask a ferryd for sentence vectors and tokens\n\n"
            "usage: ferry COMMAND [OPTION...] [TEXT...]\n\n",
            FERRY_VERSION);
    for (size_t at = 0; at < cli_command_count; at++)
        fprintf(output, "  %-10s %s\n", cli_commands[at].name, cli_commands[at].summary);
    fprintf(output,
            "\n\"ferry COMMAND --help\" lists a command's options.\n\n"
            "exit codes: 0 done, 64 wrong usage, 65 wrong data (of some texts), 66 no input file,\n"
            "69 no daemon, 70 internal error, 74 input or output error, 75 try again later,\n"
            "77 not permitted, 78 wrong endpoint\n");
}

void cli_print_command_help(FILE *output, const struct cli_command_row *command) {
    fprintf(output, "usage: ferry %s [OPTION...] %s\n\n%s\n\n", command->name, command->arguments,
            command->summary);
    for (int at = 0; at < OPTION_ROWS; at++) {
        const struct option_row *row = &option_rows[at];
        if ((row->commands & (int)command->command) == 0)
            continue;
        char letter[5] = "    ";
        if (row->letter != 0)
            snprintf(letter, sizeof letter, "-%c, ", row->letter);
        fprintf(output, "  %s--%s%s%s\n          %s%s%s%s\n", letter, row->name,
                row->argument != NULL ? " " : "", row->argument != NULL ? row->argument : "",
                row->help, row->environment != NULL ? " [$" : "",
                row->environment != NULL ? row->environment : "",
                row->environment != NULL ? "]" : "");
    }
}

/* ---- use ---- */

struct ferry_client_request cli_request(const struct cli_options *options) {
    return (struct ferry_client_request){
        .operation = options->command == CLI_TOKENIZE ? FERRY_CLIENT_TOKENIZE : FERRY_CLIENT_EMBED,
        .model = options->model,
        .max_tokens = options->max_tokens,
        .priority = (enum ferry_client_priority)options->priority,
        .truncate = (enum ferry_client_truncate)options->truncate,
        .strategy = (enum ferry_client_strategy)options->strategy,
        .dtype = (enum ferry_client_dtype)options->dtype,
        .normalize = (enum ferry_client_choice)options->normalize,
        .special_tokens_as_text = options->special_tokens == 1,
        .without_special_tokens = options->no_special_tokens != 0,
        .offsets = options->command == CLI_TOKENIZE && options->no_offsets == 0,
        .windows = options->windows != 0,
        .stride = options->stride};
}

enum ferry_status cli_connect(const struct cli_options *options, struct ferry_client **ret_client,
                              struct ferry_error *error) {
    struct ferry_client_options settings = {.deadline_ms = options->deadline_ms,
                                            .patience_ms = options->patience_ms,
                                            .items_per_piece = options->batch,
                                            .max_in_flight =
                                                options->in_flight > 1024 ? options->in_flight : 0};
    return ferry_client_connect(options->connect, &settings, ret_client, error);
}
