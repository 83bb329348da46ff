#include "gpu/torch/gpt2_reader.h"

#include <algorithm>
#include <array>
#include <optional>

namespace ferry {

namespace {

bool ends_with(const std::string &text, const std::string &end) {
    return text.size() >= end.size() &&
           text.compare(text.size() - end.size(), end.size(), end) == 0;
}

// Names of one layer's weights, and in which order a module has them.
enum LayerWeight : size_t {
    NORM_1_WEIGHT,
    NORM_1_BIAS,
    ATTENTION_WEIGHT,
    ATTENTION_BIAS,
    PROJECTION_WEIGHT,
    PROJECTION_BIAS,
    NORM_2_WEIGHT,
    NORM_2_BIAS,
    MLP_IN_WEIGHT,
    MLP_IN_BIAS,
    MLP_OUT_WEIGHT,
    MLP_OUT_BIAS,
    LAYER_WEIGHTS
}; // clang-format would make this a column
constexpr std::array<const char *, LAYER_WEIGHTS> layer_names = {
    "ln_1.weight",        "ln_1.bias",        "attn.c_attn.weight", "attn.c_attn.bias",
    "attn.c_proj.weight", "attn.c_proj.bias", "ln_2.weight",        "ln_2.bias",
    "mlp.c_fc.weight",    "mlp.c_fc.bias",    "mlp.c_proj.weight",  "mlp.c_proj.bias"};

using LayerTensors = std::array<at::Tensor, LAYER_WEIGHTS>;

struct Found {
    at::Tensor tokens;
    at::Tensor positions;
    std::vector<LayerTensors> layers;
    at::Tensor norm_weight;
    at::Tensor norm_bias;
    at::Tensor head;
};

// ---- by name ----

class NameSearch {
  public:
    explicit NameSearch(const std::vector<NamedWeight> &weights) : weights_(weights) {}

    std::optional<Found> run(std::string &reason) {
        const NamedWeight *tokens = ending("wte.weight");
        if (tokens == nullptr) {
            reason = "no weight is named wte.weight";
            return std::nullopt;
        }
        prefix_ = tokens->name.substr(0, tokens->name.size() - std::string("wte.weight").size());
        Found found;
        found.tokens = tokens->tensor;
        found.positions = get("wpe.weight");
        found.norm_weight = get("ln_f.weight");
        found.norm_bias = get("ln_f.bias");
        const NamedWeight *head = ending("lm_head.weight");
        found.head = head != nullptr ? head->tensor : found.tokens;
        while (found.layers.size() < FERRY_GPT2_MOST_LAYERS && add_layer(found))
            continue;
        if (found.positions.defined() && found.norm_weight.defined() && found.norm_bias.defined() &&
            !found.layers.empty())
            return found;
        reason = "beside " + tokens->name + " there is no wpe, ln_f or h.0 as GPT-2 has them";
        return std::nullopt;
    }

  private:
    const NamedWeight *ending(const std::string &end) const {
        auto at = std::find_if(weights_.begin(), weights_.end(),
                               [&](const NamedWeight &w) { return ends_with(w.name, end); });
        return at != weights_.end() ? &*at : nullptr;
    }

    at::Tensor get(const std::string &name) const {
        auto at = std::find_if(weights_.begin(), weights_.end(),
                               [&](const NamedWeight &w) { return w.name == prefix_ + name; });
        return at != weights_.end() ? at->tensor : at::Tensor();
    }

    bool add_layer(Found &found) const {
        LayerTensors layer;
        std::string folder = "h." + std::to_string(found.layers.size()) + ".";
        for (size_t at = 0; at < LAYER_WEIGHTS; at++)
            layer[at] = get(folder + layer_names[at]);
        if (!layer[NORM_1_WEIGHT].defined())
            return false;
        found.layers.push_back(std::move(layer));
        return true;
    }

