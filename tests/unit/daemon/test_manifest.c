/* Each case changes one thing in a right manifest; the error must name the file and the key. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/ops/manifest.h"
#include "daemon/ops/model_files.h"

static const char *const right =
    "{'format': 'ferry-model/1', 'name': 'm', 'task': 'embed', 'engine': 'torch',"
    " 'inputs': [{'kind': 'ids', 'dtype': 'int64'}, {'kind': 'mask', 'dtype': 'int32'}],"
    " 'output': {'index': 1, 'shape': 'tokens'}, 'pooling': 'cls', 'normalize': true, 'width': 2,"
    " 'traced': {'batch': 2, 'length': 8}, 'max_length': 8, 'vocabulary_size': 10, 'pad_id': 3,"
    " 'tokenizer': {'lowercase': false},"
    " 'files': {'data': {'sha256': "
    "'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad', 'bytes': 3}},"
    " 'golden': {'tolerance': 0.5, 'rows': [{'text': 't', 'ids': [1, 9], 'type_ids': [0, 1],"
    " 'expected': [0.5, -1]}]}, 'made_by': {'anything': 1}}";

static char folder[] = "/tmp/ferry-test-manifest-XXXXXX";
static struct ferry_manifest manifest;
static struct ferry_error error;

static void write_file(const char *name, const char *text) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    for (; *text != '\0'; text++)
        fputc(*text == '\'' ? '"' : *text, file);
    fclose(file);
}

static void make_folder(void) {
    memset(folder + strlen(folder) - 6, 'X', 6);
    cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void) {
    char path[128];
    const char *names[] = {"ferry.json", "data"};
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

TestSuite(manifest, .init = make_folder, .fini = remove_folder);

static enum ferry_status read_text(const char *text) {
    write_file("ferry.json", text);
    return ferry_manifest_read(folder, &manifest, &error);
}

Test(manifest, every_field_is_taken_over) {
    cr_assert_eq(read_text(right), FERRY_OK, "%s", error.text);
    cr_assert_str_eq(manifest.name, "m");
    cr_assert_str_eq(manifest.engine, "torch");
    cr_assert_eq(manifest.input_count, 2);
    cr_assert_eq(manifest.inputs[1].kind, FERRY_INPUT_MASK);
    cr_assert_eq(manifest.inputs[1].dtype, FERRY_INT32);
    cr_assert_eq(manifest.output_index, 1);
    cr_assert_eq(manifest.pooling, FERRY_POOLING_CLS);
    cr_assert(manifest.normalize);
    cr_assert(manifest.width == 2 && manifest.max_length == 8 && manifest.vocabulary_size == 10);
    cr_assert(manifest.traced_batch == 2 && manifest.traced_length == 8 && manifest.pad_id == 3);
    cr_assert(manifest.overrides.lowercase == 0 && manifest.overrides.strip_accents == -1);
    cr_assert_eq(manifest.file_count, 1);
    cr_assert_eq(manifest.golden_count, 1);
    cr_assert(manifest.golden[0].length == 2 && manifest.golden[0].ids[1] == 9);
    cr_assert(manifest.golden[0].type_ids[1] == 1 && manifest.golden[0].expected[1] == -1.0f);
    cr_assert_eq(manifest.tolerance, 0.5f);
    ferry_manifest_free(&manifest);
}

struct change {
    const char *from, *to;
    const char *named; /* what the error must say */
};

