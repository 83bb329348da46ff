#include "daemon/ops/options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum option_kind {
    OPTION_LIST,
    OPTION_TEXT,
    OPTION_NUMBER,
    OPTION_BYTES, /* a number, with k, M or G for powers of 1024 */
    OPTION_FLAG   /* yes or no */
};

struct option_row {
    const char *name;        /* without the dashes */
    const char *environment; /* without FERRY_ */
    enum option_kind kind;
    size_t offset;
    const char *fallback;
    uint64_t smallest, largest;
    const char *value_name;
    const char *help;
};

#define FIELD(name) offsetof(struct ferry_options, name)
#define KIBI UINT64_C(1024)
#define MEBI (KIBI * 1024)
#define GIBI (MEBI * 1024)
#define DAY_MS (UINT64_C(24) * 60 * 60 * 1000)

static const struct option_row rows[] = {
    {"model", "MODEL", OPTION_LIST, FIELD(models), "", 0, 0, "[NAME=]DIR",
     "a model directory; several times for several models, the first is the default"},
    {"listen", "LISTEN", OPTION_LIST, FIELD(listen), "", 0, 0, "ENDPOINT",
     "ipc:///PATH or tcp://127.0.0.1:PORT; several times (default: $FERRY_ENDPOINT, "
     "ipc:///run/ferry/ferry.sock for root, else below $XDG_RUNTIME_DIR or /tmp)"},
    {"device", "DEVICE", OPTION_TEXT, FIELD(device), "auto", 0, 0, "auto|cpu|cuda[:N]",
     "where models run; auto takes a GPU if there is one"},
    {"engine", "ENGINE", OPTION_TEXT, FIELD(engine), "auto", 0, 0, "auto|torch|fake",
     "what runs them; auto: as each model's manifest says"},
    {"engine-path", "ENGINE_PATH", OPTION_TEXT, FIELD(engine_path), "", 0, 0, "DIR",
     "folder of libferry_torch.so (default: beside ferryd)"},
    {"workers", "WORKERS", OPTION_NUMBER, FIELD(device_workers), "0", 0, 1024, "N",
     "device workers of each model; 0: as the engine suggests"},
    {"text-workers", "TEXT_WORKERS", OPTION_NUMBER, FIELD(text_workers), "1", 1, 256, "N",
     "threads that tokenize long requests"},
    {"batch-tokens", "BATCH_TOKENS", OPTION_NUMBER, FIELD(batch_tokens), "0", 0, 1 << 24, "N",
     "positions of a batch, padding included; 0: 1024 on a CPU, 16384 on a GPU"},
    {"batch-sequences", "BATCH_SEQUENCES", OPTION_NUMBER, FIELD(batch_sequences), "512", 1, 65536,
     "N", "sequences of a batch"},
    {"cache-bytes", "CACHE_BYTES", OPTION_BYTES, FIELD(cache_bytes), "0", 0, 1024 * GIBI, "BYTES",
     "key-value cache of each model that generates; 0: as its engine chooses"},
    {"sequences", "SEQUENCES", OPTION_NUMBER, FIELD(sequences), "0", 0, 65536, "N",
     "sequences that are generated side by side; 0: as the engine chooses"},
    {"step-tokens", "STEP_TOKENS", OPTION_NUMBER, FIELD(step_tokens), "0", 0, 1 << 20, "N",
     "tokens of one step of generation, parts of prompts included; 0: 64 on a CPU, 2048 on a GPU"},
    {"decode-threads", "DECODE_THREADS", OPTION_NUMBER, FIELD(decode_threads), "0", 0, 1024, "N",
     "processor threads of one model that generates; 0: all cores"},
    {"engine-timeout-ms", "ENGINE_TIMEOUT_MS", OPTION_NUMBER, FIELD(engine_timeout_ms), "300000", 0,
     DAY_MS, "MS", "a batch or step that takes longer counts as a lost device; 0: never"},
    {"bulk-wait-ms", "BULK_WAIT_MS", OPTION_NUMBER, FIELD(bulk_wait_ms), "1000", 0, DAY_MS, "MS",
     "bulk requests that waited longer get one batch in four even under interactive load"},
    {"inline-text-bytes", "INLINE_TEXT_BYTES", OPTION_BYTES, FIELD(inline_text_bytes), "4k", 0,
     GIBI, "BYTES", "requests with no more text are tokenized without a change of thread"},
    {"word-cache-bytes", "WORD_CACHE_BYTES", OPTION_BYTES, FIELD(word_cache_bytes), "8M", 64 * KIBI,
     GIBI, "BYTES", "word cache of each tokenizing thread and model"},
    {"max-request-bytes", "MAX_REQUEST_BYTES", OPTION_BYTES, FIELD(max_request_bytes), "16M", MEBI,
     GIBI, "BYTES", "largest request"},
    {"max-items", "MAX_ITEMS", OPTION_NUMBER, FIELD(max_items), "8192", 256, 1 << 20, "N",
     "texts of one request"},
    {"max-ids", "MAX_IDS", OPTION_NUMBER, FIELD(max_ids_per_item), "65536", 512, 1 << 24, "N",
     "token ids of one item, before truncation"},
    {"queue-items", "QUEUE_ITEMS", OPTION_NUMBER, FIELD(queue_items), "65536", 1, 1 << 24, "N",
     "texts accepted and not yet answered; beyond it: BUSY"},
    {"queue-tokens", "QUEUE_TOKENS", OPTION_NUMBER, FIELD(queue_tokens), "4194304", 1024,
     UINT64_C(1) << 32, "N", "their tokens"},
    {"queue-bytes", "QUEUE_BYTES", OPTION_BYTES, FIELD(queue_bytes), "512M", MEBI, 1024 * GIBI,
     "BYTES", "memory of accepted requests and their replies"},
    {"default-deadline-ms", "DEFAULT_DEADLINE_MS", OPTION_NUMBER, FIELD(default_deadline_ms),
     "60000", 1, 3600000, "MS", "deadline of requests that name none"},
    {"drain-ms", "DRAIN_MS", OPTION_NUMBER, FIELD(drain_ms), "30000", 0, DAY_MS, "MS",
     "after SIGTERM: how long accepted requests are still computed"},
    {"outbox-bytes", "OUTBOX_BYTES", OPTION_BYTES, FIELD(outbox_bytes), "64M", MEBI, 64 * GIBI,
     "BYTES", "replies that wait for slow readers; beyond it they are dropped"},
    {"outbox-wait-ms", "OUTBOX_WAIT_MS", OPTION_NUMBER, FIELD(outbox_wait_ms), "10000", 1, DAY_MS,
     "MS", "longest wait of a reply for a slow reader"},
    {"mkl-intel-path", "MKL_INTEL_PATH", OPTION_FLAG, FIELD(mkl_intel_path), "yes", 0, 1, "yes|no",
     "let MKL use its fast code path on AMD processors"},
    {"log-level", "LOG_LEVEL", OPTION_TEXT, FIELD(log_level), "info", 0, 0, "LEVEL",
     "error, warning, notice, info or debug"},
};
enum { ROW_COUNT = sizeof rows / sizeof *rows };

