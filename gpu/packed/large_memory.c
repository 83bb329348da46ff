#include "gpu/packed/large_memory.h"

#include <stdint.h>
#include <sys/mman.h>

static const size_t huge_page = (size_t)2 << 20;

static size_t mapped_size(size_t count) {
    size_t bytes = count * sizeof(float) + 1;
    return (bytes + huge_page - 1) / huge_page * huge_page;
}

float *ferry_large_floats(size_t count) {
    if (count > SIZE_MAX / 16)
        return NULL;
    size_t size = mapped_size(count);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    madvise(memory, size, MADV_HUGEPAGE); /* only advice */
    return memory;
}

void ferry_large_floats_free(float *floats, size_t count) {
    if (floats != NULL)
        munmap(floats, mapped_size(count));
}
