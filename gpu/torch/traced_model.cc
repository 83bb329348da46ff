#include "gpu/torch/traced_model.h"

#include <algorithm>
#include <cstring>
#include <mutex>

#include "gpu/torch/torch_errors.h"
#include "gpu/torch/traced_module.h"
#include <caffe2/serialize/read_adapter_interface.h>

namespace ferry {

const char *input_kind_name(ferry_input_kind kind) {
    switch (kind) {
    case FERRY_INPUT_IDS:
        return "ids";
    case FERRY_INPUT_MASK:
        return "mask";
    case FERRY_INPUT_TYPE_IDS:
        return "type_ids";
    case FERRY_INPUT_POSITIONS:
        return "positions";
    case FERRY_INPUT_NEW_TOKENS:
        return "new_tokens";
    case FERRY_INPUT_TEMPERATURE:
        return "temperature";
    case FERRY_INPUT_TOP_K:
        return "top_k";
    case FERRY_INPUT_TOP_P:
        return "top_p";
    case FERRY_INPUT_MIN_P:
        return "min_p";
    case FERRY_INPUT_REPETITION_PENALTY:
        return "repetition_penalty";
    case FERRY_INPUT_SEED:
        return "seed";
    }
    return "?";
}

const char *dtype_name(ferry_dtype dtype) {
    switch (dtype) {
    case FERRY_INT64:
        return "int64";
    case FERRY_INT32:
        return "int32";
    case FERRY_FLOAT32:
        return "float32";
    case FERRY_INT_NUMBER:
        return "int";
    case FERRY_FLOAT_NUMBER:
        return "float";
    }
    return "?";
}

at::ScalarType scalar_type(ferry_dtype dtype) {
    switch (dtype) {
    case FERRY_INT64:
        return at::kLong;
    case FERRY_INT32:
        return at::kInt;
    case FERRY_FLOAT32:
        return at::kFloat;
    case FERRY_INT_NUMBER:
    case FERRY_FLOAT_NUMBER:
        break;
    }
    throw Failure(FERRY_INTERNAL, "dtype %d", static_cast<int>(dtype));
}

TraceLayout::TraceLayout(const ferry_model_spec &spec)
    : output_index(spec.output_index), output_shape(spec.output_shape), pooling(spec.pooling),
      pad_id(spec.pad_id), rows_per_token(spec.output_shape == FERRY_OUTPUT_LOGITS ||
                                          (spec.output_shape == FERRY_OUTPUT_TOKENS &&
                                           spec.pooling == FERRY_POOLING_NONE)) {
    if (spec.input_count == 0 || spec.input_count > FERRY_ENGINE_MAX_INPUTS)
        throw Failure(FERRY_BAD_DATA, "%u inputs; a model has 1 to %d", spec.input_count,
                      FERRY_ENGINE_MAX_INPUTS);
    inputs.assign(spec.inputs, spec.inputs + spec.input_count);
}

namespace {

// Reads the file where it lies in memory. The reader of zip files asks for ranges that a broken
// file named, so every one is checked.
class MemoryFile : public caffe2::serialize::ReadAdapterInterface {
  public:
    MemoryFile(const void *bytes, size_t size)
        : bytes_(static_cast<const char *>(bytes)), size_(size) {}
    size_t size() const override {
        return size_;
    }
    size_t read(uint64_t position, void *buffer, size_t wanted,
                const char * /*what*/) const override {
        if (position >= size_)
            return 0;
        size_t count = std::min(wanted, size_ - static_cast<size_t>(position));
        std::memcpy(buffer, bytes_ + position, count);
        return count;
    }

