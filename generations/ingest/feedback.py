"""What a user of an application said, where a wire format has it as a score: it is feedback as well.

Literal's clients and Chainlit vote by a score of a person named `user-feedback`; OpenTelemetry knows evaluations alone,
of which those named so are a user's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

from generations.records import FeedbackRecord, Json, ScoreRecord

_NAMES: Final = frozenset({"userfeedback", "userrating", "thumbs"})
_THUMBS: Final[Mapping[str, str]] = {
    "up": "up", "1": "up", "1.0": "up", "true": "up", "down": "down", "0": "down", "0.0": "down", "-1": "down",
    "-1.0": "down", "false": "down",
}  # fmt: skip


def is_users(name: str) -> bool:
    """Whether a score of this name is a vote of the application's user."""
    return name.lower().translate({ord(mark): None for mark in "-_. "}) in _NAMES


def thumbs(value: Json) -> str | None:
    """`up` or `down`, as words, numbers and booleans say it; None for anything else."""
    return _THUMBS.get(str(value).lower())


def rating(value: Json) -> float | None:
    """A number from 1 to 5; None for anything else."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 1 <= value <= 5 else None


def voted(scores: Iterable[ScoreRecord]) -> list[FeedbackRecord]:
    """The feedback that these scores are: a value of 0 or 1 is thumbs, one of up to 5 a rating. Others are none.

    A score that is sent again is the same feedback; one whose value, comment or time changed is another, said later.
    The ids begin with the score's.
    """
    found = []
    for score in scores:
        if score.type != "HUMAN" or not is_users(score.name) or not (score.generation_id or score.step_id):
            continue
        vote = thumbs(score.label) or thumbs(score.value)
        stars = None if vote else rating(score.value)
        if vote or stars or score.comment:
            of = score.id or f"{score.generation_id or score.step_id}:{score.name}"
            said = f"{vote}\0{stars}\0{score.comment}\0{score.created_at}"
            found.append(
                FeedbackRecord(
                    id=f"{of[:400]}:{_digest(said)}",
                    generation_id=score.generation_id,
                    step_id=score.step_id,
                    rating=stars,
                    thumbs=vote,
                    comment=score.comment,
                    user_id=score.author,
                    created_at=score.created_at,
                )
            )
    return found


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
