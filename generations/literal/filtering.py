"""The filters and orders of Literal AI's lists, as documents of the one filter catalogue."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from generations import filters
from generations.filters import BadFilter, Condition
from generations.identities import is_uuid
from generations.models import Participant, Project, Prompt
from generations.records import SCORE_TYPES

Document = dict[str, Any]

_OPERATORS: Final = {
    "eq": "eq",
    "neq": "ne",
    "ilike": "contains",
    "nilike": "contains",
    "gt": "gt",
    "gte": "gte",
    "lt": "lt",
    "lte": "lte",
    "in": "in",
    "nin": "nin",
    "is": "exists",
    "nis": "exists",
}
_OPPOSITES: Final = {"neq": "eq", "nilike": "ilike", "nin": "in"}
_PATHS: Final[Mapping[str, Mapping[str, str]]] = {
    "threads": {
        "id": "id",
        "createdAt": "startedAt",
        "name": "name",
        "metadata": "metadata",
        "tags": "tags",
        "participantId": "metadata.userId",
        "tokenCount": "usage.totalTokens",
        "duration": "performance.duration",
    },
    "steps": {
        "id": "id",
        "name": "name",
        "type": "type",
        "input": "input.content",
        "output": "output.content",
        "startTime": "timestamp",
        "createdAt": "timestamp",
        "endTime": "endTimestamp",
        "metadata": "metadata",
        "parentId": "parentId",
        "threadId": "threadId",
        "error": "error",
        "tags": "tags",
    },
    "participants": {
        "id": "id",
        "createdAt": "createdAt",
        "identifier": "identifier",
        "lastEngaged": "lastSeen",
        "metadata": "metadata",
        "threadCount": "threadCount",
        "tokenCount": "usage.totalTokens",
    },
    "scores": {
        "id": "id",
        "createdAt": "timestamp",
        "name": "name",
        "tags": "tags",
        "value": "value",
        "type": "type",
        "comment": "comment",
    },
    "generations": {
        "id": "id",
        "createdAt": "timestamp",
        "error": "error",
        "provider": "model.provider",
        "model": "model.id",
        "promptLineage": "promptVersion.name",
        "promptVersion": "promptVersion.version",
        "duration": "performance.latency",
        "tokenCount": "usage.totalTokens",
        "tags": "tags",
    },
}
_USERS: Final = frozenset({"participant", "participants", "participantIdentifier", "participantIdentifiers"})
_ORDERS: Final[Mapping[str, Mapping[str, str]]] = {
    "threads": {"createdAt": "startedAt", "participant": "metadata.userId", "tokenCount": "usage.totalTokens"},
    "steps": {"createdAt": "timestamp"},
    "scores": {"createdAt": "timestamp"},
    "generations": {
        "createdAt": "timestamp",
        "tokenCount": "usage.totalTokens",
        "model": "model.id",
        "provider": "model.provider",
        "duration": "performance.latency",
        "participant": "metadata.userId",
    },
}


def condition(project: Project, kind: str, items: Iterable[Any] | None) -> Condition | None:
    """The condition that a list of `{field, operator, value, path}` says; all of them hold. Raises BadFilter."""
    parts = [_part(project, kind, item) for item in items or ()]
    return filters.from_document(kind, {"and": parts}) if parts else None


def order(kind: str, given: Any) -> str | None:
    """The order that `{column, direction}` says, as a path; None for the list's own. Raises BadFilter."""
    if given is None:
        return {"threads": "-startedAt", "participants": "-createdAt"}.get(kind)
    column = str(given.get("column")) if isinstance(given, Mapping) else ""
    columns = _ORDERS.get(kind, {})
    if column not in columns:
        raise BadFilter("orderBy", column, " or ".join(columns) or "no order")
    assert isinstance(given, Mapping)
    return ("" if str(given.get("direction", "DESC")).upper() == "ASC" else "-") + columns[column]


def _part(project: Project, kind: str, item: Any) -> Document:
    if not isinstance(item, Mapping):
        raise BadFilter("filters", item, "objects of field, operator, value and path")
    field, said, value = str(item.get("field")), str(item.get("operator")), item.get("value")
    path = item.get("path")
    operator = _OPERATORS.get(said)
    if operator is None:
        raise BadFilter("operator", said, " or ".join(_OPERATORS))
    if field in _USERS:
        return _users(project, kind, said, value)
    if (kind, field) == ("threads", "scoreValue") or (kind, field) == ("generations", "score"):
        return _score(kind, operator, said, value, path)
    if kind == "threads" and field in ("stepType", "stepName", "stepOutput"):
        inner = {"stepType": "type", "stepName": "name", "stepOutput": "output.content"}[field]
        return _of_steps(inner, said, value)
    name = _PATHS[kind].get(field)
    if name is None:
        raise BadFilter("field", field, " or ".join(sorted({*_PATHS[kind], *_special(kind)})))
    if kind == "participants" and name == "identifier" and operator == "eq" and isinstance(value, list):
        operator = "in"
    if field == "promptLineage":
        value = _lineage_names(project, value)
    if name == "metadata":
        return _metadata(operator, said, value, path)
    if (kind, name) == ("scores", "type") and operator == "contains":
        return _negated(said == "nilike", {name: {"in": [one for one in SCORE_TYPES if str(value).upper() in one]}})
    if said in ("is", "nis") and name == "tags":
        # An empty list of tags counts as none to the clients.
        return {name: {"exists": said == "nis"}}
    if name in ("input.content", "output.content") and operator != "contains":
        return _content(name, said, value)
    return _negated(said == "nilike", {name: _compared(operator, said, value)})


