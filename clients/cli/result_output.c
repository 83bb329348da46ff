#include "clients/cli/result_output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "clients/cli/language_output.h"

enum {
    FLUSH_BYTES = 256 << 10,
    LARGEST_OUTPUT = 1 << 30, /* held back at one time; one item is far below */
    NPY_HEADER_BYTES = 128
};

enum ferry_status result_output_open(const struct cli_options *options,
                                     struct result_output *output, struct ferry_error *error) {
    *output = (struct result_output){.options = options, .fd = STDOUT_FILENO};
    ferry_buffer_init(&output->bytes, LARGEST_OUTPUT);
    if (options->format == CLI_FORMAT_NPY && options->output == NULL)
        return ferry_fail(error, FERRY_USAGE,
                          "--format npy needs --output FILE: its header is finished at the end");
    output->is_terminal = options->output == NULL && isatty(STDOUT_FILENO) == 1;
    if (options->output == NULL)
        return FERRY_OK;
    output->fd = open(options->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (output->fd < 0)
        return ferry_fail(error, FERRY_IO, "cannot write %s: %s", options->output, strerror(errno));
    output->owns_fd = true;
    if (options->format != CLI_FORMAT_NPY)
        return FERRY_OK;
    static const char room[NPY_HEADER_BYTES];
    return ferry_buffer_append(&output->bytes, room, sizeof room);
}

enum ferry_status result_output_flush(struct result_output *output, struct ferry_error *error) {
    size_t written = 0;
    while (written < output->bytes.size) {
        ssize_t got = write(output->fd, output->bytes.data + written, output->bytes.size - written);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ferry_fail(error, FERRY_IO, "cannot write %s: %s",
                              output->owns_fd ? output->options->output : "standard output",
                              strerror(errno));
        written += (size_t)got;
    }
    output->bytes.size = 0;
    return FERRY_OK;
}

/* ---- rows of floats ---- */

static enum ferry_status put_row(struct result_output *output, const float *row, size_t width,
                                 struct ferry_error *error) {
    if (output->width != 0 && width != output->width)
        return ferry_fail(error, FERRY_BAD_DATA, "rows of %zu and of %zu numbers", output->width,
                          width);
    output->width = width;
    output->rows++;
    return ferry_buffer_append(&output->bytes, row, width * sizeof *row);
}

/* Texts that failed before the width was known get their rows when it is. */
static enum ferry_status put_zero_row(struct result_output *output) {
    if (output->width == 0) {
        output->rows++;
        return FERRY_OK;
    }
    size_t bytes = output->width * sizeof(float);
    enum ferry_status status = ferry_buffer_reserve(&output->bytes, bytes);
    if (status != FERRY_OK)
        return status;
    memset(output->bytes.data + output->bytes.size, 0, bytes);
    output->bytes.size += bytes;
    output->rows++;
    return FERRY_OK;
}

static enum ferry_status put_held_back_rows(struct result_output *output, size_t width) {
    uint64_t held_back = output->width == 0 ? output->rows : 0;
    output->width = width;
    output->rows -= held_back;
    for (uint64_t row = 0; row < held_back; row++) {
        enum ferry_status status = put_zero_row(output);
        if (status != FERRY_OK)
            return status;
    }
    return FERRY_OK;
}

/* Version 1.0 of the format, as numpy.lib.format describes it: magic, header length, a Python
 * dictionary padded with spaces and ended by a newline. */
static enum ferry_status finish_npy_header(struct result_output *output,
                                           struct ferry_error *error) {
    char header[NPY_HEADER_BYTES + 1];
    static const char begin[10] = {'\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, NPY_HEADER_BYTES - 10, 0};
    memcpy(header, begin, sizeof begin);
    int used = snprintf(header + 10, sizeof header - 10,
                        "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %zu), }",
                        (unsigned long long)output->rows, output->width);
    memset(header + 10 + used, ' ', (size_t)(NPY_HEADER_BYTES - 10 - used));
    header[NPY_HEADER_BYTES - 1] = '\n';
    if (pwrite(output->fd, header, NPY_HEADER_BYTES, 0) != NPY_HEADER_BYTES)
        return ferry_fail(error, FERRY_IO, "cannot finish %s: %s", output->options->output,
                          strerror(errno));
    return FERRY_OK;
}

/* ---- JSON lines ---- */

static void begin_line(struct json_text *json, struct result_output *output, uint64_t index) {
    json_begin(json, &output->bytes);
    json_open(json, '{');
    json_name(json, "index");
    json_put_unsigned(json, index);
}

static enum ferry_status end_line(struct json_text *json) {
    json_close(json, '}');
    enum ferry_status status = json_finish(json);
    return status == FERRY_OK ? ferry_buffer_append(json->buffer, "\n", 1) : status;
}

static void put_vector(struct json_text *json, const struct ferry_reply *reply, size_t at) {
    enum ferry_client_dtype dtype = ferry_reply_dtype(reply);
    size_t width = ferry_reply_width(reply), bytes;
    const float *row = ferry_reply_rows(reply) + at * width;
    const int8_t *raw = ferry_reply_raw_row(reply, at, &bytes);
    if (dtype == FERRY_CLIENT_INT8) {
        json_name(json, "scale");
        json_put_float(json, ferry_reply_scale(reply, at));
    }
    json_name(json, "embedding");
    json_open(json, '[');
    for (size_t column = 0; column < width; column++) {
        if (dtype == FERRY_CLIENT_INT8)
            json_put_signed(json, raw[column]);
        else
            json_put_float(json, row[column]);
    }
    json_close(json, ']');
}

static void put_numbers(struct json_text *json, const char *name, const uint8_t *values,
                        size_t count) {
    json_name(json, name);
    json_open(json, '[');
    for (size_t at = 0; at < count; at++)
        json_put_unsigned(json, values[at]);
    json_close(json, ']');
}

static void put_token_texts(struct json_text *json, const struct ferry_reply *reply, size_t at,
                            size_t window, size_t count) {
    json_name(json, "tokens");
    json_open(json, '[');
    for (size_t position = 0; position < count; position++) {
        size_t bytes = 0;
        const char *text = ferry_reply_token(reply, at, window, position, &bytes);
        json_put_string(json, text, bytes);
    }
    json_close(json, ']');
}

static void put_offsets(struct json_text *json, const struct ferry_reply_window *tokens) {
    json_name(json, "offsets");
    json_open(json, '[');
    for (size_t position = 0; position < tokens->count; position++) {
        json_open(json, '[');
        json_put_unsigned(json, tokens->offsets[2 * position]);
        json_put_unsigned(json, tokens->offsets[2 * position + 1]);
        json_close(json, ']');
    }
    json_close(json, ']');
}

static void put_window(struct json_text *json, const struct ferry_reply *reply, size_t at,
                       size_t window) {
    struct ferry_reply_window tokens;
    if (!ferry_reply_get_window(reply, at, window, &tokens))
        return;
    json_name(json, "ids");
    json_open(json, '[');
    for (size_t position = 0; position < tokens.count; position++)
        json_put_signed(json, tokens.ids[position]);
    json_close(json, ']');
    put_token_texts(json, reply, at, window, tokens.count);
    if (tokens.offsets != NULL)
        put_offsets(json, &tokens);
    put_numbers(json, "type_ids", tokens.type_ids, tokens.count);
    put_numbers(json, "special", tokens.special, tokens.count);
}

static void put_all_windows(struct json_text *json, const struct ferry_reply *reply, size_t at) {
    json_name(json, "windows");
    json_open(json, '[');
    for (size_t window = 1; window < ferry_reply_window_count(reply, at); window++) {
        json_open(json, '{');
        put_window(json, reply, at, window);
        json_close(json, '}');
    }
    json_close(json, ']');
}

static void put_text_of(struct json_text *json, const struct ferry_reply *reply, size_t at) {
    size_t bytes = 0;
    const char *text = ferry_reply_text(reply, at, &bytes);
    json_name(json, "text");
    json_put_string(json, text != NULL ? text : "", bytes);
}

static void put_result(struct json_text *json, const struct cli_options *options,
                       const struct ferry_reply *reply, size_t at) {
    switch (options->command) {
    case CLI_TOKENIZE:
        put_window(json, reply, at, 0);
        if (options->windows != 0)
            put_all_windows(json, reply, at);
        break;
    case CLI_DETOKENIZE:
        put_text_of(json, reply, at);
        break;
    case CLI_SCORE:
        language_put_score(json, reply, at);
        break;
    case CLI_NEXT:
        language_put_next(json, reply, at);
        break;
    case CLI_GENERATE:
        language_put_generation(json, reply, at);
        break;
    default:
        put_vector(json, reply, at);
    }
}

static enum ferry_status put_json(struct result_output *output, uint64_t index,
                                  const struct ferry_reply *reply, size_t at) {
    struct json_text json;
    struct ferry_reply_model model;
    begin_line(&json, output, index);
    json_name(&json, "truncated");
    json_put_boolean(&json, ferry_reply_truncated(reply, at));
    json_name(&json, "tokens_used");
    json_put_unsigned(&json, ferry_reply_tokens(reply, at));
    if (ferry_reply_get_model(reply, &model) && model.padding_affects_result) {
        json_name(&json, "padding_affects_result");
        json_put_boolean(&json, true);
    }
    put_result(&json, output->options, reply, at);
    return end_line(&json);
}

static enum ferry_status put_json_error(struct result_output *output, uint64_t index,
                                        enum ferry_status status, const char *message) {
    struct json_text json;
    begin_line(&json, output, index);
    json_name(&json, "error");
    json_open(&json, '{');
    json_name(&json, "code");
    json_put_text(&json, ferry_status_name(status));
    json_name(&json, "message");
    json_put_text(&json, message);
    json_close(&json, '}');
    return end_line(&json);
}

/* ---- streams ---- */

static bool is_plain(const struct result_output *output) {
    return output->options->stream != 0 && output->options->json == 0;
}

/* What a model writes must not steer the terminal: only line ends and tabs of the control
 * characters (also of those from U+0080 to U+009F, which are 0xC2 and one more byte) get through.
 */
static enum ferry_status put_plain(struct result_output *output, const char *text, size_t bytes) {
    for (size_t at = 0; at < bytes; at++) {
        unsigned char byte = (unsigned char)text[at];
        bool is_control = (byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7F ||
                          (byte < 0xA0 && byte >= 0x80 && at > 0 && text[at - 1] == '\xC2');
        char shown = output->is_terminal && is_control ? '?' : text[at];
        if (shown != text[at] && byte >= 0x80)
            output->bytes.size--; /* the 0xC2 before it */
        enum ferry_status status = ferry_buffer_append(&output->bytes, &shown, 1);
        if (status != FERRY_OK)
            return status;
    }
    output->is_in_text = true;
    return FERRY_OK;
}

/* Of a model without tokenizer: ids with a space after each. */
static enum ferry_status put_plain_ids(struct result_output *output, const int32_t *ids,
                                       size_t count) {
    enum ferry_status status = FERRY_OK;
    for (size_t at = 0; at < count && status == FERRY_OK; at++) {
        char id[16];
        int bytes = snprintf(id, sizeof id, "%d ", ids[at]);
        status = ferry_buffer_append(&output->bytes, id, (size_t)bytes);
    }
    output->is_in_text = true;
    return status;
}

static enum ferry_status put_json_part(struct result_output *output, uint64_t index,
                                       const struct ferry_part *part) {
    struct json_text json;
    begin_line(&json, output, index);
    language_put_part(&json, part);
    return end_line(&json);
}

enum ferry_status result_output_put_part(struct result_output *output, uint64_t index,
                                         const struct ferry_part *part, struct ferry_error *error) {
    const struct ferry_reply_choice *piece = &part->piece;
    enum ferry_status status;
    if (!is_plain(output))
        status = put_json_part(output, index, part);
    else if (piece->text == NULL)
        status = put_plain_ids(output, piece->ids, piece->count);
    else
        status = put_plain(output, piece->text, piece->text_bytes);
    if (status != FERRY_OK)
        return ferry_fail(error, status, "no memory for a part of text %llu",
                          (unsigned long long)index);
    return result_output_flush(output, error);
}

enum ferry_status result_output_end_text(struct result_output *output, struct ferry_error *error) {
    if (!output->is_in_text)
        return FERRY_OK;
    output->is_in_text = false;
    if (ferry_buffer_append(&output->bytes, "\n", 1) != FERRY_OK)
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory for the end of a text");
    return result_output_flush(output, error);
}

/* ---- one item ---- */

static enum ferry_status check_room(struct result_output *output, enum ferry_status status,
                                    uint64_t index, struct ferry_error *error) {
    if (status == FERRY_BAD_DATA)
        return status;
    if (status != FERRY_OK)
        return ferry_fail(error, status, "no memory for the result of text %llu",
                          (unsigned long long)index);
    return output->bytes.size >= FLUSH_BYTES ? result_output_flush(output, error) : FERRY_OK;
}

/* Also of a text that got nothing: each has a line. */
static enum ferry_status end_plain_text(struct result_output *output, struct ferry_error *error) {
    output->is_in_text = true;
    return result_output_end_text(output, error);
}

enum ferry_status result_output_put(struct result_output *output, uint64_t index,
                                    const struct ferry_reply *reply, size_t at,
                                    struct ferry_error *error) {
    enum ferry_status status;
    if (output->options->stream != 0)
        return is_plain(output) ? end_plain_text(output, error) : FERRY_OK; /* it has come */
    if (output->options->format == CLI_FORMAT_JSON) {
        status = put_json(output, index, reply, at);
    } else {
        size_t width = ferry_reply_width(reply);
        status = output->width == 0 ? put_held_back_rows(output, width) : FERRY_OK;
        if (status == FERRY_OK)
            status = put_row(output, ferry_reply_rows(reply) + at * width, width, error);
    }
    return check_room(output, status, index, error);
}

enum ferry_status result_output_put_error(struct result_output *output, uint64_t index,
                                          enum ferry_status status, const char *message,
                                          struct ferry_error *error) {
    if (is_plain(output)) {
        fprintf(stderr, "ferry: text %llu: %s\n", (unsigned long long)index, message);
        return end_plain_text(output, error);
    }
    if (output->options->format == CLI_FORMAT_JSON)
        status = put_json_error(output, index, status, message);
    else
        status = put_zero_row(output);
    return check_room(output, status, index, error);
}

enum ferry_status result_output_close(struct result_output *output, struct ferry_error *error) {
    enum ferry_status status = result_output_flush(output, error);
    if (status == FERRY_OK && output->owns_fd && output->options->format == CLI_FORMAT_NPY)
        status = finish_npy_header(output, error);
    ferry_buffer_free(&output->bytes);
    if (output->owns_fd && close(output->fd) != 0 && status == FERRY_OK)
        status = ferry_fail(error, FERRY_IO, "cannot finish %s: %s", output->options->output,
                            strerror(errno));
    return status;
}
