"""The vocabulary of questions to an event table. Every one of them starts with `in_project`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any, Self, TypeVar

from django.db import models
from django.db.models import Q

from generations import horizons, identities

M = TypeVar("M", bound=models.Model, covariant=True)


class EventQuerySet(models.QuerySet[M]):
    """Rows of an event table. The project is a literal in every statement, so that a cluster can route it."""

    def in_project(self, project: int) -> Self:
        """Rows of one project, named by its primary key."""
        return self.filter(project_id=project)

    def by_ids(self, project: int, kind: str, ids: Iterable[str]) -> Self:
        """Rows that have one of the callers' `ids`; unknown ids have no row."""
        return self.filter(project_id=project, uid__in=[identities.uid(project, kind, i) for i in ids])

    def newest_first(self) -> Self:
        """By start, latest first; ties broken by uid, so that pages neither lose nor repeat a row."""
        return self.order_by("-started_at", "-uid")

    def between(self, start: dt.datetime | None, end: dt.datetime | None) -> Self:
        """Started at or after `start` and before `end`; None leaves that side open."""
        rows = self
        if start is not None:
            rows = rows.filter(started_at__gte=start)
        if end is not None:
            rows = rows.filter(started_at__lt=end)
        return rows

    def failed(self) -> Self:
        """Calls and steps that ended in an error."""
        return self.filter(error__isnull=False)


class TextQuerySet(EventQuerySet[M]):
    """Rows that hold what was said: those of expired text are not among a project's, though they may still be there."""

    kind = "generation"

    def in_project(self, project: int) -> Self:
        """Rows of one project whose text has not expired."""
        return super().in_project(project).filter(shown(project, self.kind))


class StepTextQuerySet(TextQuerySet[M]):
    """What was said in steps."""

    kind = "step"


def shown(project: int, kind: str) -> Q:
    """The rows of a kind, "generation" or "step", whose text has not expired."""
    moment = horizons.of(project, kind)
    return Q() if moment is None else Q(started_at__gte=moment)


EventManager: Any = models.Manager.from_queryset(EventQuerySet)
TextManager: Any = models.Manager.from_queryset(TextQuerySet)
StepTextManager: Any = models.Manager.from_queryset(StepTextQuerySet)