static void *field_of(struct ferry_options *options, const struct option_row *row) {
    return (char *)options + row->offset;
}

static const char *parse_number(const struct option_row *row, const char *text, uint64_t *number) {
    if (!isdigit((unsigned char)text[0]))
        return "must be a number";
    char *end;
    errno = 0;
    uintmax_t value = strtoumax(text, &end, 10);
    unsigned shift = 0;
    if (row->kind == OPTION_BYTES && *end != '\0') {
        const char *suffixes = "kMG";
        const char *suffix = strchr(suffixes, *end++);
        if (suffix == NULL)
            return "must be a number of bytes; k, M or G may follow it";
        shift = 10 * (unsigned)(suffix - suffixes + 1);
    }
    if (*end != '\0')
        return "must be a number";
    if (errno != 0 || value > UINT64_MAX >> shift)
        return "is too large";
    value <<= shift;
    if (value < row->smallest || value > row->largest)
        return "is out of range";
    *number = value;
    return NULL;
}

/* What is wrong with the text, or NULL. */
static const char *set_value(struct ferry_options *options, const struct option_row *row,
                             const char *text) {
    uint64_t *number = field_of(options, row);
    struct ferry_option_list *list = field_of(options, row);
    switch (row->kind) {
    case OPTION_LIST:
        if (text[0] == '\0')
            return NULL;
        if (list->count == FERRY_OPTIONS_MAX_LIST)
            return "is given too often";
        list->values[list->count++] = text;
        return NULL;
    case OPTION_TEXT:
        *(const char **)field_of(options, row) = text;
        return NULL;
    case OPTION_FLAG:
        if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
            return "must be yes or no";
        *number = strcmp(text, "yes") == 0;
        return NULL;
    default:
        return parse_number(row, text, number);
    }
}

static enum ferry_status fail_value(const struct option_row *row, enum ferry_status status,
                                    const char *prefix, const char *name, const char *text,
                                    const char *reason, struct ferry_error *error) {
    if (row->kind == OPTION_NUMBER || row->kind == OPTION_BYTES)
        return ferry_fail(error, status,
                          "%s%s: \"%.64s\" %s: %" PRIu64 " to %" PRIu64 " is allowed", prefix, name,
                          text, reason, row->smallest, row->largest);
    return ferry_fail(error, status, "%s%s: \"%.64s\" %s: %s", prefix, name, text, reason,
                      row->value_name);
}

/* Cuts a list at its commas; the pieces live in options->copies. */
static const char *set_list(struct ferry_options *options, const struct option_row *row,
                            char *text) {
    const char *wrong = NULL;
    char *rest = text;
    char *piece;
    while (wrong == NULL && (piece = strsep(&rest, ",")) != NULL)
        wrong = set_value(options, row, piece);
    return wrong;
}

