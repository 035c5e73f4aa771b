"""Questions with a body: the seed's `find` and `aggregate`."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from ninja import Router

from generations import filters, metrics, paging
from generations.access import Scope
from generations.api import lists, receive
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import OBJECT, closed, page_of, ref, sent
from generations.api.operations import operation
from generations.filters import BadFilter
from generations.ingest.values import nearest
from generations.metrics import BadQuery
from generations.records import Json

router = Router()
TAG: Final = "Generations"
ASKED: Final = ("filter", "filters", "sort", "order", "fields", "limit", "after", "before", "count")

_ONE: Final = {"type": "integer", "enum": [1]}
_QUESTION: Final = {
    "type": "object",
    "properties": sent(
        filter={**OBJECT, "description": "Paths, each with a value or operators. May be called `filters`."},
        sort={
            "description": '`{"timestamp": -1}`, or `"-timestamp"`. May be called `order`.',
            "anyOf": [
                {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": {"type": "integer", "enum": [1, -1]},
                },
                {"type": ["string", "null"]},
            ],
        },
        fields={
            "description": "A list of paths to show, or MongoDB's projection; all of the document when absent.",
            "anyOf": [
                {"type": ["array", "null"], "items": {"type": "string"}},
                {"type": "object", "additionalProperties": {"anyOf": [_ONE, {"type": "boolean", "const": True}]}},
            ],
        },
        limit={"type": "integer", "minimum": 1, "maximum": 1000, "default": 50},
        after={"type": "string", "description": "The cursor `page.next` of the page before."},
        before={"type": "string", "description": "The cursor `page.previous` of the page after."},
        count={"type": "boolean", "description": "Whether to count the rows too, up to 10,000."},
    )["properties"],
}
_STAGES: Final = {"type": "array", "items": {**OBJECT, "minProperties": 1, "maxProperties": 1}}


@router.post(
    "/query",
    **operation(
        "Find generations by a document",
        tag=TAG,
        scope=Scope.READ,
        sent=_QUESTION,
        example={
            "filter": {
                "model.id": "gpt-4",
                "feedback.rating": {"$gte": 4},
                "timestamp": {"$gte": "2026-01-01", "$lte": "2026-01-31"},
            },
            "sort": {"timestamp": -1},
            "limit": 20,
        },
        ok={200: page_of(ref("Generation"))},
    ),
)
def query_generations(request: HttpRequest) -> HttpResponse:
    """`filter` is a document: paths with a value, or with `$gt $gte $lt $lte $ne $in $nin $exists $contains`, joined by
    `$and`, `$or` and `$not`; the `$` may be left out. A body without `filter` and its companions is itself the filter.
    """
    asked = receive.mapping(request, limit=receive.MAX_QUESTION)
    if asked and not asked.keys() & set(ASKED):
        asked = {"filter": asked}
    for name in asked.keys() - set(ASKED):
        raise BadFilter(name, asked[name], f"a field within 'filter', or {nearest(name, ASKED)}")
    if "filter" in asked and "filters" in asked:
        raise BadFilter("filters", asked["filters"], "either filter or filters")
    fields = _fields(asked.get("fields"))
    condition = filters.from_document("generations", asked.get("filter", asked.get("filters")))
    try:
        return lists.page(
            grant_of(request).project,
            "generations",
            condition,
            lists.generations(fields),
            order=_order(asked),
            after=_text("after", asked.get("after")),
            before=_text("before", asked.get("before")),
            limit=_limit(asked.get("limit")),
            count=_flag("count", asked.get("count")),
        )
    except BadFilter as error:
        if error.field == "order" and "order" not in asked:
            raise BadFilter("sort", asked["sort"], error.expected) from None
        raise


_AGGREGATED: Final = {
    "type": "object",
    "required": ["data", "source", "approximate"],
    "properties": {
        "data": {"type": "array", "items": OBJECT},
        "source": {"type": "string", "enum": ["rows", "rollup", "both"], "description": "What answered."},
        "approximate": {"type": "number", "description": "The largest relative error of percentiles; 0 is exact."},
    },
}


@router.post(
    "/aggregate",
    **operation(
        "Aggregate generations",
        tag=TAG,
        scope=Scope.READ,
        sent={
            "anyOf": [
                _STAGES,
                closed(("pipeline",), pipeline=_STAGES, exact={"type": "boolean"}),
            ]
        },
        example=[
            {
                "$group": {
                    "_id": "$model.id",
                    "totalTokens": {"$sum": "$usage.totalTokens"},
                    "averageTokens": {"$avg": "$usage.totalTokens"},
                    "count": {"$sum": 1},
                }
            },
            {"$sort": {"totalTokens": -1}},
        ],
        ok={200: _AGGREGATED},
    ),
)  # fmt: skip
def aggregate_generations(request: HttpRequest) -> HttpResponse:
    """A pipeline of `$match`, `$group`, `$sort`, `$limit`, `$project` and `$count` stages, as an array or as
    `{"pipeline": [...], "exact": false}`. `$group` knows `$sum $avg $min $max $count $percentile`, dotted and compound
    `_id`, and `$dateTrunc`. A sum of which nothing is known is null. Percentiles of many calls may be taken of
    histograms unless they are to be `exact`; `approximate` is then their largest relative error.
    """
    grant = grant_of(request)
    body = receive.document(request, limit=receive.MAX_QUESTION)
    exact = False
    if isinstance(body, dict):
        if "pipeline" not in body or set(body) - {"pipeline", "exact"}:
            raise BadQuery("pipeline", body, 'an array of stages, or {"pipeline": [...], "exact": false}')
        exact, body = body.get("exact", False), body["pipeline"]
    if not isinstance(exact, bool):
        raise BadQuery("exact", exact, "true or false")
    made = metrics.documents(grant.project, body, exact=exact)
    return answer({"data": made.rows, "source": made.source, "approximate": made.approximate})


# ----------------------------------------------------------------------------------------------------------- the parts
def _fields(value: Json) -> tuple[str, ...] | None:
    if isinstance(value, dict):
        # MongoDB's projection: {"input": 1, "usage.cost": true}.
        for name, wanted in value.items():
            if wanted not in (1, True):
                raise BadFilter(f"fields.{name}", wanted, "1; name the fields to show")
        value = list(value)
    return lists.fields(value)


def _order(asked: dict[str, Json]) -> str | None:
    if asked.get("order") is not None and asked.get("sort") is not None:
        raise BadFilter("order", asked["order"], "either sort or order")
    sort = asked.get("sort", asked.get("order"))
    if isinstance(sort, dict) and len(sort) == 1:
        path, direction = next(iter(sort.items()))
        if isinstance(direction, bool) or direction not in (1, -1):
            raise BadFilter(f"sort.{path}", direction, "1 (smallest first) or -1 (largest first)")
        return f"-{path}" if direction == -1 else path
    if sort is None or isinstance(sort, str):
        return sort or None
    raise BadFilter("sort", sort, 'one field, such as {"timestamp": -1} or "-timestamp"')


def _text(name: str, value: Json) -> str | None:
    if value is not None and not isinstance(value, str):
        raise BadFilter(name, value, "a text")
    return value or None


def _limit(value: Json) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if value is None:
        return 50
    raise BadFilter("limit", value, f"a whole number from 1 to {paging.MAX_LIMIT}")


def _flag(name: str, value: Json) -> bool:
    if value is not None and not isinstance(value, bool):
        raise BadFilter(name, value, "true or false")
    return bool(value)
