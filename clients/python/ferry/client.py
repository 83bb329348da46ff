"""The client for ordinary, synchronous code."""

from __future__ import annotations

import time
import weakref
from collections import deque
from itertools import islice
from typing import Any, Deque, Dict, Iterable, Iterator, List, Optional, Sequence, Union

import numpy

from .calls import Calls, EmbedCall
from .exchange import Call
from .requests import Ids, TextOrPair, Texts
from .results import server_of, texts_of
from .streams import Stream


class Client(Calls):
    """A connection to one ferryd, for any number of threads.

    endpoint: "ipc:///path" or "tcp://host:port"; None: default_endpoint(). It connects with the
    first call and again whenever the connection breaks, also in a child after fork().
    deadline: seconds that a call may take unless it names its own; 30 when not given, for generate
    600. patience: seconds of silence
    after which the daemon counts as gone (Unavailable). max_attempts: how often one request is
    sent at most, when the connection is lost or the daemon says "later" (BUSY and the like).

    Every call raises FerryError or one of its subclasses; wrong arguments raise TypeError or
    ValueError before anything is sent.
    """

    def __init__(self, endpoint: Optional[str] = None, **options: Any) -> None:
        super().__init__(endpoint, **options)
        self._finalizer = weakref.finalize(self, self._connection.close)

    def close(self) -> None:
        """Ends the connection; pending calls of other threads raise Cancelled."""
        self._finalizer()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()

    def _pieces(self, call: Optional[Call]) -> List[Any]:
        return [] if call is None else self._connection.wait(call)

    def embed(
        self,
        texts: Optional[Texts] = None,
        *,
        ids: Optional[Ids] = None,
        type_ids: Optional[Ids] = None,
        model: Optional[str] = None,
        dtype: str = "f32",
        normalize: Optional[bool] = None,
        max_tokens: Optional[int] = None,
        truncate: Optional[str] = None,
        strategy: Optional[str] = None,
        special_tokens: Optional[str] = None,
        priority: Optional[str] = None,
        deadline: Optional[float] = None,
        full: bool = False,
        raw: bool = False,
    ) -> Any:
        """One vector for each text: numpy [n, width]; for a single str [width].

        texts: a str, or a list of str and pairs (str, str). Or ids: rows of token ids as they are,
        with type_ids. Long lists are split into requests within the daemon's limits.
        dtype: precision on the wire, "f32", "f16", "int8" or "binary". f32, int8 and binary come as
        float32 (int8 multiplied by its scales, binary as 0 and 1), f16 as float16. raw: what was
        sent instead: int8 as (rows, scales), binary as packed bits.
        normalize: scale vectors to length 1; None: as the model's manifest says.
        truncate: "right" (default), "left", or "error"; strategy: which text of a pair is cut.
        special_tokens: "text" reads "[SEP]" inside a text as plain text.
        deadline: seconds for the whole call.
        full: an EmbedResult with tokens, truncated, times, model, and errors by text. Without it
        the first text's error is raised.
        """
        options: Dict[str, Any] = {
            "model": model,
            "normalize": normalize,
            "max_tokens": max_tokens,
            "truncate": truncate,
            "strategy": strategy,
            "special_tokens": special_tokens,
            "priority": priority,
        }
        started = self._embed(texts, ids, type_ids, dtype, full, raw, deadline, options)
        return started.read(self._pieces(started.call))

    def embed_iter(
        self,
        texts: Iterable[TextOrPair],
        *,
        batch: int = 64,
        in_flight: int = 16,
        dtype: str = "f32",
        deadline: Optional[float] = None,
        **options: Any,
    ) -> "Iterator[numpy.ndarray]":
        """The vectors of any number of texts, one by one and in order. At most in_flight requests
        of batch texts are held at one time; deadline is for each request. Options as in embed."""
        source = iter(texts)
        pending: Deque[EmbedCall] = deque()
        try:
            while True:
                while len(pending) < in_flight:
                    group = list(islice(source, batch))
                    if not group:
                        break
                    pending.append(
                        self._embed(group, None, None, dtype, False, False, deadline, options)
                    )
                if not pending:
                    return
                started = pending.popleft()
                yield from started.read(self._pieces(started.call))
        finally:
            for left in pending:
                if left.call is not None:
                    self._connection.cancel(left.call)

    def tokenize(
        self,
        texts: Texts,
        *,
        model: Optional[str] = None,
        offsets: Optional[bool] = None,
        windows: Optional[bool] = None,
        stride: Optional[int] = None,
        add_special_tokens: Optional[bool] = None,
        max_tokens: Optional[int] = None,
        truncate: Optional[str] = None,
        strategy: Optional[str] = None,
        special_tokens: Optional[str] = None,
        priority: Optional[str] = None,
        deadline: Optional[float] = None,
        full: bool = False,
    ) -> Any:
        """Tokens of each text, a list; for a single str one Tokens. offsets: character offsets too;
        windows: every window of a text that is too long, sharing stride tokens.
        full: a TokenizeResult, with errors by text instead of an exception."""
        options: Dict[str, Any] = {
            "model": model,
            "offsets": offsets,
            "windows": windows,
            "stride": stride,
            "add_special_tokens": add_special_tokens,
            "max_tokens": max_tokens,
            "truncate": truncate,
            "strategy": strategy,
            "special_tokens": special_tokens,
            "priority": priority,
        }
        started = self._tokenize(texts, full, deadline, options)
        return started.read(self._pieces(started.call))

    def detokenize(
        self,
        ids: Ids,
        *,
        model: Optional[str] = None,
        skip_special_tokens: Optional[bool] = None,
        deadline: Optional[float] = None,
    ) -> List[str]:
        """The text of each row of ids."""
        if len(ids) == 0:
            return []
        options = {"model": model, "skip_special_tokens": skip_special_tokens}
        return texts_of(self._pieces(self._detokenize(ids, deadline, options)))

    def score(
        self,
        texts: Optional[Texts] = None,
        *,
        ids: Optional[Ids] = None,
        top: Optional[int] = None,
        windows: Optional[bool] = None,
        stride: Optional[int] = None,
        deadline: Optional[float] = None,
        full: bool = False,
        **options: Any,
    ) -> Any:
        """How likely each text is: a list of Score; for a single str one Score.

        texts: a str or a list of str. Or ids: rows of token ids. top: the most probable tokens at
        each place too, this many. windows: a text longer than the model is scored by windows that
        share stride tokens, instead of being refused. Further options: model, max_tokens, truncate
        ("error" unless given), add_special_tokens, special_tokens, priority.
        full: a LanguageResult, with errors by text instead of an exception.
        """
        options.update(top=top, windows=windows, stride=stride)
        started = self._language("score", texts, ids, full, deadline, options)
        return started.read(self._pieces(started.call))

    def next(
        self,
        texts: Optional[Texts] = None,
        *,
        ids: Optional[Ids] = None,
        top: Optional[int] = None,
        deadline: Optional[float] = None,
        full: bool = False,
        **options: Any,
    ) -> Any:
        """The top (10) most probable tokens that may follow each text: a list of NextTokens; for a
        single str one. Arguments as in score."""
        options.update(top=top)
        started = self._language("next", texts, ids, full, deadline, options)
        return started.read(self._pieces(started.call))

    def generate(
        self,
        prompts: Optional[Texts] = None,
        *,
        ids: Optional[Ids] = None,
        max_new_tokens: Optional[int] = None,
        temperature: Optional[float] = None,
        top_p: Optional[float] = None,
        seed: Optional[int] = None,
        n: Optional[int] = None,
        stop: Union[None, str, Sequence[str]] = None,
        logprobs: Optional[bool] = None,
        stream: bool = False,
        deadline: Optional[float] = None,
        full: bool = False,
        **options: Any,
    ) -> Any:
        """Goes on with each prompt: a list of Generation; for a single str one Generation, whose
        text is the first choice's.

        prompts: a str or a list of str. Or ids: rows of token ids. Greedy unless temperature is
        given; seed: the same call with the same seed gives the same. n: independent choices of each
        prompt. stop: a str or several, before which a choice ends. Further options, as in
        docs/protocol.md: min_new_tokens, top_k, min_p, repetition_penalty, stop_ids, echo,
        ignore_end, top (with logprobs), skip_special_tokens, and those of score.
        deadline: seconds for the whole call; 600 unless the client has its own.
        stream: an iterator over parts instead, as from generate_stream.
        """
        options.update(max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p)
        options.update(seed=seed, n=n, stop=stop, logprobs=logprobs)
        if stream:
            return self._generate_stream(Stream, prompts, ids, full, deadline, options)
        started = self._language("generate", prompts, ids, full, deadline, options)
        return started.read(self._pieces(started.call))

    def generate_stream(
        self,
        prompts: Optional[Texts] = None,
        *,
        ids: Optional[Ids] = None,
        deadline: Optional[float] = None,
        full: bool = False,
        **options: Any,
    ) -> Stream:
        """As generate, but an iterator over Part: text, ids, index, choice, logprobs and, in the last
        part of a choice, finish_reason. Parts of one choice come in order, those of several mixed.
        Closing the iterator, or dropping it, cancels the call. Its result attribute is what
        generate would have returned, once it has ended. A stream whose connection is lost after
        the first part raises Unavailable: begun anew it would repeat itself."""
        return self._generate_stream(Stream, prompts, ids, full, deadline, options)

    def status(self, *, deadline: Optional[float] = None) -> Dict[str, Any]:
        """What the daemon runs and how it is doing, as docs/protocol.md has it."""
        return server_of(self._pieces(self._plain("status", deadline)))

    def ping(self, *, deadline: Optional[float] = None) -> float:
        """Seconds until the daemon answered."""
        begin = time.perf_counter()
        self._pieces(self._plain("ping", deadline))
        return time.perf_counter() - begin
