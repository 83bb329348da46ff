/* The scanner as it is compiled for processors without SSE2. */
#define FERRY_SCAN_PORTABLE 1
#include "tokenizer/whitespace_scan.h"

uint64_t scan_whitespace_portable(const char *bytes);

uint64_t scan_whitespace_portable(const char *bytes) {
    return ferry_scan_whitespace(bytes);
}