    const std::vector<NamedWeight> &weights_;
    std::string prefix_;
};

// ---- by order ----

// Tables of tokens and positions, twelve weights a layer, the last norm, perhaps a head.
std::optional<Found> find_by_order(const std::vector<NamedWeight> &weights) {
    constexpr size_t around = 4;
    const size_t count = weights.size();
    if (count < around + LAYER_WEIGHTS || (count - around) % LAYER_WEIGHTS > 1)
        return std::nullopt;
    const size_t layers = (count - around) / LAYER_WEIGHTS;
    Found found;
    size_t at = 0;
    found.tokens = weights[at++].tensor;
    found.positions = weights[at++].tensor;
    for (size_t layer = 0; layer < layers; layer++) {
        LayerTensors tensors;
        for (at::Tensor &tensor : tensors)
            tensor = weights[at++].tensor;
        found.layers.push_back(std::move(tensors));
    }
    found.norm_weight = weights[at++].tensor;
    found.norm_bias = weights[at++].tensor;
    found.head = at < count ? weights[at].tensor : found.tokens;
    return found;
}

// ---- shapes ----

class ShapeCheck {
  public:
    explicit ShapeCheck(const Found &found) : found_(found) {}

    bool run(ferry_gpt2_shape &shape) {
        if (found_.tokens.dim() != 2 || found_.positions.dim() != 2 ||
            found_.layers.size() > FERRY_GPT2_MOST_LAYERS)
            return false;
        width_ = found_.tokens.size(1);
        const at::Tensor &in = found_.layers.front()[MLP_IN_WEIGHT];
        const at::Tensor &attention = found_.layers.front()[ATTENTION_WEIGHT];
        if (!attention.defined() || attention.dim() != 2 || !in.defined() || in.dim() != 2)
            return false;
        transposed_ = attention.size(0) == 3 * width_;
        inner_ = in.size(transposed_ ? 0 : 1);
        shape.layers = static_cast<uint32_t>(found_.layers.size());
        shape.width = static_cast<uint32_t>(width_);
        shape.inner = static_cast<uint32_t>(inner_);
        shape.positions = static_cast<uint32_t>(found_.positions.size(0));
        shape.vocabulary = static_cast<uint32_t>(found_.tokens.size(0));
        shape.transposed = transposed_;
        return tables_fit() && std::all_of(found_.layers.begin(), found_.layers.end(),
                                           [&](const LayerTensors &l) { return layer_fits(l); });
    }

  private:
    static bool is(const at::Tensor &tensor, at::IntArrayRef sizes) {
        return tensor.defined() && tensor.sizes() == sizes && tensor.is_contiguous() &&
               tensor.scalar_type() == at::kFloat && tensor.device().is_cpu();
    }

    bool tables_fit() const {
        return is(found_.tokens, {found_.tokens.size(0), width_}) &&
               is(found_.positions, {found_.positions.size(0), width_}) &&
               is(found_.norm_weight, {width_}) && is(found_.norm_bias, {width_}) &&
               is(found_.head, found_.tokens.sizes());
    }

    bool product_fits(const at::Tensor &weight, const at::Tensor &bias, int64_t in,
                      int64_t out) const {
        bool fits = transposed_ ? is(weight, {out, in}) : is(weight, {in, out});
        return fits && (!bias.defined() || is(bias, {out}));
    }

    bool layer_fits(const LayerTensors &layer) const {
        return is(layer[NORM_1_WEIGHT], {width_}) && is(layer[NORM_1_BIAS], {width_}) &&
               is(layer[NORM_2_WEIGHT], {width_}) && is(layer[NORM_2_BIAS], {width_}) &&
               product_fits(layer[ATTENTION_WEIGHT], layer[ATTENTION_BIAS], width_, 3 * width_) &&
               product_fits(layer[PROJECTION_WEIGHT], layer[PROJECTION_BIAS], width_, width_) &&
               product_fits(layer[MLP_IN_WEIGHT], layer[MLP_IN_BIAS], width_, inner_) &&
               product_fits(layer[MLP_OUT_WEIGHT], layer[MLP_OUT_BIAS], inner_, width_);
    }

