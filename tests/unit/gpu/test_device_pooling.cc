// The pooling that runs on an accelerator, run on the CPU, gives the numbers of the pooling in C.
#include <cmath>
#include <cstdio>
#include <vector>

#include <ATen/Functions.h>

#include "gpu/golden_check.h"
#include "gpu/pooling.h"
#include "gpu/torch/device_pooling.h"

static const uint32_t offsets[] = {0, 4, 5, 12, 15}; // lengths 4 1 7 3
static const ferry_batch batch = {nullptr, nullptr, offsets, 4};
static int failures = 0;

// Padding holds NaN: it must not be read by either.
static at::Tensor make_tokens(const ferry_padding_step &step, uint32_t width, at::ScalarType type) {
    at::Tensor tokens = at::randn({step.rows, step.length, width});
    for (uint32_t row = 0; row < step.count; row++) {
        uint32_t length = offsets[step.first + row + 1] - offsets[step.first + row];
        tokens.select(0, row).slice(0, length).fill_(std::nanf(""));
    }
    return tokens.to(type);
}

static void compare(const ferry_padding_step &step, ferry_pooling pooling, at::ScalarType type) {
    constexpr uint32_t width = 13;
    at::Tensor tokens = make_tokens(step, width, type);
    at::Tensor pooled = ferry::pool_on_device(tokens, batch, step, pooling).contiguous();
    at::Tensor values = tokens.to(at::kFloat);
    float worst = 0;
    for (uint32_t row = 0; row < step.count; row++) {
        uint32_t length = offsets[step.first + row + 1] - offsets[step.first + row];
        std::vector<float> expected(width);
        ferry_pool_sequence(values.const_data_ptr<float>() + size_t{row} * step.length * width,
                            length, width, pooling, expected.data());
        worst = std::fmax(worst, ferry_worst_difference(
                                     expected.data(),
                                     pooled.const_data_ptr<float>() + size_t{row} * width, width));
    }
    if (worst <= 1e-6f && pooled.dim() == 2 && pooled.size(0) == step.rows)
        return;
    failures++;
    std::printf("pooling %d, first %u, rows %u: worst difference %g\n", static_cast<int>(pooling),
                step.first, step.rows, static_cast<double>(worst));
}

int main() {
    const ferry_padding_step steps[] = {{0, 4, 4, 7}, {0, 4, 6, 9}, {1, 2, 2, 7}, {3, 1, 3, 3}};
    for (const ferry_padding_step &step : steps)
        for (ferry_pooling pooling :
             {FERRY_POOLING_MEAN, FERRY_POOLING_MAX, FERRY_POOLING_LAST, FERRY_POOLING_CLS})
            for (at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16})
                compare(step, pooling, type);
    std::printf("%d failures\n", failures);
    return failures == 0 ? 0 : 1;
}
