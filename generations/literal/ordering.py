"""Pages in an order that no column holds: threads by tokens, generations by users. Every page reckons every row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import F, OuterRef, Q, Subquery
from django.db.models.expressions import Combinable
from django.db.models.functions import Coalesce

from generations import filters, identities
from generations.filters import Condition
from generations.models import Thread
from generations.paging import BadCursor

_BY_USER: Final = ("generations", "metadata.userId")


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, in its order; a cursor is the id of a row."""

    rows: list[Any]
    next: str | None
    previous: str | None

    def cursor(self, row: Any) -> str:
        """The cursor of one of its rows."""
        return str(row.public_id)


def is_reckoned(kind: str, order: str) -> bool:
    """Whether no column holds what the list is ordered by. A generation's user is that of its thread."""
    path = order.removeprefix("-")
    return (kind, path) == _BY_USER or filters.field(kind, path).column is None


def _value(kind: str, path: str, project_pk: int) -> Combinable:
    own = filters.field(kind, path).expression(project_pk)
    if (kind, path) != _BY_USER:
        return own
    thread = Thread.objects.in_project(project_pk).filter(public_id=OuterRef("thread_id"))
    return Coalesce(own, Subquery(thread.values("user_id")[:1]))


def page(
    kind: str,
    project_pk: int,
    condition: Condition | None,
    *,
    order: str,
    after: str | None = None,
    before: str | None = None,
    limit: int,
) -> Page:
    """The rows of one page, those whose value is unknown last. Raises BadCursor for what is no id of this list."""
    descending, path = order.startswith("-"), order.removeprefix("-")
    value = _value(kind, path, project_pk)
    rows = filters.narrow(kind, project_pk, condition).annotate(reckoned=value)
    backward = before is not None and after is None
    cursor = before if backward else after
    if cursor is not None:
        everything = filters.narrow(kind, project_pk, None).annotate(reckoned=value)
        last = everything.filter(uid=identities.uid(project_pk, kind.removesuffix("s"), cursor)).first()
        if last is None:
            raise BadCursor("before" if backward else "after", cursor, "a cursor of this list")
        rows = rows.filter(_beyond(last, down=descending != backward, unknown=not backward))
    down = descending != backward
    ends = {"nulls_first": True} if backward else {"nulls_last": True}
    by_value = F("reckoned").desc(**ends) if down else F("reckoned").asc(**ends)
    found = list(rows.order_by(by_value, "-uid" if down else "uid")[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    if backward:
        found.reverse()
    return Page(
        rows=found,
        next=found[-1].public_id if found and (more or backward) else None,
        previous=found[0].public_id if found and (more if backward else after is not None) else None,
    )


def _beyond(last: Any, *, down: bool, unknown: bool) -> Q:
    """The rows behind `last` in the direction gone; `unknown` says whether those without a value lie there."""
    sign = "lt" if down else "gt"
    if last.reckoned is None:
        same = Q(**{"reckoned__isnull": True, f"uid__{sign}": last.uid})
        return same if unknown else same | Q(reckoned__isnull=False)
    found = Q(**{f"reckoned__{sign}": last.reckoned}) | Q(**{"reckoned": last.reckoned, f"uid__{sign}": last.uid})
    return found | Q(reckoned__isnull=True) if unknown else found
