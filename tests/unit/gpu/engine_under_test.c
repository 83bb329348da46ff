#include "tests/unit/gpu/engine_under_test.h"

#include <dlfcn.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/clock.h"

struct file_bytes {
    unsigned char *data;
    size_t size;
    size_t at;
};

struct arguments {
    const char *engine_path;
    const char *model_path;
    const char *golden_path;
    struct ferry_model_spec spec;
    struct ferry_engine_options options;
};

static void give_up(const char *what, const char *value) {
    fprintf(stderr, "%s '%s'\n", what, value);
    exit(EX_USAGE);
}

static struct file_bytes read_file(const char *path) {
    struct file_bytes bytes = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        give_up("cannot open", path);
    fseek(file, 0, SEEK_END);
    bytes.size = (size_t)ftell(file);
    rewind(file);
    bytes.data = malloc(bytes.size + 1);
    if (bytes.data == NULL || fread(bytes.data, 1, bytes.size, file) != bytes.size)
        give_up("cannot read", path);
    fclose(file);
    return bytes;
}

static void take(struct file_bytes *bytes, void *out, size_t size) {
    if (bytes->size - bytes->at < size)
        give_up("file ends early, wanted bytes of", "a sequence");
    memcpy(out, bytes->data + bytes->at, size);
    bytes->at += size;
}

static void *allocate(size_t size) {
    void *memory = malloc(size > 0 ? size : 1);
    if (memory == NULL)
        give_up("no memory for", "a test file");
    return memory;
}

void sequence_file_read(const char *path, struct sequence_file *file) {
    struct file_bytes bytes = read_file(path);
    size_t bound = bytes.size / sizeof(uint32_t) + 1;
    file->ids = allocate(bound * sizeof *file->ids);
    file->type_ids = allocate(bound);
    file->offsets = allocate((bound + 1) * sizeof *file->offsets);
    file->offsets[0] = 0;
    for (file->count = 0; bytes.at < bytes.size; file->count++) {
        uint32_t length;
        uint32_t offset = file->offsets[file->count];
        take(&bytes, &length, sizeof length);
        take(&bytes, file->ids + offset, length * sizeof *file->ids);
        take(&bytes, file->type_ids + offset, length);
        file->offsets[file->count + 1] = offset + length;
    }
    free(bytes.data);
}

void sequence_file_free(struct sequence_file *file) {
    free(file->ids);
    free(file->type_ids);
    free(file->offsets);
}

/* LE u32 length, ids, type ids, u32 count, float expected[count] for each row. The memory is left
 * to the end of the program. */
static void read_golden(const char *path, struct ferry_model_spec *spec) {
    struct file_bytes bytes = read_file(path);
    struct ferry_golden_row *rows = allocate((bytes.size / 8 + 1) * sizeof *rows);
    for (spec->golden_count = 0; bytes.at < bytes.size; spec->golden_count++) {
        struct ferry_golden_row *row = &rows[spec->golden_count];
        uint32_t count;
        take(&bytes, &row->length, sizeof row->length);
        int32_t *ids = allocate(row->length * sizeof *ids);
        uint8_t *type_ids = allocate(row->length);
        take(&bytes, ids, row->length * sizeof *ids);
        take(&bytes, type_ids, row->length);
        take(&bytes, &count, sizeof count);
        float *expected = allocate(count * sizeof *expected);
        take(&bytes, expected, count * sizeof *expected);
        row->ids = ids;
        row->type_ids = type_ids;
        row->expected = expected;
        row->expected_count = count;
    }
    free(bytes.data);
    spec->golden = rows;
}

static unsigned index_of(const char *name, size_t bytes, const char *const *names) {
    for (unsigned at = 0; names[at] != NULL; at++)
        if (strlen(names[at]) == bytes && strncmp(names[at], name, bytes) == 0)
            return at;
    give_up("unknown name in", name);
    return 0;
}

/* "ids:int64,mask:int64" */
static void parse_inputs(const char *text, struct ferry_model_spec *spec) {
    static const char *const kinds[] = {"ids", "mask", "type_ids", "positions", NULL};
    static const char *const dtypes[] = {"int64", "int32", "float32", NULL};
    for (spec->input_count = 0; *text != '\0'; spec->input_count++) {
        size_t kind_bytes = strcspn(text, ":");
        if (text[kind_bytes] != ':' || spec->input_count == FERRY_ENGINE_MAX_INPUTS)
            give_up("inputs", text);
        struct ferry_model_input *input = &spec->inputs[spec->input_count];
        input->kind = (enum ferry_input_kind)index_of(text, kind_bytes, kinds);
        text += kind_bytes + 1;
        size_t dtype_bytes = strcspn(text, ",");
        input->dtype = (enum ferry_dtype)index_of(text, dtype_bytes, dtypes);
        text += dtype_bytes + (text[dtype_bytes] == ',' ? 1 : 0);
    }
}

static uint32_t number(const char *text) {
    char *end;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end != '\0' || value > UINT32_MAX)
        give_up("not a number:", text);
    return (uint32_t)value;
}

