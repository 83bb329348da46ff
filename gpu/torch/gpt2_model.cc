#include "gpu/torch/gpt2_model.h"

#include "gpu/torch/torch_errors.h"

namespace ferry {

Gpt2Model::Gpt2Model(const Gpt2Reading &reading) {
    ferry_error error = {};
    throw_unless_ok(ferry_gpt2_create(&reading.shape, reading.weights.get(), &model_, &error),
                    error);
}

Gpt2Model::~Gpt2Model() {
    ferry_gpt2_free(model_);
}

void Gpt2Model::set_variant(const ferry_gpt2_shape &shape) {
    *ferry_gpt2_shape_of(model_) = shape;
}

Gpt2Decoder Gpt2Model::make_decoder(uint32_t max_length, const ferry_decoder_options &options) {
    ferry_gpt2_decoder *decoder = nullptr;
    ferry_error error = {};
    throw_unless_ok(ferry_gpt2_decoder_create(model_, max_length, &options, &decoder, &error),
                    error);
    return Gpt2Decoder(decoder);
}

} // namespace ferry
