/* From options to requests. */
#include "clients/cli/command_options.h"

static enum ferry_client_operation operation_of(enum cli_command command) {
    switch (command) {
    case CLI_TOKENIZE:
        return FERRY_CLIENT_TOKENIZE;
    case CLI_DETOKENIZE:
        return FERRY_CLIENT_DETOKENIZE;
    case CLI_SCORE:
        return FERRY_CLIENT_SCORE;
    case CLI_NEXT:
        return FERRY_CLIENT_NEXT;
    case CLI_GENERATE:
        return FERRY_CLIENT_GENERATE;
    default:
        return FERRY_CLIENT_EMBED;
    }
}

static struct ferry_client_generation generation_of(const struct cli_options *options) {
    bool has_temperature = options->temperature >= 0;
    return (struct ferry_client_generation){
        .max_new_tokens = options->max_new_tokens,
        .min_new_tokens = options->min_new_tokens,
        .choices = options->choices,
        .top_k = options->top_k,
        .temperature = has_temperature ? (float)options->temperature : 0,
        .top_p = (float)options->top_p,
        .min_p = (float)options->min_p,
        .repetition_penalty = (float)options->repetition_penalty,
        .seed = options->generation_seed.value,
        .has_seed = options->generation_seed.is_given,
        .has_temperature = has_temperature,
        .logprobs = options->logprobs != 0,
        .echo = options->echo != 0,
        .ignore_end = options->ignore_end != 0,
        .stream = options->stream != 0,
        .stop = options->stop.texts,
        .stop_count = options->stop.count,
        .stop_ids = options->stop_ids.ids,
        .stop_id_count = options->stop_ids.count};
}

struct ferry_client_request cli_request(const struct cli_options *options) {
    return (struct ferry_client_request){.operation = operation_of(options->command),
                                         .model = options->model,
                                         .max_tokens = options->max_tokens,
                                         .priority = (enum ferry_client_priority)options->priority,
                                         .truncate = (enum ferry_client_truncate)options->truncate,
                                         .strategy = (enum ferry_client_strategy)options->strategy,
                                         .dtype = (enum ferry_client_dtype)options->dtype,
                                         .normalize = (enum ferry_client_choice)options->normalize,
                                         .special_tokens_as_text = options->special_tokens == 1,
                                         .without_special_tokens = options->no_special_tokens != 0,
                                         .offsets = options->command == CLI_TOKENIZE &&
                                                    options->no_offsets == 0,
                                         .windows = options->windows != 0,
                                         .stride = options->stride,
                                         .keep_special_tokens = options->keep_special_tokens != 0,
                                         .top = options->top,
                                         .generation = generation_of(options)};
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
