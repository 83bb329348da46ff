"""Loads a model through engine.h and decodes with it, without importing torch: the engine brings its
own. Run as a program: a job as JSON on standard input, its answers as JSON on standard output.

A job: {"engine": library, "model": file or null, "spec": {...}, "options": {...}, "decoder": {...},
"calls": [...]}; a call is {"do": "generate", "prompts": [...], ...} or {"do": "score", ...}, with the
arguments of the methods of Session below. An answer is {"status": name, "text": ...} or a result.
"""

import ctypes
import json
import math
import sys
from ctypes import POINTER, c_char, c_char_p, c_float, c_int, c_int32, c_size_t, c_uint8
from ctypes import c_uint32, c_uint64, c_void_p

STATUSES = (
    "OK BAD_REQUEST UNSUPPORTED TOO_LARGE NOT_FOUND BUSY DEADLINE CANCELLED INVALID_INPUT TOO_LONG "
    "OUT_OF_MEMORY ENGINE DEVICE_LOST SHUTTING_DOWN UNAUTHORIZED INTERNAL UNAVAILABLE TIMEOUT IO "
    "NO_INPUT BAD_DATA CONFIG USAGE PERMISSION"
).split()
KINDS = (
    "ids mask type_ids positions new_tokens temperature top_k top_p min_p repetition_penalty seed"
).split()
DTYPES = "int64 int32 float32 int float".split()
SHAPES = "tokens sequences logits ids_with_prompt new_ids".split()
NOTHING, SAMPLE, SCORE = range(3)
GREEDY = {"temperature": 0.0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}


class Error(ctypes.Structure):
    _fields_ = [("status", c_int), ("text", c_char * 512)]


class Input(ctypes.Structure):
    _fields_ = [("kind", c_int), ("dtype", c_int)]


class Sampling(ctypes.Structure):
    _fields_ = [
        ("temperature", c_float), ("top_p", c_float), ("min_p", c_float),
        ("repetition_penalty", c_float), ("top_k", c_uint32), ("seed", c_uint64),
    ]  # fmt: skip


class GoldenRow(ctypes.Structure):
    _fields_ = [
        ("ids", POINTER(c_int32)), ("type_ids", POINTER(c_uint8)), ("length", c_uint32),
        ("expected", POINTER(c_float)), ("expected_count", c_size_t), ("new_tokens", c_uint32),
        ("sampling", POINTER(Sampling)),
    ]  # fmt: skip


class Spec(ctypes.Structure):
    _fields_ = [
        ("name", c_char_p), ("file_bytes", c_char_p), ("file_size", c_size_t),
        ("inputs", Input * 8), ("input_count", c_uint32), ("output_index", c_uint32),
        ("output_shape", c_int), ("pooling", c_int), ("traced_batch", c_uint32),
        ("traced_length", c_uint32), ("max_length", c_uint32), ("width", c_uint32),
        ("max_new_tokens", c_uint32), ("vocabulary_size", c_int32), ("pad_id", c_int32),
        ("golden", POINTER(GoldenRow)), ("golden_count", c_uint32), ("tolerance", c_float),
    ]  # fmt: skip


class Options(ctypes.Structure):
    _fields_ = [
        ("device", c_char_p), ("threads_per_worker", c_uint32), ("mkl_intel_path", ctypes.c_bool),
        ("script", c_char_p), ("log_level", c_int),
    ]  # fmt: skip


class ModelInfo(ctypes.Structure):
    _fields_ = [
        ("engine", c_char * 32), ("precision", c_char * 32), ("device", c_char * 32),
        ("width", c_uint32), ("max_length", c_uint32), ("fixed_length", c_uint32),
        ("fixed_batch", c_uint32), ("pads", ctypes.c_bool), ("equal_lengths_only", ctypes.c_bool),
        ("padding_affects_result", ctypes.c_bool), ("rows_per_token", ctypes.c_bool),
        ("suggested_workers", c_uint32), ("proof", c_char * 256),
    ]  # fmt: skip


class DecoderOptions(ctypes.Structure):
    _fields_ = [
        ("cache_bytes", c_uint64), ("max_sequences", c_uint32), ("max_step_tokens", c_uint32),
        ("threads", c_uint32),
    ]  # fmt: skip


class DecoderInfo(ctypes.Structure):
    _fields_ = [
        ("engine", c_char * 32), ("precision", c_char * 32), ("max_length", c_uint32),
        ("max_sequences", c_uint32), ("max_step_tokens", c_uint32), ("block_tokens", c_uint32),
        ("blocks", c_uint32), ("cache_bytes", c_uint64), ("whole_generation", ctypes.c_bool),
        ("proof", c_char * 256),
    ]  # fmt: skip