static const struct change changes[] = {
    {"ferry-model/1", "ferry-model/2", "format"},
    {"'name': 'm'", "'name': 7", "name"},
    {"'name': 'm', ", "", "name"},
    {"'embed'", "'juggle'", "juggle"},
    {"'torch'", "'steam'", "steam"},
    {"'kind': 'mask'", "'kind': 'masks'", "inputs[1].kind"},
    {"'kind': 'mask'", "'kind': 'ids'", "inputs"},
    {"'int32'", "'int8'", "inputs[1].dtype"},
    {"[{'kind': 'ids', 'dtype': 'int64'}, {'kind': 'mask', 'dtype': 'int32'}]", "[]", "inputs"},
    {"'index': 1", "'index': -1", "output.index"},
    {"'shape': 'tokens'", "'shape': 'rows'", "output.shape"},
    {"'shape': 'tokens'", "'shape': 'sequences'", "pooling"},
    {"'cls'", "'median'", "median"},
    {"'normalize': true", "'normalize': 1", "normalize"},
    {"'width': 2", "'width': 0", "width"},
    {"'width': 2", "'width': 3", "golden.rows[0].expected"},
    {"'batch': 2", "'batch': 'two'", "traced.batch"},
    {"'max_length': 8", "'max_length': 8.5", "max_length"},
    {"'max_length': 8", "'max_length': 1", "golden.rows[0].ids"},
    {"'max_length': 8, ", "", "max_length"},
    {"'vocabulary_size': 10", "'vocabulary_size': 0", "vocabulary_size"},
    {"'vocabulary_size': 10", "'vocabulary_size': 9", "golden.rows[0].ids"},
    {"'pad_id': 3", "'pad_id': 10", "pad_id"},
    {"'lowercase': false", "'lowercase': 'no'", "tokenizer.lowercase"},
    {"'lowercase'", "'lower'", "tokenizer.lower"},
    {"'data'", "'../data'", "../data"},
    {"'data'", "'.data'", ".data"},
    {"ba7816", "BA7816", "files.data.sha256"},
    {"'bytes': 3", "'bytes': -3", "files.data.bytes"},
    {"'tolerance': 0.5", "'tolerance': 0", "golden.tolerance"},
    {"'ids': [1, 9]", "'ids': [1, -9]", "golden.rows[0].ids"},
    {"'ids': [1, 9]", "'ids': []", "golden.rows[0].ids"},
    {"'type_ids': [0, 1]", "'type_ids': [0]", "golden.rows[0].type_ids"},
    {"[0.5, -1]", "[0.5, null]", "golden.rows[0].expected"},
    {"'pooling'", "'poolign'", "pooling"},
    {"'pad_id'", "'padding_id'", "padding_id"},
    {"{'format'", "{'name': 'x', 'format'", "line 1"},
    {"{'anything': 1}}", "{'anything': 1}", "line 1"},
};

Test(manifest, every_error_names_the_file_and_the_key) {
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char text[4096];
        const char *at = strstr(right, changes[i].from);
        cr_assert_not_null(at, "case %zu", i);
        snprintf(text, sizeof text, "%.*s%s%s", (int)(at - right), right, changes[i].to,
                 at + strlen(changes[i].from));
        cr_assert_eq(read_text(text), FERRY_BAD_DATA, "case %zu: %s", i, changes[i].to);
        cr_assert_not_null(strstr(error.text, "ferry.json: "), "case %zu: %s", i, error.text);
        cr_assert_not_null(strstr(error.text, changes[i].named), "case %zu: %s", i, error.text);
    }
}

Test(manifest, what_is_no_object_is_refused) {
    static const char *const texts[] = {"", "[]", "7", "null", "'x'", "{", "\x01"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        cr_assert_eq(read_text(texts[i]), FERRY_BAD_DATA, "case %zu", i);
    cr_assert_eq(ferry_manifest_read("/nosuch", &manifest, &error), FERRY_NO_INPUT);
    cr_assert_not_null(strstr(error.text, "/nosuch/ferry.json"));
}

Test(manifest, files_must_be_what_the_manifest_says) {
    struct ferry_model_files files;
    cr_assert_eq(read_text(right), FERRY_OK);
    cr_assert_eq(ferry_model_files_read(folder, &manifest, &files, &error), FERRY_NO_INPUT);
    write_file("data", "abc");
    cr_assert_eq(ferry_model_files_read(folder, &manifest, &files, &error), FERRY_OK);
    cr_assert_eq(files.bytes[ferry_model_files_find(&manifest, "data")].size, 3);
    cr_assert_eq(ferry_model_files_find(&manifest, "other"), -1);
    ferry_model_files_free(&files);
    write_file("data", "abd");
    cr_assert_eq(ferry_model_files_read(folder, &manifest, &files, &error), FERRY_BAD_DATA);
    cr_assert_not_null(strstr(error.text, "data"));
    cr_assert_not_null(strstr(error.text, manifest.files[0].sha256));
    write_file("data", "abc");
    manifest.files[0].bytes = 4;
    cr_assert_eq(ferry_model_files_read(folder, &manifest, &files, &error), FERRY_BAD_DATA);
    cr_assert_not_null(strstr(error.text, "files.data.bytes"));
    ferry_manifest_free(&manifest);
}
