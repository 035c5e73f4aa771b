"""Pages of a list over REST: the query string in, `{"data": [...], "page": {...}}` out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import orjson
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from generations import bundles, filters, paging
from generations.access import Grant
from generations.api.answers import answer, dumps
from generations.filters import BadFilter, Condition
from generations.ingest import rest
from generations.models import Generation, Project, Step
from generations.records import InvalidRecord, Json

PAGE_PARAMETERS: Final = frozenset({"limit", "after", "before", "order", "fields", "project", "count"})
_MEANT: Final = {
    **dict.fromkeys(("sort", "sortBy", "sort_by", "orderBy", "order_by"), "order"),
    **dict.fromkeys(("page", "offset", "skip", "cursor"), "after"),
    **dict.fromkeys(("pageSize", "page_size", "per_page", "perPage", "size", "first", "take"), "limit"),
    **dict.fromkeys(("where", "filters", "query"), "filter"),
    **dict.fromkeys(("since", "start"), "from"),
    **dict.fromkeys(("until", "end"), "to"),
    **dict.fromkeys(("q", "search"), "text"),
}
"""What others call a list's parameters."""
PATIENCE_SECONDS: Final = 30
ROWS_AT_ONCE: Final = 100
MAX_BYTES: Final = 32 << 20
"""A page ends early when its documents reach this size: a page of the largest payloads would fill the memory."""

Shown = Iterable[tuple[Any, Json]]
"""Rows and their documents, in order."""
Show = Callable[[Project, Sequence[Any]], Shown]


def answered(
    request: HttpRequest, grant: Grant, kind: str, show: Show, *, also: Condition | None = None, most: int = 50
) -> HttpResponse:
    """The page of a list that the query string asks for. `also` narrows it further; `most` is the usual limit."""
    params = request.GET
    for name in PAGE_PARAMETERS & params.keys():
        if len(given := params.getlist(name)) > 1:
            raise BadFilter(name, ", ".join(given), "it once")
    about = filters.catalogue(kind)
    for name in _MEANT.keys() & params.keys():
        meant = _MEANT[name]
        if about.find(name) is None and (meant != "text" or about.find(meant)):
            raise BadFilter(name, params[name], f"a field of {kind}; did you mean {meant}?")
    condition = filters.both(also, filters.from_query(kind, params, ignore=PAGE_PARAMETERS))
    return page(
        grant.project,
        kind,
        condition,
        show,
        order=params.get("order") or None,
        after=params.get("after") or None,
        before=params.get("before") or None,
        limit=whole("limit", params.get("limit"), most),
        count=flag("count", params.get("count")),
    )


def page(
    project: Project,
    kind: str,
    condition: Condition | None,
    show: Show,
    *,
    order: str | None = None,
    after: str | None = None,
    before: str | None = None,
    limit: int = 50,
    count: bool = False,
) -> HttpResponse:
    """A page of a list as an answer. Raises BadFilter and BadCursor."""
    with patience():
        found = paging.page(kind, project.pk, condition, order=order, after=after, before=before, limit=limit)
        data, last = _written(project, found.rows, show)
        is_cut = last is not None and last is not found.rows[-1]
        body: dict[str, Any] = {
            "data": data,
            "page": {
                "next": found.cursor(last) if is_cut else found.next,
                "previous": found.previous,
                "limit": found.limit,
                "order": found.order,
            },
        }
        if count:
            counted = paging.count(kind, project.pk, condition)
            body["count"] = {"value": counted.value, "exact": counted.exact}
    return answer(body)


def _written(project: Project, rows: Sequence[Any], show: Show) -> tuple[list[orjson.Fragment], Any]:
    """The documents as JSON, as many as fit, and the row of the last one."""
    data: list[orjson.Fragment] = []
    size, last = 0, None
    for start in range(0, len(rows), ROWS_AT_ONCE):
        for row, document in show(project, rows[start : start + ROWS_AT_ONCE]):
            text = dumps(document)
            if data and size + len(text) > MAX_BYTES:
                return data, last
            data.append(orjson.Fragment(text))
            size += len(text)
            last = row
    return data, last


@contextmanager
def patience() -> Iterator[None]:
    """No statement inside takes longer than PATIENCE_SECONDS: one costly filter must not hold a thread for ever."""
    # The limit ends with the transaction; inside another one it is put back by hand.
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        earlier = cursor.fetchone()[0]
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{PATIENCE_SECONDS}s"])
        yield
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [earlier])


# ------------------------------------------------------------------------------------------------------ what is shown
def generations(fields: Sequence[str] | None = None) -> Show:
    """Shows generations, or only these fields of them; reads no table that is not needed for them."""
    parts = {part: part in rest.needs(fields) for part in rest.needs(None)}

    def show(project: Project, rows: Sequence[Generation]) -> Shown:
        for bundle in bundles.of_generations(project, rows, **parts):
            yield bundle.generation, generation(bundle, fields)

    return show


def generation(bundle: bundles.Bundle, fields: Sequence[str] | None = None) -> Json:
    """The document of a generation, with when it was stored and changed here."""
    row = bundle.generation
    return rest.document(bundle.record, fields, created_at=row.created_at, updated_at=row.updated_at)


def steps(fields: Sequence[str] | None = None) -> Show:
    """Shows steps, or only these fields of them."""
    parts = {part: part in rest.needs(fields, steps=True) for part in ("payload", "scores", "attachments")}

    def show(project: Project, rows: Sequence[Step]) -> Shown:
        for bundle in bundles.of_steps(project, rows, generations=False, **parts):
            yield bundle.step, step(bundle, fields)

    return show


def step(bundle: bundles.StepBundle, fields: Sequence[str] | None = None) -> Json:
    """The document of a step, with when it was stored and changed here."""
    row = bundle.step
    return rest.step_document(bundle.record, fields, created_at=row.created_at, updated_at=row.updated_at)


def each(document: Callable[[Any], Json]) -> Show:
    """Shows rows that need nothing beside themselves."""
    return lambda project, rows: ((row, document(row)) for row in rows)


# ----------------------------------------------------------------------------------------------------------- parameters
def whole(name: str, text: str | None, default: int, least: int = 1) -> int:
    """A parameter that is a whole number; BadFilter for another text. `least` is the least that it is said to be."""
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        most = paging.MAX_LIMIT if name == "limit" else 10**9 - 1
        raise BadFilter(name, text, f"a whole number from {least} to {most}")
    return int(text)


def fields(asked: object, *, steps: bool = False) -> tuple[str, ...] | None:
    """The paths to show, None for all of the document; BadFilter for one that no document has."""
    try:
        return rest.check_fields(asked, steps=steps)
    except InvalidRecord as error:
        refusal = BadFilter(error.field, "", error.expected)
        refusal.value, refusal.args = error.value, error.args
        raise refusal from None


def flag(name: str, text: str | None) -> bool:
    """A parameter that is true or false, and false when it is absent."""
    if text in (None, "", "false", "0"):
        return False
    if text in ("true", "1"):
        return True
    raise BadFilter(name, text, "true or false")
