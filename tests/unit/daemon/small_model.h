/* A model for tests without files: the fake engine with a script, and a vocabulary of a few words.
 */
#ifndef FERRY_TESTS_SMALL_MODEL_H
#define FERRY_TESTS_SMALL_MODEL_H

#include "daemon/ops/loaded_model.h"

enum { SMALL_MODEL_WORDS = 64, SMALL_MODEL_WIDTH = 16, SMALL_MODEL_LENGTH = 32 };

/* Words are "w0" to "w63"; [PAD] [UNK] [CLS] [SEP] are ids 0 to 3, w0 is id 4. Ends the program
 * when it cannot be made. */
struct ferry_loaded_model *small_model_open(const char *script);
void small_model_close(struct ferry_loaded_model *model);

#endif
