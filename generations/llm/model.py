"""A model to call: `LLM.generate` and `LLM.score`, awaited or blocking, each call recorded."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from generations.llm import calls, names, recorded, running
from generations.llm.batching import Batches
from generations.llm.calls import Answer, Backend, Json, Piece, Request
from generations.llm.errors import Broken, Cancelled, InvalidCall, LLMError
from generations.llm.recorded import Call, Sink
from generations.llm.scoring import STRADDLES, ScoringResult, aligned

if TYPE_CHECKING:
    from generations.records import GenerationRecord

Prompt = str | Sequence[Mapping[str, Json]]
"""A text to go on with, or the messages of a conversation."""
_OF_LMQL: Final = frozenset(
    {"chunksize", "openai_chunksize", "chunk_timeout", "verbose", "cache", "output_writer", "certificate", "max_len",
     "step_budget", "show_speculative", "internal", "noscore"}
)  # fmt: skip
"""Arguments that steer LMQL's own runtime: taken, and without effect here."""


@dataclass(frozen=True, slots=True)
class Completion:
    """Answers with what is known of their call. `texts` are the answers alone, without the prompt."""

    id: str
    texts: list[str]
    answer: Answer
    record: GenerationRecord


class LLM:
    """One model. May be shared by threads and event loops; calls that come at the same time are batched."""

    def __init__(self, model_identifier: str, configuration: Mapping[str, Any] | None = None) -> None:
        """Raises UnknownModel, or InvalidCall for an option that the model does not have."""
        options = dict(configuration or {})
        self.model_identifier = model_identifier
        self.configuration = options
        given = dict(options)
        self._has_sink = "sink" in given
        self._sink: Sink | None = given.pop("sink", None)
        compat = given.pop("compat", None) or os.environ.get("LLM_COMPAT")
        if compat not in (None, "", "lmql"):
            raise InvalidCall(f"compat: {compat!r} is not valid; expected 'lmql', or None")
        self._compat = compat == "lmql"
        full = given.pop("return_full_text", None)
        self._full = not self._compat if full is None else bool(full)
        self.backend: Backend = names.backend_of(model_identifier, given)
        self._batches: tuple[asyncio.AbstractEventLoop, Batches] | None = None

    # ---------------------------------------------------------------------------------------------------- generate
    async def generate(
        self, prompt: Prompt, max_tokens: int | None = None, decoder: str = "argmax", **kwargs: Any
    ) -> str | list[str]:
        """The prompt with its completion; a list of them when `n` is more than 1.

        `decoder` is `argmax`, `sample` or `beam`. Other arguments go to the model: `n`, `temperature`, `stop`, `seed`
        and whatever else it has. `prompt` may be messages, which are not given back; with `variables`, it is a
        template. `return_full_text=False` leaves the prompt away, `record={...}` says more of the recorded call.
        Raises LLMError.
        """
        done = await self.complete(prompt, max_tokens, decoder, **kwargs)
        return self._returned(done, kwargs.get("return_full_text"))

    def generate_sync(
        self, prompt: Prompt, max_tokens: int | None = None, decoder: str = "argmax", **kwargs: Any
    ) -> str | list[str]:
        """`generate`, for which the calling thread waits."""
        done = self.complete_sync(prompt, max_tokens, decoder, **kwargs)
        return self._returned(done, kwargs.get("return_full_text"))

    def _returned(self, done: Completion, full: bool | None) -> str | list[str]:
        before = done.record.prompt if (self._full if full is None else full) else None
        texts = [f"{before or ''}{text}" for text in done.texts]
        return texts[0] if len(texts) == 1 else texts

    async def complete(
        self, prompt: Prompt, max_tokens: int | None = None, decoder: str = "argmax", **kwargs: Any
    ) -> Completion:
        """What `generate` returns and all that is known of the call beside: its id, tokens, timings."""
        call = self._call(prompt, max_tokens, decoder, kwargs)
        try:
            answer = await running.awaited(self._answered(call))
        except LLMError as problem:
            self._keep_failed(call, problem)
            raise
        except asyncio.CancelledError:
            self._keep_failed(call, Cancelled("The call was cancelled before the answer was there."))
            raise
        return self._completed(call, answer)

    def complete_sync(
        self, prompt: Prompt, max_tokens: int | None = None, decoder: str = "argmax", **kwargs: Any
    ) -> Completion:
        """`complete`, for which the calling thread waits."""
        call = self._call(prompt, max_tokens, decoder, kwargs)
        try:
            answer = running.blocking(self._answered(call))
        except LLMError as problem:
            self._keep_failed(call, problem)
            raise
        return self._completed(call, answer)

    async def _answered(self, call: Call) -> Answer:
        assert call.request is not None
        loop = asyncio.get_running_loop()
        if self._batches is None or self._batches[0] is not loop:
            self._batches = loop, Batches(self.backend)
        return await self._batches[1].complete(call.request)

    def _completed(self, call: Call, answer: Answer) -> Completion:
        record = recorded.answered(call, answer)
        self._keep(record)
        return Completion(call.id, [choice.text for choice in answer.choices], answer, record)

    # ------------------------------------------------------------------------------------------------------ stream
    def stream(self, prompt: Prompt, max_tokens: int | None = None, decoder: str = "argmax", **kwargs: Any) -> Stream:
        """The answer as it comes: pieces, to be iterated with `for` or `async for`, without the prompt.

        The call begins with the iteration, and ends with it: leaving early ends the call at the provider too.
        """
        return Stream(self, self._call(prompt, max_tokens, decoder, kwargs))

    # ------------------------------------------------------------------------------------------------------- score
    async def score(self, prompt: str, values: str | Sequence[str], **kwargs: Any) -> ScoringResult:
        """How likely each of `values` is to follow `prompt`, as it stands: nothing is put between them.

        `separator=" "` puts a space between. `straddle` says what becomes of a token that stands across the border of
        prompt and value: `include` (counted as the value's), `exclude` or `error`. Raises LLMError.
        """
        call, texts, how = self._scoring(prompt, values, kwargs)
        try:
            result, said = await running.awaited(self._scored(call, texts, how))
        except LLMError as problem:
            self._keep_failed(call, problem)
            raise
        except asyncio.CancelledError:
            self._keep_failed(call, Cancelled("The call was cancelled before the scores were there."))
            raise
        return self._kept_scores(call, result, said)

    def score_sync(self, prompt: str, values: str | Sequence[str], **kwargs: Any) -> ScoringResult:
        """`score`, for which the calling thread waits."""
        call, texts, how = self._scoring(prompt, values, kwargs)
        try:
            result, said = running.blocking(self._scored(call, texts, how))
        except LLMError as problem:
            self._keep_failed(call, problem)
            raise
        return self._kept_scores(call, result, said)

    def _scoring(self, prompt: str, values: Any, kwargs: dict[str, Any]) -> tuple[Call, list[str], str]:
        given = {name: value for name, value in kwargs.items() if name not in _OF_LMQL}
        variables, about = given.pop("variables", None), given.pop("record", None)
        separator, straddle = given.pop("separator", ""), given.pop("straddle", "include")
        if given:
            raise InvalidCall(f"{sorted(given)[0]}: scoring has no such argument; it has separator and straddle")
        if straddle not in STRADDLES:
            raise InvalidCall(f"straddle: {straddle!r} is not valid; expected one of {', '.join(STRADDLES)}")
        if not isinstance(separator, str):
            raise InvalidCall(f"separator: {separator!r} is not valid; expected a text")
        texts = calls.values_of(prompt, values)
        whole = calls.rendered(prompt, variables) if variables is not None else prompt
        call = self._new_call(None, prompt=whole + separator, template=prompt, variables=variables, about=about)
        return call, texts, straddle

    async def _scored(self, call: Call, values: list[str], straddle: str) -> tuple[ScoringResult, dict[str, Any]]:
        prompt = call.prompt or ""
        scores = await self.backend.score(prompt, values)
        if len(scores.texts) != len(values):
            raise Broken(f"The model scored {len(scores.texts)} of {len(values)} values.")
        pairs = zip(values, scores.texts, strict=True)
        seqs = [aligned(prompt, value, text, straddle=straddle) for value, text in pairs]
        result = ScoringResult(prompt, values, seqs, self.model_identifier, compat=self._compat)
        return result, scores.fields

    def _kept_scores(self, call: Call, result: ScoringResult, said: dict[str, Any]) -> ScoringResult:
        result.generation_id = call.id
        self._keep(recorded.scored(call, result, said))
        return result

    # ------------------------------------------------------------------------------------------------------- parts
    def _call(self, prompt: Prompt, max_tokens: int | None, decoder: str, kwargs: Mapping[str, Any]) -> Call:
        given = {name: value for name, value in kwargs.items() if name not in _OF_LMQL}
        given.pop("return_full_text", None)
        variables, about, tools = given.pop("variables", None), given.pop("record", None), given.pop("tools", None)
        n = given.pop("n", 1)
        filled: Prompt = prompt
        if variables is not None:
            if isinstance(prompt, str):
                filled = calls.rendered(prompt, variables)
            else:
                filled = calls.rendered_messages(prompt, variables)
        request = calls.request_of(filled, max_tokens=max_tokens, decoder=decoder, n=n, tools=tools, settings=given)
        return self._new_call(request, prompt=None, template=prompt, variables=variables, about=about)

    def _new_call(
        self, request: Request | None, *, prompt: str | None, template: Json, variables: Any, about: Any
    ) -> Call:
        if variables is not None and not isinstance(variables, Mapping):
            raise InvalidCall(f"variables: {variables!r} is not valid; expected names with their values")
        model = getattr(self.backend, "model", None) or self.model_identifier
        return Call(
            model_id=str(model),
            provider=self.backend.provider,
            request=request,
            prompt=prompt,
            template=None if variables is None else template,
            variables=None if variables is None else dict(variables),
            about=recorded.about(about),
        )

    def _keep_failed(self, call: Call, problem: LLMError, answer: Answer | None = None) -> GenerationRecord:
        problem.generation_id = call.id
        record = recorded.failed(call, problem, answer)
        self._keep(record)
        return record

    def _keep(self, record: GenerationRecord) -> None:
        recorded.hand(self._sink if self._has_sink else recorded.default_sink(), record)

    def __str__(self) -> str:
        hidden = ("api_key", "headers", "environ", "text")
        shown = ", ".join(f"{name}={value}" for name, value in self.configuration.items() if name not in hidden)
        return f"llm.LLM({self.model_identifier}{', ' if shown else ''}{shown})"

    __repr__ = __str__


