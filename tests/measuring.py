"""What tests of numbers share: a way to store calls and a way to read groups."""

import datetime as dt
from typing import Any

from generations import metrics, recording
from generations.models import Project
from generations.records import GenerationRecord

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.UTC)


def store(project: Project, *calls: dict[str, Any]) -> None:
    """Store these calls: `g0`, `g1`, ... at `NOW`, unless they say otherwise."""
    receipts = recording.record(
        project, [GenerationRecord(**{"id": f"g{n}", "started_at": NOW, **call}) for n, call in enumerate(calls)]
    )
    assert all(receipt.state == "stored" for receipt in receipts)


def pipeline(project: Project, stages: Any, **asked: Any) -> list[dict[str, Any]]:
    """The rows that a pipeline gives."""
    return metrics.documents(project, stages, **asked).rows


def table(result: metrics.Result) -> list[tuple[Any, ...]]:
    """Each group as a tuple: its key, then its measures."""
    return [(*row.key.values(), *row.values.values()) for row in result.rows]


def moment(text: str) -> dt.datetime:
    """An ISO 8601 text as a moment, in UTC."""
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)
