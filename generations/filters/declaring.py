"""Short forms for declaring the fields of a list that are simply a column."""

from __future__ import annotations

from generations.filters.fields import Dynamic, Field
from generations.filters.kinds import Kind
from generations.filters.sources import Column, Json, PublicId, ScoreValue, Source, Uuid


def text(
    path: str, column: str | Source, sentence: str, description: str, *aliases: str, groupable: bool = True
) -> Field:
    """A text that is compared byte by byte."""
    source = _source(column)
    return Field(
        path,
        Kind.TEXT,
        source,
        sentence,
        description,
        aliases,
        sortable=source.column is not None,
        groupable=groupable,
    )


def long_text(path: str, column: str, sentence: str, description: str, *aliases: str) -> Field:
    """A text too long to be ordered or grouped by."""
    return Field(path, Kind.TEXT, Column(column), sentence, description, aliases)


def enum(
    path: str, column: str | Source, choices: tuple[str, ...], sentence: str, description: str, *aliases: str
) -> Field:
    """One of a few words."""
    source = _source(column)
    return Field(
        path,
        Kind.ENUM,
        source,
        sentence,
        description,
        aliases,
        choices=choices,
        sortable=source.column is not None,
        groupable=True,
    )


def number(
    path: str, column: str | Source, sentence: str, description: str, *aliases: str, groupable: bool = False
) -> Field:
    """A number."""
    source = _source(column)
    return Field(
        path,
        Kind.NUMBER,
        source,
        sentence,
        description,
        aliases,
        sortable=source.column is not None,
        groupable=groupable,
    )


def time(path: str, column: str | Source, sentence: str, description: str, *aliases: str) -> Field:
    """A moment."""
    source = _source(column)
    return Field(path, Kind.TIME, source, sentence, description, aliases, sortable=source.column is not None)


def boolean(path: str, column: str | Source, sentence: str, description: str, *aliases: str) -> Field:
    """True or false."""
    source = _source(column)
    return Field(path, Kind.BOOL, source, sentence, description, aliases, groupable=True)


def tags(path: str, column: str | Source, sentence: str, description: str, *aliases: str) -> Field:
    """A set of labels."""
    source = _source(column)
    return Field(path, Kind.TAGS, source, sentence, description, aliases, groupable=True)


def keys(path: str, column: str, sentence: str, description: str, *aliases: str) -> Field:
    """A JSON object, asked about by the keys in it: `metadata.plan`."""
    return Field(path, Kind.JSON, Json(column), sentence, description, aliases, groupable=True, dynamic=Dynamic.KEYS)


def event_id(kind: str, noun: str) -> Field:
    """The id that the caller gave an event, or was given."""
    return text("id", PublicId("public_id", kind), "id", f"The {noun}'s id.", groupable=False)


def uuid(path: str, column: str, sentence: str, description: str) -> Field:
    """An id that is always a UUID."""
    return Field(
        path,
        Kind.TEXT,
        Uuid(column),
        sentence,
        description,
        operators=("eq", "ne", "in", "nin"),
        sortable=True,
    )


def score_values(reference: str, noun: str) -> Field:
    """`scores.<name>`: the value of the scores of one name on this row."""
    return Field(
        "scores",
        Kind.NUMBER,
        ScoreValue(reference),
        "score",
        f"The value of a score of the {noun}, by its name. A filter asks for at least one such score; "
        "several are averaged where one number is needed.",
        dynamic=Dynamic.NAME,
    )


def _source(column: str | Source) -> Source:
    return Column(column) if isinstance(column, str) else column
