"""Rows of the lists that are exported here beside generations: told by their names, and read into records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from generations.ingest import rest
from generations.ingest.rest_fields import PARTICIPANT, READ_ONLY, SCORE, STEP, THREAD, Slot, groups
from generations.records import InvalidRecord, Json, Record

_TABLES: Final[Mapping[str, tuple[Mapping[str, Slot], frozenset[str]]]] = {
    "step": (STEP, frozenset({"id", "timestamp", "type", "performance"})),
    "thread": (THREAD, frozenset({"id", "timestamp", "lastActivityAt"})),
    "participant": (PARTICIPANT, frozenset({"id", "identifier", "lastSeenAt"})),
    "score": (SCORE, frozenset({"id", "name", "type", "timestamp"})),
}
"""The fields of each kind of row, and the names that every exported one has. No generation has all of them and no
others: it has a model, and its types are others."""
_ELSEWHERE: Final[Mapping[str, tuple[frozenset[str], str, str]]] = {
    "item": (
        frozenset({"id", "datasetId", "datasetName", "input"}),
        "dataset",
        "a dataset beside the file: what this row is an item of is said there, by page or over REST",
    ),
    "result": (
        frozenset({"id", "experimentId", "experimentName"}),
        "experimentId",
        "a row that is no result: results are added to an experiment at POST /api/experiments/{id}/items",
    ),
    "version": (
        frozenset({"id", "promptId", "name", "version"}),
        "promptId",
        "a row that is no prompt's version: versions are made at POST /api/prompts/{name}/versions",
    ),
}
"""Rows that are taken in elsewhere: the names that every exported one has, and what is said of it here."""
_TAG: Final = frozenset({"name", "createdAt"})
_READ: Final[Mapping[str, Callable[[Json], Record]]] = {
    "step": rest.step,
    "thread": rest.thread,
    "participant": rest.participant,
    "score": rest.score,
}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of an export: what it is called (`step`), its record, and the table of its fields."""

    kind: str
    record: Record
    table: Mapping[str, Slot]


def kind_of(document: Json) -> str | None:
    """What a row of an export is of: step, thread, participant, score, an item of a dataset, a result of an experiment,
    a version of a prompt, a tag; None for all else."""
    if not isinstance(document, Mapping):
        return None
    for kind, (needed, _, _) in _ELSEWHERE.items():
        if document.keys() >= needed:
            return kind
    if _TAG <= document.keys() <= _TAG | {"colour", "description"}:
        return "tag"
    for kind, (table, needed) in _TABLES.items():
        if needed <= document.keys() <= {*table, *groups(table), *READ_ONLY} and _is_type(table, document):
            return kind
    return None


def read(document: Json) -> Row | None:
    """A row as the record that it was exported from; None for what is no such row. Raises InvalidRecord."""
    kind = kind_of(document)
    if kind is None:
        return None
    if kind in _ELSEWHERE:
        _, name, expected = _ELSEWHERE[kind]
        raise InvalidRecord(name, document.get(name), expected)
    if kind == "tag":
        raise InvalidRecord("name", document["name"], "a row that is no tag: tags come with the rows that carry them")
    return Row(kind, _READ[kind](dict(document)), _TABLES[kind][0])


def _is_type(table: Mapping[str, Slot], document: Mapping[str, Any]) -> bool:
    if "type" not in table:
        return True
    try:
        table["type"].read(document["type"], "type")
    except InvalidRecord:
        return False
    return True