class Entry(ctypes.Structure):
    _fields_ = [
        ("slot", c_uint32), ("ids", POINTER(c_int32)), ("cached", c_uint32), ("length", c_uint32),
        ("wanted", c_int), ("sampling", POINTER(Sampling)), ("forbidden", POINTER(c_int32)),
        ("forbidden_count", c_uint32), ("max_new", c_uint32), ("targets", POINTER(c_int32)),
        ("top", c_uint32), ("status", c_int), ("new_ids", POINTER(c_int32)),
        ("new_count", c_uint32), ("logprobs", POINTER(c_float)), ("top_ids", POINTER(c_int32)),
        ("top_logprobs", POINTER(c_float)),
    ]  # fmt: skip


def function(*arguments, result=c_int):
    return ctypes.CFUNCTYPE(result, *arguments)


class Engine(ctypes.Structure):
    _fields_ = [
        ("abi_version", c_uint32), ("name", c_char_p),
        ("model_load", function(POINTER(Spec), POINTER(Options), POINTER(c_void_p), POINTER(Error))),
        ("model_free", function(c_void_p, result=None)),
        ("model_info", function(c_void_p, result=POINTER(ModelInfo))),
        ("worker_create", function(c_void_p, POINTER(c_void_p), POINTER(Error))),
        ("worker_free", function(c_void_p, result=None)),
        ("worker_run", function(c_void_p, c_void_p, c_void_p, POINTER(Error))),
        ("decoder_create", function(c_void_p, POINTER(DecoderOptions), POINTER(c_void_p),
                                    POINTER(Error))),
        ("decoder_free", function(c_void_p, result=None)),
        ("decoder_info", function(c_void_p, result=POINTER(DecoderInfo))),
        ("decoder_step", function(c_void_p, POINTER(Entry), c_uint32, POINTER(Error))),
        ("decoder_release", function(c_void_p, c_uint32, result=None)),
    ]  # fmt: skip


class Failure(Exception):
    def __init__(self, error):
        super().__init__(STATUSES[error.status], error.text.decode())


def array(kind, values):
    return (kind * max(1, len(values)))(*values)


def facts(structure):
    plain = {name: getattr(structure, name) for name, _ in structure._fields_}
    return {
        name: value.decode() if isinstance(value, bytes) else value for name, value in plain.items()
    }


class Sequence:
    """A prompt, or a document to score, on its way through steps."""

    def __init__(self, slot, prompt, new, settings, forbidden, top):
        self.slot, self.ids, self.prompt, self.cached = slot, list(prompt), len(prompt), 0
        self.end, self.top = len(prompt) + new, top
        self.sampling = Sampling(**(GREEDY | settings))
        self.forbidden = array(c_int32, forbidden)
        self.forbidden_count = len(forbidden)
        self.logprobs, self.tops, self.status = [], [], "OK"

    def scored_targets(self, length):
        follows = (self.ids + [-1])[self.cached + 1 : length + 1]
        return array(c_int32, follows)

    def make_entry(self, length, score, max_new):
        """Kept in self: ctypes does not keep what an entry points to."""
        rows = length - self.cached if score else max_new
        wanted = SCORE if score else SAMPLE if length == len(self.ids) else NOTHING
        self.buffers = (
            array(c_int32, self.ids), self.scored_targets(length), array(c_int32, [0] * max_new),
            array(c_float, [0.0] * rows), array(c_int32, [0] * rows * self.top),
            array(c_float, [0.0] * rows * self.top),
        )  # fmt: skip
        ids, targets, new_ids, logprobs, top_ids, top_logprobs = self.buffers
        self.length, self.wanted = length, wanted
        return Entry(
            slot=self.slot, ids=ids, cached=self.cached, length=length, wanted=wanted,
            sampling=ctypes.pointer(self.sampling), forbidden=self.forbidden,
            forbidden_count=self.forbidden_count, max_new=max_new, targets=targets, top=self.top,
            status=-1, new_ids=new_ids, logprobs=logprobs, top_ids=top_ids,
            top_logprobs=top_logprobs,
        )  # fmt: skip

    def take(self, entry):
        self.status = STATUSES[entry.status]
        count = {NOTHING: 0, SAMPLE: entry.new_count, SCORE: self.length - self.cached}[self.wanted]
        _, _, new_ids, logprobs, top_ids, top_logprobs = self.buffers
        self.cached = self.length
        if self.wanted == SAMPLE:
            self.ids += new_ids[:count]
        self.logprobs += [None if math.isnan(one) else one for one in logprobs[:count]]
        for row in range(count if self.top else 0):
            cut = slice(row * self.top, (row + 1) * self.top)
            self.tops.append([top_ids[cut], top_logprobs[cut]])

    def result(self):
        return {"status": self.status, "new_ids": self.ids[self.prompt :],
                "logprobs": self.logprobs, "tops": self.tops}  # fmt: skip