static enum ferry_status read_environment(struct ferry_options *options,
                                          struct ferry_error *error) {
    size_t room = 1;
    char name[64];
    for (int i = 0; i < ROW_COUNT; i++) {
        snprintf(name, sizeof name, "FERRY_%s", rows[i].environment);
        const char *text = getenv(name);
        room += rows[i].kind == OPTION_LIST && text != NULL ? strlen(text) + 1 : 0;
    }
    char *copy = options->copies = malloc(room);
    if (copy == NULL)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the environment");
    for (int i = 0; i < ROW_COUNT; i++) {
        snprintf(name, sizeof name, "FERRY_%s", rows[i].environment);
        const char *text = getenv(name);
        if (text == NULL || text[0] == '\0')
            continue;
        const char *wrong;
        if (rows[i].kind == OPTION_LIST) {
            size_t size = strlen(text) + 1;
            wrong = set_list(options, &rows[i], memcpy(copy, text, size));
            copy += size;
        } else {
            wrong = set_value(options, &rows[i], text);
        }
        if (wrong != NULL)
            return fail_value(&rows[i], FERRY_CONFIG, "FERRY_", rows[i].environment, text, wrong,
                              error);
    }
    return FERRY_OK;
}

static const struct option_row *find_row(const char *name, size_t size) {
    for (int i = 0; i < ROW_COUNT; i++)
        if (strlen(rows[i].name) == size && memcmp(rows[i].name, name, size) == 0)
            return &rows[i];
    return NULL;
}

/* "--name=value" or "--name value"; *at moves past what was used. */
static enum ferry_status read_argument(struct ferry_options *options, int count,
                                       char *const *arguments, int *at, bool *seen,
                                       struct ferry_error *error) {
    const char *argument = arguments[(*at)++];
    if (strncmp(argument, "--", 2) != 0)
        return ferry_fail(error, FERRY_USAGE, "\"%.64s\" is not an option; see ferryd --help",
                          argument);
    const char *name = argument + 2;
    size_t size = strcspn(name, "=");
    const struct option_row *row = find_row(name, size);
    if (row == NULL)
        return ferry_fail(error, FERRY_USAGE, "unknown option --%.*s; see ferryd --help",
                          size > 64 ? 64 : (int)size, name);
    const char *text = name[size] == '=' ? name + size + 1 : NULL;
    if (text == NULL && *at == count)
        return ferry_fail(error, FERRY_USAGE, "--%s needs a value: %s", row->name, row->value_name);
    if (text == NULL)
        text = arguments[(*at)++];
    bool *row_seen = &seen[row - rows];
    if (row->kind == OPTION_LIST && !*row_seen) /* replaces what the environment said */
        ((struct ferry_option_list *)field_of(options, row))->count = 0;
    *row_seen = true;
    const char *wrong = set_value(options, row, text);
    if (wrong != NULL)
        return fail_value(row, FERRY_USAGE, "--", row->name, text, wrong, error);
    return FERRY_OK;
}

enum ferry_status ferry_options_read(int count, char *const *arguments,
                                     struct ferry_options *ret_options, struct ferry_error *error) {
    struct ferry_options options = {0};
    bool seen[ROW_COUNT] = {false};
    for (int i = 0; i < ROW_COUNT; i++)
        set_value(&options, &rows[i], rows[i].fallback);
    enum ferry_status status = read_environment(&options, error);
    for (int at = 1; status == FERRY_OK && at < count;)
        status = read_argument(&options, count, arguments, &at, seen, error);
    if (status != FERRY_OK) {
        ferry_options_free(&options);
        return status;
    }
    *ret_options = options;
    return FERRY_OK;
}

void ferry_options_free(struct ferry_options *options) {
    free(options->copies);
    *options = (struct ferry_options){0};
}

void ferry_options_print_help(FILE *out) {
    for (int i = 0; i < ROW_COUNT; i++) {
        fprintf(out, "  --%s %s\n        %s\n        FERRY_%s", rows[i].name, rows[i].value_name,
                rows[i].help, rows[i].environment);
        if (rows[i].fallback[0] != '\0')
            fprintf(out, ", default %s", rows[i].fallback);
        fputc('\n', out);
    }
}

void ferry_options_print(const struct ferry_options *options, FILE *out) {
    for (int i = 0; i < ROW_COUNT; i++) {
        const void *field = (const char *)options + rows[i].offset;
        const struct ferry_option_list *list = field;
        switch (rows[i].kind) {
        case OPTION_LIST:
            for (uint32_t k = 0; k < list->count; k++)
                fprintf(out, "%s = %s\n", rows[i].name, list->values[k]);
            break;
        case OPTION_TEXT:
            fprintf(out, "%s = %s\n", rows[i].name, *(const char *const *)field);
            break;
        case OPTION_FLAG:
            fprintf(out, "%s = %s\n", rows[i].name, *(const uint64_t *)field ? "yes" : "no");
            break;
        default:
            fprintf(out, "%s = %" PRIu64 "\n", rows[i].name, *(const uint64_t *)field);
        }
    }
}
