#include "gpu/torch/combined_model.h"

#include <algorithm>
#include <mutex>

#include <ATen/Context.h>
#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>

#include "gpu/torch/torch_errors.h"

namespace ferry {

namespace {

constexpr uint32_t default_length = 1024;

// A sampler draws from libtorch's own generator, of which the process has one a device.
std::mutex generator_mutex;

bool is_number(ferry_dtype dtype) {
    return dtype == FERRY_INT_NUMBER || dtype == FERRY_FLOAT_NUMBER;
}

bool is_setting(ferry_input_kind kind) {
    return kind >= FERRY_INPUT_NEW_TOKENS;
}

struct Request {
    uint32_t max_new;
    const ferry_sampling &sampling;
};

// Whole numbers are exact: a seed of 64 bits would not fit a double.
c10::Scalar setting_value(ferry_input_kind kind, const Request &request) {
    const ferry_sampling &sampling = request.sampling;
    switch (kind) {
    case FERRY_INPUT_NEW_TOKENS:
        return static_cast<int64_t>(request.max_new);
    case FERRY_INPUT_TEMPERATURE:
        return static_cast<double>(sampling.temperature);
    case FERRY_INPUT_TOP_K:
        return static_cast<int64_t>(sampling.top_k);
    case FERRY_INPUT_TOP_P:
        return static_cast<double>(sampling.top_p);
    case FERRY_INPUT_MIN_P:
        return static_cast<double>(sampling.min_p);
    case FERRY_INPUT_REPETITION_PENALTY:
        return static_cast<double>(sampling.repetition_penalty);
    case FERRY_INPUT_SEED:
        return static_cast<int64_t>(sampling.seed);
    default:
        throw Failure(FERRY_INTERNAL, "input '%s' is no setting", input_kind_name(kind));
    }
}

c10::IValue setting_argument(const ferry_model_input &input, const Request &request,
                             c10::Device device) {
    c10::Scalar value = setting_value(input.kind, request);
    if (input.dtype == FERRY_INT_NUMBER)
        return value.to<int64_t>();
    if (input.dtype == FERRY_FLOAT_NUMBER)
        return value.to<double>();
    return at::scalar_tensor(value, at::TensorOptions().dtype(scalar_type(input.dtype))).to(device);
}

at::Tensor prompt_tensor(ferry_dtype dtype, const int32_t *ids, uint32_t length,
                         c10::Device device) {
    at::Tensor prompt = at::empty({1, static_cast<int64_t>(length)}, at::kInt);
    std::copy(ids, ids + length, prompt.mutable_data_ptr<int32_t>());
    return prompt.to(device, scalar_type(dtype));
}

} // namespace

bool is_combined(const ferry_model_spec &spec) {
    return spec.output_shape == FERRY_OUTPUT_IDS_WITH_PROMPT ||
           spec.output_shape == FERRY_OUTPUT_NEW_IDS;
}

CombinedModel::CombinedModel(const ferry_model_spec &spec, c10::Device device)
    : module_(spec, device), vocabulary_size_(spec.vocabulary_size),
      max_length_(spec.max_length != 0 ? spec.max_length : default_length),
      max_new_tokens_(spec.max_new_tokens != 0 ? spec.max_new_tokens : max_length_) {
    check_inputs();
}

void CombinedModel::check_inputs() const {
    const std::vector<ferry_model_input> &inputs = module_.layout().inputs;
    for (ferry_input_kind kind : {FERRY_INPUT_IDS, FERRY_INPUT_NEW_TOKENS})
        if (std::none_of(inputs.begin(), inputs.end(),
                         [kind](const ferry_model_input &input) { return input.kind == kind; }))
            throw Failure(FERRY_BAD_DATA, "a combined model needs the input '%s'",
                          input_kind_name(kind));
    for (size_t input = 0; input < inputs.size(); input++)
        check_argument(input);
}

void CombinedModel::check_argument(size_t input) const {
    const ferry_model_input &told = module_.layout().inputs[input];
    const std::string name = module_.argument_name(input);
    const std::string type = module_.argument_type(input);
    if (told.kind != FERRY_INPUT_IDS && !is_setting(told.kind))
        throw Failure(FERRY_BAD_DATA, "argument '%s': a combined model takes no input '%s'",
                      name.c_str(), input_kind_name(told.kind));
    if (told.kind == FERRY_INPUT_IDS && (is_number(told.dtype) || told.dtype == FERRY_FLOAT32))
        throw Failure(FERRY_BAD_DATA, "argument '%s': ids are int64 or int32, not %s", name.c_str(),
                      dtype_name(told.dtype));
    const char *wanted = told.dtype == FERRY_INT_NUMBER     ? "int"
                         : told.dtype == FERRY_FLOAT_NUMBER ? "float"
                                                            : "Tensor";
    if (type != wanted && !(is_number(told.dtype) && type == "Scalar"))
        throw Failure(FERRY_BAD_DATA,
                      "argument '%s' of the module's forward is of type %s; the manifest's input "
                      "'%s' of dtype %s would be a %s",
                      name.c_str(), type.c_str(), input_kind_name(told.kind),
                      dtype_name(told.dtype), wanted);
}

std::vector<int32_t> CombinedModel::run(const int32_t *ids, uint32_t length, uint32_t max_new,
                                        const ferry_sampling &sampling) const {
    c10::InferenceMode inference;
    std::vector<c10::IValue> arguments;
    for (const ferry_model_input &input : module_.layout().inputs)
        arguments.push_back(
            input.kind == FERRY_INPUT_IDS
                ? c10::IValue(prompt_tensor(input.dtype, ids, length, module_.device()))
                : setting_argument(input, {max_new, sampling}, module_.device()));
    std::lock_guard<std::mutex> lock(generator_mutex);
    at::manual_seed(sampling.seed);
    return take_ids(module_.forward(std::move(arguments)), ids, length, max_new);
}

std::vector<int32_t> CombinedModel::take_ids(const at::Tensor &output, const int32_t *ids,
                                             uint32_t length, uint32_t max_new) const {
    const bool flat = output.dim() == 1 || (output.dim() == 2 && output.size(0) == 1);
    if (!flat || !c10::isIntegralType(output.scalar_type(), /*includeBool=*/false))
        throw Failure(FERRY_ENGINE, "the model returned a tensor of %lld dimensions of %s, not ids",
                      static_cast<long long>(output.dim()),
                      std::string(output.dtype().name()).c_str());
    at::Tensor all = output.reshape({-1}).to(at::kCPU, at::kLong).contiguous();
    const int64_t *values = all.const_data_ptr<int64_t>();
    const int64_t begin =
        module_.layout().output_shape == FERRY_OUTPUT_IDS_WITH_PROMPT ? length : 0;
    if (all.numel() < begin || !std::equal(ids, ids + begin, values))
        throw Failure(FERRY_ENGINE, "the ids that the model returned do not begin with its prompt");
    if (all.numel() - begin > max_new)
        throw Failure(FERRY_ENGINE, "the model made %lld new ids, %u were asked for",
                      static_cast<long long>(all.numel() - begin), max_new);
    std::vector<int32_t> made;
    for (int64_t at = begin; at < all.numel(); at++) {
        if (values[at] < 0 || values[at] >= vocabulary_size_)
            throw Failure(FERRY_ENGINE, "the model made id %lld, outside the vocabulary of %d ids",
                          static_cast<long long>(values[at]), vocabulary_size_);
        made.push_back(static_cast<int32_t>(values[at]));
    }
    return made;
}

namespace {

void check_golden(const CombinedModel &model, const ferry_golden_row &golden, uint32_t index) {
    if (golden.sampling == nullptr || golden.new_tokens == 0)
        throw Failure(FERRY_BAD_DATA, "golden row %u has no settings", index);
    if (golden.length == 0 || golden.length + golden.new_tokens > model.max_length())
        throw Failure(FERRY_BAD_DATA, "golden row %u: %u ids and %u new ones, at most %u together",
                      index, golden.length, golden.new_tokens, model.max_length());
    for (uint32_t at = 0; at < golden.length; at++)
        if (golden.ids[at] < 0 || golden.ids[at] >= model.vocabulary_size())
            throw Failure(FERRY_BAD_DATA, "golden row %u: id %d is outside the vocabulary", index,
                          golden.ids[at]);
}

void compare_golden(const std::vector<int32_t> &made, const ferry_golden_row &golden,
                    uint32_t index) {
    for (size_t at = 0; at < std::max(made.size(), golden.expected_count); at++) {
        const bool ends = at >= made.size() || at >= golden.expected_count;
        if (!ends && static_cast<float>(made[at]) == golden.expected[at])
            continue;
        throw Failure(FERRY_BAD_DATA,
                      "golden row %u: new id number %zu is %d, %.0f was expected (%zu ids made, "
                      "%zu expected): model.pt is not the model that the row was made with, or "
                      "the inputs' order in the manifest is wrong",
                      index, at, at < made.size() ? made[at] : -1,
                      at < golden.expected_count ? static_cast<double>(golden.expected[at]) : -1.0,
                      made.size(), golden.expected_count);
    }
}

} // namespace

void CombinedModel::prove(const ferry_model_spec &spec) const {
    for (unsigned round = 0; round < 2; round++)
        for (uint32_t at = 0; at < spec.golden_count; at++) {
            const ferry_golden_row &golden = spec.golden[at];
            check_golden(*this, golden, at);
            std::vector<int32_t> made;
            ferry_error error = {};
            if (guarded(FERRY_ENGINE, &error, [&] {
                    made = run(golden.ids, golden.length, golden.new_tokens, *golden.sampling);
                    return FERRY_OK;
                }) != FERRY_OK) {
                ferry_fail_within(&error, "golden row %u", at);
                if (error.status == FERRY_ENGINE)
                    error.status = FERRY_BAD_DATA;
                throw Failure(error);
            }
            compare_golden(made, golden, at);
        }
}

} // namespace ferry
