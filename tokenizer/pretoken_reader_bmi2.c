/* The reading of pre-tokens once more, for processors with AVX2 and BMI2, whose instructions for
 * single bits and shifts are a few percent of its time. CMake compiles this file for them;
 * text_reader.c asks the processor. */
#define ferry_read_pretokens ferry_read_pretokens_bmi2
#define ferry_pretoken_end ferry_pretoken_end_bmi2
#define ferry_pretoken_end_after_space ferry_pretoken_end_after_space_bmi2
#define ferry_pretoken_begins ferry_pretoken_begins_bmi2

#include "tokenizer/pretoken_scan.c" /* NOLINT(bugprone-suspicious-include): see above */

#include "tokenizer/pretoken_reader.c" /* NOLINT(bugprone-suspicious-include) */
