"""Which rows were recorded or changed since a moment: what an incremental export writes."""

from __future__ import annotations

import datetime as dt
import functools
import operator
from typing import Any, Final

from django.db.models import Q, QuerySet

from generations import identities
from generations.models import Attachment, Departure, Feedback, Project, Score

KINDS: Final = ("generations", "steps", "scores")
"""The lists whose rows say when they were written last."""
_RECORDS: Final = {"generations": "generation", "steps": "step"}
_FEW: Final = 20_000
"""Rows that something hangs on, up to which their keys are named: as much as a statement should hold."""


def since(kind: str, project: Project, rows: QuerySet[Any], moment: dt.datetime) -> QuerySet[Any]:
    """Those of `rows` that were written, or got or lost a score, feedback or a file, at or after `moment`."""
    changed = Q(updated_at__gte=moment)
    if kind in _RECORDS:
        changed |= _touched(_RECORDS[kind], project, moment)
    return rows.filter(changed)


def _touched(kind: str, project: Project, moment: dt.datetime) -> Q:
    """Rows on which something hangs that was written since, or hung until then. A few are found through the tables' own
    index by keys that are computed from ids; of many the database keeps the ids."""
    hung: list[QuerySet[Any]] = []
    for model in (Score, Feedback, Attachment):
        since = model.objects.in_project(project.pk).filter(**{"updated_at__gte": moment, f"{kind}_id__isnull": False})
        hung.append(since.order_by().values_list(f"{kind}_id", flat=True))
    left = Departure.objects.filter(project=project, at__gte=moment).exclude(**{f"{kind}_id": None})
    hung.append(left.order_by().values_list(f"{kind}_id", flat=True))
    ids = {id for some in hung for id in some.distinct()[: _FEW + 1]}
    if len(ids) <= _FEW:
        return Q(uid__in=[identities.uid(project.pk, kind, id) for id in ids])
    return functools.reduce(operator.or_, (Q(public_id__in=some) for some in hung))