class Session:
    def __init__(self, job):
        self.library = ctypes.CDLL(job["engine"])
        entry = self.library.ferry_engine_entry
        entry.restype = POINTER(Engine)
        self.engine = entry(2).contents
        self.model, self.decoder = c_void_p(), c_void_p()
        self.load(job)

    def check(self, status, error):
        if status != 0:
            raise Failure(error)

    def load(self, job):
        spec, error = self.make_spec(job), Error()
        options = Options(device=b"cpu", mkl_intel_path=True, log_level=5)
        self.check(self.engine.model_load(spec, options, self.model, error), error)
        decoder = DecoderOptions(**job.get("decoder", {}))
        self.check(self.engine.decoder_create(self.model, decoder, self.decoder, error), error)
        self.info = self.engine.decoder_info(self.decoder).contents

    def make_spec(self, job):
        given = dict(job["spec"])
        with open(job["model"], "rb") as file:
            data = file.read()
        inputs = [Input(KINDS.index(kind), DTYPES.index(dtype)) for kind, dtype in given["inputs"]]
        golden = [self.golden_row(**row) for row in given.pop("golden", [])]
        self.kept = (data, golden)
        given |= {"inputs": (Input * 8)(*inputs), "input_count": len(inputs)}
        given["output_shape"] = SHAPES.index(given["output_shape"])
        return Spec(name=b"test", file_bytes=data, file_size=len(data), tolerance=1e-4,
                    golden=array(GoldenRow, golden), golden_count=len(golden), **given)  # fmt: skip

    def golden_row(self, ids, expected, new_tokens=0, settings=None):
        sampling = ctypes.pointer(Sampling(**(GREEDY | (settings or {}))))
        return GoldenRow(array(c_int32, ids), None, len(ids), array(c_float, expected),
                         len(expected), new_tokens, sampling)  # fmt: skip

    def step(self, entries):
        error = Error()
        block = array(Entry, entries)
        self.check(self.engine.decoder_step(self.decoder, block, len(entries), error), error)
        return block

    def advance(self, active, chunk, score):
        """One step: running sequences first, then parts of prompts, at most `chunk` tokens each."""
        left, entries, members = self.info.max_step_tokens, [], []
        for sequence in sorted(active, key=lambda one: len(one.ids) - one.cached):
            part = min(len(sequence.ids) - sequence.cached, chunk, left)
            if part == 0:
                continue
            left -= part
            entries.append(sequence.make_entry(sequence.cached + part, score, 1))
            members.append(sequence)
        for sequence, entry in zip(members, self.step(entries)):
            sequence.take(entry)

    def finish(self, active, score):
        done = [
            one for one in active
            if one.status != "OK" or (one.cached == len(one.ids) if score else
                                      len(one.ids) >= min(one.end, self.info.max_length + 1))
        ]  # fmt: skip
        for one in done:
            active.remove(one)
            self.engine.decoder_release(self.decoder, one.slot)

    def run(self, waiting, chunk, slots, score):
        """Continuous batching: a sequence joins as soon as a slot is free."""
        slots = min(slots or self.info.max_sequences, self.info.max_sequences)
        chunk = chunk or self.info.max_step_tokens
        waiting, active = list(waiting), []
        while waiting or active:
            free = [slot for slot in range(slots) if all(one.slot != slot for one in active)]
            while waiting and free:
                active.append(waiting.pop(0))
                active[-1].slot = free.pop(0)
            self.advance(active, chunk, score)
            self.finish(active, score)

    def generate(self, prompts, new, settings=None, forbidden=(), top=0, chunk=0, slots=0):
        each = settings if isinstance(settings, list) else [settings or {}] * len(prompts)
        sequences = [
            Sequence(0, prompt, new, each[at], forbidden, top) for at, prompt in enumerate(prompts)
        ]
        if self.info.whole_generation:
            for one in sequences:
                one.take(self.step([one.make_entry(len(one.ids), False, new)])[0])
                self.engine.decoder_release(self.decoder, one.slot)
        else:
            self.run(sequences, chunk, slots, False)
        return [one.result() for one in sequences]

    def score(self, documents, top=0, chunk=0, slots=0):
        sequences = [Sequence(0, ids, 0, {}, (), top) for ids in documents]
        self.run(sequences, chunk, slots, True)
        return [one.result() for one in sequences]

    def call(self, do, **arguments):
        try:
            return {"generate": self.generate, "score": self.score}[do](**arguments)
        except Failure as failure:
            return {"status": failure.args[0], "text": failure.args[1]}

    def close(self):
        self.engine.decoder_free(self.decoder)
        self.engine.model_free(self.model)


def main():
    job = json.load(sys.stdin)
    try:
        session = Session(job)
    except Failure as failure:
        print(json.dumps({"load": failure.args[0], "text": failure.args[1]}))
        return
    answers = [session.call(**call) for call in job["calls"]]
    info = facts(session.info)
    model = facts(session.engine.model_info(session.model).contents)
    session.close()
    print(json.dumps({"load": "OK", "info": info, "model": model, "answers": answers}))


if __name__ == "__main__":
    main()
