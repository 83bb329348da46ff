#include "gpu/torch/tensor_memory.h"

#include <bit>
#include <cstdlib>
#include <mutex>
#include <new>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

namespace ferry {

namespace {

constexpr size_t alignment = 64;
constexpr size_t large_size = 64 << 10; // smaller blocks are the system allocator's
constexpr size_t huge_page_size = 2 << 20;
constexpr size_t kept_at_least = 64 << 20;
constexpr unsigned class_count = 4 * 64;
constexpr unsigned classes_searched = 4; // a block of up to twice the size serves as well

// In front of the data of every block, a small one too: the raw interface of c10::Allocator, which
// oneDNN's scratch memory comes by, frees with nothing but the pointer to the data.
struct alignas(alignment) Block {
    size_t size;  // with this header; the class's size
    Block *newer; // in the list of all kept blocks, by age
    Block *older;
    Block *next; // in the list of the class
    Block *previous;
};
static_assert(sizeof(Block) == alignment);

// Four sizes an octave: at most a quarter is lost to rounding.
unsigned class_of(size_t size) {
    unsigned width = static_cast<unsigned>(std::bit_width(size - 1));
    unsigned octave = width > 3 ? width - 1 : 2; // a block is never that small
    size_t step = (size - 1) >> (octave - 2) & 3;
    return 4 * octave + static_cast<unsigned>(step);
}

size_t class_size(unsigned index) {
    return (static_cast<size_t>(index % 4) + 5) << (index / 4 - 2);
}

// Blocks that are free, and how much is held. All under one mutex: a batch takes a few hundred
// blocks.
class BlockCache {
  public:
    Block *take(size_t size) {
        unsigned index = class_of(size);
        std::lock_guard<std::mutex> lock(mutex_);
        for (unsigned at = index; at < index + classes_searched && at < class_count; at++)
            if (Block *block = classes_[at]) {
                unlink(block, at);
                count_live(block->size);
                return block;
            }
        Block *block = map(class_size(index));
        use_.held += block->size;
        count_live(block->size);
        release_excess();
        return block;
    }

    void give(Block *block) noexcept {
        std::lock_guard<std::mutex> lock(mutex_);
        use_.live -= block->size;
        link(block, class_of(block->size));
        release_excess();
    }

    void release() {
        std::lock_guard<std::mutex> lock(mutex_);
        use_.live_peak = use_.live;
        while (oldest_ != nullptr)
            release_oldest();
    }

    TensorMemoryUse use() {
        std::lock_guard<std::mutex> lock(mutex_);
        return use_;
    }

  private:
    static Block *map(size_t size) {
        void *memory =
            mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED)
            throw std::bad_alloc();
        if (size >= 2 * huge_page_size)
            madvise(memory, size, MADV_HUGEPAGE); // only advice
        Block *block = static_cast<Block *>(memory);
        *block = {};
        block->size = size;
        return block;
    }

    void count_live(size_t size) {
        use_.live += size;
        use_.live_peak = use_.live > use_.live_peak ? use_.live : use_.live_peak;
    }

    void link(Block *block, unsigned index) {
        block->previous = nullptr;
        block->next = classes_[index];
        if (block->next != nullptr)
            block->next->previous = block;
        classes_[index] = block;
        block->newer = nullptr;
        block->older = newest_;
        (newest_ != nullptr ? newest_->newer : oldest_) = block;
        newest_ = block;
    }

    void unlink(Block *block, unsigned index) {
        (block->previous != nullptr ? block->previous->next : classes_[index]) = block->next;
        if (block->next != nullptr)
            block->next->previous = block->previous;
        (block->newer != nullptr ? block->newer->older : newest_) = block->older;
        (block->older != nullptr ? block->older->newer : oldest_) = block->newer;
    }

    void release_excess() {
        while (oldest_ != nullptr &&
               use_.held > use_.live_peak + use_.live_peak / 4 + kept_at_least)
            release_oldest();
    }

    void release_oldest() {
        Block *block = oldest_;
        unlink(block, class_of(block->size));
        use_.held -= block->size;
        munmap(block, block->size);
    }

    std::mutex mutex_;
    Block *classes_[class_count] = {}; // the last one given back first: it is in the caches
    Block *newest_ = nullptr;
    Block *oldest_ = nullptr;
    TensorMemoryUse use_ = {};
};

// Never destroyed: tensors may outlive every other static object.
BlockCache &cache() {
    static BlockCache *instance = new BlockCache;
    return *instance;
}

Block *allocate_small(size_t size) {
    size_t rounded = (size + alignment - 1) / alignment * alignment;
    void *memory = std::aligned_alloc(alignment, rounded);
    if (memory == nullptr)
        throw std::bad_alloc();
    Block *block = static_cast<Block *>(memory);
    block->size = rounded;
    return block;
}

void free_data(void *data) noexcept {
    if (data == nullptr)
        return;
    Block *block = static_cast<Block *>(data) - 1;
    if (block->size < large_size)
        std::free(block);
    else
        cache().give(block);
}

class TensorMemory final : public c10::Allocator {
  public:
    c10::DataPtr allocate(size_t size) override {
        const c10::Device cpu(c10::kCPU);
        if (size == 0)
            return {nullptr, nullptr, &free_data, cpu};
        if (size > SIZE_MAX / 4)
            throw std::bad_alloc();
        size += sizeof(Block);
        Block *block = size <= large_size - alignment ? allocate_small(size) : cache().take(size);
        return {block + 1, block + 1, &free_data, cpu};
    }

    c10::DeleterFnPtr raw_deleter() const override {
        return &free_data;
    }

    void copy_data(void *to, const void *from, size_t size) const override {
        default_copy_data(to, from, size);
    }
};

} // namespace

void install_tensor_memory() {
    static TensorMemory memory;
    c10::SetCPUAllocator(&memory, /*priority=*/1);
}

void release_tensor_memory() {
    cache().release();
}

TensorMemoryUse tensor_memory_use() {
    return cache().use();
}

} // namespace ferry
