"""What is stored already of the events that come in: one question for all of them, which a connection plans once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from django.db import connection

from generations import identities, prepared
from generations.records import FeedbackRecord, ScoreRecord

_STORED: Final = prepared.Statement(
    "logged",
    ("uuid[]", "text[]"),
    " UNION ALL ".join(
        (
            prepared.found(
                "'call' AS label, public_id, metadata ->> 'event' AS said, '' AS name", "generation", "uid", "$1"
            ),
            prepared.found("'score', public_id, generation_id, name", "score", "generation_id", "$2"),
            prepared.found("'feedback', public_id, generation_id, ''", "feedback", "generation_id", "$2"),
        )
    ),
)


@dataclass(slots=True)
class Stored:
    """The fingerprint of each call that is there, by its id, and what was said of each call that was asked for."""

    calls: dict[str, str | None] = field(default_factory=dict)
    said: list[ScoreRecord | FeedbackRecord] = field(default_factory=list)


def stored(project: int, calls: Collection[str], judged: Collection[str]) -> Stored:
    """Which of these `calls` are there, and the ids of all scores and feedback on the `judged` ones."""
    found = Stored()
    uids = prepared.array([str(identities.uid(project, "generation", id)) for id in calls])
    for label, id, said, name in prepared.again(lambda: _asked(project, [uids, prepared.array(judged)])):
        if label == "call":
            found.calls[id] = said
        elif label == "score":
            found.said.append(ScoreRecord(id=id, name=name, generation_id=said))
        else:
            found.said.append(FeedbackRecord(id=id, generation_id=said))
    return found


def _asked(project: int, params: list[object]) -> list[tuple[str, ...]]:
    with prepared.alone(), connection.cursor() as cursor:
        return prepared.fetch(cursor, _STORED, project, params)
