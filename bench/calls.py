"""Believable calls for benchmarks: deterministic, a few KB each, with the skew that real projects have."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from typing import Final

from generations.records import Alternative, FeedbackRecord, GenerationRecord, ScoreRecord

UNTIL: Final = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
A_DAY: Final = 4_000
"""Calls a day: a busy project. More rows are a longer past, not a denser one."""

MODELS: Final = (
    ("gpt-4o-mini", "openai", 50),
    ("gpt-4o", "openai", 30),
    ("claude-sonnet-4", "anthropic", 15),
    ("o3", "openai", 5),
)
_TEXT: Final = """
invoice customer please explain shipping the a refund order number not arrived when will thank you because of system
latency model answer question policy contract delivery address payment card bank month year product return window label
warehouse agent support ticket reply summary translate rewrite shorter polite formal list steps
"""
_WORDS: Final = tuple(_TEXT.split())


def calls(start: int, stop: int) -> Iterator[GenerationRecord]:
    """Calls number `start` to `stop`, counted back in time from UNTIL. Call n is the same in every run."""
    for n in range(start, stop):
        yield call(n)


def call(n: int) -> GenerationRecord:
    """Call number n: 1 in 150 has the tag "seldom", 1 in 50 failed, 1 in 20 has feedback, 1 in 10 a score."""
    chance = random.Random(n)
    model, provider, _ = chance.choices(MODELS, [m[2] for m in MODELS])[0]
    started_at = UNTIL - dt.timedelta(seconds=n * 86_400 / A_DAY)
    latency = chance.lognormvariate(0.3, 0.7)
    prompt = text(chance, int(chance.lognormvariate(5.2, 0.8)))
    answer = text(chance, int(chance.lognormvariate(4.6, 0.7)))
    failed = n % 50 == 7
    prompt_tokens, completion_tokens = len(prompt) // 4 + 120, len(answer) // 4
    # A few users make most of the calls.
    user = int(chance.paretovariate(0.8)) % 5000
    return GenerationRecord(
        id=f"call-{n:09}",
        type="chat",
        name="answer",
        started_at=started_at,
        ended_at=started_at + dt.timedelta(seconds=latency),
        model_id=model,
        provider=provider,
        messages=[
            {"role": "system", "content": "You are a helpful assistant of a shop. Answer briefly and kindly."},
            {"role": "user", "content": prompt},
        ],
        message_completion=None if failed else {"role": "assistant", "content": answer},
        error="The server had an error while processing your request" if failed else None,
        prompt_tokens=prompt_tokens,
        completion_tokens=0 if failed else completion_tokens,
        cached_tokens=100 if n % 3 == 0 else None,
        parameters={"temperature": chance.choice([0, 0.2, 0.7, 1]), "maxTokens": 1000},
        latency=latency,
        time_to_first_token=latency / 5,
        environment="production" if n % 10 else "staging",
        release=f"2026.{10 - n // 200_000}",
        user_id=f"user-{user}",
        session_id=f"session-{n // 4}",
        thread_id=f"thread-{n // 4}",
        tags=("chat", *(["beta"] if n % 20 == 0 else []), *(["seldom"] if n % 150 == 77 else [])),
        metadata={"plan": chance.choice(["free", "free", "free", "pro"]), "region": chance.choice(["eu", "us", "ap"])},
        alternatives=(
            (Alternative(index=0, content=answer), Alternative(index=1, content=answer[::-1])) if n % 40 == 0 else None
        ),
        feedback=FeedbackRecord(id=f"said-{n:09}", rating=chance.randint(1, 5)) if n % 20 == 3 else None,
        scores=(ScoreRecord(id=f"score-{n:09}", name="quality", type="AI", value=chance.random()),)
        if n % 10 == 1
        else (),
    )


def text(chance: random.Random, words: int) -> str:
    """That many words, at least one."""
    return " ".join(chance.choices(_WORDS, k=max(1, words)))
