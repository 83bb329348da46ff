#include "gpu/torch/decoder_proof.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "gpu/golden_check.h"
#include "gpu/torch/logits_rows.h"
#include "gpu/torch/torch_errors.h"

namespace ferry {

namespace {

constexpr uint32_t short_length = 12;
constexpr size_t most_golden = 8;
constexpr size_t longest_whole = 256; // the longest goes through once, in parts

// Ids that a trace may treat unlike others: one that masks its padding by the id masks it between
// real tokens too, where the packed way would not.
void put_special_ids(ProbeSequence &sequence, const ProofMaterial &material) {
    const int32_t special[] = {material.pad_id, 0, material.vocabulary_size - 1};
    size_t at = 2;
    for (int32_t id : special) {
        if (id >= 0 && id < material.vocabulary_size && at < sequence.ids.size())
            sequence.ids[at] = id;
        at += 3;
    }
}

} // namespace

DecoderProof::DecoderProof(const ferry_engine_model &model) : model_(model) {
    const ProofMaterial &material = *model.material;
    ferry_model_spec spec = {};
    spec.vocabulary_size = material.vocabulary_size;
    spec.pad_id = material.pad_id;
    const uint32_t most = model.info.max_length;
    // The first is not of one token, over which all numbers of heads are the same.
    for (uint32_t length : {std::min(short_length, most), 1u, 2u, 17u, 61u})
        if (length <= most)
            cases_.push_back({make_probe_sequence(spec, length, length + 100), {}});
    put_special_ids(cases_.front().sequence, material);
    if (material.longest.ids.size() <= most)
        cases_.push_back({material.longest, material.longest_logprobs});
    // Proven to be the trace's answers as well. What follows a row's last token is not in it.
    for (size_t at = 0; at < std::min(material.golden.size(), most_golden); at++)
        if (material.golden[at].ids.size() <= most && material.golden[at].ids.size() > 1)
            cases_.push_back({material.golden[at], material.expected[at]});
}

void DecoderProof::make_short_reference(BatchRunner &runner) {
    Case &one = cases_.front();
    ProbeBatch batch;
    batch.add(one.sequence);
    ferry_batch view = batch.view();
    ferry_padding_step step = ferry_padding_next(&model_.rules, &view, 0);
    at::Tensor logits = runner.compute(view, step, 0);
    one.expected = successor_logprobs(logits, view, step).front();
    auto length = static_cast<int64_t>(one.sequence.ids.size());
    short_logits_ = logits.select(0, 0).narrow(0, 0, length).clone();
}

void DecoderProof::make_reference() {
    BatchRunner runner(*model_.traced);
    make_short_reference(runner);
    for (Case &one : cases_) {
        if (!one.expected.empty())
            continue;
        ProbeBatch batch;
        batch.add(one.sequence);
        one.expected = trace_logprobs(runner, model_.rules, batch.view()).front();
    }
}

float DecoderProof::tolerance() const {
    return model_.material->tolerance;
}

std::string DecoderProof::description() const {
    size_t longest = 0;
    for (const Case &one : cases_)
        longest = std::max(longest, one.sequence.ids.size());
    return std::to_string(cases_.size()) + " sequences of up to " + std::to_string(longest) +
           " tokens";
}

// Sequences that go through the decoder side by side, one a slot.
class DecoderProof::Run {
  public:
    Run(ferry_gpt2_decoder &decoder, const Case *cases, size_t count, bool cut)
        : decoder_(decoder), info_(*ferry_gpt2_decoder_info(&decoder)), cut_(cut) {
        for (size_t at = 0; at < count; at++) {
            Track track;
            track.ids = cases[at].sequence.ids;
            track.targets.assign(track.ids.begin() + 1, track.ids.end());
            track.targets.push_back(track.ids.front());
            track.logprobs.resize(track.ids.size());
            tracks_.push_back(std::move(track));
        }
    }

    // False: a row was not finite.
    bool run() {
        bool finite = true;
        while (finite && step(finite))
            continue;
        for (uint32_t slot = 0; slot < tracks_.size(); slot++)
            ferry_gpt2_decoder_release(&decoder_, slot);
        return finite;
    }

    const std::vector<float> &logprobs(size_t at) const {
        return tracks_[at].logprobs;
    }

  private:
    struct Track {
        std::vector<int32_t> ids;
        std::vector<int32_t> targets;
        std::vector<float> logprobs;
        uint32_t done = 0;
    };

