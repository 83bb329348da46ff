#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "clients/cli/command_options.h"

static struct cli_options options;
static struct ferry_error error;

/* Parses "command argument argument ..."; the words live as long as the test. */
static enum ferry_status parse(const char *line) {
    static char copy[1024];
    static char *arguments[64];
    int count = 0;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " "))
        arguments[count++] = word;
    arguments[count] = NULL;
    error.text[0] = '\0';
    return cli_parse(cli_find_command(arguments[0]), count, arguments, &options, &error);
}

static void expect_usage(const char *line, const char *part_of_text) {
    cr_assert_eq(parse(line), FERRY_USAGE, "%s", line);
    cr_assert_not_null(strstr(error.text, part_of_text), "%s: %s", line, error.text);
    cr_assert_eq(ferry_status_exit_code(error.status), 64);
}

Test(command_options, defaults) {
    cr_assert_eq(parse("embed"), FERRY_OK);
    cr_assert_eq(options.command, CLI_EMBED);
    cr_assert_eq(options.batch, 32u);
    cr_assert_eq(options.text_count, 0u);
    struct ferry_client_request request = cli_request(&options);
    cr_assert_eq(request.operation, FERRY_CLIENT_EMBED);
    cr_assert_eq(request.dtype, FERRY_CLIENT_F32);
    cr_assert_eq(request.normalize, FERRY_CLIENT_AS_MODEL);
    cr_assert_eq(request.truncate, FERRY_CLIENT_TRUNCATE_DEFAULT);
    cr_assert_null(request.model);
    cr_assert(!request.offsets);
}

Test(command_options, every_option_of_embed) {
    cr_assert_eq(parse("embed --connect ipc:///x -d 2.5 --patience 0.5 -m bert --max-tokens 7 "
                       "--truncate left --strategy only_second --special-tokens text "
                       "--priority bulk --dtype int8 --normalize no --format f32 -o out -b 3 "
                       "-i 4 --pair one two"),
                 FERRY_OK, "%s", error.text);
    cr_assert_str_eq(options.connect, "ipc:///x");
    cr_assert_eq(options.deadline_ms, 2500u);
    cr_assert_eq(options.patience_ms, 500u);
    cr_assert_eq(options.format, CLI_FORMAT_F32);
    cr_assert_str_eq(options.output, "out");
    cr_assert_eq(options.batch, 3u);
    cr_assert_eq(options.in_flight, 4u);
    cr_assert_eq(options.pair, 1);
    cr_assert_eq(options.text_count, 2u);
    cr_assert_str_eq(options.texts[1], "two");
    struct ferry_client_request request = cli_request(&options);
    cr_assert_str_eq(request.model, "bert");
    cr_assert_eq(request.max_tokens, 7u);
    cr_assert_eq(request.truncate, FERRY_CLIENT_TRUNCATE_LEFT);
    cr_assert_eq(request.strategy, FERRY_CLIENT_ONLY_SECOND);
    cr_assert(request.special_tokens_as_text);
    cr_assert_eq(request.priority, FERRY_CLIENT_BULK);
    cr_assert_eq(request.dtype, FERRY_CLIENT_INT8);
    cr_assert_eq(request.normalize, FERRY_CLIENT_NO);
}

Test(command_options, options_may_follow_texts_and_dashes_end_them) {
    cr_assert_eq(parse("tokenize one --no-offsets two -- --dtype -x"), FERRY_OK, "%s", error.text);
    cr_assert_eq(options.no_offsets, 1);
    cr_assert_eq(options.text_count, 4u);
    cr_assert_str_eq(options.texts[2], "--dtype");
    cr_assert(!cli_request(&options).offsets);
    cr_assert_eq(parse("tokenize --windows --stride 3"), FERRY_OK);
    cr_assert(cli_request(&options).offsets);
    cr_assert(cli_request(&options).windows);
    cr_assert_eq(cli_request(&options).stride, 3u);
}

Test(command_options, wrong_values_name_the_option_and_what_it_takes) {
    expect_usage("embed --dtype f99", "--dtype takes f32|f16|int8|binary, not \"f99\"");
    expect_usage("embed --dtype f3", "--dtype takes");
    expect_usage("embed --dtype f32|f16", "--dtype takes");
    expect_usage("embed --batch 0", "--batch takes N");
    expect_usage("embed --batch 5x", "--batch takes N");
    expect_usage("embed --batch -5", "--batch takes N");
    expect_usage("embed --batch 4294967296", "--batch takes N");
    expect_usage("embed --deadline 0", "--deadline takes SECONDS");
    expect_usage("embed --deadline nan", "--deadline takes SECONDS");
    expect_usage("embed --deadline 1e300", "--deadline takes SECONDS");
    expect_usage("bench --rate 0", "--rate takes R");
    expect_usage("bench --rate -1", "--rate takes R");
}

Test(command_options, unknown_and_incomplete_options) {
    expect_usage("embed --nonsense", "--nonsense: there is no such option");
    expect_usage("embed -z", "-z: there is no such option");
    expect_usage("embed --dtype", "needs a value");
    expect_usage("embed -o", "-o: needs a value");
    expect_usage("status --dtype f32", "there is no such option");
    expect_usage("embed --windows", "there is no such option");
    expect_usage("embed --pair=yes", "--pair");
}

Test(command_options, environment_is_weaker_than_options) {
    setenv("FERRY_MODEL", "other", 1);
    setenv("FERRY_DEADLINE", "7", 1);
    cr_assert_eq(parse("embed"), FERRY_OK);
    cr_assert_str_eq(options.model, "other");
    cr_assert_eq(options.deadline_ms, 7000u);
    cr_assert_eq(parse("embed --model mine --deadline 1"), FERRY_OK);
    cr_assert_str_eq(options.model, "mine");
    cr_assert_eq(options.deadline_ms, 1000u);
    cr_assert_eq(parse("status"), FERRY_OK);
    cr_assert_null(options.model);
    setenv("FERRY_DEADLINE", "soon", 1);
    expect_usage("embed", "FERRY_DEADLINE must be SECONDS, not \"soon\"");
}

Test(command_options, commands_of_later_do_not_exist_yet) {
    const char *later[] = {"classify", "tag",      "fill", "rank", "score",
                           "next",     "generate", "raw",  "top",  "keygen"};
    for (size_t at = 0; at < sizeof later / sizeof later[0]; at++)
        cr_assert_null(cli_find_command(later[at]), "%s", later[at]);
    char names[128], cut[10];
    cli_command_names(names, sizeof names);
    cr_assert_str_eq(names, "embed, tokenize, status, ping, bench");
    cli_command_names(cut, sizeof cut);
    cr_assert_str_eq(cut, "embed, to");
}

/* --help comes from the same table as parsing: each option a command takes is in it. */
Test(command_options, help_names_every_option) {
    for (size_t at = 0; at < cli_command_count; at++) {
        char *text = NULL;
        size_t size = 0;
        FILE *stream = open_memstream(&text, &size);
        cli_print_command_help(stream, &cli_commands[at]);
        fclose(stream);
        cr_assert_not_null(strstr(text, "--connect ENDPOINT"));
        bool has_texts = cli_commands[at].command == CLI_EMBED;
        cr_assert_eq(strstr(text, "--format json|npy|f32") != NULL, has_texts);
        free(text);
    }
}
