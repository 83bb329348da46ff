// Reads the constants of a trace's graph, all submodules inlined.
#include <algorithm>

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>

#include "gpu/torch/traced_module.h"

namespace ferry {

namespace {

template <typename T> void add_once(std::vector<T> &values, T value) {
    if (std::find(values.begin(), values.end(), value) == values.end())
        values.push_back(value);
}

class ConstantReader {
  public:
    void read(const torch::jit::Block &block) {
        for (const torch::jit::Node *node : block.nodes()) {
            read(*node);
            for (const torch::jit::Block *inner : node->blocks())
                read(*inner);
        }
    }

    TraceConstants found;

  private:
    void read(const torch::jit::Node &node) {
        const std::string name = node.kind().toUnqualString();
        if (name == "tanh")
            found.has_tanh = true;
        else if (name == "erf")
            found.has_erf = true;
        else if (name == "relu")
            found.has_relu = true;
        else if (name == "gelu")
            read_gelu(node);
        else if (name == "layer_norm" && node.inputs().size() > 4)
            read_epsilon(node);
        else if (node.kind() == c10::prim::Constant)
            read_number(node);
    }

    void read_gelu(const torch::jit::Node &node) {
        std::optional<c10::IValue> kind;
        if (node.inputs().size() > 1)
            kind = torch::jit::toIValue(node.input(1));
        (kind && kind->isString() && kind->toStringRef() == "tanh" ? found.has_tanh
                                                                   : found.has_erf) = true;
    }

    void read_epsilon(const torch::jit::Node &node) {
        std::optional<c10::IValue> value = torch::jit::toIValue(node.input(4));
        if (value && value->isDouble())
            add_once(found.epsilons, value->toDouble());
    }

    void read_number(const torch::jit::Node &node) {
        std::optional<c10::IValue> value = torch::jit::toIValue(node.output());
        if (value && value->isInt() && value->toInt() > 1)
            add_once(found.numbers, value->toInt());
        if (value && value->isIntList())
            for (int64_t number : value->toIntVector())
                if (number > 1)
                    add_once(found.numbers, number);
    }
};

} // namespace

TraceConstants TracedModel::constants() const {
    std::shared_ptr<torch::jit::Graph> graph =
        module_->traced.get_method("forward").graph()->copy();
    torch::jit::Inline(*graph);
    ConstantReader reader;
    reader.read(*graph->block());
    return std::move(reader.found);
}

} // namespace ferry