  private:
    const char *bytes_; // borrowed
    size_t size_;
};

// Loads share a registry of types that is not made for concurrent use.
std::mutex load_mutex;

torch::jit::Module load_module(const ferry_model_spec &spec, c10::Device device) {
    std::lock_guard<std::mutex> lock(load_mutex);
    try {
        auto file = std::make_shared<MemoryFile>(spec.file_bytes, spec.file_size);
        torch::jit::Module module = torch::jit::load(std::move(file), device);
        module.eval();
        return module;
    } catch (const std::bad_alloc &) {
        throw;
    } catch (const std::exception &) {
        ferry_error cause = {};
        if (fail_with_current_exception(FERRY_BAD_DATA, &cause) != FERRY_BAD_DATA)
            throw Failure(cause);
        throw Failure(FERRY_BAD_DATA,
                      "model.pt (%zu bytes) is not a complete TorchScript file, as torch.jit.save "
                      "writes it: %s",
                      spec.file_size, cause.text);
    }
}

std::string list_arguments(const torch::jit::Module &module) {
    std::string names;
    const auto &arguments = module.get_method("forward").function().getSchema().arguments();
    for (size_t at = 1; at < arguments.size(); at++)
        names += (at > 1 ? ", " : "") + arguments[at].name();
    return names;
}

std::string list_inputs(const TraceLayout &layout) {
    std::string names;
    for (const ferry_model_input &input : layout.inputs)
        names += (names.empty() ? "" : ", ") + std::string(input_kind_name(input.kind));
    return names;
}

void check_arguments(const torch::jit::Module &module, const TraceLayout &layout) {
    if (!module.find_method("forward"))
        throw Failure(FERRY_BAD_DATA, "model.pt has no forward method");
    const auto &arguments = module.get_method("forward").function().getSchema().arguments();
    size_t required = 0;
    for (size_t at = 1; at < arguments.size(); at++) // the first one is the module itself
        required += arguments[at].default_value().has_value() ? 0 : 1;
    if (layout.inputs.size() >= required && layout.inputs.size() < arguments.size())
        return;
    throw Failure(FERRY_BAD_DATA, "the trace takes %zu inputs (%s), the manifest lists %zu (%s)",
                  arguments.size() - 1, list_arguments(module).c_str(), layout.inputs.size(),
                  list_inputs(layout).c_str());
}

} // namespace

TracedModel::TracedModel(const ferry_model_spec &spec, c10::Device device)
    : layout_(spec), device_(device) {
    module_ = std::make_unique<Module>(Module{load_module(spec, device)});
    check_arguments(module_->traced, layout_);
}

TracedModel::~TracedModel() = default;

namespace {

c10::IValue element_of(const c10::IValue &output, size_t index) {
    if (output.isTuple() && index < output.toTupleRef().elements().size())
        return output.toTupleRef().elements()[index];
    if (output.isList() && index < output.toListRef().size())
        return output.toListRef()[index];
    if (output.isGenericDict() && index < output.toGenericDict().size()) {
        auto entry = output.toGenericDict().begin(); // in the order of insertion
        for (size_t at = 0; at < index; at++)
            ++entry;
        return entry->value();
    }
    if (output.isTensor() && index == 0)
        return output;
    throw Failure(FERRY_BAD_DATA, "the trace returns %s, which has no output %zu",
                  output.tagKind().c_str(), index);
}

} // namespace

at::Tensor TracedModel::forward(std::vector<c10::IValue> inputs) const {
    // get_method instead of Module::forward: that one copies keyword arguments, and is not const.
    c10::IValue output = module_->traced.get_method("forward")(std::move(inputs));
    c10::IValue element = element_of(output, layout_.output_index);
    if (!element.isTensor())
        throw Failure(FERRY_BAD_DATA, "output %u of the trace is %s, not a tensor",
                      layout_.output_index, element.tagKind().c_str());
    return std::move(element).toTensor();
}

std::string TracedModel::argument_name(size_t input) const {
    const auto &arguments =
        module_->traced.get_method("forward").function().getSchema().arguments();
    return input + 1 < arguments.size() ? arguments[input + 1].name() : "?";
}

std::string TracedModel::argument_type(size_t input) const {
    const auto &arguments =
        module_->traced.get_method("forward").function().getSchema().arguments();
    return input + 1 < arguments.size() ? arguments[input + 1].type()->str() : "?";
}

std::string TracedModel::precision() const {
    for (const at::Tensor &weights : module_->traced.parameters()) {
        if (weights.scalar_type() == at::kHalf)
            return "f16";
        if (weights.scalar_type() == at::kBFloat16)
            return "bf16";
        if (weights.scalar_type() == at::kDouble)
            return "f64";
    }
    return "f32";
}

std::vector<NamedWeight> TracedModel::weights() const {
    std::vector<NamedWeight> weights;
    for (const auto &parameter : module_->traced.named_parameters(/*recurse=*/true))
        weights.push_back({parameter.name, parameter.value});
    return weights;
}

int64_t TracedModel::most_weight_rows() const {
    int64_t most = 0;
    for (const at::Tensor &weights : module_->traced.parameters())
        if (weights.dim() == 2)
            most = std::max(most, weights.size(0));
    return most;
}

} // namespace ferry
