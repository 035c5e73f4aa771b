"""What a list can be narrowed and ordered by, made from the filter catalogue: a field declared there is here too.

Names are the catalogue's paths as nested objects (`model: {id: {eq: "gpt-4o"}}`); those in `metadata` that are fields
of their own stand at the top (`userId`), every other key goes by its path (`metadata: [{path: "plan", eq: "pro"}]`).
"""

from __future__ import annotations

import dataclasses
import keyword
import re
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Optional, TypeAlias

import strawberry
from strawberry.scalars import JSON

from generations import filters
from generations.filters import Condition, Field, Kind
from generations.graphql.scalars import Moment

NOUNS: Final[Mapping[str, str]] = {
    "generations": "Generation",
    "steps": "Step",
    "threads": "Thread",
    "participants": "Participant",
    "scores": "Score",
    "tags": "Tag",
    "datasets": "Dataset",
    "experiments": "Experiment",
    "prompts": "Prompt",
    "queues": "ReviewQueue",
    "jobs": "Export",
}
"""The lists that can be asked for, and what one row of each is called."""

LEFT_OUT: Final = {
    ("jobs", "kind"): "every job in this list is an export",
    ("prompts", "deletedAt"): "no prompt in this list is deleted",
}
"""Fields of the catalogue that cannot be asked about here, each with the reason."""


@strawberry.enum(description="Which way a list is ordered.")
class Direction(Enum):
    """Up or down."""

    ASC = strawberry.enum_value("asc", description="The smallest or oldest first.")
    DESC = strawberry.enum_value("desc", description="The largest or newest first.")


_ABOUT: Final[dict[str, str]] = {
    "eq": "Equal to; null stands for what is not there.",
    "ne": "Not equal to; null stands for what is not there.",
    "gt": "Greater or later than.",
    "gte": "Greater or later than, or equal.",
    "lt": "Less or earlier than.",
    "lte": "Less or earlier than, or equal.",
    "in": "Any of these.",
    "nin": "None of these.",
    "all": "Every one of these.",
    "contains": "Contains this.",
    "startsWith": "Begins with this.",
    "exists": "Whether it is there at all.",
}
_SHAPES: Final[dict[tuple[Kind, tuple[str, ...]], tuple[str, str, str]]] = {
    (Kind.TEXT, filters.OPERATORS[Kind.TEXT]): ("TextFilter", "str", "Compares a text. Upper and lower case differ."),
    (Kind.TEXT, ("contains",)): ("ContainsFilter", "str", "Looks for a text within a text, in any case."),
    (Kind.TEXT, ("contains", "exists")): (
        "PayloadFilter",
        "str",
        "Looks for a text in what may be long.",
    ),
    (Kind.TEXT, ("eq", "ne", "in", "nin")): ("IdFilter", "str", "Compares an id."),
    (Kind.NUMBER, filters.OPERATORS[Kind.NUMBER]): ("NumberFilter", "float", "Compares a number."),
    (Kind.TIME, filters.OPERATORS[Kind.TIME]): ("TimeFilter", "Moment", "Compares a moment."),
    (Kind.BOOL, filters.OPERATORS[Kind.BOOL]): ("BooleanFilter", "bool", "Compares true and false."),
    (Kind.TAGS, filters.OPERATORS[Kind.TAGS]): ("TagsFilter", "str", "Looks for labels in a list of them."),
    (Kind.JSON, filters.OPERATORS[Kind.JSON]): ("KeyFilter", "JSON", "Compares what lies at a path of a JSON object."),
}
_MANY: Final = frozenset({"in", "nin", "all"})
_ENUM_VALUE: Final = re.compile(r"(?!true$|false$|null$)[A-Za-z_][A-Za-z0-9_]*")


class Role(Enum):
    """What a part of a `where` says."""

    GROUP = "more parts"
    FIELD = "a comparison of a field"
    KEYS = "comparisons of keys of a field"
    RELATION = "rows of another list"
    LOGIC = "and, or, not"
    OPERATOR = "an operator with its value"
    PATH = "the path that a comparison of keys is about"


_LEAVE_OUT = "an object; leave it out to ask nothing"


def condition(kind: str, where: Where | None) -> Condition | None:
    """The condition that a `where` of this list says; None when it narrows nothing. Raises BadFilter."""
    return None if where is None else filters.from_document(kind, document(where))


def document(where: Any) -> dict[str, Any]:
    """A `where` as a filter document, with every operator and word marked by a dollar."""
    parts = list(_parts(where))
    return parts[0] if len(parts) == 1 else {"$and": parts} if parts else {}


