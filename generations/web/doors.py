"""The page of a list at the other doors: as JSON over REST, as CSV, and as a query in GraphiQL."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from typing import Any, Final

import orjson
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from generations import filters
from generations.access import Grant
from generations.exporting import columns, rows, writers
from generations.filters import And, Condition, Leaf, Not, Or
from generations.filters.fields import joined
from generations.web.gate import page
from generations.web.listing import Listing, listing

NOUNS: Final = {"generations": "Generation", "steps": "Step", "threads": "Thread", "participants": "Participant"}
"""The lists that are at the other doors too, and what GraphQL calls one row of each."""
_OURS: Final = ("view", "q", "by")
"""Parameters that a page alone understands."""
_FIELDS: Final = {
    "generations": """
      id
      timestamp
      model { id provider }
      input { preview }
      output { preview }
      usage { totalTokens cost currency }
      performance { latency }
      scores { nodes { name value label } }""",
    "steps": """
      id
      type
      name
      timestamp
      performance { latency }
      error
      inputPreview
      outputPreview
      threadId
      tags""",
    "threads": """
      id
      name
      userId
      startedAt
      lastActivity
      tags""",
    "participants": """
      id
      identifier
      createdAt
      lastSeen
      metadata""",
}
"""What of a row is asked for first in GraphiQL."""


def others(made: Listing, grant: Grant) -> list[tuple[str, str]]:
    """(name, address) of the same filter, order and place at the other doors."""
    if made.problem:
        return []
    slug = grant.project.slug
    query = made.query.copy()
    for name in _OURS:
        query.pop(name, None)
    query["limit"] = str(made.limit)
    variables = orjson.dumps(_variables(made)).decode()
    return [
        ("JSON", f"/api/{made.kind}?{urlencode({'project': slug})}&{query.urlencode()}"),
        ("CSV", f"{reverse('web:csv', args=[slug, made.kind])}?{query.urlencode()}"),
        (
            "GraphQL",
            f"/graphql/?{urlencode({'project': slug, 'query': _document(made.kind), 'variables': variables})}",
        ),
    ]


def _document(kind: str) -> str:
    noun = NOUNS[kind]
    return f"""query Page(
  $where: {noun}Where, $orderBy: {noun}Order, $first: Int, $after: String, $last: Int, $before: String
) {{
  {kind}(where: $where, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before) {{
    totalCount {{ value exact }}
    nodes {{{_FIELDS[kind]}
    }}
    pageInfo {{ hasNextPage endCursor }}
  }}
}}
"""


def _variables(made: Listing) -> dict[str, Any]:
    """What the query is asked with: the filter, the order and the place."""
    said: dict[str, Any] = {}
    if made.condition is not None:
        said["where"] = where(made.condition)
    said["orderBy"] = order(made.order)
    before, after = made.query.get("before"), made.query.get("after")
    if before:
        return {**said, "last": made.limit, "before": before}
    return {**said, "first": made.limit, **({"after": after} if after else {})}


def order(path: str) -> dict[str, str]:
    """An order like `-usage.cost` as GraphQL's."""
    name = path.removeprefix("-").removeprefix("metadata.")
    field = re.sub(r"(?<=[a-z])(?=[A-Z])|\.", "_", name).upper()
    return {"field": field, "direction": "DESC" if path.startswith("-") else "ASC"}


def where(condition: Condition) -> dict[str, Any]:
    """The condition as a `where` of GraphQL's."""
    if isinstance(condition, Leaf):
        ((_, said),) = filters.to_document(condition).items()
        compared = {op.removeprefix("$"): value for op, value in (said if _is_said(said) else {"eq": said}).items()}
        if condition.field == "scores":
            if (affirmed := _affirmed(condition)) is not condition:
                return {"not": where(affirmed)}
            return {"scores": {"some": {"name": {"eq": condition.path[0]}, "value": compared}}}
        inner: Any = compared if not condition.path else [{"path": joined(condition.path), **compared}]
        # What stands in a column of its own is beside `metadata` there, for `metadata` is a list of keys.
        path = condition.field if condition.path else condition.field.removeprefix("metadata.")
        for name in reversed(path.split(".")):
            inner = {name: inner}
        return dict(inner)
    if isinstance(condition, And | Or):
        return {"and" if isinstance(condition, And) else "or": [where(part) for part in condition.parts]}
    if isinstance(condition, Not):
        return {"not": where(condition.part)}
    return {condition.relation: {"some": where(condition.condition) if condition.condition else {}}}


def _affirmed(leaf: Leaf) -> Leaf:
    """What a comparison refuses, where it does: that no score is equal, not that there is one that is not."""
    if leaf.op == "exists":
        return leaf if leaf.value else replace(leaf, value=True)
    return replace(leaf, op={"ne": "eq", "nin": "in"}[leaf.op]) if leaf.op in ("ne", "nin") else leaf


def _is_said(said: Any) -> bool:
    return isinstance(said, dict) and all(name.startswith("$") for name in said)


@page()
@require_safe
def as_csv(request: HttpRequest, grant: Grant, kind: str) -> HttpResponse:
    """The rows of the page that a list's address asks for, as CSV with the columns of an export."""
    if kind not in NOUNS:
        raise Http404("There is no such list as CSV.")
    made = listing(request, grant, kind)
    if made.problem:
        return HttpResponse(f"{made.problem}\n", status=400, content_type="text/plain; charset=utf-8")
    chosen = columns.flat(kind, columns.chosen(kind, None))
    file = io.BytesIO()
    keys: list[Any] = [tuple(getattr(row, name) for name in rows.SOURCES[kind].key) for row in made.rows]
    with writers.writing("csv", "none", file, chosen) as writer:
        for line in rows.lines(kind, grant.project, keys, chosen) if keys else ():
            writer.write(line)
    response = HttpResponse(file.getvalue(), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{grant.project.slug}-{kind}.csv"'
    return response
