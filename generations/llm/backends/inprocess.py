"""Models within this process that need nothing: `ngram:` and `random`."""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Final

from generations.llm.backends import wires
from generations.llm.backends.ngrams import END, Ngrams
from generations.llm.calls import Answer, Choice, Json, Piece, Request, Scored, Scores

MOST_TOKENS: Final = 512
"""Where a text ends that does not end by itself, when the caller names no limit."""
_TURN: Final = "\nUser:"


@dataclass(frozen=True, slots=True)
class _Made:
    """An answer on its way: tokens with their log-probabilities, its text, and why it ended."""

    ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    text: str = ""
    finish_reason: str | None = None

    @property
    def score(self) -> float:
        return math.fsum(self.logprobs)


@dataclass(slots=True)
class InProcess:
    """An n-gram model as a model to call. `seed` makes samples come out the same each time."""

    model: str
    load: Callable[[], Ngrams]
    seed: int | None = None
    provider: str | None = "generations"

    async def complete(self, requests: Sequence[Request]) -> list[Answer]:
        """An answer to each request; without a network there is nothing to be gained by sending them together."""
        return [await asyncio.to_thread(self._answered, request) for request in requests]

    def _answered(self, request: Request) -> Answer:
        model, before = self._begun(request)
        if request.decoder == "beam":
            made = self._beams(model, before, request)
        else:
            made = [self._last(self._generated(model, before, request, index)) for index in range(request.n)]
        return self._answer(model, request, len(before), made)

    async def stream(self, request: Request) -> AsyncIterator[Piece]:
        """The answers one after another, word by word."""
        model, before = self._begun(request)
        for index in range(request.n):
            seen = ""
            for made in self._generated(model, before, request, index):
                await asyncio.sleep(0)
                # A character of several bytes may still change the end of the text.
                text = made.text if made.finish_reason else made.text.rstrip("\ufffd")
                if text.startswith(seen) and (len(text) > len(seen) or made.finish_reason):
                    new, seen = text[len(seen) :], text
                    yield Piece(new, index, made.finish_reason, {"index": index, "made": made, "prompt": len(before)})

    def answer_of(self, request: Request, chunks: Sequence[Json], *, is_whole: bool) -> Answer:
        """The answer that a stream's pieces amount to, so far as they came."""
        last = {chunk["index"]: chunk["made"] for chunk in chunks}
        prompt = chunks[0]["prompt"] if chunks else 0
        return self._answer(self.load(), request, prompt, [last[index] for index in sorted(last)])

    async def score(self, prompt: str, values: Sequence[str]) -> Scores:
        """Prompt and value are made tokens of by themselves, so that no token straddles their border."""
        return await asyncio.to_thread(self._scored, prompt, values)

    def batch_key(self, request: Request) -> object:
        """There is nothing to be gained by batches."""
        return None

    # ------------------------------------------------------------------------------------------------------- making
    def _begun(self, request: Request) -> tuple[Ngrams, list[int]]:
        model = self.load()
        return model, model.tokens(request.prompt if request.prompt is not None else spoken(request.messages or []))

    def _generated(self, model: Ngrams, before: Sequence[int], request: Request, index: int) -> Iterator[_Made]:
        settings = request.settings
        seed = settings.get("seed", self.seed)
        # A text as a seed is the same in every process; so each answer has its own, however many there are.
        chance = random.Random() if seed is None else random.Random(f"{seed}/{index}/{list(before)}")  # noqa: S311
        made, most = _Made(), int(settings.get("max_tokens") or MOST_TOKENS)
        while made.finish_reason is None:
            shares = model.distribution([*before, *made.ids])
            token = _drawn(shares, settings, chance)
            made = self._extended(model, made, token, math.log(shares[token]), request, most)
            yield made

    def _extended(self, model: Ngrams, made: _Made, token: int, logprob: float, request: Request, most: int) -> _Made:
        if token == END:
            return replace(made, finish_reason="stop")
        ids = (*made.ids, token)
        text = "".join(model.pieces(ids))
        longer = _Made(ids, (*made.logprobs, logprob), text)
        for stop in _stops(request):
            if (at := text.find(stop)) >= 0:
                return replace(longer, text=text[:at], finish_reason="stop")
        return replace(longer, finish_reason="length") if len(ids) >= most else longer

    @staticmethod
    def _last(steps: Iterator[_Made]) -> _Made:
        (last,) = deque(steps, maxlen=1)
        return last

    def _beams(self, model: Ngrams, before: Sequence[int], request: Request) -> list[_Made]:
        """The `n` likeliest answers that a search of as many beams (at least two) finds, the likeliest first."""
        width = max(request.n, 2)
        most = int(request.settings.get("max_tokens") or MOST_TOKENS)
        beams, ended = [_Made()], list[_Made]()
        while beams:
            longer: list[_Made] = []
            for beam in beams:
                shares = model.distribution([*before, *beam.ids])
                for token in sorted(range(len(shares)), key=shares.__getitem__, reverse=True)[: width + 1]:
                    if token == END:
                        # The end is part of how likely a whole text is.
                        logprobs = (*beam.logprobs, math.log(shares[END]))
                        ended.append(replace(beam, logprobs=logprobs, finish_reason="stop"))
                    else:
                        longer.append(self._extended(model, beam, token, math.log(shares[token]), request, most))
            longer.sort(key=lambda made: made.score, reverse=True)
            ended += [made for made in longer[:width] if made.finish_reason]
            beams = [made for made in longer[:width] if not made.finish_reason]
            ended = sorted(ended, key=lambda made: made.score, reverse=True)[:width]
            if len(ended) == width and beams and beams[0].score <= ended[-1].score:
                break  # a longer text is never likelier than its beginning
        return ended[: request.n]

    # ------------------------------------------------------------------------------------------------------ telling
    def _answer(self, model: Ngrams, request: Request, prompt_tokens: int, made: Sequence[_Made]) -> Answer:
        is_chat = request.messages is not None
        choices = [self._choice(model, request, index, one) for index, one in enumerate(made)]
        told = sum(len(one.ids) for one in made)
        response = {
            "object": "chat.completion" if is_chat else "text_completion",
            "choices": choices,
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": told,
                "total_tokens": prompt_tokens + told,
            },
        }
        body: dict[str, Any] = {"model": self.model, **request.settings}
        body["messages" if is_chat else "prompt"] = request.messages if is_chat else request.prompt
        body |= {"tools": request.tools} if request.tools else {}
        body |= {"n": request.n} if request.n > 1 else {}
        shape = "openai.chat" if is_chat else "openai.completion"
        answer = wires.openai_answer(shape, body, response, self.provider, 0)
        scored = tuple(
            Choice(choice.text, choice.finish_reason, one.score)
            for choice, one in zip(answer.choices, made, strict=True)
        )
        return replace(answer, choices=scored)

    def _choice(self, model: Ngrams, request: Request, index: int, made: _Made) -> dict[str, Json]:
        choice: dict[str, Json] = {"index": index, "finish_reason": made.finish_reason}
        if request.messages is not None:
            choice["message"] = {"role": "assistant", "content": made.text.strip()}
        else:
            choice["text"] = made.text
        if request.settings.get("logprobs"):
            tokens = model.pieces(made.ids)
            choice["logprobs"] = {
                "tokens": tokens,
                "token_logprobs": list(made.logprobs[: len(tokens)]),
                "text_offset": [0, *accumulate(map(len, tokens))][: len(tokens)],
            }
        return choice

    def _scored(self, prompt: str, values: Sequence[str]) -> Scores:
        model = self.load()
        before = model.tokens(prompt)
        known = model.logprobs([], before)
        texts, count = [], 0
        for value in values:
            ids = model.tokens(value)
            count += len(before) + len(ids)
            tokens = [*model.pieces(before), *model.pieces(ids)]
            offsets = [0, *accumulate(map(len, tokens))][: len(tokens)]
            texts.append(Scored(tuple(tokens), (*known, *model.logprobs(before, ids)), tuple(offsets)))
        fields = {"model_id": self.model, "provider": self.provider, "prompt_tokens": count, "completion_tokens": 0}
        return Scores(tuple(texts), fields)