static void set_spec_option(struct ferry_model_spec *spec, int letter, const char *value) {
    static const char *const shapes[] = {"tokens", "sequences", "logits", NULL};
    static const char *const poolings[] = {"none", "mean", "cls", "last", "max", NULL};
    switch (letter) {
    case 'i':
        parse_inputs(value, spec);
        break;
    case 'o':
        spec->output_index = number(value);
        break;
    case 's':
        spec->output_shape = (enum ferry_output_shape)index_of(value, strlen(value), shapes);
        break;
    case 'p':
        spec->pooling = (enum ferry_pooling)index_of(value, strlen(value), poolings);
        break;
    case 'B':
        spec->traced_batch = number(value);
        break;
    case 'L':
        spec->traced_length = number(value);
        break;
    case 'M':
        spec->max_length = number(value);
        break;
    case 'w':
        spec->width = number(value);
        break;
    case 'v':
        spec->vocabulary_size = (int32_t)number(value);
        break;
    case 'P':
        spec->pad_id = (int32_t)number(value);
        break;
    default:
        spec->tolerance = strtof(value, NULL);
        break;
    }
}

static bool set_decoder_option(struct ferry_decoder_options *options, int letter,
                               const char *value) {
    switch (letter) {
    case 'C':
        options->cache_bytes = number(value);
        return true;
    case 'S':
        options->max_sequences = number(value);
        return true;
    case 'T':
        options->max_step_tokens = number(value);
        return true;
    case 'H':
        options->threads = number(value);
        return true;
    default:
        return false;
    }
}

static void set_option(struct engine_under_test *test, struct arguments *arguments, int letter,
                       const char *value) {
    if (set_decoder_option(&test->decoder_options, letter, value))
        return;
    switch (letter) {
    case 'e':
        arguments->engine_path = value;
        break;
    case 'm':
        arguments->model_path = value;
        break;
    case 'g':
        arguments->golden_path = value;
        break;
    case 'd':
        arguments->options.device = value;
        break;
    case 'k':
        arguments->options.mkl_intel_path = number(value) != 0;
        break;
    case 'q':
        test->sequences_path = value;
        break;
    case 'r':
        test->rows_path = value;
        break;
    case 'n':
        test->repeat = number(value);
        break;
    case 'W':
        test->workers = number(value);
        break;
    case 'b':
        test->budget = number(value);
        break;
    case '?':
        exit(EX_USAGE);
    default:
        set_spec_option(&arguments->spec, letter, value);
    }
}

static void parse(struct engine_under_test *test, struct arguments *arguments, int argc,
                  char **argv) {
    static const struct option options[] = {{"engine", required_argument, NULL, 'e'},
                                            {"model", required_argument, NULL, 'm'},
                                            {"inputs", required_argument, NULL, 'i'},
                                            {"output-index", required_argument, NULL, 'o'},
                                            {"output-shape", required_argument, NULL, 's'},
                                            {"pooling", required_argument, NULL, 'p'},
                                            {"traced-batch", required_argument, NULL, 'B'},
                                            {"traced-length", required_argument, NULL, 'L'},
                                            {"max-length", required_argument, NULL, 'M'},
                                            {"width", required_argument, NULL, 'w'},
                                            {"vocabulary-size", required_argument, NULL, 'v'},
                                            {"pad-id", required_argument, NULL, 'P'},
                                            {"tolerance", required_argument, NULL, 't'},
                                            {"golden", required_argument, NULL, 'g'},
                                            {"device", required_argument, NULL, 'd'},
                                            {"mkl-intel-path", required_argument, NULL, 'k'},
                                            {"sequences", required_argument, NULL, 'q'},
                                            {"rows", required_argument, NULL, 'r'},
                                            {"repeat", required_argument, NULL, 'n'},
                                            {"workers", required_argument, NULL, 'W'},
                                            {"budget", required_argument, NULL, 'b'},
                                            {"cache-bytes", required_argument, NULL, 'C'},
                                            {"max-sequences", required_argument, NULL, 'S'},
                                            {"max-step-tokens", required_argument, NULL, 'T'},
                                            {"threads", required_argument, NULL, 'H'},
                                            {NULL, 0, NULL, 0}};
    for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;)
        set_option(test, arguments, letter, optarg);
    if (arguments->engine_path == NULL || arguments->model_path == NULL)
        give_up("wanted at least", "--engine libferry_torch.so --model model.pt");
}

static const struct ferry_engine *open_engine(const char *path) {
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        give_up("cannot open the engine:", dlerror());
    ferry_engine_entry_function *entry;
    *(void **)&entry = dlsym(library, FERRY_ENGINE_SYMBOL);
    const struct ferry_engine *engine = entry == NULL ? NULL : entry(FERRY_ENGINE_ABI_VERSION);
    if (engine == NULL)
        give_up("not an engine of this version:", path);
    return engine;
}

void engine_under_test_open(struct engine_under_test *test, int argc, char **argv) {
    struct arguments arguments = {.options.device = "cpu"};
    arguments.spec.name = "test";
    arguments.spec.output_shape = FERRY_OUTPUT_TOKENS;
    arguments.spec.pooling = FERRY_POOLING_MEAN;
    *test = (struct engine_under_test){.repeat = 1, .budget = 4096};
    parse(test, &arguments, argc, argv);
    test->engine = open_engine(arguments.engine_path);
    struct file_bytes model = read_file(arguments.model_path);
    arguments.spec.file_bytes = model.data;
    arguments.spec.file_size = model.size;
    if (arguments.golden_path != NULL)
        read_golden(arguments.golden_path, &arguments.spec);
    int64_t started = ferry_clock_now();
    test->status =
        test->engine->model_load(&arguments.spec, &arguments.options, &test->model, &test->error);
    test->load_seconds = (double)(ferry_clock_now() - started) / 1e9;
    free(model.data);
}

void engine_under_test_close(struct engine_under_test *test) {
    test->engine->model_free(test->model);
}
