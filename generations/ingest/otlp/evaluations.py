"""Results of evaluations, in events of spans and in log events, as scores."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from generations.cleaning import MAX_TEXT
from generations.ingest import feedback
from generations.ingest.otlp import values
from generations.ingest.otlp.shapes import Span
from generations.records import Json, ScoreRecord


def scores(span: Span) -> tuple[ScoreRecord, ...]:
    """The scores that events of a span are."""
    return tuple(
        said
        for event in span.events
        if event.name == "gen_ai.evaluation.result"
        if (said := score(event.attributes, span.id, event.time)) is not None
    )


def score(a: Mapping[str, Json], target: str | None, time: int) -> ScoreRecord | None:
    """An evaluation's result as a score of the AI, or of the user whose feedback it is called; None without a name.

    `metadata.responseId` says which answer was judged where no span does.
    """
    name = values.text(a.get("gen_ai.evaluation.name"))
    if not name:
        return None
    judged = a.get("gen_ai.evaluation.score.value")
    value = values.number(judged)
    failed = values.text(a.get("error.type"))
    response = values.text(a.get("gen_ai.response.id"))
    comment = values.text(a.get("gen_ai.evaluation.explanation")) or (
        f"The evaluation failed: {failed}" if failed else None
    )
    label = values.short(a.get("gen_ai.evaluation.score.label")) or (values.short(judged) if value is None else None)
    said = f"{target or response}\0{name}\0{value}\0{label}\0{comment}\0{time}"
    return ScoreRecord(
        id=hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=16).hexdigest(),
        name=name[:MAX_TEXT],
        type="HUMAN" if feedback.is_users(name) else "AI",
        value=value,
        label=label,
        comment=comment,
        generation_id=target,
        step_id=target,
        metadata={"responseId": response} if response else None,
        created_at=values.moment(time),
    )
