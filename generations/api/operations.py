"""How a route is declared: the scope it needs, what it takes and every answer it gives, in one call."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from generations import filters
from generations.access import Scope
from generations.api.auth import Gate
from generations.api.describing import Schema, ref
from generations.api.errors import CODES
from generations.paging import MAX_LIMIT

Parameter = dict[str, Any]
JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"
FORM: Final = "multipart/form-data"

LIMIT: Final[Parameter] = {
    "name": "limit",
    "in": "query",
    "description": "How many rows a page has at most.",
    "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 50},
}
PROJECT: Final[Parameter] = {
    "name": "project",
    "in": "query",
    "description": "The project's slug, for a signed-in person's session; a key knows its project.",
    "schema": {"type": "string"},
}

AGAIN: Final[Parameter] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Any text of up to 255 characters: what has no id gets the same one when the same body is sent "
    "again with the same key, and is recorded or made once. An export or import of that key is the same job for as "
    "long as there is that job, however it ended.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def operation(
    summary: str,
    *,
    tag: str,
    scope: Scope,
    ok: Mapping[int, Schema | None],
    sent: Schema | None = None,
    lines: Schema | None = None,
    form: Schema | None = None,
    example: Any = None,
    query: Sequence[Parameter] = (),
    headers: Sequence[Parameter] = (),
    refuses: Collection[int] = (),
    auth: Gate | None = None,
) -> dict[str, Any]:
    """The arguments of a router's `get`, `post` and so on.

    `ok` are the answers by status, None for one without a body; `sent` is the body's schema, `lines` that of each of
    its lines when it may come as JSON Lines, `form` that of a body that is a form with files; `refuses` are the
    statuses of refusals beside those every route has.
    """
    refused = {400, 401, 403, 404, 503, *refuses}
    if sent is not None or form is not None:
        refused |= {413, 415, 422}
    answers: dict[int, Any] = {
        status: {"description": HTTPStatus(status).phrase}
        | ({} if schema is None else {"content": {JSON: {"schema": schema}}})
        for status, schema in ok.items()
    }
    answers |= {
        status: {"description": CODES[status], "content": {JSON: {"schema": ref("Error")}}}
        for status in sorted(refused)
    }
    extra: dict[str, Any] = {"responses": answers, "x-scope": str(scope)}
    if query or headers:
        extra["parameters"] = [dict(one) for one in (*query, *headers)]
    if sent is not None:
        content: dict[str, Any] = {JSON: {"schema": sent} | ({} if example is None else {"example": example})}
        if lines is not None:
            content[LINES] = {"schema": lines}
        # An object of which nothing is required may be left out altogether.
        is_needed = sent.get("type") != "object" or bool(sent.get("required"))
        extra["requestBody"] = {"required": is_needed, "content": content}
    elif form is not None:
        extra["requestBody"] = {"required": True, "content": {FORM: {"schema": form}}}
    gate = auth or Gate(scope)
    names = [str(one["name"]) for one in (*query, PROJECT)]
    # A list of the catalogue reads them itself: paths and operators are more than can be listed.
    gate.repeated = [str(one["name"]) for one in query if one["schema"].get("type") == "array"]
    gate.query = None if "filter" in names else tuple(dict.fromkeys(names))
    return {
        "auth": gate,
        "summary": summary,
        "tags": [tag],
        "response": dict.fromkeys(answers, None),
        "openapi_extra": extra,
    }


def of_list(kind: str, *, fields: bool = False, leave_out: Collection[str] = ()) -> list[Parameter]:
    """The query parameters of a list: a filter for each field of the catalogue, the window in time, and the page."""
    about = filters.catalogue(kind)
    dynamic = ", ".join(f"`{field.path}.<name>`" for field in about.fields if field.dynamic)
    sortable = [field.path for field in about.fields if field.sortable]
    found: list[Parameter] = [
        {
            "name": field.path,
            "in": "query",
            "description": f"{field.description} Operators: {', '.join(f'`__{op}`' for op in field.operators)}.",
            "schema": {"type": "string"},
        }
        for field in about.fields
        if not field.dynamic and field.path not in leave_out
    ]
    found += [
        _text(
            "from", "The earliest moment: ISO 8601, in UTC where it names no zone; or counted from now as `now-24h`."
        ),
        _text(
            "to",
            "The latest moment: ISO 8601, in UTC without a zone, a date for its whole day there; or counted from now.",
        ),
        _text(
            "filter", f'A filter as a JSON document: `{{"id": {{"$in": ["a", "b"]}}}}`. Also for {dynamic or "all"}.'
        ),
        _text(
            "order", f"A field, `-` in front for the largest first; {about.order} when absent. {', '.join(sortable)}."
        ),
        _text("after", "The cursor `page.next` of the page before."),
        _text("before", "The cursor `page.previous` of the page after."),
        LIMIT,
        _text("count", "`true` also counts the rows, up to 10,000."),
        PROJECT,
    ]
    if fields:
        found.append(_text("fields", "Only these paths of each document: `input,usage.cost,metadata.plan`."))
    return found


def _text(name: str, description: str) -> Parameter:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}
