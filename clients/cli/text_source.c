#include "clients/cli/text_source.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clients/cli/id_row.h"

enum { READ_BYTES = 64 << 10 };
_Static_assert(LONGEST_LINE == 64 << 20, "text_source_explain names it");

static enum ferry_status open_file(struct text_source *source, const char *path,
                                   struct ferry_error *error) {
    source->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0)
        return ferry_fail(error, FERRY_NO_INPUT, "cannot open %s: %s", path, strerror(errno));
    source->owns_fd = true;
    source->name = path;
    struct stat entry;
    if (fstat(source->fd, &entry) == 0 && S_ISDIR(entry.st_mode))
        return ferry_fail(error, FERRY_NO_INPUT, "%s is a directory", path);
    return FERRY_OK;
}

enum ferry_status text_source_open(const struct cli_options *options, struct text_source *source,
                                   struct ferry_error *error) {
    *source = (struct text_source){.fd = STDIN_FILENO,
                                   .name = "standard input",
                                   .pairs = options->pair != 0,
                                   .ids = options->ids != 0 || options->command == CLI_DETOKENIZE,
                                   .argument_count = options->text_count};
    ferry_buffer_init(&source->bytes, LONGEST_LINE + READ_BYTES);
    ferry_buffer_init(&source->row, LONGEST_LINE * sizeof(int32_t));
    if (source->ids && source->pairs)
        return ferry_fail(error, FERRY_USAGE, "--ids and --pair exclude each other");
    if (options->text_count > 0 && options->file != NULL)
        return ferry_fail(error, FERRY_USAGE, "give texts as arguments or --file, not both");
    if (options->text_count % 2 == 1 && source->pairs)
        return ferry_fail(error, FERRY_USAGE,
                          "--pair takes two arguments for each pair: there are %zu",
                          options->text_count);
    if (options->text_count > 0)
        source->arguments = options->texts;
    if (options->file == NULL || strcmp(options->file, "-") == 0)
        return FERRY_OK;
    return open_file(source, options->file, error);
}

void text_source_close(struct text_source *source) {
    if (source->owns_fd)
        close(source->fd);
    ferry_buffer_free(&source->bytes);
    ferry_buffer_free(&source->row);
}

const char *text_source_explain(enum ferry_status status) {
    return status == FERRY_BAD_DATA        ? "no tab in the line: --pair wants TEXT<tab>TEXT"
           : status == FERRY_INVALID_INPUT ? id_row_explanation
           : status == FERRY_OUT_OF_MEMORY ? "no memory for a row of ids"
                                           : "the line is longer than 64 MiB";
}

/* ---- arguments ---- */

static enum text_result next_argument(struct text_source *source,
                                      struct ferry_client_item *ret_item) {
    if (source->next_argument >= source->argument_count)
        return TEXT_AT_END;
    *ret_item = (struct ferry_client_item){.text = source->arguments[source->next_argument++]};
    ret_item->text_bytes = strlen(ret_item->text);
    if (source->pairs) {
        ret_item->pair = source->arguments[source->next_argument++];
        ret_item->pair_bytes = strlen(ret_item->pair);
    }
    return TEXT_IS_THERE;
}

/* ---- lines ---- */

static enum text_result split_pair(struct ferry_client_item *item, struct ferry_error *error) {
    char *tab = memchr(item->text, '\t', item->text_bytes);
    if (tab == NULL) {
        ferry_fail(error, FERRY_BAD_DATA, "%s", text_source_explain(FERRY_BAD_DATA));
        return TEXT_IS_WRONG;
    }
    item->pair = tab + 1;
    item->pair_bytes = item->text_bytes - (size_t)(tab + 1 - item->text);
    item->text_bytes = (size_t)(tab - item->text);
    return TEXT_IS_THERE;
}

static enum text_result hand_out_line(struct text_source *source, size_t end,
                                      struct ferry_client_item *ret_item,
                                      struct ferry_error *error) {
    const char *line = (const char *)source->bytes.data + source->begin;
    size_t bytes = end - source->begin;
    source->begin = source->scanned = end + (end < source->bytes.size);
    if (source->skipping_line) {
        source->skipping_line = false;
        ferry_fail(error, FERRY_TOO_LARGE, "%s", text_source_explain(FERRY_TOO_LARGE));
        return TEXT_IS_WRONG;
    }
    if (bytes > 0 && line[bytes - 1] == '\r')
        bytes--;
    *ret_item = (struct ferry_client_item){.text = line, .text_bytes = bytes};
    return source->pairs ? split_pair(ret_item, error) : TEXT_IS_THERE;
}

static enum text_result next_line(struct text_source *source, struct ferry_client_item *ret_item,
                                  struct ferry_error *error) {
    const uint8_t *data = source->bytes.data;
    size_t size = source->bytes.size;
    const uint8_t *newline = source->scanned < size
                                 ? memchr(data + source->scanned, '\n', size - source->scanned)
                                 : NULL;
    if (newline != NULL)
        return hand_out_line(source, (size_t)(newline - data), ret_item, error);
    source->scanned = size;
    if (!source->at_end)
        return TEXT_NOT_YET;
    if (source->begin == size && !source->skipping_line)
        return TEXT_AT_END;
    return hand_out_line(source, size, ret_item, error); /* the last line has no \n */
}

static enum text_result read_row(struct text_source *source, struct ferry_client_item *item,
                                 struct ferry_error *error) {
    if (id_row_parse(item->text, item->text_bytes, &source->row, error) != FERRY_OK ||
        ferry_buffer_reserve(&source->row, 1) != FERRY_OK) /* no ids need an address too */
        return TEXT_IS_WRONG;
    *item = (struct ferry_client_item){.ids = (const int32_t *)(const void *)source->row.data,
                                       .id_count = source->row.size / sizeof(int32_t)};
    return TEXT_IS_THERE;
}

enum text_result text_source_next(struct text_source *source, struct ferry_client_item *ret_item,
                                  struct ferry_error *error) {
    enum text_result result = source->arguments != NULL ? next_argument(source, ret_item)
                                                        : next_line(source, ret_item, error);
    return result == TEXT_IS_THERE && source->ids ? read_row(source, ret_item, error) : result;
}

/* Moves what is left to the front; of a line that is too long nothing is kept. */
static void make_room(struct text_source *source) {
    size_t left = source->bytes.size - source->begin;
    source->scanned -= source->begin;
    if (left > LONGEST_LINE) {
        source->skipping_line = true;
        source->scanned = left = 0;
    } else if (left > 0 && source->begin > 0) {
        memmove(source->bytes.data, source->bytes.data + source->begin, left);
    }
    source->bytes.size = left;
    source->begin = 0;
}

enum ferry_status text_source_read(struct text_source *source, struct ferry_error *error) {
    make_room(source);
    enum ferry_status status = ferry_buffer_reserve(&source->bytes, READ_BYTES);
    if (status != FERRY_OK)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for a line of %s", source->name);
    ssize_t got = read(source->fd, source->bytes.data + source->bytes.size, READ_BYTES);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return FERRY_OK;
    if (got < 0)
        return ferry_fail(error, FERRY_IO, "cannot read %s: %s", source->name, strerror(errno));
    source->bytes.size += (size_t)got;
    source->at_end = got == 0;
    return FERRY_OK;
}
