/* The splitter as it is compiled for processors without SSE2, under other names. */
#define FERRY_SCAN_PORTABLE 1
#define ferry_pretoken_end pretoken_end_portable
#define ferry_pretoken_end_after_space pretoken_end_after_space_portable
#define ferry_pretoken_begins pretoken_begins_portable
#include "tokenizer/pretoken_scan.c"
