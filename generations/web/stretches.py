"""Pages of small lists, the newest first, that no filter catalogue tells of: by key, one query each."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest

LIMIT: Final = 25


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some rows of a list. `newer` and `older` are the queries of the pages beside it, empty where there is none."""

    rows: Sequence[Any]
    newer: str = ""
    older: str = ""

    def __iter__(self) -> Any:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)


def stretch(request: HttpRequest, rows: QuerySet[Any], *, limit: int = LIMIT, by: str = "created_at") -> Stretch:
    """The rows after `?after=` or before `?before=`, each the place of a row; the newest without either."""
    after, before = request.GET.get("after", ""), request.GET.get("before", "")
    if before:
        moment, key = _place(before)
        nearer = rows.filter(Q(**{f"{by}__gt": moment}) | Q(**{by: moment, "pk__gt": key}))
        found = list(nearer.order_by(by, "pk")[: limit + 1])
        has_newer, has_older = len(found) > limit, True
        found = found[:limit][::-1]
    else:
        if after:
            moment, key = _place(after)
            rows = rows.filter(Q(**{f"{by}__lt": moment}) | Q(**{by: moment, "pk__lt": key}))
        found = list(rows.order_by(f"-{by}", "-pk")[: limit + 1])
        has_newer, has_older = bool(after), len(found) > limit
        found = found[:limit]
    if not found:
        return Stretch(found)
    return Stretch(
        found,
        newer=_query(request, "before", found[0], by) if has_newer else "",
        older=_query(request, "after", found[-1], by) if has_older else "",
    )


def _query(request: HttpRequest, name: str, row: Any, by: str) -> str:
    query = request.GET.copy()
    for one in ("after", "before"):
        query.pop(one, None)
    query[name] = f"{getattr(row, by).timestamp():.6f}_{row.pk}"
    return f"?{query.urlencode()}"


def _place(text: str) -> tuple[dt.datetime, uuid.UUID]:
    seconds, _, key = text.partition("_")
    try:
        # In parts: a float of all of it is a microsecond off now and then.
        whole, _, rest = seconds.partition(".")
        moment = dt.datetime.fromtimestamp(int(whole), dt.UTC) + dt.timedelta(microseconds=int(rest.ljust(6, "0")[:6]))
        return moment, uuid.UUID(key)
    except (ValueError, OverflowError, OSError):
        raise Http404("This address leads to no place in the list. Begin at its first page.") from None
