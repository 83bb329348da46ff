// The allocator of CPU tensors: blocks are apart and whole, reused, and what is held stays bounded.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include <c10/core/CPUAllocator.h>

#include "gpu/torch/tensor_memory.h"

static int failures = 0;

static void expect(bool truth, const char *what) {
    if (truth)
        return;
    failures++;
    std::printf("failed: %s\n", what);
}

struct Owned {
    c10::DataPtr data;
    size_t size;
    unsigned char mark;
};

static bool intact(const Owned &owned) {
    const auto *bytes = static_cast<const unsigned char *>(owned.data.get());
    return bytes[0] == owned.mark && bytes[owned.size / 2] == owned.mark &&
           bytes[owned.size - 1] == owned.mark;
}

// Random sizes from bytes to megabytes; every block is written whole and looked at before it is
// freed.
static void use_memory(unsigned seed, bool *all_intact) {
    std::mt19937 random(seed);
    std::vector<Owned> owned;
    for (unsigned round = 0; round < 3000; round++) {
        if (owned.size() > 20) {
            size_t victim = random() % owned.size();
            *all_intact = *all_intact && intact(owned[victim]);
            owned[victim] = std::move(owned.back());
            owned.pop_back();
        }
        size_t size = 1 + random() % (size_t{1} << (1 + random() % 22));
        Owned next = {c10::GetCPUAllocator()->allocate(size), size,
                      static_cast<unsigned char>(random())};
        *all_intact = *all_intact && reinterpret_cast<uintptr_t>(next.data.get()) % 64 == 0;
        std::memset(next.data.get(), next.mark, size);
        owned.push_back(std::move(next));
    }
}

static void test_threads() {
    bool intact[4] = {true, true, true, true};
    std::vector<std::thread> threads;
    for (unsigned at = 0; at < 4; at++)
        threads.emplace_back(use_memory, at + 1, &intact[at]);
    for (std::thread &thread : threads)
        thread.join();
    for (bool one : intact)
        expect(one, "blocks of several threads are apart, whole and aligned");
    ferry::TensorMemoryUse use = ferry::tensor_memory_use();
    expect(use.live == 0, "everything was given back");
    expect(use.held <= use.live_peak + use.live_peak / 4 + (64u << 20), "what is held is bounded");
}

static void test_reuse() {
    size_t size = 3 << 20;
    void *first = c10::GetCPUAllocator()->allocate(size).get();
    void *second = c10::GetCPUAllocator()->allocate(size).get();
    expect(first == second, "a block is used again");
    expect(first == c10::GetCPUAllocator()->allocate(size - 100000).get(),
           "for a bit less as well");
    void *raw = c10::GetCPUAllocator()->raw_allocate(size);
    expect(first == raw, "through the raw interface too");
    c10::GetCPUAllocator()->raw_deallocate(raw);
    c10::GetCPUAllocator()->raw_deallocate(c10::GetCPUAllocator()->raw_allocate(100));
    expect(c10::GetCPUAllocator()->allocate(0).get() == nullptr, "nothing for nothing");
}

static void test_release() {
    void *live = c10::GetCPUAllocator()->raw_allocate(3 << 20);
    c10::GetCPUAllocator()->raw_deallocate(c10::GetCPUAllocator()->raw_allocate(50 << 20));
    expect(ferry::tensor_memory_use().held > (50u << 20), "a block is kept for reuse");
    ferry::release_tensor_memory();
    ferry::TensorMemoryUse use = ferry::tensor_memory_use();
    expect(use.held == use.live && use.live_peak == use.live, "only what is in use stays");
    std::memset(live, 1, 3 << 20);
    c10::GetCPUAllocator()->raw_deallocate(live);
}

static void test_exhausted() {
    try {
        c10::GetCPUAllocator()->allocate(SIZE_MAX - 5);
        expect(false, "a size that overflows is refused");
    } catch (const std::bad_alloc &) {
    }
}

int main() {
    ferry::install_tensor_memory();
    test_reuse();
    test_threads();
    test_release();
    test_exhausted();
    std::printf("%d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
