"""The columns of a list: those it has by itself, those of its catalogue, and which of them a person chose."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from generations import filters
from generations.access import Grant
from generations.filters import BadFilter, Field, Kind
from generations.models import ListColumns, SavedView

OWN: Final = {
    "generations": (
        ("model", "Name and model"),
        ("input", "Input"),
        ("output", "Output"),
        ("times", "Latency, first token"),
        ("usage", "Tokens, cost"),
        ("scores", "Scores and tags"),
    ),
    "steps": (
        ("type", "Type"),
        ("name", "Name"),
        ("input", "Input"),
        ("output", "Output"),
        ("times", "Duration"),
        ("thread", "Thread"),
        ("tags", "Tags"),
    ),
    "threads": (
        ("name", "Thread"),
        ("user", "User"),
        ("calls", "Generations, errors"),
        ("usage", "Tokens, cost"),
        ("tags", "Tags"),
    ),
    "participants": (
        ("name", "User"),
        ("first", "First seen"),
        ("calls", "Generations, errors"),
        ("usage", "Tokens, cost"),
        ("links", "What they did"),
    ),
}
"""The columns that are a list's own, beside its time: names, with their titles."""
MOST: Final = 12
"""The most columns of the catalogue beside them."""


@dataclass(frozen=True, slots=True)
class Cell:
    """A value in a column of the catalogue, with the kind of its field."""

    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Columns:
    """What a list shows: the names of its own columns, and fields of its catalogue behind them."""

    own: frozenset[str]
    more: tuple[Field, ...] = ()

    @property
    def names(self) -> list[str]:
        """All of them, as they are kept."""
        return [*sorted(self.own), *(f"+{one.path}" for one in self.more)]

    @property
    def count(self) -> int:
        """How many columns the table has, that of the time included."""
        return 1 + len(self.own) + len(self.more)

    def cells(self, row: Any) -> list[Cell]:
        """The values of a row in the columns of the catalogue."""
        return [Cell(str(one.kind), _value(one, row)) for one in self.more]


def chosen(grant: Grant, kind: str, view: SavedView | None) -> Columns:
    """The columns that this person chose here; else those that the view was saved with; else the list's own."""
    kept = ListColumns.objects.filter(project=grant.project, user=grant.user, kind=kind, view=view).first()
    names = kept.columns if kept is not None else view.columns if view is not None else []
    return read(kind, names) if names else Columns(frozenset(name for name, _ in OWN[kind]))


def read(kind: str, names: Iterable[Any]) -> Columns:
    """The columns of these names; those that the list has not (any more) are left out."""
    texts = [name for name in names if isinstance(name, str)]
    known = {name for name, _ in OWN[kind]}
    fields = []
    for path in dict.fromkeys(name[1:] for name in texts if name.startswith("+")):
        try:
            field = filters.field(kind, path)
        except BadFilter:
            continue
        if is_shown(field):
            fields.append(field)
    return Columns(frozenset(known.intersection(texts)), tuple(fields[:MOST]))


def offered(kind: str) -> list[Field]:
    """The fields of the catalogue that a row has at hand; a dynamic one stands for what is behind it."""
    return [one for one in filters.fields(kind) if is_shown(one) or (one.kind is Kind.JSON and one.dynamic)]


def is_shown(field: Field) -> bool:
    """Whether a field's value is in the row itself."""
    return field.column is not None or (field.kind is Kind.JSON and bool(field.at) and len(field.columns) == 1)


def _value(field: Field, row: Any) -> Any:
    value = getattr(row, field.columns[0], None)
    for key in field.at:
        value = value.get(key) if isinstance(value, dict) else None
    return value
