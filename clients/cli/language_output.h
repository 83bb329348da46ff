/* What language models answer, as members of a JSON object. */
#ifndef FERRY_CLIENTS_CLI_LANGUAGE_OUTPUT_H
#define FERRY_CLIENTS_CLI_LANGUAGE_OUTPUT_H

#include "clients/c/ferry_client.h"
#include "clients/c/json_text.h"

/* Of the item `at`; log-probabilities that are not there are null. */
void language_put_score(struct json_text *json, const struct ferry_reply *reply, size_t at);
void language_put_next(struct json_text *json, const struct ferry_reply *reply, size_t at);
/* The members of the only choice, or "choices". */
void language_put_generation(struct json_text *json, const struct ferry_reply *reply, size_t at);
void language_put_part(struct json_text *json, const struct ferry_part *part);

#endif
