#include "gpu/torch/packed_decoder.h"

#include <cmath>
#include <cstdio>

#include "gpu/torch/decoder_proof.h"
#include "gpu/torch/torch_errors.h"

namespace ferry {

namespace {

class PackedDecoder final : public Decoder {
  public:
    PackedDecoder(std::shared_ptr<Gpt2Model> model, Gpt2Decoder decoder)
        : model_(std::move(model)), decoder_(std::move(decoder)) {}

    const ferry_decoder_info &info() const override {
        return *ferry_gpt2_decoder_info(decoder_.get());
    }
    ferry_status step(ferry_decode_entry *entries, uint32_t count, ferry_error *error) override {
        return ferry_gpt2_decoder_step(decoder_.get(), entries, count, error);
    }
    void release(uint32_t slot) override {
        ferry_gpt2_decoder_release(decoder_.get(), slot);
    }

  private:
    std::shared_ptr<Gpt2Model> model_; // outlives the decoder
    Gpt2Decoder decoder_;
};

std::string text_of(float difference) {
    char text[32];
    std::snprintf(text, sizeof text, "%.2g", static_cast<double>(difference));
    return text;
}

// A variant that is near to the trace over a short sequence, or the nearest.
class VariantSearch {
  public:
    VariantSearch(Gpt2Model &packed, const DecoderProof &proof, const ferry_decoder_options &given)
        : packed_(packed), proof_(proof), options_(given) {
        options_.cache_bytes = 0;
        options_.max_sequences = 1;
        options_.max_step_tokens = 0;
    }

    // Stops at one that leaves no doubt.
    void run(const std::vector<ferry_gpt2_shape> &variants) {
        for (const ferry_gpt2_shape &variant : variants) {
            if (nearest_ < proof_.tolerance() / 4)
                return;
            packed_.set_variant(variant);
            float difference = proof_.try_short(*packed_.make_decoder(16, options_));
            if (difference >= nearest_)
                continue;
            nearest_ = difference;
            best_ = variant;
        }
    }

    bool found() const {
        return nearest_ <= proof_.tolerance();
    }
    float nearest() const {
        return nearest_;
    }
    const ferry_gpt2_shape &best() const {
        return best_;
    }

  private:
    Gpt2Model &packed_;
    const DecoderProof &proof_;
    ferry_decoder_options options_;
    ferry_gpt2_shape best_ = {};
    float nearest_ = INFINITY;
};

std::shared_ptr<Gpt2Model> recognise(const ferry_engine_model &model, const DecoderProof &proof,
                                     const ferry_decoder_options &options, std::string &reason) {
    Gpt2Reading reading = read_gpt2(*model.traced, reason);
    if (!reading.weights)
        return nullptr;
    if (reading.shape.vocabulary != model.info.width ||
        reading.shape.positions < model.info.max_length) {
        reason = "its tables do not fit its logits or its length";
        return nullptr;
    }
    auto packed = std::make_shared<Gpt2Model>(reading);
    VariantSearch search(*packed, proof, options);
    search.run(reading.variants);
    if (!search.found()) {
        reason = "GPT-2 with its weights gives logits that differ by " + text_of(search.nearest());
        return nullptr;
    }
    packed->set_variant(search.best());
    return packed;
}

} // namespace

std::unique_ptr<Decoder> make_packed_decoder(ferry_engine_model &model,
                                             const ferry_decoder_options &options,
                                             std::string &reason) {
    if (!model.traced->device().is_cpu()) {
        reason = "the packed engine runs on the CPU alone";
        return nullptr;
    }
    DecoderProof proof(model);
    proof.make_reference();
    std::shared_ptr<Gpt2Model> packed = model.packed;
    if (!packed)
        packed = recognise(model, proof, options, reason);
    if (!packed)
        return nullptr;
    Gpt2Decoder decoder = packed->make_decoder(model.info.max_length, options);
    float worst = proof.try_all(*decoder);
    if (!(worst <= proof.tolerance())) {
        reason =
            "GPT-2 with its weights differs by " + text_of(worst) + " over " + proof.description();
        return nullptr;
    }
    ferry_decoder_info *info = ferry_gpt2_decoder_info(decoder.get());
    std::snprintf(info->proof, sizeof info->proof,
                  "GPT-2 with a cache: %s within %s of the trace, whole, in parts and mixed",
                  proof.description().c_str(), text_of(worst).c_str());
    model.packed = packed;
    return std::make_unique<PackedDecoder>(std::move(packed), std::move(decoder));
}

} // namespace ferry
