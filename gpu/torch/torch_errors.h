// The one place where C++ exceptions become a status. Nothing is thrown across engine.h.
#ifndef FERRY_GPU_TORCH_ERRORS_H
#define FERRY_GPU_TORCH_ERRORS_H

#include <functional>
#include <stdexcept>
#include <string>

#include "base/status.h"

namespace ferry {

// A failure whose text was made where its cause is known.
class Failure : public std::exception {
  public:
    explicit Failure(const ferry_error &error) : error_(error) {}
    Failure(ferry_status status, const char *format, ...) FERRY_PRINTF(3, 4);
    const ferry_error &error() const {
        return error_;
    }
    const char *what() const noexcept override {
        return error_.text;
    }

  private:
    ferry_error error_;
};

// What the catch ladder makes of the exception in flight: call it inside a catch block only.
// `otherwise` is the status of an error that is neither memory nor the device.
ferry_status fail_with_current_exception(ferry_status otherwise, ferry_error *error) noexcept;

// Runs `work`; every exception becomes a status.
ferry_status guarded(ferry_status otherwise, ferry_error *error,
                     const std::function<ferry_status()> &work) noexcept;

// Throws when status is not OK.
void throw_unless_ok(ferry_status status, const ferry_error &error);

// One line that a user can read: without the stack of the TorchScript interpreter or of C++.
std::string short_error_text(const char *text);

} // namespace ferry
#endif
