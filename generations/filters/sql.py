"""The pieces of SQL that conditions are made of. None of them can fail on a value that was let in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Exists, Expression, ExpressionWrapper, Func, Q
from django.db.models.expressions import Combinable
from django.db.models.sql.compiler import SQLCompiler


class Param(Expression):
    """A value sent as a parameter, with the cast that gives it its type.

    Django's lookups are not used: they round fractions, and answer a number that is out of a column's range with all
    rows, those without a number included.
    """

    def __init__(self, value: Any, cast: str = "", output_field: models.Field[Any, Any] | None = None) -> None:
        super().__init__(output_field=output_field or models.TextField())
        self.value = value
        self.cast = cast

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        """A placeholder and its value."""
        value = list(self.value) if isinstance(self.value, tuple) else self.value
        return f"%s{self.cast}", [value]


def true(template: str, *parts: Combinable, joined_by: str = ", ") -> Q:
    """A condition from a template around `parts`."""
    return Q(Func(*parts, template=template, arg_joiner=joined_by, output_field=models.BooleanField()))


def compare(left: Combinable, operator: str, right: Combinable) -> Q:
    """`left operator right`, as the database has it."""
    return true("(%(expressions)s)", left, right, joined_by=f" {operator} ")


def one_of(left: Combinable, values: Iterable[Any], cast: str) -> Q:
    """`left` is one of `values`; `cast` is the type of the array of them (`::text[]`)."""
    wanted = tuple(values)
    if len(wanted) == 1:  # an index that is in the list's order serves `=` but not `ANY`
        return compare(left, "=", Param(wanted[0], cast.removesuffix("[]")))
    # Numbers as one text: of a list, psycopg asks each for its type.
    told = f"{{{','.join(map(str, wanted))}}}" if cast == "::int8[]" else wanted
    found = Func(Param(told, cast), template="ANY(%(expressions)s)", output_field=models.TextField())
    return compare(left, "=", found)


def present(expression: Combinable) -> Q:
    """`expression` is known."""
    return true("(%(expressions)s IS NOT NULL)", expression)


def not_true(condition: Q) -> Q:
    """`condition` is false or unknown: the negation that does not lose rows whose value is missing."""
    return Q(
        Func(
            ExpressionWrapper(condition, output_field=models.BooleanField()),
            template="((%(expressions)s) IS NOT TRUE)",
            output_field=models.BooleanField(),
        )
    )


class _LookedUp(Exists):
    """The same as a value: of that the planner makes neither a join nor a set."""

    template = "((%(subquery)s) IS NOT NULL)"


def looked_up(condition: Q) -> Q:
    """The condition, of which whatever EXISTS asks is looked up for one row at a time."""
    parts = map(_looked_up, condition.children)
    return Q(*parts, _connector=condition.connector, _negated=condition.negated)


def _looked_up(part: Any) -> Any:
    if isinstance(part, Q):
        return looked_up(part)
    return _LookedUp(part.query) if isinstance(part, Exists) else part


def never() -> Q:
    """No row."""
    return true("FALSE")


def always() -> Q:
    """Every row."""
    return true("TRUE")


def pattern(text: str) -> str:
    """`text` with the characters escaped that LIKE gives a meaning."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def has_text(left: Combinable, text: str) -> Q:
    """`left` has `text` in it, in either case as far as the database's own locale tells cases apart."""
    # Most columns compare bytes (COLLATE "C"), and there only A to Z would have two cases.
    folded = Func(left, template='%(expressions)s COLLATE "default"', output_field=models.TextField())
    return compare(folded, "ILIKE", Param(f"%{pattern(text)}%"))


# ----------------------------------------------------------------------------------------------------------- JSON
def json_at(column: Combinable, keys: Sequence[str]) -> Combinable:
    """The JSON value behind `keys`, objects only; NULL when there is none."""
    value = column
    for key in keys:
        # `->` with a text never indexes an array, unlike `#>` and Django's KeyTransform.
        value = Func(
            value,
            Param(key, "::text"),
            template="(%(expressions)s)",
            arg_joiner=" -> ",
            output_field=models.JSONField(),
        )
    return value


def json_text(column: Combinable, keys: Sequence[str]) -> Combinable:
    """The text of the JSON value behind `keys`; NULL when there is none or it is null."""
    return Func(
        json_at(column, keys[:-1]),
        Param(keys[-1], "::text"),
        template="(%(expressions)s)",
        arg_joiner=" ->> ",
        output_field=models.TextField(),
    )


def json_number(column: Combinable, keys: Sequence[str]) -> Combinable:
    """The number behind `keys`; NULL when what is there is not a number."""
    return Func(
        _typed(json_at(column, keys)),
        Func(
            json_text(column, keys),
            template="%(expressions)s::numeric::double precision",
            output_field=models.FloatField(),
        ),
        template="(CASE WHEN %(expressions)s END)",
        arg_joiner=" = 'number' THEN ",
        output_field=models.FloatField(),
    )


def _typed(value: Combinable) -> Combinable:
    return Func(value, function="jsonb_typeof", output_field=models.TextField())


def json_is(column: Combinable, keys: Sequence[str], value: Any) -> Q:
    """What is behind `keys` equals `value`, by containment: the only form that the GIN index serves."""
    document = value
    for key in reversed(keys):
        document = {key: document}
    return compare(column, "@>", Param(json.dumps(document, ensure_ascii=False), "::jsonb"))


def json_compare(column: Combinable, keys: Sequence[str], operator: str, value: Any) -> Q:
    """What is behind `keys` is of `value`'s type and lies on that side of it; another type is no error, only no."""
    path = "strict $" + "".join("." + json.dumps(key, ensure_ascii=False) for key in keys) + f" ? (@ {operator} $v)"
    return true(
        "jsonb_path_exists(%(expressions)s, true)",
        column,
        Param(path, "::jsonpath"),
        Param(json.dumps({"v": value}, ensure_ascii=False), "::jsonb"),
    )


def json_has_text(column: Combinable, keys: Sequence[str], text: str) -> Q:
    """What is behind `keys` is a string with `text` in it."""
    is_text = compare(_typed(json_at(column, keys)), "=", Param("string"))
    return is_text & has_text(json_text(column, keys), text)


def json_present(column: Combinable, keys: Sequence[str]) -> Q:
    """There is something behind `keys`, and it is not null."""
    return compare(_typed(json_at(column, keys)), "<>", Param("null"))


def json_anywhere(column: Combinable, text: str) -> Q:
    """Some string in the JSON value, at any depth, has `text` in it; keys do not count."""
    path = f'$.** ? (@ like_regex {json.dumps(text, ensure_ascii=False)} flag "qi")'
    return true("jsonb_path_exists(%(expressions)s, '{}', true)", column, Param(path, "::jsonpath"))
