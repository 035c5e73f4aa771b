"""Models behind OpenAI's HTTP interface, whoever speaks it: OpenAI, Azure, vLLM, Ollama, and many more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from generations.llm import transport
from generations.llm.backends import wires
from generations.llm.calls import Answer, Fields, Json, Piece, Request, Scored, Scores
from generations.llm.errors import Broken, NoPromptLogprobs, NotSupported, Refused
from generations.llm.transport import Reach

MAX_TOKENS: Final = 1024
"""What is asked of a completions endpoint when the caller names no limit: left out, it would mean 16."""
MAX_BATCH: Final = 512
_COMPLETING: Final = ("instruct", "davinci", "babbage", "curie", "text-ada")
_REASONING: Final = ("o1", "o3", "o4", "gpt-5")
_OPENAI_CHAT: Final = ("gpt-", "chatgpt", "o1", "o3", "o4")


def is_chat_model(model: str, *, is_openai: bool) -> bool:
    """Whether a text for this model goes as a user's message. OpenAI's own models do, but for a few old ones; of
    another server's models only those of OpenAI's names do."""
    name = model.lower().rsplit("/", 1)[-1]
    if any(part in name for part in _COMPLETING):
        return False
    return is_openai or name.startswith(_OPENAI_CHAT)


@dataclass(slots=True)
class OpenAI:
    """One model at one server."""

    model: str
    completions_url: str
    chat_url: str
    headers: dict[str, str]
    reach: Reach
    provider: str | None = None
    is_chat: bool = False
    max_batch: int = MAX_BATCH
    beams: bool = True
    missing_key: str | None = None
    models_url: str = ""
    extra: dict[str, Json] = field(default_factory=dict)
    _least_tokens: int = 0
    _is_probed: bool = False

    # ------------------------------------------------------------------------------------------------------ texts
    async def complete(self, requests: Sequence[Request]) -> list[Answer]:
        """Prompts of one batch go as one request; chats, which have no batches, each by itself at the same time."""
        wires.need_key(self.missing_key, self.model)
        if self._goes_as_chat(requests[0]):
            return list(await asyncio.gather(*(self._chat(request) for request in requests)))
        body = self._completions_body(requests)
        reply, events = await transport.post(self.completions_url, self.headers, body, self.reach)
        response = reply if reply is not None else wires.joined(events)
        return self._answers(requests, body, response)

    async def _chat(self, request: Request) -> Answer:
        body = self._chat_body(request)
        reply, events = await transport.post(self.chat_url, self.headers, body, self.reach)
        response = reply if reply is not None else wires.joined(events)
        return wires.openai_answer("openai.chat", body, response, self.provider, request.n)

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        """One answer, piece by piece."""
        wires.need_key(self.missing_key, self.model)
        is_chat = self._goes_as_chat(request)
        body = self._chat_body(request) if is_chat else self._completions_body([request])
        body |= {"stream": True, "stream_options": {"include_usage": True}}
        async for event in transport.stream(self._url(is_chat), self.headers, body, self.reach):
            for piece in wires.pieces(event):
                yield piece

    def answer_of(self, request: Request, chunks: Sequence[Json], *, is_whole: bool) -> Answer:
        """The answer that a stream's events amount to, so far as they came."""
        is_chat = self._goes_as_chat(request)
        body = self._chat_body(request) if is_chat else self._completions_body([request])
        response = wires.joined(chunks) if chunks else {}
        shape = "openai.chat" if is_chat else "openai.completion"
        return wires.openai_answer(shape, body, response, self.provider, request.n if is_whole else 0)

    def batch_key(self, request: Request) -> object:
        """Prompts of a completions endpoint that differ in nothing else."""
        if self._goes_as_chat(request):
            return None
        return (request.decoder, request.n, json.dumps(request.settings, sort_keys=True, default=repr))

    def _goes_as_chat(self, request: Request) -> bool:
        return self.is_chat or request.messages is not None or bool(request.tools)

    def _url(self, is_chat: bool) -> str:
        return self.chat_url if is_chat else self.completions_url

    def _completions_body(self, requests: Sequence[Request]) -> dict[str, Any]:
        first = requests[0]
        prompts = [request.prompt for request in requests]
        body = {"model": self.model, "prompt": prompts[0] if len(prompts) == 1 else prompts}
        return body | {"max_tokens": MAX_TOKENS} | self._steering(first)

    def _chat_body(self, request: Request) -> dict[str, Any]:
        messages = request.messages or [{"role": "user", "content": request.prompt}]
        body: dict[str, Any] = {"model": self.model, "messages": messages}
        if request.tools:
            body["tools"] = request.tools
        body |= self._steering(request)
        if self.model.startswith(_REASONING):
            # > 'max_tokens' is not supported with this model; only the default temperature is supported
            if "max_tokens" in body:
                body["max_completion_tokens"] = body.pop("max_tokens")
            if request.decoder == "argmax" and body.get("temperature") == 0:
                del body["temperature"]
        return body

    def _steering(self, request: Request) -> dict[str, Any]:
        steering = {**self.extra, **request.settings}
        if request.n > 1:
            steering["n"] = request.n
        if request.decoder == "beam":
            if not self.beams:
                raise NotSupported(f"{self.model} has no beam search; decoder='sample' with n takes several samples.")
            steering |= {"use_beam_search": True, "best_of": max(request.n, 2), "temperature": 0}
        return steering

    def _answers(self, requests: Sequence[Request], body: dict[str, Any], response: Json) -> list[Answer]:
        n = requests[0].n
        if len(requests) == 1:
            return [wires.openai_answer("openai.completion", body, response, self.provider, n)]
        choices = wires.choices_of(response)
        by_index = {choice.get("index", place): choice for place, choice in enumerate(choices)}
        missing = [index for index in range(len(requests) * n) if index not in by_index]
        if missing:
            raise Broken(f"The provider answered {len(choices)} of {len(requests) * n} prompts of a batch.")
        shares = wires.shared_usage(
            response.get("usage"), [(request.prompt or "") for request in requests], by_index, n
        )
        answers = []
        for at, request in enumerate(requests):
            own = [{**by_index[at * n + k], "index": k} for k in range(n)]
            alone = {**response, "choices": own, "usage": shares[at]}
            made = wires.openai_answer("openai.completion", {**body, "prompt": request.prompt}, alone, self.provider, n)
            about = {**(made.fields.get("response_attributes") or {}), "batch_size": len(requests)}
            fields = {**made.fields, "response_attributes": about}
            if shares[at]:
                fields["tokens_estimated"] = True
            answers.append(replace(made, fields=fields))
        return answers

    async def models(self) -> list[str]:
        """The names of the models that the provider lists: a way to try a key that costs nothing."""
        wires.need_key(self.missing_key, self.model)
        return wires.models_of(await transport.get(self.models_url, self.headers, self.reach))

    # ---------------------------------------------------------------------------------------------------- scores
    async def score(self, prompt: str, values: Sequence[str]) -> Scores:
        """All values in one request, up to `max_batch`."""
        wires.need_key(self.missing_key, self.model)
        texts: list[Scored] = []
        usage: Fields = {}
        for at in range(0, len(values), self.max_batch):
            part = values[at : at + self.max_batch]
            scored, counted = await self._scored([prompt + value for value in part])
            texts += scored
            for name, count in counted.items():
                usage[name] = usage.get(name, 0) + count
        if not self._is_probed:
            self._probe(texts)
        return Scores(tuple(texts), {"model_id": self.model, "provider": self.provider, **usage})

    async def _scored(self, texts: Sequence[str]) -> tuple[list[Scored], Fields]:
        body = {
            **self.extra,
            "model": self.model,
            "prompt": list(texts),
            "max_tokens": self._least_tokens,
            "temperature": 0,
            "logprobs": 1,
            "echo": True,
        }
        try:
            reply, events = await transport.post(self.completions_url, self.headers, body, self.reach)
        except Refused as problem:
            if self._least_tokens or "max_tokens" not in str(problem).lower():
                raise _not_scoring(self.model, problem) from problem
            # Some servers must make a token; it is told apart by its place and left out.
            self._least_tokens = 1
            return await self._scored(texts)
        response = reply if reply is not None else wires.joined(events)
        choices = wires.choices_of(response)
        by_index = {choice.get("index", place): choice for place, choice in enumerate(choices)}
        if any(index not in by_index for index in range(len(texts))):
            raise Broken(f"The provider scored {len(choices)} of {len(texts)} texts.")
        scored = [_scored_text(self.model, by_index[index]) for index in range(len(texts))]
        return scored, wires.tokens_of(response)

    def _probe(self, texts: Sequence[Scored]) -> None:
        """Refuse, at the first scores that a provider gives, one that takes the request and makes them up.

        Several servers answer 0.0 for every token of a prompt: each value would seem certain, and the first the best.
        """
        known = [logprob for text in texts for logprob in text.logprobs[1:]]
        if known and all(logprob is None or logprob == 0.0 for logprob in known):
            raise NoPromptLogprobs(
                f"{self.model} gives 0 or nothing as the log-probability of every token of a prompt: "
                "the server does not really score texts. Use a model that does."
            )
        self._is_probed = bool(known)


def _scored_text(model: str, choice: Mapping[str, Json]) -> Scored:
    told = choice.get("logprobs")
    tokens = told.get("tokens") if isinstance(told, Mapping) else None
    logprobs = told.get("token_logprobs") if isinstance(told, Mapping) else None
    if not isinstance(tokens, list) or not isinstance(logprobs, list) or not tokens or len(tokens) != len(logprobs):
        raise NoPromptLogprobs(
            f"{model} gives no log-probabilities of the tokens of a prompt (echo with logprobs), "
            "so that nothing can be scored with it."
        )
    assert isinstance(told, Mapping)
    offsets = told.get("text_offset")
    places = tuple(offsets) if isinstance(offsets, list) and all(isinstance(o, int) for o in offsets) else ()
    return Scored(tuple(map(str, tokens)), tuple(logprobs), places)


def _not_scoring(model: str, problem: Refused) -> NoPromptLogprobs | Refused:
    said = str(problem).lower()
    if "echo" in said or "logprobs" in said or "chat model" in said:
        return NoPromptLogprobs(f"{model} does not score texts; its provider says: {problem}", status=problem.status)
    return problem
