#include "gpu/torch/trace_attempt.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "gpu/torch/torch_errors.h"

namespace ferry {

std::optional<ProbeRows> TraceAttempts::run(const std::vector<ProbeSequence> &sequences,
                                            const ProbeShape &shape) {
    try {
        return run_probe(runner_, sequences, shape);
    } catch (const Failure &failure) { // BatchRunner did not like the output
        last_error_ = failure.error();
        output_was_wrong_ = true;
    } catch (...) {
        if (fail_with_current_exception(FERRY_BAD_DATA, &last_error_) != FERRY_BAD_DATA)
            throw Failure(last_error_);
        output_was_wrong_ = false;
    }
    return std::nullopt;
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

// Shapes to try, each once: those that change least of the first shape, then those that an error
// text named, then in the order they came.
class ShapeQueue {
  public:
    ShapeQueue(const TraceShape &first, bool keep) : keep_(keep), first_(first) {}

    void push(uint32_t batch, uint32_t length, bool named) {
        TraceShape shape = {keep_ && first_.batch != 0 ? first_.batch : batch,
                            keep_ && first_.length != 0 ? first_.length : length};
        auto same = [&](const Entry &other) {
            return other.shape.batch == shape.batch && other.shape.length == shape.length;
        };
        if (shape.batch == 0 || shape.length == 0 || shape.batch * shape.length > largest_area ||
            std::any_of(entries_.begin(), entries_.end(), same))
            return;
        unsigned changed = (first_.batch != 0 && shape.batch != first_.batch) +
                           (first_.length != 0 && shape.length != first_.length);
        entries_.push_back({shape, 2 * changed + (named ? 0 : 1), false});
    }

    std::optional<TraceShape> next() {
        auto better = [](const Entry &left, const Entry &right) {
            return left.taken != right.taken ? right.taken : left.cost < right.cost;
        };
        auto best = std::min_element(entries_.begin(), entries_.end(), better);
        if (best == entries_.end() || best->taken || taken_++ == most_attempts)
            return std::nullopt;
        best->taken = true;
        return best->shape;
    }

  private:
    struct Entry {
        TraceShape shape;
        unsigned cost;
        bool taken;
    };
    bool keep_;
    TraceShape first_;
    std::vector<Entry> entries_;
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
        // Another length is more likely than another batch.
        std::vector<uint32_t> numbers = numbers_in(last_error_.text);
        for (uint32_t number : numbers)
            queue.push(shape->batch, number, true);
        for (uint32_t number : numbers)
            queue.push(number, shape->length, true);
    }
    return std::nullopt;
}

} // namespace ferry
