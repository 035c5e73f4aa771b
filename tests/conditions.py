"""What the tests of filters share: conditions drawn by hypothesis, what each of them means, and rows to ask about.

`holds` is written from the documentation and not from the SQL: where the two disagree, one of them is wrong.
"""

import datetime as dt
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from generations import filters
from generations.filters import And, Condition, Kind, Leaf, Not, Or, Relative, Some
from generations.filters.values import leaf
from generations.models import Generation, Project
from tests import rows

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
RELATED = {"scores": "scores", "generations": "generations"}
Row = dict[str, Any]


# -------------------------------------------------------------------------------------------------------- meaning
def holds(kind: str, condition: Condition | None, row: Row) -> bool:
    """Whether the row, said as {path: value}, satisfies the condition."""
    if condition is None:
        return True
    if isinstance(condition, And):
        return all(holds(kind, part, row) for part in condition.parts)
    if isinstance(condition, Or):
        return any(holds(kind, part, row) for part in condition.parts)
    if isinstance(condition, Not):
        return not holds(kind, condition.part, row)
    if isinstance(condition, Some):
        inner = RELATED[condition.relation]
        return any(holds(inner, condition.condition, other) for other in row[condition.relation])
    return _compared(kind, condition, row)


def _compared(kind: str, one: Leaf, row: Row) -> bool:
    opposite = {"ne": "eq", "nin": "in"}.get(one.op)
    if opposite:
        return not _compared(kind, Leaf(one.field, one.path, opposite, one.value), row)
    if one.op == "exists" and one.value is False:
        return not _compared(kind, Leaf(one.field, one.path, "exists", True), row)
    field = filters.catalogue(kind).asked(one)
    found = _values(one, row)
    if one.op == "exists":
        return any(value != [] for value in found)
    return any(_holds(field.kind, one.op, value, one.value) for value in found)


def _values(one: Leaf, row: Row) -> list[Any]:
    """The known values of the field in the row: one, none, or for scores several."""
    if one.field == "scores":
        found = [score["value"] for score in row["scores"] if score["name"] == one.path[0]]
    elif one.field == "text":
        found = list(row["text"])
    else:
        value = row.get(one.field)
        for key in one.path:
            value = value.get(key) if isinstance(value, dict) else None
        found = [value]
    return [value for value in found if value is not None]


def _holds(kind: Kind, op: str, value: Any, wanted: Any) -> bool:
    if kind is Kind.TAGS:
        return _tags(op, value, wanted)
    if op == "in":
        return any(_equal(kind, value, one) for one in wanted)
    if op == "eq":
        return _equal(kind, value, wanted)
    if op == "contains":
        if isinstance(value, list):
            return any(_equal(kind, one, wanted) for one in value) and kind is Kind.JSON
        return isinstance(value, str) and isinstance(wanted, str) and _lower(wanted) in _lower(value)
    if op == "startsWith":
        return isinstance(value, str) and value.startswith(wanted)
    if kind is Kind.TIME:
        return _time(op, value, wanted)
    if _sort(value) != _sort(wanted) or _sort(wanted) not in ("number", "text"):
        return False
    order: dict[str, Callable[[Any, Any], bool]] = {
        "gt": lambda a, b: a > b,
        "gte": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
        "lte": lambda a, b: a <= b,
    }
    return order[op](value, wanted)


def _tags(op: str, value: Sequence[str], wanted: Any) -> bool:
    if op == "contains" or op == "eq":
        return wanted in value
    return all(tag in value for tag in wanted) if op == "all" else any(tag in value for tag in wanted)


def _equal(kind: Kind, value: Any, wanted: Any) -> bool:
    if kind is Kind.TIME:
        first, last = _span(wanted)
        return bool(first <= value <= last)
    return _sort(value) == _sort(wanted) and bool(value == wanted)


def _time(op: str, value: dt.datetime, wanted: Any) -> bool:
    first, last = _span(wanted)
    return {"gt": value > last, "gte": value >= first, "lt": value < first, "lte": value <= last}[op]


