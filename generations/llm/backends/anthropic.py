"""Models behind Anthropic's Messages interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from generations.llm import transport
from generations.llm.backends import wires
from generations.llm.calls import Answer, Json, Piece, Request, Scores
from generations.llm.errors import NoPromptLogprobs, NotSupported
from generations.llm.transport import Reach

MAX_TOKENS: Final = 4096
"""What is asked when the caller names no limit: Anthropic requires one."""
VERSION: Final = "2023-06-01"


@dataclass(slots=True)
class Anthropic:
    """One model at Anthropic, or at who speaks as it does."""

    model: str
    url: str
    headers: dict[str, str]
    reach: Reach
    provider: str | None = "anthropic"
    missing_key: str | None = None
    models_url: str = ""
    extra: dict[str, Json] = field(default_factory=dict)

    async def complete(self, requests: Sequence[Request]) -> list[Answer]:
        """Each request by itself, all at the same time; `n` answers are as many requests."""
        wires.need_key(self.missing_key, self.model)
        return list(await asyncio.gather(*(self._one(request) for request in requests)))

    async def _one(self, request: Request) -> Answer:
        body = self._body(request)
        replies = await asyncio.gather(*(self._sent(body) for _ in range(request.n)))
        first, *others = replies
        if not others:
            return first
        from generations.records import Alternative

        fields = dict(first.fields)
        fields["alternatives"] = tuple(
            Alternative(
                index=place,
                content=other.fields.get("message_completion"),
                finish_reason=other.choices[0].finish_reason,
            )
            for place, other in enumerate(others)
        )
        for name in ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "cache_write_tokens"):
            counts = [reply.fields.get(name) for reply in replies]
            fields[name] = sum(c for c in counts if c) if any(c is not None for c in counts) else None
        return Answer(tuple(reply.choices[0] for reply in replies), fields)

    async def _sent(self, body: dict[str, Any]) -> Answer:
        reply, events = await transport.post(self.url, self.headers, body, self.reach)
        return wires.anthropic_answer(body, reply if reply is not None else wires.joined(events))

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        """One answer, piece by piece."""
        wires.need_key(self.missing_key, self.model)
        if request.n > 1:
            raise NotSupported("n: Anthropic streams one answer at a time; expected n=1")
        body = self._body(request) | {"stream": True}
        async for event in transport.stream(self.url, self.headers, body, self.reach):
            for piece in wires.pieces(event):
                yield piece

    def answer_of(self, request: Request, chunks: Sequence[Json], *, is_whole: bool) -> Answer:
        """The answer that a stream's events amount to, so far as they came."""
        response = wires.joined(chunks) if chunks else {}
        return wires.anthropic_answer(self._body(request), response, is_whole=is_whole)

    async def models(self) -> list[str]:
        """The names of the models that the provider lists: a way to try a key that costs nothing."""
        wires.need_key(self.missing_key, self.model)
        return wires.models_of(await transport.get(self.models_url, self.headers, self.reach))

    async def score(self, prompt: str, values: Sequence[str]) -> Scores:
        """Never: Anthropic tells no log-probabilities."""
        raise NoPromptLogprobs(f"{self.model} does not score texts: Anthropic tells no log-probabilities.")

    def batch_key(self, request: Request) -> object:
        """There are no batches."""
        return None

    def _body(self, request: Request) -> dict[str, Any]:
        if request.decoder == "beam":
            raise NotSupported(f"{self.model} has no beam search.")
        spoken = request.messages or [{"role": "user", "content": request.prompt}]
        system = [m.get("content") for m in spoken if m.get("role") in ("system", "developer")]
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [m for m in spoken if m.get("role") not in ("system", "developer")],
            "max_tokens": MAX_TOKENS,
        }
        if system:
            body["system"] = "\n\n".join(map(str, system))
        if request.tools:
            body["tools"] = [_tool(tool) for tool in request.tools]
        body |= {**self.extra, **request.settings}
        if (stop := body.pop("stop", None)) is not None:
            body["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
        return body


def _tool(tool: Json) -> Json:
    """A tool's definition in Anthropic's words, whoever's it was in."""
    function = tool.get("function") if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping):
        return tool
    return {
        "name": function.get("name"),
        "description": function.get("description") or "",
        "input_schema": function.get("parameters") or {"type": "object"},
    }
