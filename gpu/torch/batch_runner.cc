#include "gpu/torch/batch_runner.h"

#include <cstring>

#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "gpu/pooling.h"
#include "gpu/torch/device_pooling.h"
#include "gpu/torch/torch_errors.h"

namespace ferry {

BatchRunner::BatchRunner(const TracedModel &model)
    : model_(model), staging_(model.layout().inputs.size()), pad_id_(model.layout().pad_id) {
    // From the generic interface: the same object file serves builds with and without CUDA.
    if (!model.device().is_cpu())
        stream_ = c10::impl::VirtualGuardImpl(model.device().type())
                      .getStreamFromGlobalPool(model.device());
}

void *BatchRunner::reserve(size_t input, size_t bytes) {
    at::Tensor &buffer = staging_[input];
    if (!buffer.defined() || static_cast<size_t>(buffer.numel()) < bytes)
        buffer = at::empty({static_cast<int64_t>(bytes + bytes / 2)},
                           at::TensorOptions().dtype(at::kByte).pinned_memory(stream_.has_value()));
    return buffer.mutable_data_ptr();
}

namespace {

// The value of one input at one place; `at` indexes the batch's packed arrays.
template <typename T>
T real_value(ferry_input_kind kind, const ferry_batch &batch, uint32_t at, uint32_t position) {
    switch (kind) {
    case FERRY_INPUT_IDS:
        return static_cast<T>(batch.ids[at]);
    case FERRY_INPUT_MASK:
        return T{1};
    case FERRY_INPUT_TYPE_IDS:
        return batch.type_ids == nullptr ? T{0} : static_cast<T>(batch.type_ids[at]);
    case FERRY_INPUT_POSITIONS:
        return static_cast<T>(position);
    default: // numbers of a combined model are no tensors of tokens
        return T{0};
    }
}

template <typename T> T pad_value(ferry_input_kind kind, int32_t pad_id, uint32_t position) {
    if (kind == FERRY_INPUT_IDS)
        return static_cast<T>(pad_id);
    return kind == FERRY_INPUT_POSITIONS ? static_cast<T>(position) : T{0};
}

template <typename T>
void fill(T *out, ferry_input_kind kind, int32_t pad_id, const ferry_batch &batch,
          const ferry_padding_step &step) {
    for (uint32_t row = 0; row < step.rows; row++, out += step.length) {
        // Rows beyond the sequences repeat the first one: a row that is all padding makes softmax
        // divide zero by zero.
        uint32_t sequence = step.first + (row < step.count ? row : 0);
        uint32_t begin = batch.offsets[sequence];
        uint32_t length = batch.offsets[sequence + 1] - begin;
        for (uint32_t position = 0; position < length; position++)
            out[position] = real_value<T>(kind, batch, begin + position, position);
        for (uint32_t position = length; position < step.length; position++)
            out[position] = pad_value<T>(kind, pad_id, position);
    }
}

} // namespace

at::Tensor BatchRunner::make_input(size_t input, const ferry_batch &batch,
                                   const ferry_padding_step &step) {
    const ferry_model_input &wanted = model_.layout().inputs[input];
    at::ScalarType type = scalar_type(wanted.dtype);
    size_t values = static_cast<size_t>(step.rows) * step.length;
    void *buffer = reserve(input, values * c10::elementSize(type));
    if (type == at::kLong)
        fill(static_cast<int64_t *>(buffer), wanted.kind, pad_id_, batch, step);
    else if (type == at::kInt)
        fill(static_cast<int32_t *>(buffer), wanted.kind, pad_id_, batch, step);
    else
        fill(static_cast<float *>(buffer), wanted.kind, pad_id_, batch, step);
    at::Tensor host = at::from_blob(
        buffer, {static_cast<int64_t>(step.rows), static_cast<int64_t>(step.length)}, type);
    return stream_ ? host.to(model_.device(), /*non_blocking=*/true) : host;
}

std::vector<at::Tensor> BatchRunner::make_inputs(const ferry_batch &batch,
                                                 const ferry_padding_step &step) {
    std::vector<at::Tensor> inputs;
    inputs.reserve(staging_.size());
    for (size_t input = 0; input < staging_.size(); input++)
        inputs.push_back(make_input(input, batch, step));
    return inputs;
}

namespace {

std::string shape_text(const at::Tensor &tensor) {
    std::string text = "[";
    for (int64_t size : tensor.sizes())
        text += (text.size() > 1 ? ", " : "") + std::to_string(size);
    return text + "]";
}

} // namespace

void BatchRunner::check_output(const at::Tensor &output, const ferry_padding_step &step,
                               uint32_t width) const {
    bool tokens = model_.layout().output_shape != FERRY_OUTPUT_SEQUENCES;
    int64_t rank = tokens ? 3 : 2;
    bool fits = output.dim() == rank && output.size(0) == step.rows &&
                (!tokens || output.size(1) == step.length) && output.size(-1) > 0 &&
                (width == 0 || output.size(-1) == width) && output.is_floating_point();
    if (fits)
        return;
    std::string last = width == 0 ? "width" : std::to_string(width);
    std::string length = tokens ? std::to_string(step.length) + ", " : "";
    throw Failure(FERRY_BAD_DATA, "output %u of the trace is %s %s, wanted [%u, %s%s] of floats",
                  model_.layout().output_index, shape_text(output).c_str(),
                  std::string(output.dtype().name()).c_str(), step.rows, length.c_str(),
                  last.c_str());
}

void BatchRunner::collect(const at::Tensor &answer, const ferry_batch &batch,
                          const ferry_padding_step &step, float *rows) const {
    const size_t width = static_cast<size_t>(answer.size(-1));
    const float *values = answer.const_data_ptr<float>();
    for (uint32_t row = 0; row < step.count; row++) {
        uint32_t sequence = step.first + row;
        uint32_t length = batch.offsets[sequence + 1] - batch.offsets[sequence];
        if (answer.dim() == 2) {
            std::memcpy(rows, values + row * width, width * sizeof *rows);
            rows += width;
            continue;
        }
        const float *tokens = values + static_cast<size_t>(row) * step.length * width;
        if (model_.layout().rows_per_token) {
            std::memcpy(rows, tokens, length * width * sizeof *rows);
            rows += length * width;
        } else {
            ferry_pool_sequence(tokens, length, width, model_.layout().pooling, rows);
            rows += width;
        }
    }
}

size_t BatchRunner::row_count(const ferry_batch &batch, const ferry_padding_step &step) const {
    if (!model_.layout().rows_per_token)
        return step.count;
    return batch.offsets[step.first + step.count] - batch.offsets[step.first];
}

at::Tensor BatchRunner::compute(const ferry_batch &batch, const ferry_padding_step &step,
                                uint32_t width) {
    c10::InferenceMode inference;
    c10::OptionalStreamGuard stream;
    if (stream_)
        stream.reset_stream(*stream_);
    std::vector<c10::IValue> inputs;
    for (at::Tensor &input : make_inputs(batch, step))
        inputs.emplace_back(std::move(input));
    at::Tensor output = model_.forward(std::move(inputs));
    check_output(output, step, width);
    answer_width_ = static_cast<uint32_t>(output.size(-1));
    if (stream_ && output.dim() == 3 && !model_.layout().rows_per_token)
        output = pool_on_device(output, batch, step, model_.layout().pooling);
    // Waits for the device, so the staging buffers are free again when this returns.
    return output.to(at::kCPU, at::kFloat).contiguous();
}

} // namespace ferry
