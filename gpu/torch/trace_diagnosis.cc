#include "gpu/torch/trace_diagnosis.h"

#include <ATen/Functions.h>
#include <c10/core/InferenceMode.h>

#include "gpu/torch/torch_errors.h"

namespace ferry {

namespace {

std::string describe(const at::Tensor &tensor, ferry_dtype dtype) {
    std::string text = std::string(dtype_name(dtype)) + " [";
    for (int64_t at = 0; at < tensor.dim(); at++)
        text += (at > 0 ? ", " : "") + std::to_string(tensor.size(at));
    return text + "]";
}

// What a trace may have wanted in place of [batch, length].
std::vector<at::Tensor> other_shapes(const at::Tensor &given) {
    int64_t batch = given.size(0);
    int64_t length = given.size(1);
    at::Tensor square = given.unsqueeze(1).unsqueeze(1).expand({batch, 1, length, length});
    return {given.select(0, 0).unsqueeze(0), given.select(0, 0),  given.unsqueeze(1),
            given.unsqueeze(1).unsqueeze(1), square.contiguous(), given.t().contiguous()};
}

struct Candidate {
    at::Tensor tensor;
    ferry_dtype dtype;
};

std::vector<Candidate> candidates_for(const at::Tensor &given, ferry_dtype dtype) {
    std::vector<Candidate> candidates;
    for (ferry_dtype other : {FERRY_INT64, FERRY_INT32, FERRY_FLOAT32})
        if (other != dtype)
            candidates.push_back({given.to(scalar_type(other)), other});
    for (at::Tensor &shape : other_shapes(given))
        candidates.push_back({std::move(shape), dtype});
    return candidates;
}

bool runs_with(const TracedModel &model, std::vector<at::Tensor> inputs, size_t input,
               const at::Tensor &replacement) {
    inputs[input] = replacement;
    std::vector<c10::IValue> values(inputs.begin(), inputs.end());
    try {
        model.forward(std::move(values));
        return true;
    } catch (...) {
        ferry_error error = {};
        if (fail_with_current_exception(FERRY_BAD_DATA, &error) != FERRY_BAD_DATA)
            throw Failure(error);
        return false;
    }
}

std::string name_of(const TracedModel &model, size_t input) {
    return std::string("input '") + input_kind_name(model.layout().inputs[input].kind) +
           "' (argument '" + model.argument_name(input) + "')";
}

// One input has another shape or dtype than the trace wants, all others are right.
bool find_wrong_input(const TracedModel &model, const std::vector<at::Tensor> &inputs,
                      ferry_error *error) {
    for (size_t input = 0; input < inputs.size(); input++) {
        ferry_dtype dtype = model.layout().inputs[input].dtype;
        for (const Candidate &candidate : candidates_for(inputs[input], dtype)) {
            if (!runs_with(model, inputs, input, candidate.tensor))
                continue;
            ferry_fail(error, FERRY_BAD_DATA, "%s: the trace wants %s, it was given %s",
                       name_of(model, input).c_str(),
                       describe(candidate.tensor, candidate.dtype).c_str(),
                       describe(inputs[input], dtype).c_str());
            return true;
        }
    }
    return false;
}

bool find_right_shape(const TracedModel &model, TraceAttempts &attempts, const TraceShape &given,
                      ferry_error *error) {
    std::optional<TraceShape> right = attempts.search(given, false);
    if (!right)
        return false;
    ferry_fail(error, FERRY_BAD_DATA,
               "%s: the trace wants [%u, %u], it was given [%u, %u]: the traced batch or length in "
               "the manifest is wrong",
               name_of(model, 0).c_str(), right->batch, right->length, given.batch, given.length);
    return true;
}

std::string list_given(const TracedModel &model, const std::vector<at::Tensor> &inputs) {
    std::string text;
    for (size_t input = 0; input < inputs.size(); input++)
        text += (input > 0 ? ", " : "") +
                std::string(input_kind_name(model.layout().inputs[input].kind)) + " " +
                describe(inputs[input], model.layout().inputs[input].dtype);
    return text;
}

} // namespace

ferry_error diagnose_trace(const TracedModel &model, const ferry_model_spec &spec,
                           BatchRunner &runner, TraceAttempts &attempts, const TraceShape &given) {
    const ferry_error cause = attempts.last_error();
    const bool inputs_fit = attempts.output_was_wrong();
    c10::InferenceMode inference;
    ProbeBatch probe;
    probe.add(make_probe_sequence(spec, given.length, 1));
    std::vector<at::Tensor> inputs =
        runner.make_inputs(probe.view(), {0, 1, given.batch, given.length});
    ferry_error error = {};
    if (!inputs_fit && find_wrong_input(model, inputs, &error))
        return error;
    const std::string listed = list_given(model, inputs);
    inputs.clear(); // the search reuses the buffers that these look into
    if (find_right_shape(model, attempts, given, &error))
        return error;
    if (inputs_fit)
        return cause;
    ferry_fail(&error, FERRY_BAD_DATA, "the trace does not run with its inputs as given, %s: %s",
               listed.c_str(), cause.text);
    return error;
}

} // namespace ferry
