#include "gpu/torch/torch_device.h"

#include <cstring>
#include <string>

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include "base/log.h"
#include "gpu/torch/torch_errors.h"

namespace ferry {

namespace {

// The driver's own library; without it there is no CUDA device and no need to load 2 GB of
// libraries.
bool has_driver() {
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL);
    if (driver != nullptr)
        dlclose(driver);
    return driver != nullptr;
}

// Registers CUDA with the libtorch that is loaded; stays for the life of the process. An empty text
// is success.
std::string load_cuda_library() {
    static void *library = dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) {
        const char *reason = dlerror();
        return reason != nullptr ? reason : "libtorch_cuda.so cannot be loaded";
    }
    // Asked before the library was there, libtorch remembers that it has no CUDA.
    return at::hasCUDA() ? "" : "libtorch sees no usable CUDA device";
}

int device_count() {
    return c10::impl::VirtualGuardImpl(c10::DeviceType::CUDA).deviceCount();
}

int parse_index(const char *name) {
    if (std::strcmp(name, "cuda") == 0)
        return 0;
    constexpr size_t prefix = 5; // "cuda:"
    const char *digits = std::strncmp(name, "cuda:", prefix) == 0 ? name + prefix : "";
    size_t count = std::strspn(digits, "0123456789");
    if (count == 0 || count > 2 || digits[count] != '\0')
        throw Failure(FERRY_CONFIG, "device '%s': say auto, cpu, cuda or cuda:N", name);
    return std::atoi(digits); // NOLINT(cert-err34-c): one or two digits
}

c10::Device open_cuda(int index) {
    if (!has_driver())
        throw Failure(FERRY_UNSUPPORTED,
                      "device cuda:%d: this machine has no NVIDIA driver "
                      "(libcuda.so.1)",
                      index);
    std::string problem = load_cuda_library();
    if (!problem.empty())
        throw Failure(FERRY_UNSUPPORTED, "device cuda:%d: %s", index, problem.c_str());
    int count = device_count();
    if (index >= count)
        throw Failure(FERRY_UNSUPPORTED, "device cuda:%d: there are %d CUDA devices", index, count);
    return {c10::DeviceType::CUDA, static_cast<c10::DeviceIndex>(index)};
}

} // namespace

c10::Device choose_device(const char *name) {
    if (name == nullptr || *name == '\0')
        name = "auto";
    bool automatic = std::strcmp(name, "auto") == 0;
    if (std::strcmp(name, "cpu") == 0 || (automatic && !has_driver())) {
        ferry_log(FERRY_LOG_INFO, "device: cpu (%s)",
                  automatic ? "auto: no NVIDIA driver on this machine" : "as asked");
        return {c10::kCPU};
    }
    // From here on "auto" means the first CUDA device, and its failure is the load's failure.
    c10::Device device = open_cuda(automatic ? 0 : parse_index(name));
    ferry_log(FERRY_LOG_INFO, "device: %s (%s)", device.str().c_str(),
              automatic ? "auto: an NVIDIA driver is here" : "as asked");
    return device;
}

} // namespace ferry
