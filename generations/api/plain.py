"""Pages of small tables over REST, the newest first: those that no filter catalogue tells of."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from generations.api import lists
from generations.api.answers import answer
from generations.api.operations import LIMIT, PROJECT, Parameter
from generations.filters import BadFilter
from generations.paging import MAX_LIMIT, BadCursor
from generations.records import Json

QUERY: Final[list[Parameter]] = [
    {"name": "after", "in": "query", "description": "`page.next` of the page before.", "schema": {"type": "string"}},
    LIMIT,
    PROJECT,
]


def page(
    request: HttpRequest,
    rows: QuerySet[Any],
    documents: Callable[[Sequence[Any]], Iterable[Json]],
    *,
    among: QuerySet[Any] | None = None,
) -> HttpResponse:
    """The rows that come after the one that `?after=` names, which is one of them or `among` those that may have left
    them since. Raises BadFilter, BadCursor."""
    params = request.GET
    limit = lists.whole("limit", params.get("limit"), 50)
    if not 1 <= limit <= MAX_LIMIT:
        raise BadFilter("limit", limit, f"a whole number from 1 to {MAX_LIMIT}")
    if after := params.get("after"):
        last = _row(rows if among is None else among, after)
        rows = rows.filter(Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, pk__lt=last.pk))
    found = list(rows.order_by("-created_at", "-pk")[: limit + 1])
    about = {
        "next": str(found[limit - 1].pk) if len(found) > limit else None,
        "previous": None,
        "limit": limit,
        "order": "-createdAt",
    }
    return answer({"data": list(documents(found[:limit])), "page": about})


def each(document: Callable[[Any], Json]) -> Callable[[Sequence[Any]], Iterable[Json]]:
    """Shows rows that need nothing beside themselves."""
    return lambda rows: map(document, rows)


def _row(rows: QuerySet[Any], id: str) -> Any:
    try:
        found = rows.filter(pk=uuid.UUID(id)).first()
    except ValueError:
        found = None
    if found is None:
        raise BadCursor("after", id, "the `next` of a page of this list")
    return found
