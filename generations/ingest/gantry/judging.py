"""Feedback as the client gives it: any names with any values."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping

import orjson

from generations.ingest import feedback as feedback_of
from generations.ingest.gantry.values import MAX_LABEL, digest
from generations.records import FeedbackRecord, Json, ScoreRecord


def judgements(
    generation_id: str, feedback: Mapping[str, Json], said_at: dt.datetime | None, print_: str
) -> Iterator[ScoreRecord | FeedbackRecord]:
    """What feedback says of a generation: a score for each name (said anew, it changes), and, where it has a rating,
    thumbs or a comment, an entry of the history that all doors write."""
    for name, value in feedback.items():
        if value is None or not name:
            continue
        number, label, comment = _value(value)
        yield ScoreRecord(
            id=f"{generation_id}:{digest(name)[:12]}",
            name=name[:MAX_LABEL],
            type="HUMAN",
            value=number,
            label=label,
            comment=comment,
            generation_id=generation_id,
            created_at=said_at,
        )
    stars, comment = feedback_of.rating(feedback.get("rating")), feedback.get("comment")
    thumbs = feedback_of.thumbs(feedback.get("thumbs", feedback.get("thumb")))
    if stars or thumbs or (isinstance(comment, str) and comment):
        yield FeedbackRecord(
            id=f"{generation_id}:{digest(print_)[:12]}",
            generation_id=generation_id,
            rating=stars,
            thumbs=thumbs,
            comment=comment if isinstance(comment, str) and comment else None,
            created_at=said_at,
        )


def _value(value: Json) -> tuple[float | None, str | None, str | None]:
    if isinstance(value, bool):
        return float(value), str(value).lower(), None
    if isinstance(value, int | float):
        return (float(value), None, None) if math.isfinite(value) else (None, str(value), None)
    if isinstance(value, str):
        return (None, value, None) if len(value) <= MAX_LABEL else (None, None, value)
    return None, None, orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
