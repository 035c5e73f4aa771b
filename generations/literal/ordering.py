"""Pages in an order that no column holds: threads by their tokens. Every row's value is reckoned for every page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q

from generations import filters, records
from generations.filters import Condition
from generations.paging import BadCursor


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of a list, in its order; a cursor is the id of a row."""

    rows: list[Any]
    next: str | None
    previous: str | None

    def cursor(self, row: Any) -> str:
        """The cursor of one of its rows."""
        return str(row.public_id)


def page(kind: str, project_pk: int, condition: Condition | None, *, order: str, after: str | None, limit: int) -> Page:
    """The rows of one page, those whose value is unknown last. Raises BadCursor for what is no id of this list."""
    down, path = order.startswith("-"), order.removeprefix("-")
    value = filters.field(kind, path).expression(project_pk)
    rows = filters.narrow(kind, project_pk, condition).annotate(reckoned=value)
    if after is not None:
        everything = filters.narrow(kind, project_pk, None).annotate(reckoned=value)
        last = everything.filter(uid=records.uid(project_pk, kind.removesuffix("s"), after)).first()
        if last is None:
            raise BadCursor("after", after, "a cursor of this list")
        rows = rows.filter(_beyond(last, down=down))
    ordered = rows.order_by(
        F("reckoned").desc(nulls_last=True) if down else F("reckoned").asc(nulls_last=True), "-uid" if down else "uid"
    )
    found = list(ordered[: limit + 1])
    more, found = len(found) > limit, found[:limit]
    return Page(
        rows=found,
        next=found[-1].public_id if more else None,
        previous=found[0].public_id if found and after is not None else None,
    )


def _beyond(last: Any, *, down: bool) -> Q:
    sign = "lt" if down else "gt"
    if last.reckoned is None:
        return Q(**{"reckoned__isnull": True, f"uid__{sign}": last.uid})
    same = Q(**{"reckoned": last.reckoned, f"uid__{sign}": last.uid})
    return Q(**{f"reckoned__{sign}": last.reckoned}) | same | Q(reckoned__isnull=True)
