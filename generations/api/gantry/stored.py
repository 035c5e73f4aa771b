"""What is stored already of the events that come in: one question for all of them, which a connection plans once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

from django.db import connection

from generations import prepared, records
from generations.records import FeedbackRecord, ScoreRecord

# OFFSET 0: the ids are looked up by their own index, however few rows the planner knows of.
_STORED: Final = prepared.Statement(
    "logged",
    ("uuid[]", "text[]"),
    "SELECT 'call' AS label, public_id, event, '' AS name FROM (SELECT public_id, metadata ->> 'event' AS event"
    " FROM generation WHERE project_id = {project} AND uid = ANY($1) OFFSET 0) AS calls"
    " UNION ALL SELECT 'score', public_id, generation_id, name FROM score"
    " WHERE project_id = {project} AND generation_id = ANY($2)"
    " UNION ALL SELECT 'feedback', public_id, generation_id, '' FROM feedback"
    " WHERE project_id = {project} AND generation_id = ANY($2)",
)


@dataclass(slots=True)
class Stored:
    """The fingerprint of each call that is there, by its id, and what was said of each call that was asked for."""

    calls: dict[str, str | None] = field(default_factory=dict)
    said: list[ScoreRecord | FeedbackRecord] = field(default_factory=list)


def stored(project: int, calls: Collection[str], judged: Collection[str]) -> Stored:
    """Which of these `calls` are there, and the ids of all scores and feedback on the `judged` ones."""
    found = Stored()
    uids = prepared.array([str(records.uid(project, "generation", id)) for id in calls])
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