class Stream:
    """An answer on its way. `id` is its generation's; `completion` is there once it is whole."""

    def __init__(self, model: LLM, call: Call) -> None:
        self._model = model
        self._call = call
        self._chunks: list[Json] = []
        self.id = call.id
        self.completion: Completion | None = None
        self.record: GenerationRecord | None = None

    def __iter__(self) -> Generator[Piece]:
        with closing(self.beating(None)) as pieces:
            for piece in pieces:
                if piece is not None:
                    yield piece

    def beating(self, seconds: float | None) -> Generator[Piece | None]:
        """The pieces, and None after each so many seconds without one."""
        source = running.iterated(self._pieces, seconds)
        try:
            for piece in source:
                if piece is not None:
                    self._note(piece)
                yield piece
        except LLMError as problem:
            raise self._failed(problem) from None
        except GeneratorExit:
            self._left()
            raise
        finally:
            source.close()
        self._whole()

    async def __aiter__(self) -> AsyncIterator[Piece]:
        source = running.iterated_async(self._pieces)
        try:
            async for piece in source:
                self._note(piece)
                yield piece
        except LLMError as problem:
            raise self._failed(problem) from None
        except (GeneratorExit, asyncio.CancelledError):
            self._left()
            raise
        finally:
            await source.aclose()
        self._whole()

    def _pieces(self) -> AsyncIterator[Piece]:
        assert self._call.request is not None
        return self._model.backend.stream(self._call.request)

    def _note(self, piece: Piece) -> None:
        if piece.text:
            self._call.arrived()
        if piece.chunk is not None:
            self._chunks.append(piece.chunk)

    def _answer(self, *, is_whole: bool) -> Answer:
        assert self._call.request is not None
        return self._model.backend.answer_of(self._call.request, self._chunks, is_whole=is_whole)

    def _whole(self) -> None:
        try:
            answer = self._answer(is_whole=True)
        except LLMError as problem:
            raise self._failed(problem) from None
        self.completion = self._model._completed(self._call, answer)
        self.record = self.completion.record

    def _failed(self, problem: LLMError) -> LLMError:
        """Record a call that broke, with what had arrived; the error with the text that had."""
        try:
            answer = self._answer(is_whole=False)
        except LLMError:
            answer = None
        problem.partial = answer.text if answer is not None else None
        self.record = self._model._keep_failed(self._call, problem, answer)
        return problem

    def _left(self) -> None:
        self._failed(Cancelled("Whoever asked went away before the answer was whole."))