    // Single tokens, a few, odd numbers of them, and many, in an order that is always the same.
    uint32_t part(uint32_t left) {
        if (!cut_)
            return left;
        state_ = state_ * 1664525u + 1013904223u;
        const uint32_t kind = state_ >> 30;
        const uint32_t random = state_ >> 16 & 0xFF;
        const uint32_t wanted[] = {1, 1 + random % 3, 1 + random % 37, 33 + random};
        return std::min(left, wanted[kind]);
    }

    bool step(bool &finite) {
        std::vector<ferry_decode_entry> entries;
        uint32_t room = info_.max_step_tokens;
        for (uint32_t slot = 0; slot < tracks_.size() && room > 0; slot++) {
            Track &track = tracks_[slot];
            uint32_t left = static_cast<uint32_t>(track.ids.size()) - track.done;
            uint32_t count = std::min(part(left), room);
            if (count == 0)
                continue;
            entries.push_back(make_entry(slot, track, count));
            track.done += count;
            room -= count;
        }
        if (entries.empty())
            return false;
        ferry_error error = {};
        throw_unless_ok(ferry_gpt2_decoder_step(&decoder_, entries.data(),
                                                static_cast<uint32_t>(entries.size()), &error),
                        error);
        for (const ferry_decode_entry &entry : entries)
            finite = finite && entry.status == FERRY_OK;
        return true;
    }

    static ferry_decode_entry make_entry(uint32_t slot, Track &track, uint32_t count) {
        ferry_decode_entry entry = {};
        entry.slot = slot;
        entry.ids = track.ids.data();
        entry.cached = track.done;
        entry.length = track.done + count;
        entry.wanted = FERRY_DECODE_SCORE;
        entry.targets = track.targets.data() + track.done;
        entry.logprobs = track.logprobs.data() + track.done;
        return entry;
    }

    ferry_gpt2_decoder &decoder_;
    const ferry_decoder_info &info_;
    const bool cut_;
    uint32_t state_ = 1;
    std::vector<Track> tracks_;
};

float DecoderProof::run(ferry_gpt2_decoder &decoder, size_t first, size_t count, bool cut) const {
    Run run(decoder, &cases_[first], count, cut);
    if (!run.run())
        return std::numeric_limits<float>::infinity();
    float worst = 0;
    for (size_t at = 0; at < count; at++)
        worst = std::max(worst, ferry_worst_difference(cases_[first + at].expected.data(),
                                                       run.logprobs(at).data(),
                                                       cases_[first + at].expected.size()));
    return worst;
}

size_t DecoderProof::count_together(const ferry_decoder_info &info, size_t first) const {
    size_t blocks = 0;
    size_t count = 0;
    for (; first + count < cases_.size() && count < info.max_sequences; count++) {
        blocks +=
            (cases_[first + count].sequence.ids.size() + info.block_tokens - 1) / info.block_tokens;
        if (blocks > info.blocks)
            break;
    }
    return std::max<size_t>(count, 1);
}

float DecoderProof::compare_logits(const ferry_gpt2_decoder &decoder) const {
    const float *expected = short_logits_.const_data_ptr<float>();
    const int64_t vocabulary = short_logits_.size(1);
    float worst = 0;
    for (int64_t row = 0; row < short_logits_.size(0); row++, expected += vocabulary) {
        const float *logits = ferry_gpt2_decoder_logits(&decoder, static_cast<uint32_t>(row));
        for (int64_t id = 0; id < vocabulary; id++) {
            float difference =
                std::fabs(logits[id] - expected[id]) / std::max(1.0f, std::fabs(expected[id]));
            if (!(difference <= worst)) // true for a NaN as well
                worst = std::isnan(difference) ? INFINITY : difference;
        }
    }
    return worst;
}

float DecoderProof::try_short(ferry_gpt2_decoder &decoder) const {
    float worst = run(decoder, 0, 1, false);
    return std::max(worst, compare_logits(decoder));
}

float DecoderProof::try_all(ferry_gpt2_decoder &decoder) const {
    const ferry_decoder_info &info = *ferry_gpt2_decoder_info(&decoder);
    float worst = 0;
    for (size_t at = 0; at < cases_.size(); at++)
        if (cases_[at].sequence.ids.size() <= longest_whole)
            worst = std::max(worst, run(decoder, at, 1, false));
    for (size_t first = 0; first < cases_.size();) {
        size_t count = count_together(info, first);
        worst = std::max(worst, run(decoder, first, count, true));
        first += count;
    }
    return std::max(worst, run(decoder, 0, 1, false));
}

} // namespace ferry
