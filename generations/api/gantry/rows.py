"""What an application logged as the client's data frames read it: one flat row an event, columns with a type each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Final

from generations import bundles, filters, moments, paging, reading
from generations.access import Grant, Scope
from generations.bundles import Bundle
from generations.models import Application
from generations.records import InvalidRecord, Json

KIND: Final = "generations"
PIECE: Final = 500
MOST_ROWS: Final = 200_000
"""Rows that one question looks at."""
SAMPLE: Final = 300
"""Rows that columns are told from: the newest of the period."""
MAX_COLUMNS: Final = 500
MAX_DEPTH: Final = 6
TIME: Final = "__time"
JOIN: Final = "join_id"
Row = dict[str, Json]
Period = tuple[dt.datetime | None, dt.datetime | None]


def period(asked: Mapping[str, Any]) -> Period:
    """The period that is asked for; moments without a zone are UTC. Raises InvalidRecord."""
    return _moment(asked, "start_time"), _moment(asked, "end_time")


def _moment(asked: Mapping[str, Any], name: str) -> dt.datetime | None:
    if not (value := asked.get(name)):
        return None
    try:
        return moments.read(str(value))
    except ValueError:
        raise InvalidRecord(name, value, "a moment in ISO 8601") from None


def rows(
    grant: Grant,
    application: Application,
    between: Period,
    tags: Mapping[str, Json] | None = None,
    *,
    ascending: bool = True,
) -> Iterator[Row]:
    """The rows of a period by time, read a piece at a time; `tags` are those that a row has to have. Needs `read`."""
    grant.need(Scope.READ)
    document: dict[str, Json] = {"metadata.application": application.name}
    start, end = between
    when = {op: moment.isoformat() for op, moment in (("$gte", start), ("$lt", end)) if moment is not None}
    if when:
        document["timestamp"] = when
    condition = filters.from_document(KIND, document)
    wanted = {name: str(value) for name, value in (tags or {}).items()}
    order = "timestamp" if ascending else "-timestamp"
    after: str | None = None
    while True:
        page = paging.page(KIND, grant.project.pk, condition, order=order, after=after, limit=PIECE)
        for bundle in bundles.of_generations(grant.project, page.rows, attachments=False):
            had = _tags(bundle)
            if all(str(had.get(name)) == value for name, value in wanted.items()):
                yield flat(bundle)
        after = page.next
        if after is None:
            return


def flat(bundle: Bundle) -> Row:
    """A generation as one row: `inputs.`, `outputs.`, `feedback.` and its tags."""
    record = bundle.record
    row: Row = {TIME: int(bundle.generation.started_at.timestamp() * 1000), JOIN: bundle.generation.public_id}
    if record.type == "other":
        _spread(row, "inputs", record.input)
        _spread(row, "outputs", record.output)
    else:
        asked = record.messages if record.messages is not None else record.prompt
        _spread(row, "inputs.messages" if isinstance(asked, list) else "inputs.prompt", _text(asked))
        _spread(row, "inputs.model", record.model_id)
        for name, value in (record.parameters or {}).items():
            _spread(row, f"inputs.{name}", value)
        answer = record.message_completion if record.message_completion is not None else record.completion
        inner = answer.get("content") if isinstance(answer, Mapping) else answer
        place = "message.content" if isinstance(answer, Mapping) else "text"
        _spread(row, f"outputs.choices.selected_choice.{place}", _text(inner))
        _spread(row, "outputs.choices.selected_choice.finish_reason", record.finish_reason)
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            _spread(row, f"outputs.usage.{name}", getattr(record, name))
        _spread(row, "inputs.request_attributes", record.request_attributes)
        _spread(row, "outputs.response_attributes", record.response_attributes)
        _spread(row, "inputs.session_id", record.session_id)
    for score in bundle.scores:
        said: Json = score.value if score.value is not None else score.label
        if score.label in ("true", "false") and score.value in (0.0, 1.0):
            said = bool(score.value)
        _spread(row, f"feedback.{score.name}", said if said is not None else score.comment)
    for name, value in _tags(bundle).items():
        row.setdefault(name, value if isinstance(value, str) else str(value))
    return row


def _tags(bundle: Bundle) -> Mapping[str, Json]:
    tags = bundle.generation.metadata.get("labels")
    return tags if isinstance(tags, Mapping) else {}


def _text(value: Json) -> Json:
    return reading.compact(value) if isinstance(value, list | dict) else value


def _spread(row: Row, name: str, value: Json, depth: int = 0) -> None:
    """Adds a column for each leaf of an object; lists are one column, as JSON."""
    if value is None or len(row) >= MAX_COLUMNS:
        return
    if isinstance(value, Mapping) and depth < MAX_DEPTH:
        for key, inner in value.items():
            _spread(row, f"{name}.{key}", inner, depth + 1)
    else:
        row[name] = _text(value)


def type_of(values: list[Json]) -> str:
    """What a column holds, in the client's words: bool, int, float or str."""
    given = [value for value in values if value is not None]
    if given and all(isinstance(value, bool) for value in given):
        return "bool"
    if given and all(isinstance(value, int | float) and not isinstance(value, bool) for value in given):
        # Numbers that were sent to us by JSON are floats as soon as one of them is.
        return "int" if all(isinstance(value, int) for value in given) else "float"
    return "str"


def typed(row: Row, types: Mapping[str, str]) -> Row:
    """The row with all columns of these types, null where it has no value or one of another type.

    The client turns each column as a whole into its type, and fails where a truth is missing or a number is a text.
    """
    return {**row, **{name: _of_type(row.get(name), kind) for name, kind in types.items()}}


def _of_type(value: Json, kind: str) -> Json:
    if value is None or kind == "bool":
        return value if isinstance(value, bool) else None
    if kind == "str":
        return value if isinstance(value, str) else reading.compact(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def columns(grant: Grant, application: Application, between: Period) -> tuple[dict[str, str], list[str]]:
    """(columns with their types, names of tags), told from the newest SAMPLE rows of the period."""
    found: dict[str, list[Json]] = {}
    tags: dict[str, None] = {}
    for n, row in enumerate(rows(grant, application, between, ascending=False)):
        if n >= SAMPLE:
            break
        for name, value in row.items():
            if name.startswith(("inputs", "outputs", "feedback")):
                found.setdefault(name, []).append(value)
            elif name not in (TIME, JOIN):
                tags[name] = None
    return {name: type_of(values) for name, values in sorted(found.items())}, sorted(tags)