def _span(wanted: Any) -> tuple[dt.datetime, dt.datetime]:
    """The first and the last moment meant."""
    if isinstance(wanted, Relative):
        return wanted.at(NOW), wanted.at(NOW)
    if isinstance(wanted, dt.datetime):
        return wanted, wanted
    return dt.datetime.combine(wanted, dt.time.min, dt.UTC), dt.datetime.combine(wanted, dt.time.max, dt.UTC)


def _sort(value: Any) -> str:
    """The type of a JSON value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else "other"


def _lower(text: str) -> str:
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


# ------------------------------------------------------------------------------------------------------- drawing
TEXTS = ["gpt-4", "GPT-4o", "a%b", "a_b", "aXb", "模型", "", "back\\slash", 'quo"te', "x,y", "5", "true"]
NUMBERS = [0, 1, 2, 4, 4.5, -1, 0.1, 2**31, 10**20, -(10**200), 1e-9, 1e300]
TIMES = ["2026-11-20", "2026-11-21", "2026-11-20T08:00:00Z", "2026-11-20T08:00:00.000001Z", "now-24h", "now", "now-2d"]
TAGS = ["a", "b", "c d", 'e"f', "模型", "x,y"]
JSONS: list[Any] = ["pro", "PROject", "5", 5, 5.5, 0, True, False, "true", 2**40, -1, "2026-01-01", "a%b", 'quo"te']
KEYS = [("plan",), ("n",), ("list",), ("a", "b"), ("a.b",), ('q"',), ("0",), ("模",), ("$gte",), ("in",)]
NAMES = ["quality", "tone", "a.b", "some"]

FIELDS = {
    "generations": [
        "id", "timestamp", "endTimestamp", "type", "model.id", "model.provider", "status", "hasError", "error",
        "usage.totalTokens", "usage.cost", "usage.estimated", "performance.latency", "metadata.userId", "threadId",
        "tags", "metadata", "parameters", "text", "feedback.rating", "feedback.thumbs", "feedback.comment",
        "feedback.categories", "scores", "selectedChoice",
    ],
    "scores": ["id", "name", "type", "value", "label", "comment", "tags", "timestamp", "metadata"],
    "steps": ["id", "name", "type", "timestamp", "hasError", "tags", "metadata"],
    "threads": ["id", "name", "metadata.userId", "tags", "lastActivity", "metadata"],
}  # fmt: skip
RELATIONS = {"generations": ["scores"], "scores": [], "steps": ["scores", "generations"], "threads": ["generations"]}


@st.composite
def comparisons(draw: st.DrawFn, kind: str, only: str | None = None) -> Leaf:
    """One comparison of a field of the list with a value of its kind."""
    about = filters.catalogue(kind)
    path = only or draw(st.sampled_from(FIELDS[kind]))
    base = about.names[path]
    if path == "scores":
        base = base.under((draw(st.sampled_from(NAMES)),))
    elif base.dynamic:
        base = base.under(draw(st.sampled_from(KEYS)))
    op = draw(st.sampled_from(base.operators))
    if op == "exists":
        return leaf(base, op, draw(st.booleans()))
    pool = _pool(base)
    if base.kind is Kind.JSON and op in ("gt", "gte", "lt", "lte"):
        pool = [value for value in pool if not isinstance(value, bool)]
    if op in ("in", "nin", "all"):
        return leaf(base, op, draw(st.lists(st.sampled_from(pool), max_size=4)))
    return leaf(base, op, draw(st.sampled_from(pool)))


def _pool(field: filters.Field) -> list[Any]:
    if field.choices:
        return list(field.choices)
    pools: dict[Kind, list[Any]] = {
        Kind.NUMBER: NUMBERS,
        Kind.TIME: TIMES,
        Kind.BOOL: [True, False],
        Kind.TAGS: TAGS,
        Kind.JSON: JSONS,
    }
    return pools.get(field.kind, TEXTS)


def conditions(kind: str, leaves: int = 8) -> st.SearchStrategy[Condition]:
    """Trees of conditions over a list, relations included."""
    ground: st.SearchStrategy[Condition] = comparisons(kind)
    for relation in RELATIONS[kind]:
        inner = st.none() | conditions(RELATED[relation], 3)
        ground = ground | st.builds(Some, st.just(relation), inner)
    return st.recursive(ground, _grown, max_leaves=leaves)


def _grown(parts: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    many = st.lists(parts, min_size=1, max_size=3).map(tuple)
    return st.builds(And, many) | st.builds(Or, many) | st.builds(Not, parts)


# ------------------------------------------------------------------------------------------------------------- rows
_KEYS = ["plan", "n", "list", "a", "a.b", 'q"', "0", "模", "$gte", "in"]


def varied(project: Project, chance: random.Random, n: int) -> Row:
    """A generation whose columns, feedback and scores are taken by chance, and the same as {path: value}."""

    def maybe(pool: list[Any]) -> Any:
        return chance.choice([None, *pool])

    moments = [NOW, NOW - dt.timedelta(hours=24), dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC)]
    moments += [moments[2] + dt.timedelta(microseconds=1), dt.datetime(2026, 11, 20, 23, 59, 59, 999999, dt.UTC)]
    nested: list[Any] = [*JSONS, None, [5, "pro"], ["5"], {"b": 5}, {"b": "pro"}, {"b": ["a"]}]
    said: dict[str, Any] = {
        "id": f"{chance.choice(TEXTS) or 'id'}-{n}",
        "started_at": chance.choice(moments),
        "ended_at": maybe(moments),
        "type": chance.choice(["chat", "completion"]),
        "model_id": maybe(TEXTS),
        "provider": maybe(TEXTS),
        "error": maybe(["boom", ""]),
        "total_tokens": maybe([0, 1, 2, 4, 2**31 - 1]),
        "cost": maybe([Decimal(0), Decimal("0.1"), Decimal(4), Decimal("1E-9")]),
        "tokens_estimated": maybe([True, False]),
        "latency": maybe([0.0, 0.1, 4.5, 1e-9]),
        "user_id": maybe(TEXTS),
        "thread_id": maybe(TEXTS),
        "tags": chance.sample(TAGS, chance.randrange(3)),
        "metadata": {key: chance.choice(nested) for key in chance.sample(_KEYS, chance.randrange(len(_KEYS)))},
        "parameters": {"plan": chance.choice(nested)},
        "input_preview": maybe(TEXTS),
        "output_preview": maybe(TEXTS),
        "selected_choice": maybe([0, 1]),
    }
    made = rows.generation(project, **said)
    row: Row = {
        path: getattr(made, field.column)
        for path, field in filters.catalogue("generations").names.items()
        if field.column is not None
    }
    row |= {"metadata": said["metadata"], "parameters": said["parameters"], "tags": said["tags"]}
    row |= {"hasError": said["error"] is not None, "status": "success" if said["error"] is None else "error"}
    row |= {"text": [said["input_preview"], said["output_preview"]], "cost": None}
    row["usage.cost"] = None if said["cost"] is None else float(said["cost"])
    return row | _judged(made, chance)


def _judged(made: Generation, chance: random.Random) -> Row:
    row: Row = {"scores": []}
    for _ in range(chance.randrange(4)):
        value, label = chance.choice([None, 0.0, 0.1, 1.0, 4.5]), chance.choice([None, *TEXTS])
        name, tags = chance.choice(NAMES), chance.sample(TAGS, chance.randrange(2))
        kind = chance.choice(["HUMAN", "AI", "CODE"])
        one = rows.score(made.project, made, name=name, value=value, label=label, tags=tags, type=kind, created_at=NOW)
        row["scores"].append(
            {"id": one.public_id, "name": name, "value": value, "label": label, "comment": None, "tags": tags}
            | {"type": kind, "timestamp": NOW, "metadata": {}}
        )
    if chance.random() < 0.6:
        said: dict[str, Any] = {
            "rating": chance.choice([None, 1.0, 4.0, 4.5]),
            "thumbs": chance.choice([None, "up", "down"]),
            "comment": chance.choice([None, *TEXTS]),
            "categories": chance.sample(TAGS, chance.randrange(3)),
        }
        rows.feedback(made, rating=5.0, thumbs="up", comment="gpt-4", is_latest=False)
        rows.feedback(made, **said)
        row |= {f"feedback.{name}": value for name, value in said.items()}
    return row
