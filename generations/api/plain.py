"""Pages of small tables over REST, the newest first: those that no filter catalogue tells of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse

from generations import paging
from generations.api import lists
from generations.api.answers import answer
from generations.api.operations import LIMIT, PROJECT, Parameter
from generations.filters import BadFilter
from generations.paging import MAX_LIMIT
from generations.records import Json

QUERY: Final[list[Parameter]] = [
    {"name": "after", "in": "query", "description": "`page.next` of the page before.", "schema": {"type": "string"}},
    LIMIT,
    PROJECT,
]
_ORDER: Final = ("-created_at", "-id")


def page(
    request: HttpRequest, rows: QuerySet[Any], documents: Callable[[Sequence[Any]], Iterable[Json]]
) -> HttpResponse:
    """The rows that come after the place that `?after=` names. Raises BadFilter, BadCursor."""
    params = request.GET
    limit = lists.whole("limit", params.get("limit"), 50)
    if not 1 <= limit <= MAX_LIMIT:
        raise BadFilter("limit", limit, f"a whole number from 1 to {MAX_LIMIT}")
    if after := params.get("after"):
        moment, key = paging.placed(rows.model, _ORDER, after)
        rows = rows.filter(Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=key))
    found = list(rows.order_by(*_ORDER)[: limit + 1])
    about = {
        "next": paging.place(found[limit - 1], _ORDER) if len(found) > limit else None,
        "previous": None,
        "limit": limit,
        "order": "-createdAt",
    }
    return answer({"data": list(documents(found[:limit])), "page": about})


def each(document: Callable[[Any], Json]) -> Callable[[Sequence[Any]], Iterable[Json]]:
    """Shows rows that need nothing beside themselves."""
    return lambda rows: map(document, rows)
