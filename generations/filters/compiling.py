"""Conditions made into SQL: two-valued, with the project as a literal in every statement and subquery."""

from __future__ import annotations

import datetime as dt
from functools import reduce
from operator import and_, or_
from typing import Any, Final

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from generations.filters import sql
from generations.filters.catalogue import catalogue, rows
from generations.filters.comparing import Comparison
from generations.filters.conditions import And, Condition, Leaf, Not, Or, Some, bounded
from generations.filters.fields import operator

_REFUSALS: Final = {"ne": "eq", "nin": "in"}


def q(
    kind: str, condition: Condition | None, project_pk: int, *, now: dt.datetime | None = None, few: bool = False
) -> Q:
    """The condition as one Q over the list's model, without the project itself; None is every row.

    `now` is what relative moments count from. `few` says that rows are come to one after the other, and only until
    there are enough. Raises BadFilter for a field or operator that the list has not.
    """
    bounded(condition)
    if condition is None:
        return Q()
    return _Compiler(project_pk, now or timezone.now(), few).compile(kind, condition)


def narrow(
    kind: str, project_pk: int, condition: Condition | None, *, now: dt.datetime | None = None, few: bool = False
) -> models.QuerySet[Any]:
    """The rows of the project's list that satisfy the condition, in no order; `few` as in `q`."""
    return rows(kind, project_pk).filter(q(kind, condition, project_pk, now=now, few=few))


class _Compiler:
    def __init__(self, project_pk: int, now: dt.datetime, few: bool) -> None:
        self.project_pk = project_pk
        self.now = now
        self.few = few

    def compile(self, kind: str, condition: Condition) -> Q:
        if isinstance(condition, Leaf):
            return self.leaf(kind, condition)
        if isinstance(condition, And):
            return reduce(and_, [self.compile(kind, part) for part in condition.parts])
        if isinstance(condition, Or):
            return reduce(or_, [self.apart(self.compile(kind, part)) for part in condition.parts])
        if isinstance(condition, Not):
            return sql.not_true(self.apart(self.compile(kind, condition.part)))
        return self.some(kind, condition)

    def leaf(self, kind: str, leaf: Leaf) -> Q:
        """The comparison. Its SQL may be unknown where a value is missing, which is as good as false except under a
        negation: those are written `IS NOT TRUE`, so that no unknown survives one."""
        found = catalogue(kind).asked(leaf)
        op = operator(found, leaf.op)
        refused = op in _REFUSALS or (op == "exists" and leaf.value is False)
        test = Comparison(found.kind, _REFUSALS.get(op, op), leaf.value, self.now)
        condition = found.source.where(self.project_pk, found.at, test)
        return sql.not_true(self.apart(condition)) if refused else condition

    def apart(self, condition: Q) -> Q:
        """A condition that a row need not satisfy. There the database makes a set of all scores, say, that some row
        may have, before it looks at the first row: of few rows each is looked up by itself."""
        return sql.looked_up(condition) if self.few else condition

    def some(self, kind: str, some: Some) -> Q:
        found = catalogue(kind).relation(some.relation)
        inner = rows(found.kind, self.project_pk).filter(**{found.there: OuterRef(found.here)})
        if some.condition is not None:
            inner = inner.filter(self.compile(found.kind, some.condition))
        return Q(Exists(inner))
