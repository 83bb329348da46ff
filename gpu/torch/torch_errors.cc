#include "gpu/torch/torch_errors.h"

#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <new>

#include <c10/util/Exception.h>

namespace ferry {

Failure::Failure(ferry_status status, const char *format, ...) : error_{} {
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(error_.text, sizeof error_.text, format, arguments);
    va_end(arguments);
    error_.status = status;
}

void throw_unless_ok(ferry_status status, const ferry_error &error) {
    if (status != FERRY_OK)
        throw Failure(error);
}

std::string short_error_text(const char *text) {
    std::string_view rest(text);
    // The interpreter puts the cause behind its own traceback.
    size_t cause = rest.rfind("\nRuntimeError: ");
    if (cause != std::string_view::npos)
        rest.remove_prefix(cause + std::strlen("\nRuntimeError: "));
    for (const char *end :
         {"\nException raised from", "\n\nCompile with", "\nCUDA kernel errors might"})
        rest = rest.substr(0, rest.find(end));
    std::string line(rest.substr(0, 300));
    for (char &character : line)
        if (static_cast<unsigned char>(character) < ' ')
            character = ' ';
    while (!line.empty() && (line.back() == ' ' || line.back() == '.'))
        line.pop_back();
    return line;
}

namespace {

// Codes of the CUDA runtime (cudaError_t). Those listed leave the device as it was; after most
// others the CUDA documentation demands a new process (700, 710, 714 to 719, 999, ...), and where
// it does not a new process is safe.
ferry_status accelerator_status(int code, ferry_status otherwise) {
    switch (code) {
    case 2: // cudaErrorMemoryAllocation
        return FERRY_OUT_OF_MEMORY;
    case 1:   // cudaErrorInvalidValue
    case 9:   // cudaErrorInvalidConfiguration
    case 98:  // cudaErrorInvalidDeviceFunction
    case 209: // cudaErrorNoKernelImageForDevice
    case 701: // cudaErrorLaunchOutOfResources
    case 801: // cudaErrorNotSupported
        return otherwise;
    default:
        return FERRY_DEVICE_LOST;
    }
}

ferry_status fail_accelerator(const c10::AcceleratorError &thrown, ferry_status otherwise,
                              ferry_error *error) {
    ferry_status status = accelerator_status(thrown.get_error_code(), otherwise);
    return ferry_fail(error, status, "device error %d: %s", thrown.get_error_code(),
                      short_error_text(thrown.what_without_backtrace()).c_str());
}

// The CPU allocator has no exception type of its own.
bool is_cpu_out_of_memory(const char *text) {
    return std::strstr(text, "DefaultCPUAllocator") != nullptr;
}

ferry_status fail_text(const char *text, ferry_status otherwise, ferry_error *error) {
    ferry_status status = is_cpu_out_of_memory(text) ? FERRY_OUT_OF_MEMORY : otherwise;
    return ferry_fail(error, status, "%s", short_error_text(text).c_str());
}

ferry_status climb_ladder(ferry_status otherwise, ferry_error *error) {
    try {
        throw;
    } catch (const Failure &thrown) {
        if (error != nullptr)
            *error = thrown.error();
        return thrown.error().status;
    } catch (const std::bad_alloc &) {
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory");
    } catch (const c10::OutOfMemoryError &thrown) {
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "device memory: %s",
                          short_error_text(thrown.what_without_backtrace()).c_str());
    } catch (const c10::AcceleratorError &thrown) {
        return fail_accelerator(thrown, otherwise, error);
    } catch (const c10::Error &thrown) {
        return fail_text(thrown.what_without_backtrace(), otherwise, error);
    } catch (const std::exception &thrown) {
        return fail_text(thrown.what(), otherwise, error);
    } catch (...) {
        return ferry_fail(error, otherwise, "an exception of unknown type");
    }
}

} // namespace

ferry_status fail_with_current_exception(ferry_status otherwise, ferry_error *error) noexcept {
    try {
        return climb_ladder(otherwise, error);
    } catch (...) { // no memory for the text
        return ferry_fail(error, FERRY_OUT_OF_MEMORY, "no memory");
    }
}

ferry_status guarded(ferry_status otherwise, ferry_error *error,
                     const std::function<ferry_status()> &work) noexcept {
    try {
        return work();
    } catch (...) {
        return fail_with_current_exception(otherwise, error);
    }
}

} // namespace ferry
