// A loaded TorchScript module and how its inputs and outputs are laid out. Knows nothing of
// batches.
#ifndef FERRY_GPU_TORCH_TRACED_MODEL_H
#define FERRY_GPU_TORCH_TRACED_MODEL_H

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include "gpu/engine.h"

namespace ferry {

const char *input_kind_name(ferry_input_kind kind);
const char *dtype_name(ferry_dtype dtype);
at::ScalarType scalar_type(ferry_dtype dtype);

// What outlives model_load of the specification.
struct TraceLayout {
    explicit TraceLayout(const ferry_model_spec &spec);
    std::vector<ferry_model_input> inputs;
    uint32_t output_index;
    ferry_output_shape output_shape;
    ferry_pooling pooling;
    int32_t pad_id;
    bool rows_per_token;
};

struct NamedWeight {
    std::string name; // with the names of the modules around it: "transformer.wte.weight"
    at::Tensor tensor;
};

// What the graph of the trace says of the arithmetic between the weights.
struct TraceConstants {
    bool has_tanh = false; // as an operator, or as the approximation of gelu
    bool has_erf = false;
    bool has_relu = false;
    std::vector<double> epsilons; // of layer norms, each once
    std::vector<int64_t> numbers; // constant integers above 1, each once: sizes of views among them
};

// Not changed after load: forward may be called from several threads at once.
class TracedModel {
  public:
    // Throws Failure(BAD_DATA) when the bytes are no TorchScript file or when the number of inputs
    // is not the layout's. Weights and the constants of the graph are loaded to the device.
    TracedModel(const ferry_model_spec &spec, c10::Device device);
    ~TracedModel();
    TracedModel(const TracedModel &) = delete;
    TracedModel &operator=(const TracedModel &) = delete;

    // The output that the layout names, as it left the trace: any dtype, on the model's device.
    at::Tensor forward(std::vector<c10::IValue> inputs) const;

    const TraceLayout &layout() const {
        return layout_;
    }
    c10::Device device() const {
        return device_;
    }
    // The trace's own name of the argument, for error texts.
    std::string argument_name(size_t input) const;
    // As TorchScript writes it: "Tensor", "int", "float".
    std::string argument_type(size_t input) const;
    // Name of the dtype of the weights, such as "f32".
    std::string precision() const;
    // Shares the tensors; two names of one tensor are two entries.
    std::vector<NamedWeight> weights() const;
    TraceConstants constants() const; // trace_constants.cc
    // Rows of the largest table among the weights that could be an embedding; 0: there is none.
    int64_t most_weight_rows() const;

  private:
    struct Module; // traced_module.h; keeps the large headers of libtorch out of this one
    std::unique_ptr<Module> module_;
    TraceLayout layout_;
    c10::Device device_;
};

} // namespace ferry
#endif
