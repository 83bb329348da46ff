#include "gpu/torch/combined_decoder.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <thread>

#include <ATen/Parallel.h>

#include "gpu/torch/decoder_slots.h"

namespace ferry {

namespace {

class CombinedDecoder final : public Decoder {
  public:
    CombinedDecoder(const CombinedModel &model, const ferry_decoder_options &options,
                    const std::string &proof)
        : model_(model), slots_(1), threads_(options.threads) {
        std::snprintf(info_.engine, sizeof info_.engine, "torch");
        std::snprintf(info_.precision, sizeof info_.precision, "%s",
                      model.module().precision().c_str());
        std::snprintf(info_.proof, sizeof info_.proof, "%s", proof.c_str());
        info_.max_length = model.max_length();
        info_.max_sequences = 1;
        info_.max_step_tokens = model.max_length();
        info_.whole_generation = true;
        limits_ = {model.vocabulary_size(), info_.max_length, info_.max_step_tokens, 0,
                   model.max_new_tokens()};
    }

    const ferry_decoder_info &info() const override {
        return info_;
    }

    ferry_status step(ferry_decode_entry *entries, uint32_t count, ferry_error *error) override {
        ferry_status status = ferry_decode_check(slots_.get(), &limits_, entries, count, error);
        if (status != FERRY_OK)
            return status;
        set_threads();
        ferry_decode_entry &entry = entries[0]; // of one slot there is one entry
        std::vector<int32_t> made =
            model_.run(entry.ids, entry.length, entry.max_new, *entry.sampling);
        std::copy(made.begin(), made.end(), entry.new_ids);
        if (entry.logprobs != nullptr)
            std::fill_n(entry.logprobs, made.size(), std::numeric_limits<float>::quiet_NaN());
        entry.new_count = static_cast<uint32_t>(made.size());
        entry.status = FERRY_OK;
        ferry_decode_slots_take(slots_.get(), &entry);
        return FERRY_OK;
    }

    void release(uint32_t slot) override {
        ferry_decode_slots_release(slots_.get(), slot);
    }

  private:
    void set_threads() {
        if (threads_are_set_)
            return;
        unsigned threads =
            threads_ != 0 ? threads_ : std::max(1u, std::thread::hardware_concurrency());
        at::set_num_threads(static_cast<int>(threads));
        threads_are_set_ = true;
    }

    const CombinedModel &model_;
    DecoderSlots slots_;
    ferry_decoder_info info_ = {};
    ferry_decode_limits limits_ = {};
    uint32_t threads_;
    bool threads_are_set_ = false; // OpenMP keeps the number per thread
};

} // namespace

std::unique_ptr<Decoder> make_combined_decoder(const CombinedModel &model,
                                               const ferry_decoder_options &options,
                                               const std::string &proof) {
    return std::make_unique<CombinedDecoder>(model, options, proof);
}

} // namespace ferry