    const Found &found_;
    int64_t width_ = 0;
    int64_t inner_ = 0;
    bool transposed_ = false;
};

const float *data(const at::Tensor &tensor) {
    return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

std::unique_ptr<ferry_gpt2_weights> borrow(const Found &found) {
    auto weights = std::make_unique<ferry_gpt2_weights>();
    weights->tokens = data(found.tokens);
    weights->positions = data(found.positions);
    weights->last = {data(found.norm_weight), data(found.norm_bias)};
    weights->head = data(found.head);
    for (size_t at = 0; at < found.layers.size(); at++) {
        const LayerTensors &from = found.layers[at];
        ferry_gpt2_layer_weights &to = weights->layers[at];
        to.before_attention = {data(from[NORM_1_WEIGHT]), data(from[NORM_1_BIAS])};
        to.query_key_value = {data(from[ATTENTION_WEIGHT]), data(from[ATTENTION_BIAS])};
        to.attention_out = {data(from[PROJECTION_WEIGHT]), data(from[PROJECTION_BIAS])};
        to.before_mlp = {data(from[NORM_2_WEIGHT]), data(from[NORM_2_BIAS])};
        to.mlp_in = {data(from[MLP_IN_WEIGHT]), data(from[MLP_IN_BIAS])};
        to.mlp_out = {data(from[MLP_OUT_WEIGHT]), data(from[MLP_OUT_BIAS])};
    }
    return weights;
}

// ---- variants ----

std::vector<ferry_activation> activations(const TraceConstants &constants) {
    std::vector<ferry_activation> found;
    if (constants.has_tanh)
        found.push_back(FERRY_ACTIVATION_GELU_TANH);
    if (constants.has_erf)
        found.push_back(FERRY_ACTIVATION_GELU_ERF);
    if (constants.has_relu)
        found.push_back(FERRY_ACTIVATION_RELU);
    return found;
}

// How sure the graph's constants are of a number of heads: 2, it and the width of a head stand
// there; 1, that width alone, as transformers writes it; 0, neither.
int trust_in_heads(const TraceConstants &constants, uint32_t width, uint32_t heads) {
    auto has = [&](int64_t number) {
        return std::find(constants.numbers.begin(), constants.numbers.end(), number) !=
               constants.numbers.end();
    };
    if (!has(width / heads))
        return 0;
    return has(heads) ? 2 : 1;
}

void add_variants(std::vector<ferry_gpt2_shape> &variants, ferry_gpt2_shape shape) {
    constexpr std::array<std::array<bool, 2>, 4> scales = {
        {{true, false}, {true, true}, {false, false}, {false, true}}};
    for (const std::array<bool, 2> &scale : scales) {
        shape.scale_by_head_width = scale[0];
        shape.scale_by_layer = scale[1];
        variants.push_back(shape);
    }
}

void list_variants(Gpt2Reading &reading, const TraceConstants &constants) {
    std::vector<double> epsilons = constants.epsilons;
    if (epsilons.empty())
        epsilons.push_back(1e-5);
    ferry_gpt2_shape shape = reading.shape;
    for (int trust : {2, 1, 0})
        for (ferry_activation activation : activations(constants))
            for (double epsilon : epsilons)
                for (uint32_t heads = 1; heads <= shape.width; heads++) {
                    if (shape.width % heads != 0 ||
                        trust_in_heads(constants, shape.width, heads) != trust)
                        continue;
                    shape.activation = activation;
                    shape.epsilon = static_cast<float>(epsilon);
                    shape.heads = heads;
                    add_variants(reading.variants, shape);
                }
}

} // namespace

Gpt2Reading read_gpt2(const TracedModel &model, std::string &reason) {
    Gpt2Reading reading;
    const std::vector<NamedWeight> weights = model.weights();
    std::optional<Found> found = NameSearch(weights).run(reason);
    if (!found)
        found = find_by_order(weights);
    if (!found)
        return reading;
    ferry_gpt2_shape shape = {};
    if (!ShapeCheck(*found).run(shape)) {
        reason = "its weights have other shapes than GPT-2's, or are not float32";
        return reading;
    }
    reading.shape = shape;
    list_variants(reading, model.constants());
    if (reading.variants.empty()) {
        reason = "its activation is none that is known here (gelu, its approximation, relu)";
        return reading;
    }
    reading.weights = borrow(*found);
    return reading;
}

} // namespace ferry