def _metadata(operator: str, said: str, value: Any, path: Any) -> Document:
    if not path:
        raise BadFilter("path", None, "the key of the metadata that is asked about")
    name = f"metadata.{path}"
    if said in ("eq", "neq") and isinstance(value, str):
        # The clients compare the text of the JSON: "1" is the number as well as the text.
        return {name: {"in" if said == "eq" else "nin": [value, *_as_json(value)]}}
    return _negated(said == "nilike", {name: _compared(operator, said, value)})


def _as_json(text: str) -> list[Any]:
    """The number or boolean that a text writes; nothing for any other text."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [read] if isinstance(read, bool | int | float) and read == read else []


def _special(kind: str) -> tuple[str, ...]:
    if kind == "threads":
        return ("participantIdentifiers", "scoreValue", "stepName", "stepOutput", "stepType")
    if kind == "steps":
        return ("participantIdentifier", "participantIdentifiers")
    return ("participant", "score") if kind == "generations" else ("participant",)


def _compared(operator: str, said: str, value: Any) -> Document:
    if said in ("is", "nis"):
        if value is None:
            return {"exists": said == "nis"}
        return {"eq" if said == "is" else "ne": value}
    if operator == "contains":
        # The callers pass plain text; only one that writes wildcards means them, and at the ends they say no more.
        return {"contains": str(value).strip("%")}
    return {operator: value}


def _negated(negated: bool, document: Document) -> Document:
    return {"not": document} if negated else document


def _content(name: str, said: str, value: Any) -> Document:
    """A payload is searched, never compared: equality becomes containment of the text."""
    if said in ("is", "nis") and value is None:
        return {name: {"exists": said == "nis"}}
    return _negated(said in _OPPOSITES, {name: {"contains": str(value)}})


def _of_steps(name: str, said: str, value: Any) -> Document:
    """What one of a thread's steps satisfies. A negation is that none does: a thread without steps satisfies it."""
    if said in ("is", "nis") and value is None:
        return _negated(said == "is", {"steps": {"some": {name: {"exists": True}}}})
    asked = _OPPOSITES.get(said, said)
    if name == "output.content":
        found = _content(name, asked, value)
    else:
        found = {name: _compared(_OPERATORS[asked], asked, value)}
    return _negated(said in _OPPOSITES, {"steps": {"some": found}})


def _score(kind: str, operator: str, said: str, value: Any, path: Any) -> Document:
    if said == "neq":
        return {"not": _score(kind, "eq", "eq", value, path)}
    inner: Document = {"value": _compared(operator, said, value)}
    if path:
        inner["name"] = str(path)
    if said in ("is", "nis") and value is None:
        inner.pop("value")
        wanted = said == "nis"
        found: Document = {"scores": {"some" if wanted else "none": inner}}
        if kind == "generations":
            return found
        return {"steps": {"some": found}} if wanted else {"not": {"steps": {"some": {"scores": {"some": inner}}}}}
    if kind == "threads":
        return {"or": [{"steps": {"some": {"scores": {"some": inner}}}}, {"scores": {"some": inner}}]}
    return {"scores": {"some": inner}}


def _lineage_names(project: Project, value: Any) -> Any:
    """A lineage is asked for by its name or by its id; generations hold its name."""
    ids = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str) and is_uuid(one)]
    names = {
        str(key): name for key, name in Prompt.objects.filter(project=project, pk__in=ids).values_list("pk", "name")
    }
    if isinstance(value, list):
        return [names.get(str(one), one) for one in value]
    return names.get(str(value), value)


def _users(project: Project, kind: str, said: str, value: Any) -> Document:
    """What belongs to users of these identifiers: steps, generations and scores through their threads."""
    if said in ("is", "nis") and value is None:
        return _negated(said == "is", _by_user(kind, {"exists": True}))
    wanted = [str(one) for one in (value if isinstance(value, list) else [value])]
    known = Participant.objects.in_project(project.pk).filter(identifier__in=wanted)
    users = sorted({*wanted, *known.values_list("public_id", flat=True)})
    return _negated(said in _OPPOSITES, _by_user(kind, {"in": users}))


def _by_user(kind: str, asked: Document) -> Document:
    direct: Document = {"metadata.userId": asked}
    through: Document = {"threads": {"some": direct}}
    if kind == "threads":
        return direct
    if kind == "scores":
        return {"or": [through, {"steps": {"some": {"or": [direct, through]}}}]}
    return {"or": [direct, through]}
