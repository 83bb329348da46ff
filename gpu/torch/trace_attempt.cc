#include "gpu/torch/trace_attempt.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <deque>

#include "gpu/torch/torch_errors.h"

namespace ferry {

std::optional<ProbeRows> TraceAttempts::run(const std::vector<ProbeSequence> &sequences,
                                            const ProbeShape &shape) {
    try {
        return run_probe(runner_, sequences, shape);
    } catch (...) {
        ferry_error error = {};
        ferry_status status = fail_with_current_exception(FERRY_BAD_DATA, &error);
        if (status != FERRY_BAD_DATA)
            throw Failure(error);
        last_error_ = error;
        return std::nullopt;
    }
}

bool TraceAttempts::runs(const TraceShape &shape) {
    return run({make_probe_sequence(spec_, shape.length, 1)}, {1, shape.batch, shape.length})
        .has_value();
}

namespace {

constexpr size_t most_attempts = 48;
constexpr uint32_t largest_size = 8192;
constexpr uint32_t largest_area = 1u << 16; // rows * length

// Sizes that an error text names, such as "(3) must match the existing size (7)".
std::vector<uint32_t> numbers_in(const char *text) {
    std::vector<uint32_t> numbers;
    while (*text != '\0') {
        if (std::isdigit(static_cast<unsigned char>(*text)) == 0) {
            text++;
            continue;
        }
        char *end = nullptr;
        unsigned long number = std::strtoul(text, &end, 10);
        if (number >= 1 && number <= largest_size)
            numbers.push_back(static_cast<uint32_t>(number));
        text = end;
    }
    return numbers;
}

class ShapeQueue {
  public:
    ShapeQueue(const TraceShape &first, bool keep) : keep_(keep), first_(first) {}

    void push(uint32_t batch, uint32_t length, bool front) {
        TraceShape shape = {keep_ && first_.batch != 0 ? first_.batch : batch,
                            keep_ && first_.length != 0 ? first_.length : length};
        auto same = [&](const TraceShape &other) {
            return other.batch == shape.batch && other.length == shape.length;
        };
        if (shape.batch == 0 || shape.length == 0 || shape.batch * shape.length > largest_area ||
            std::any_of(seen_.begin(), seen_.end(), same))
            return;
        seen_.push_back(shape);
        if (front)
            waiting_.push_front(shape);
        else
            waiting_.push_back(shape);
    }

    std::optional<TraceShape> next() {
        if (waiting_.empty() || taken_++ == most_attempts)
            return std::nullopt;
        TraceShape shape = waiting_.front();
        waiting_.pop_front();
        return shape;
    }

  private:
    bool keep_;
    TraceShape first_;
    std::vector<TraceShape> seen_;
    std::deque<TraceShape> waiting_;
    size_t taken_ = 0;
};

} // namespace

std::optional<TraceShape> TraceAttempts::search(const TraceShape &first, bool keep) {
    ShapeQueue queue(first, keep);
    queue.push(first.batch != 0 ? first.batch : 2, first.length != 0 ? first.length : 16, false);
    for (uint32_t length : {16u, spec_.max_length, 128u, 512u, 256u, 64u, 32u, 8u, 384u})
        for (uint32_t batch : {2u, 1u, 4u, 8u})
            queue.push(batch, length, false);
    while (std::optional<TraceShape> shape = queue.next()) {
        if (runs(*shape))
            return shape;
        for (uint32_t number : numbers_in(last_error_.text)) {
            queue.push(number, shape->length, true);
            queue.push(shape->batch, number, true);
        }
    }
    return std::nullopt;
}

} // namespace ferry
