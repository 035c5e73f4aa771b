"""Which rows were recorded or changed since a moment: what an incremental export writes."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, Final

from django.db.models import Q, QuerySet

from generations import records
from generations.models import Attachment, Feedback, Project, Score

KINDS: Final = ("generations", "steps", "scores")
"""The lists whose rows say when they were written last."""
_RECORDS: Final = {"generations": "generation", "steps": "step"}


def since(kind: str, project: Project, rows: QuerySet[Any], moment: dt.datetime) -> QuerySet[Any]:
    """Those of `rows` that were written, or got a score, feedback or a file, at or after `moment`."""
    changed = Q(updated_at__gte=moment)
    if kind in _RECORDS:
        changed |= Q(uid__in=_touched(_RECORDS[kind], project, moment))
    return rows.filter(changed)


def _touched(kind: str, project: Project, moment: dt.datetime) -> list[uuid.UUID]:
    """Keys of rows on which something hangs that was written since. Keys are computed from ids, so that they are found
    through the tables' own index."""
    ids: set[str] = set()
    for model, written in ((Score, "updated_at"), (Feedback, "updated_at"), (Attachment, "created_at")):
        hung: QuerySet[Any] = model.objects.in_project(project.pk).filter(**{f"{written}__gte": moment})
        ids.update(hung.exclude(**{f"{kind}_id": None}).values_list(f"{kind}_id", flat=True))
    return [records.uid(project.pk, kind, id) for id in ids]