def order(ordered: Order | None) -> str | None:
    """The order that was asked for, as the catalogue writes it; None for the list's own."""
    if ordered is None:
        return None
    return ("-" if ordered.direction is Direction.DESC else "") + str(ordered.field.value)


def _given(part: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    for one in dataclasses.fields(part):
        value = getattr(part, one.name)
        if value is not strawberry.UNSET:
            yield dict(one.metadata), value


def _parts(where: Any) -> Iterator[dict[str, Any]]:
    for about, value in _given(where):
        role, name = about["role"], about["path"]
        if role is Role.LOGIC and name != "$not":
            yield {name: [document(part) for part in _listed(name, value)]}
        elif value is None:
            raise filters.BadFilter(name.removeprefix("$"), None, _LEAVE_OUT)
        elif role is Role.LOGIC:
            yield {name: document(value)}
        elif role is Role.GROUP:
            yield from _parts(value)
        elif role is Role.RELATION:
            yield {name: {f"${how['path']}": document(there) for how, there in _related(name, value)}}
        elif role is Role.KEYS:
            for one in value:
                yield {f"{name}.{one.path}": _comparison(one)}
        else:
            yield {name: _comparison(value)}


def _related(name: str, value: Any) -> Iterator[tuple[dict[str, Any], Any]]:
    for how, there in _given(value):
        if there is None:
            raise filters.BadFilter(f"{name}.{how['path']}", None, _LEAVE_OUT)
        yield how, there


def _listed(name: str, value: Any) -> list[Any]:
    if not value:
        raise filters.BadFilter(name.removeprefix("$"), value, "a list of at least one condition")
    return list(value)


def _comparison(compared: Any) -> dict[str, Any]:
    return {
        f"${about['path']}": value.value if isinstance(value, Enum) else _plain(value)
        for about, value in _given(compared)
        if about["role"] is Role.OPERATOR
    }


def _plain(value: Any) -> Any:
    return [one.value if isinstance(one, Enum) else one for one in value] if isinstance(value, list) else value


# --------------------------------------------------------------------------------------------- made from the catalogue
@dataclasses.dataclass(frozen=True, slots=True)
class _Entry:
    annotation: str
    description: str
    role: Role
    path: str
    required: bool = False


def _make(name: str, entries: Mapping[str, _Entry], description: str) -> str:
    """Declare an input type of this module; returns its name."""
    if name not in globals():
        annotations: dict[str, str] = {}
        body: dict[str, Any] = {"__module__": __name__, "__doc__": description, "__annotations__": annotations}
        for shown, entry in entries.items():
            attribute = f"{shown}_" if keyword.iskeyword(shown) else shown
            annotations[attribute] = entry.annotation if entry.required else f"Optional[{entry.annotation}]"
            body[attribute] = strawberry.field(
                name=shown,
                description=entry.description,
                metadata={"role": entry.role, "path": entry.path},
                **({} if entry.required else {"default": strawberry.UNSET}),
            )
        globals()[name] = strawberry.input(type(name, (), body), name=name, description=description)
    return name


def _operators(field: Field, value: str) -> dict[str, _Entry]:
    return {
        op: _Entry(
            "bool" if op == "exists" else f"list[{value}]" if op in _MANY else value, _ABOUT[op], Role.OPERATOR, op
        )
        for op in field.operators
    }


def _compared(noun: str, field: Field) -> str:
    """The input type that compares this field."""
    if field.choices and all(_ENUM_VALUE.fullmatch(choice) for choice in field.choices):
        stem = "".join(_capital(part) for part in field.path.split("."))
        name = f"{noun}{stem}"
        if name not in globals():
            made = Enum(name, {choice: choice for choice in field.choices}, module=__name__)  # type: ignore[misc]
            globals()[name] = strawberry.enum(made, description=field.description)
        return _make(f"{name}Filter", _operators(field, name), "Compares one of a few words.")
    name, value, description = _SHAPES[(field.kind, field.operators)]
    entries = _operators(field, value)
    if field.kind is Kind.JSON:
        path = _Entry("str", 'Where to look: `plan`, `plan.name`; `"a.b"` for a dot in a key.', Role.PATH, "", True)
        entries = {"path": path, **entries}
    return _make(name, entries, description)


def _capital(name: str) -> str:
    return name[:1].upper() + name[1:]


def _shown(path: str) -> str:
    """The path of a field as it is asked for here: fields within `metadata` stand at the top."""
    return path.removeprefix("metadata.")


def _where(kind: str) -> None:
    """Declare the `where` of a list."""
    noun = NOUNS[kind]
    top: dict[str, _Entry] = {
        "and": _Entry(f"list[{noun}Where]", "All of these hold.", Role.LOGIC, "$and"),
        "or": _Entry(f"list[{noun}Where]", "At least one of these holds.", Role.LOGIC, "$or"),
        "not": _Entry(f"{noun}Where", "This does not hold.", Role.LOGIC, "$not"),
    }
    groups: dict[str, dict[str, _Entry]] = {}
    relations = filters.relations(kind)
    for field in filters.fields(kind):
        if (kind, field.path) in LEFT_OUT or field.path in {one.path for one in relations}:
            continue
        group, _, name = _shown(field.path).rpartition(".")
        into = groups.setdefault(group, {}) if group else top
        compared = _compared(noun, field)
        if field.kind is Kind.JSON:
            into[name] = _Entry(f"list[{compared}]", field.description, Role.KEYS, field.path)
        else:
            into[name] = _Entry(compared, field.description, Role.FIELD, field.path)
    for group, entries in groups.items():
        made = _make(f"{noun}{_capital(group)}Where", entries, f"Conditions on what is in `{group}`.")
        top[group] = _Entry(made, f"Conditions on what is in `{group}`.", Role.GROUP, group)
    for one in relations:
        top[one.path] = _Entry(f"{NOUNS[one.kind]}Relation", one.description, Role.RELATION, one.path)
    _make(f"{noun}Where", top, f"Conditions on {_plural(kind)}; all that are given must hold.")
    _make(
        f"{noun}Relation",
        {
            how: _Entry(f"{noun}Where", description, Role.OPERATOR, how)
            for how, description in (
                ("some", "At least one of them is so; an empty object asks whether there is any."),
                ("none", "None of them is so."),
                ("every", "There is none that is not so."),
            )
        },
        "Conditions on rows of another list that belong to a row.",
    )


def _order(kind: str) -> None:
    """Declare what a list can be ordered by."""
    noun = NOUNS[kind]
    sortable = {
        re.sub(r"(?<=[a-z])(?=[A-Z])|\.", "_", _shown(field.path)).upper(): strawberry.enum_value(
            field.path, description=field.description
        )
        for field in filters.fields(kind)
        if field.sortable and (kind, field.path) not in LEFT_OUT
    }
    name = f"{noun}OrderField"
    made = Enum(name, sortable, module=__name__)  # type: ignore[misc]
    globals()[name] = strawberry.enum(made, description=f"What {_plural(kind)} can be ordered by.")
    annotations = {"field": name, "direction": "Direction"}
    body: dict[str, Any] = {
        "__module__": __name__,
        "__annotations__": annotations,
        "field": strawberry.field(description="By what. Rows where it is unknown come last either way."),
        "direction": strawberry.field(default=Direction.DESC, description="Which way."),
    }
    globals()[f"{noun}Order"] = strawberry.input(
        type(f"{noun}Order", (), body), description=f"The order of {_plural(kind)}."
    )


def _plural(kind: str) -> str:
    return {"jobs": "exports", "queues": "review queues"}.get(kind, kind)


if TYPE_CHECKING:

    class Where:
        """Any of the types that narrow a list."""

    class Order:
        """Any of the types that order a list."""

        field: Any
        direction: Direction

    GenerationWhere: TypeAlias = Where
    StepWhere: TypeAlias = Where
    ThreadWhere: TypeAlias = Where
    ParticipantWhere: TypeAlias = Where
    ScoreWhere: TypeAlias = Where
    TagWhere: TypeAlias = Where
    DatasetWhere: TypeAlias = Where
    ExperimentWhere: TypeAlias = Where
    PromptWhere: TypeAlias = Where
    ReviewQueueWhere: TypeAlias = Where
    ExportWhere: TypeAlias = Where
    GenerationOrder: TypeAlias = Order
    StepOrder: TypeAlias = Order
    ThreadOrder: TypeAlias = Order
    ParticipantOrder: TypeAlias = Order
    ScoreOrder: TypeAlias = Order
    TagOrder: TypeAlias = Order
    DatasetOrder: TypeAlias = Order
    ExperimentOrder: TypeAlias = Order
    PromptOrder: TypeAlias = Order
    ReviewQueueOrder: TypeAlias = Order
    ExportOrder: TypeAlias = Order
    GenerationType: TypeAlias = Enum
    GenerationInputType: TypeAlias = Enum
    GenerationOutputType: TypeAlias = Enum
    GenerationFeedbackThumbs: TypeAlias = Enum
    ScoreType: TypeAlias = Enum
    _named_in_texts = (Optional, JSON, Moment)
else:
    for _kind in NOUNS:
        _where(_kind)
        _order(_kind)
