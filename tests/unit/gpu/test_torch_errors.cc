// Every exception that libtorch may throw becomes the right status and one clear line.
#include <cstdio>
#include <cstring>
#include <new>
#include <stdexcept>

#include <c10/util/Exception.h>

#include "gpu/torch/torch_errors.h"

static int failures = 0;

static void expect(const char *name, const std::function<void()> &thrower, ferry_status wanted,
                   const char *wanted_text) {
    ferry_error error = {};
    ferry_status status = ferry::guarded(FERRY_ENGINE, &error, [&] {
        thrower();
        return FERRY_OK;
    });
    bool good = status == wanted && std::strstr(error.text, wanted_text) != nullptr &&
                std::strstr(error.text, "raised from") == nullptr &&
                std::strchr(error.text, '\n') == nullptr && std::strlen(error.text) < 400;
    if (good)
        return;
    failures++;
    std::printf("%s: %s '%s'\n", name, ferry_status_name(status), error.text);
}

static void accelerator(int code) {
    throw c10::AcceleratorError({"function", "file", 1}, code,
                                "CUDA error: something\nCUDA kernel errors might be asynchronous");
}

static const char interpreter_text[] =
    "The following operation failed in the TorchScript interpreter.\nTraceback (most recent call "
    "last):\n  long\n  stack\nRuntimeError: The size of tensor a (3) must match (7)\n";

static void test_devices() {
    for (int code : {46, 100, 214, 700, 710, 714, 715, 716, 717, 718, 719, 999})
        expect(
            "sticky", [=] { accelerator(code); }, FERRY_DEVICE_LOST, "CUDA error: something");
    for (int code : {1, 9, 98, 209, 701, 801})
        expect(
            "not sticky", [=] { accelerator(code); }, FERRY_ENGINE, "device error");
    expect(
        "device memory", [] { accelerator(2); }, FERRY_OUT_OF_MEMORY, "device error 2");
    expect(
        "device memory of libtorch",
        [] {
            throw c10::OutOfMemoryError({"function", "file", 1}, "CUDA out of memory. Tried");
        },
        FERRY_OUT_OF_MEMORY, "Tried");
}

static void test_others() {
    expect(
        "bad_alloc", [] { throw std::bad_alloc(); }, FERRY_OUT_OF_MEMORY, "no memory");
    expect(
        "the CPU's allocator", [] { TORCH_CHECK(false, "DefaultCPUAllocator: not enough memory"); },
        FERRY_OUT_OF_MEMORY, "not enough");
    expect(
        "c10::Error", [] { TORCH_CHECK(false, "shape is wrong"); }, FERRY_ENGINE, "shape is wrong");
    expect(
        "interpreter", [] { throw std::runtime_error(interpreter_text); }, FERRY_ENGINE,
        "The size of tensor a (3) must match (7)");
    expect(
        "long", [] { throw std::runtime_error(std::string(5000, 'x')); }, FERRY_ENGINE, "xxx");
    expect(
        "no std::exception", [] { throw 7; }, FERRY_ENGINE, "unknown type");
    expect(
        "our own", [] { throw ferry::Failure(FERRY_BAD_DATA, "row %d", 5); }, FERRY_BAD_DATA,
        "row 5");
}

int main() {
    test_devices();
    test_others();
    if (ferry::guarded(FERRY_ENGINE, nullptr, []() -> ferry_status { throw 7; }) != FERRY_ENGINE)
        failures++;
    std::printf("%d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
