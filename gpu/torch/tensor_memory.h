// Memory of CPU tensors. libtorch takes and returns large blocks at every operator; the system's
// allocator gives them back to the kernel each time (page faults cost up to a third of the time)
// or, told not to, grows with every new shape. This one keeps blocks for reuse and never holds more
// than a fixed share above what was ever in use at the same time.
#ifndef FERRY_GPU_TORCH_TENSOR_MEMORY_H
#define FERRY_GPU_TORCH_TENSOR_MEMORY_H

#include <cstddef>

namespace ferry {

// Makes it the allocator of CPU tensors, once; before the first tensor.
void install_tensor_memory();

// Gives back what is kept for reuse, and forgets the most that was in use: after a load, whose
// needs are not those of later.
void release_tensor_memory();

struct TensorMemoryUse {
    size_t live;      // bytes in use now, in large blocks
    size_t live_peak; // most that was since the last release
    size_t held;      // live and kept for reuse; at most live_peak * 5 / 4 + 64 MiB
};
TensorMemoryUse tensor_memory_use();

} // namespace ferry
#endif