def spoken(messages: Sequence[dict[str, Json]]) -> str:
    """A conversation as the text that the built-in model has learnt to go on with."""
    from generations.reading import message_text

    names = {"assistant": "Assistant", "user": "User"}
    lines = [f"{names[m['role']]}: {message_text(m)}" for m in messages if m.get("role") in names]
    return "\n".join([*lines, "Assistant:"])


def _stops(request: Request) -> list[str]:
    stop = request.settings.get("stop")
    given = [stop] if isinstance(stop, str) else list(stop or [])
    return [*given, _TURN] if request.messages is not None else given


def _drawn(shares: Sequence[float], settings: dict[str, Json], chance: random.Random) -> int:
    """A token by its share of the probability; at temperature 0 the likeliest, by chance among equal ones."""
    temperature = float(settings.get("temperature", 1.0))
    if temperature == 0:
        top = max(shares)
        likeliest = [token for token, share in enumerate(shares) if share == top]
        return likeliest[0] if len(likeliest) == 1 else chance.choice(likeliest)
    order = sorted((token for token, share in enumerate(shares) if share), key=lambda t: (-shares[t], t))
    top = math.log(shares[order[0]])
    weights = [math.exp((math.log(shares[token]) - top) / temperature) for token in order]
    if isinstance(settings.get("top_k"), int) and settings["top_k"] > 0:
        weights = weights[: settings["top_k"]]
    whole = math.fsum(weights)
    # As many of the likeliest as it takes to have `top_p` of the probability.
    most = float(settings.get("top_p", 1.0)) * whole
    kept = 1 + sum(seen < most for seen in accumulate(weights[:-1]))
    return chance.choices(order[:kept], weights[:kept])[0]
