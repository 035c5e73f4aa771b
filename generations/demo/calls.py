"""Calls to models as the shop's programs make them: tokens, time and errors that a real one would have."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from generations.demo.shop import CITIES, FIRST_NAMES, PLANS
from generations.demo.week import SLOW_RELEASE, SLOWDOWN, Week
from generations.records import GenerationRecord, Json, ParticipantRecord


@dataclass(frozen=True, slots=True)
class Model:
    """A model: seconds to its first token, tokens a second after it."""

    id: str
    version: str | None
    provider: str
    first_token: float
    speed: float


GPT_4O: Final = Model("gpt-4o", "gpt-4o-2024-11-20", "openai", 0.42, 92)
GPT_41: Final = Model("gpt-4.1", "gpt-4.1-2025-04-14", "openai", 0.5, 78)
GPT_41_MINI: Final = Model("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14", "openai", 0.31, 130)
O4_MINI: Final = Model("o4-mini", "o4-mini-2025-04-16", "openai", 1.4, 120)
EMBEDDING: Final = Model("text-embedding-3-small", None, "openai", 0.08, 1e9)
SONNET: Final = Model("claude-sonnet-4-5", "claude-sonnet-4-5-20250929", "anthropic", 0.85, 66)
OPUS: Final = Model("claude-opus-4-1", "claude-opus-4-1-20250805", "anthropic", 1.6, 34)
FLASH: Final = Model("gemini-2.5-flash", None, "google", 0.38, 190)
MISTRAL_MEDIUM: Final = Model("mistral-medium-latest", "mistral-medium-2508", "mistral", 0.36, 70)
MISTRAL_SMALL: Final = Model("mistral-small-latest", "mistral-small-2506", "mistral", 0.22, 140)
CODESTRAL: Final = Model("codestral-latest", "codestral-2508", "mistral", 0.25, 150)
OWN: Final = Model("fern-8b-instruct", None, "vllm", 0.12, 55)
"""Served by the shop itself: nobody publishes what a token of it costs."""

ERRORS: Final = (
    ("rate_limit_exceeded", ("Rate limit reached for {model} on tokens per min (TPM): limit 450000, used 449211. Try "
     "again in 1.2 s.")),
    ("timeout", "Request timed out after 30 seconds."),
    ("overloaded_error", "The model is overloaded, please try again later."),
    ("context_length_exceeded", ("This model's maximum context length is 128000 tokens, but your messages came to "
     "131407 tokens.")),
    ("content_filter", "The response was stopped because it may break the content policy."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Customer:
    """Someone who writes to the assistant. All of it follows from the number."""

    number: int
    locale: str

    @property
    def id(self) -> str:
        """As the shop's own programs know them."""
        return f"cus_{self.number:05d}"

    @property
    def name(self) -> str:
        """The first name."""
        names = FIRST_NAMES[self.locale]
        return names[self.number % len(names)]

    @property
    def city(self) -> str:
        """Where they live."""
        cities = CITIES[self.locale]
        return cities[self.number // 7 % len(cities)]

    @property
    def plan(self) -> str:
        """What they pay for: free, club or business."""
        return PLANS[self.number * 5 // 3 % len(PLANS)]

    def record(self, moment: dt.datetime) -> ParticipantRecord:
        """Who they are, as of `moment`."""
        return ParticipantRecord(
            id=self.id,
            identifier=f"{self.name.lower() if self.name.isascii() else 'rider'}.{self.number}@mail.example",
            metadata={"name": self.name, "locale": self.locale, "city": self.city, "plan": self.plan},
            seen_at=moment,
        )


class Caller:
    """Makes calls, one after another, from one source of chance: the same start gives the same calls."""

    def __init__(self, week: Week, key: str, customers: int) -> None:
        self.week = week
        self.chance = random.Random(key)  # noqa: S311 - believable, not secret
        self._customers = customers

    def id(self, moment: dt.datetime) -> str:
        """An id that sorts by time, like the ones that clients make (UUIDv7)."""
        milliseconds = int(moment.timestamp() * 1000)
        low = self.chance.getrandbits(74)
        high = (milliseconds << 16) | (7 << 12) | (low >> 62)
        return str(uuid.UUID(int=(high << 64) | (2 << 62) | (low & ((1 << 62) - 1))))

    def customer(self, locale: str) -> Customer:
        """Someone who speaks `locale`; few write often, most rarely."""
        return Customer(int(self._customers * self.chance.random() ** 2.2), locale)

    def environment(self) -> str:
        """Where it runs: mostly in production."""
        drawn = self.chance.random()
        return "production" if drawn < 0.88 else "staging" if drawn < 0.96 else "development"

    def failure(self, model: Model, moment: dt.datetime) -> tuple[str, str] | None:
        """The kind and words of an error, or None: the call succeeds."""
        drawn = self.chance.random()
        if model.provider == "openai" and drawn < 0.6 and self.week.is_outage(moment):
            kind, words = ERRORS[0]
        elif drawn < 0.018:
            kind, words = ERRORS[int(drawn / 0.018 * len(ERRORS))]
        else:
            return None
        return kind, words.format(model=model.id)

    def call(
        self,
        model: Model,
        moment: dt.datetime,
        *,
        sent: int,
        answer: int,
        cached: int = 0,
        reasoning: int = 0,
        is_slow: bool = False,
        failure: tuple[str, str] | None = None,
        **fields: Any,
    ) -> GenerationRecord:
        """A call with `sent` tokens and an `answer` of so many; `failure` instead of an answer when it is given."""
        release = fields.setdefault("release", self.week.release(moment))
        slow = SLOWDOWN if is_slow and release == SLOW_RELEASE else 1.0
        chance = self.chance
        first = model.first_token * chance.lognormvariate(0.0, 0.35) * slow
        latency = first + (answer + reasoning) / (model.speed * chance.uniform(0.75, 1.15)) * slow
        if failure is not None:
            kind, words = failure
            latency = 30.0 if kind == "timeout" else chance.uniform(0.08, 0.4)
            return GenerationRecord(
                id=self.id(moment),
                started_at=moment,
                ended_at=moment + dt.timedelta(seconds=latency),
                model_id=model.id,
                provider=model.provider,
                latency=round(latency, 3),
                error=words,
                error_type=kind,
                **{**fields, "message_completion": None, "completion": None, "finish_reason": None, "output": None},
            )
        is_counted = model is not OWN or chance.random() > 0.1  # a stream of our own server may end without usage
        seconds = round(latency, 3)
        return GenerationRecord(
            id=self.id(moment),
            started_at=moment,
            ended_at=moment + dt.timedelta(seconds=seconds),
            model_id=model.id,
            model_version=model.version,
            provider=model.provider,
            latency=seconds,
            time_to_first_token=round(first, 3) if answer else None,
            prompt_tokens=sent if is_counted else None,
            completion_tokens=(answer + reasoning if answer else None) if is_counted else None,
            total_tokens=sent + answer + reasoning if is_counted else None,
            cached_tokens=cached or None,
            reasoning_tokens=reasoning or None,
            **fields,
        )


def tokens(text: str) -> int:
    """About how many tokens a text has: four letters each in English, one or two in other scripts."""
    return len(text) // 4 + 1 if text.isascii() else len(text.encode()) // 4 + 1


def tokens_of(messages: Sequence[Json]) -> int:
    """About how many tokens messages have, images at a flat rate."""
    total = 3
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            total += tokens(content) + 4
        else:
            total += 90 if content is None else 830
    return total
