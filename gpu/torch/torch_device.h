// Which device "auto", "cpu", "cuda" and "cuda:N" mean here.
#ifndef FERRY_GPU_TORCH_DEVICE_H
#define FERRY_GPU_TORCH_DEVICE_H

#include <c10/core/Device.h>

namespace ferry {

// Loads libtorch's CUDA library only where the device may be one. Logs the choice. Throws
// Failure(CONFIG) for another name, Failure(UNSUPPORTED) when the device named is not there; "auto"
// is the CPU only where there is no CUDA device at all, never because one failed.
c10::Device choose_device(const char *name);

} // namespace ferry
#endif
