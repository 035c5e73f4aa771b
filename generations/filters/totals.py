"""Values that are reckoned from the rows of other lists: how many, how much in sum, from when until when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import Count, F, Func, Max, Min, OuterRef, Q, Subquery, Sum
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from generations.filters.comparing import Comparison
from generations.filters.sources import Elsewhere, Keys
from generations.models import Generation, Step, Thread

Rows = models.QuerySet[Any]


@dataclass(frozen=True, slots=True)
class Total(Elsewhere):
    """An aggregate over rows that belong to this one. `rows` gives them, in the project, narrowed by an OuterRef."""

    rows: Callable[[int], Rows]
    aggregate: Combinable
    kind: models.Field[Any, Any]
    of_none: int | None = None
    """What it is where there is nothing to reckon from."""

    def expression(self, project_pk: int, keys: Keys) -> Combinable:
        """The aggregate, by one subquery."""
        # One group of everything: `values` on a constant keeps the aggregate from being split by any column.
        rows = self.rows(project_pk).order_by().values("project_id").annotate(reckoned=self.aggregate)
        found = Subquery(rows.values("reckoned"), output_field=self.kind)
        return found if self.of_none is None else Coalesce(found, self.of_none)

    def number(self, project_pk: int, keys: Keys) -> Combinable:
        """The aggregate."""
        return self.expression(project_pk, keys)

    def where(self, project_pk: int, keys: Keys, test: Comparison) -> Q:
        """The aggregate compared."""
        return test.on(self.expression(project_pk, keys))


def _generations_of_thread(project_pk: int) -> Rows:
    rows: Rows = Generation.objects.in_project(project_pk).filter(thread_id=OuterRef("public_id"))
    return rows


def _steps_of_thread(project_pk: int) -> Rows:
    rows: Rows = Step.objects.in_project(project_pk).filter(thread_id=OuterRef("public_id"))
    return rows


def _threads_of_participant(project_pk: int) -> Rows:
    rows: Rows = Thread.objects.in_project(project_pk).filter(user_id=OuterRef("public_id"))
    return rows


def _generations_of_participant(project_pk: int) -> Rows:
    theirs = Thread.objects.in_project(project_pk).filter(user_id=OuterRef(OuterRef("public_id")))
    rows: Rows = Generation.objects.in_project(project_pk).filter(thread_id__in=theirs.values("public_id"))
    return rows


_SPAN = Func(
    Max(F("ended_at")), Min(F("started_at")), template="EXTRACT(EPOCH FROM (%(expressions)s))", arg_joiner=" - "
)
TOKENS_OF_THREAD = Total(_generations_of_thread, Sum("total_tokens"), models.BigIntegerField())
SECONDS_OF_THREAD = Total(_steps_of_thread, _SPAN, models.FloatField())
THREADS_OF_PARTICIPANT = Total(_threads_of_participant, Count("uid"), models.BigIntegerField(), of_none=0)
TOKENS_OF_PARTICIPANT = Total(_generations_of_participant, Sum("total_tokens"), models.BigIntegerField())
