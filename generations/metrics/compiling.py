"""A query as one SQL statement over the rows: an inner SELECT of keys and inputs, grouped, narrowed, ordered, cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from django.db import models
from django.db.models import DateTimeField, ExpressionWrapper, F, Func, Q, Value
from django.db.models.expressions import Combinable

from generations import filters
from generations.filters import Field, Kind
from generations.metrics import having, selecting
from generations.metrics.query import (
    FUNCTIONS,
    KINDS,
    MAX_DIMENSIONS,
    MAX_LIMIT,
    MAX_MEASURES,
    MAX_NAME,
    MAX_ORDER,
    NAMED_PERCENTILES,
    UNITS,
    BadQuery,
    Measure,
    Query,
    one_of,
    share,
    whole,
    zone,
)

_NUMBERS: Final = (Kind.NUMBER, Kind.JSON)
_ORDERED: Final = (Kind.NUMBER, Kind.JSON, Kind.TIME, Kind.TEXT, Kind.ENUM)
_CURRENCY: Final = "usage.currency"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the answer: its name, the alias it has in SQL, and what kind of value stands in it."""

    name: str
    alias: str
    kind: Kind
    is_money: bool = False
    is_mean: bool = False
    known: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """How a measure is taken: the function without a shorter name, the field, the alias of its values, the share."""

    function: str
    field: Field | None = None
    alias: str = ""
    share: float | None = None


@dataclass(slots=True)
class Plan:
    """A statement in the making, and how to read what it returns."""

    project: int
    query: Query
    keys: list[Column] = field(default_factory=list)
    measures: list[Column] = field(default_factory=list)
    inner: dict[str, Combinable] = field(default_factory=dict)
    inputs: dict[tuple[str, bool], str] = field(default_factory=dict)
    taken: list[Taken] = field(default_factory=list)
    outer: list[str] = field(default_factory=list)
    params: list[Any] = field(default_factory=list)
    unnested: list[str] = field(default_factory=list)
    money: list[str] = field(default_factory=list)
    has_currency_key: bool = False
    is_looked_up: bool = False

    @property
    def mixes(self) -> bool:
        """Whether money of several currencies could meet in one group."""
        return bool(self.money) and not self.has_currency_key

    def outputs(self) -> dict[str, Column]:
        """Keys and measures by name."""
        return {column.name: column for column in (*self.keys, *self.measures)}


Grouped = selecting.Selected
"""The SQL of all groups of a plan, under the aliases of its columns, and its parameters."""


def statement(plan: Plan, grouped: Grouped) -> tuple[str, list[Any]]:
    """The SQL that narrows, orders and cuts the groups as the plan's query says, and its parameters.

    It returns one group more than the limit, when there is one. Groups in which currencies meet come first, whatever
    `having` says, so that they are seen and refused. Raises BadQuery.
    """
    groups, params = grouped
    where, where_params = _having(plan)
    order = ", ".join(_order(plan))
    # Every name in it is made here or checked against the catalogue; every value is a parameter.
    sql = f"SELECT * FROM ({groups}) AS g{where} ORDER BY {order} LIMIT {plan.query.limit + 1}"  # noqa: S608
    return sql, [*params, *where_params]


def counted(plan: Plan, grouped: Grouped) -> tuple[str, list[Any]]:
    """The SQL that counts the groups that the plan's query leaves, up to its limit, and its parameters.

    Raises BadQuery.
    """
    groups, params = grouped
    where, where_params = _having(plan)
    mixed = "currency_min <> currency_max" if plan.mixes else "FALSE"
    found = f"SELECT {mixed} AS mixed FROM ({groups}) AS g{where} LIMIT {plan.query.limit}"  # noqa: S608
    sql = f"SELECT count(*), coalesce(bool_or(mixed), FALSE) FROM ({found}) AS counted"  # noqa: S608
    return sql, [*params, *where_params]


def planned(project: int, query: Query) -> Plan:
    """What `query` asks of a project, checked against the catalogue. Raises BadQuery."""
    one_of("kind", query.kind, KINDS)
    query = replace(query, limit=whole("limit", query.limit, 1, MAX_LIMIT))
    _bound("dimensions", query.dimensions, MAX_DIMENSIONS)
    _bound("measures", query.measures, MAX_MEASURES)
    _bound("order", query.order, MAX_ORDER)
    _named(query)
    plan = Plan(project, query)
    if query.bucket is not None:
        _add_bucket(plan)
    for dimension in query.dimensions:
        _add_dimension(plan, dimension.name, dimension.path)
    for measure in query.measures:
        _add_measure(plan, measure)
    if plan.money:
        _add_currency(plan)
    return plan


def _bound(name: str, items: Sequence[object], most: int) -> None:
    if len(items) > most:
        raise BadQuery(name, len(items), f"at most {most} of them")


def _named(query: Query) -> None:
    names = [d.name for d in query.dimensions] + [m.name for m in query.measures]
    if query.bucket is not None:
        names.append(query.bucket.name)
    for name in names:
        if not 1 <= len(name) <= MAX_NAME:
            raise BadQuery("name", name, f"a name of 1 to {MAX_NAME} characters")
        if names.count(name) > 1:
            raise BadQuery("name", name, "a name that nothing else in this query has")


def row_order(kind: str, project: int, order: Sequence[tuple[str, bool]]) -> list[Any]:
    """What to order the rows of a list by: its fields (path, descending), None last; newest first without any.

    Ends with the key, so that no two rows are in either order. Raises BadQuery.
    """
    catalogue = filters.catalogue(kind)
    expressions: list[Any] = []
    for path, descending in order or [(catalogue.time, True)]:
        found = catalogued(kind, path)
        if not found.sortable:
            sortable = [f.path for f in filters.fields(kind) if f.sortable]
            raise BadQuery("$sort", path, f"a field to sort by: {', '.join(sortable)}")
        expression: Any = found.expression(project)
        expressions.append(expression.desc(nulls_last=True) if descending else expression.asc(nulls_last=True))
    return [*expressions, F(catalogue.tie).desc()]


def catalogued(kind: str, path: object) -> Field:
    """The field at `path` of a list; raises BadQuery with the nearest right one when there is none."""
    try:
        return filters.field(kind, path)  # type: ignore[arg-type]  # says so itself when it is no text
    except filters.BadFilter as error:
        raise BadQuery(error.field or "path", path, error.expected) from error


# ----------------------------------------------------------------------------------------------------------- keys
def _add_bucket(plan: Plan) -> None:
    bucket = plan.query.bucket
    assert bucket is not None
    one_of("bucket.unit", bucket.unit, UNITS)
    zone("bucket.zone", bucket.zone)
    time = catalogued(plan.query.kind, bucket.path or filters.catalogue(plan.query.kind).time)
    if time.kind is not Kind.TIME:
        raise BadQuery("bucket.path", bucket.path, f"a time, but {time.path} is {_a(time.kind)}")
    plan.inner["k0"] = Func(
        Value(bucket.unit),
        time.expression(plan.project),
        Value(bucket.zone),
        function="date_trunc",
        output_field=DateTimeField(),
    )
    plan.keys.append(Column(bucket.name, "k0", Kind.TIME))


def _add_dimension(plan: Plan, name: str, path: str) -> None:
    found = catalogued(plan.query.kind, path)
    # Scores of a name are few values, whatever the catalogue says of all their names together.
    if not found.groupable and found.base != "scores":
        groupable = [f.path for f in filters.fields(plan.query.kind) if f.groupable]
        raise BadQuery(name, path, f"a field to group by: {', '.join(groupable)}")
    plan.is_looked_up = plan.is_looked_up or not found.columns
    alias = f"k{len(plan.keys)}"
    plan.inner[alias] = found.expression(plan.project)
    if found.kind is Kind.TAGS:
        plan.unnested.append(alias)
        alias = f"{alias}_one"
    plan.keys.append(Column(name, alias, Kind.TEXT if found.kind in (Kind.JSON, Kind.TAGS) else found.kind))
    plan.has_currency_key = plan.has_currency_key or found.path == _CURRENCY


# ------------------------------------------------------------------------------------------------------- measures
def _add_measure(plan: Plan, measure: Measure) -> None:
    n = len(plan.measures)
    function, percentile = measure.function, measure.percentile
    if function in NAMED_PERCENTILES:
        function, percentile = "percentile", NAMED_PERCENTILES[function]
    one_of(f"{measure.name}.function", function, (*FUNCTIONS, *NAMED_PERCENTILES))
    if function == "error_rate" or (function == "count" and measure.path is None):
        _add_of_rows(plan, measure, function, n)
        return
    if measure.path is None:
        raise BadQuery(f"{measure.name}.path", None, f"the field that {function} is taken of")
    found = catalogued(plan.query.kind, measure.path)
    _fits(measure.name, function, found)
    numeric = found.kind in _NUMBERS and function not in ("count", "distinct")
    source = _input(plan, found, numeric)
    is_money = numeric and _is_money(plan.query.kind, found)
    if is_money and source not in plan.money:
        plan.money.append(source)
    sql = {
        "count": "count({i})",
        "distinct": "count(DISTINCT {i})",
        "sum": "sum({i})",
        "avg": "avg({i})",
        "min": "min({i})",
        "max": "max({i})",
        "percentile": "percentile_cont(%s) WITHIN GROUP (ORDER BY {i}::float8)",
    }[function].format(i=source)
    wanted = share(f"{measure.name}.percentile", percentile) if function == "percentile" else None
    if wanted is not None:
        plan.params.append(wanted)
    plan.taken.append(Taken(function, found, source, wanted))
    plan.outer += [f"{sql} AS v{n}", f"count({source}) AS c{n}"]
    counts = function in ("count", "distinct")
    kind = found.kind if function in ("min", "max") and not numeric else Kind.NUMBER
    plan.measures.append(
        Column(
            measure.name,
            f"v{n}",
            kind,
            is_money=is_money,
            is_mean=function in ("avg", "percentile"),
            known=None if counts else f"c{n}",
        )
    )


def _input(plan: Plan, found: Field, numeric: bool) -> str:
    """The alias of the column that a measure is taken of; measures of the same field share it."""
    alias = plan.inputs.setdefault((found.path, numeric), f"i{len(plan.inputs)}")
    plan.inner[alias] = found.number(plan.project) if numeric else found.expression(plan.project)
    plan.is_looked_up = plan.is_looked_up or not found.columns
    return alias


def _add_of_rows(plan: Plan, measure: Measure, function: str, n: int) -> None:
    if measure.path is not None:
        raise BadQuery(f"{measure.name}.path", measure.path, f"no field: {function} is taken of whole rows")
    if function == "count":
        plan.outer.append(f"count(*) AS v{n}")
    else:
        error = catalogued(plan.query.kind, "error")
        if error.column is None:
            raise BadQuery(f"{measure.name}.function", function, f"another function: {plan.query.kind} have no errors")
        plan.inner["failed"] = ExpressionWrapper(
            Q((f"{error.column}__isnull", False)), output_field=models.BooleanField()
        )
        plan.outer.append(f"count(*) FILTER (WHERE failed)::float8 / nullif(count(*), 0) AS v{n}")
    plan.taken.append(Taken(function))
    plan.measures.append(Column(measure.name, f"v{n}", Kind.NUMBER, is_mean=function == "error_rate"))


def _fits(name: str, function: str, found: Field) -> None:
    if function in ("sum", "avg", "percentile"):
        allowed: tuple[Kind, ...] = _NUMBERS
    elif function in ("min", "max"):
        allowed = _ORDERED
    else:
        allowed = tuple(Kind)
    if found.kind not in allowed or (found.kind is Kind.TAGS and function == "distinct"):
        wanted = "a number" if allowed is _NUMBERS else "a number, a time or a text"
        raise BadQuery(f"{name}.path", found.path, f"{wanted} for {function}, but {found.path} is {_a(found.kind)}")


def _a(kind: Kind) -> str:
    return {Kind.TAGS: "a list", Kind.BOOL: "a yes or no", Kind.ENUM: "a text", Kind.JSON: "a JSON value"}.get(
        kind, f"a {kind}"
    )


def _is_money(kind: str, found: Field) -> bool:
    if found.column is None:
        return False
    attribute = filters.catalogue(kind).model._meta.get_field(found.column)
    return isinstance(attribute, models.DecimalField)


def _add_currency(plan: Plan) -> None:
    plan.inner["currency_of_row"] = catalogued(plan.query.kind, _CURRENCY).expression(plan.project)
    plan.outer += currencies(f"coalesce({', '.join(plan.money)}) IS NOT NULL")


def currencies(priced: str) -> list[str]:
    """The columns that say which currencies meet in a group, where `priced` holds."""
    # An amount whose currency was never said is not known to be of the same one: '' stands beside the others.
    return [
        f"{function}(coalesce(currency_of_row, '')) FILTER (WHERE {priced}) AS currency_{function}"
        for function in ("min", "max")
    ]


# ------------------------------------------------------------------------------------------------------ statement
def grouped(plan: Plan) -> Grouped:
    """The groups of a plan, taken of the rows themselves."""
    rows, rows_params = _rows(plan)
    if plan.is_looked_up and plan.query.first is None:
        # Without this fence the look-up in another table is written into each measure, and made once for each.
        rows += " OFFSET 0"
    # A row without entries has one: nothing. Otherwise it would vanish from the groups.
    unnested = "".join(
        f" CROSS JOIN LATERAL unnest(coalesce(nullif({a}, '{{}}'), ARRAY[NULL]::text[])) AS {a}_list({a}_one)"
        for a in plan.unnested
    )
    keys = [column.alias for column in plan.keys]
    counted = ["count(*) AS n", *plan.outer]
    if plan.unnested and all(taken.function == "count" and taken.field is None for taken in plan.taken):
        # Rows are many and lists of tags few: those with the same one are counted before its entries are told apart.
        inner = ", ".join(plan.inner)
        rows = f"SELECT {inner}, count(*) AS rows FROM ({rows}) AS one GROUP BY {inner}"  # noqa: S608
        counted = [f"sum(rows)::bigint AS {alias}" for alias in ("n", *(column.alias for column in plan.measures))]
    columns = ", ".join([*keys, *counted])
    sql = f"SELECT {columns} FROM ({rows}) AS r{unnested}"  # noqa: S608
    if keys:
        sql += f" GROUP BY {', '.join(keys)}"
    return sql, [*plan.params, *rows_params]


def _rows(plan: Plan) -> tuple[str, list[Any]]:
    """The inner SELECT: Django's, so that conditions are compiled in one place; flattened by the planner."""
    query = plan.query
    if query.first is None:
        condition = filters.q(query.kind, query.condition, plan.project)
        return selecting.selected(query.kind, plan.project, condition, plan.inner)
    found = filters.narrow(query.kind, plan.project, query.condition)
    order = row_order(query.kind, plan.project, query.first_order)
    found = found.order_by(*order)[: whole("first", query.first, 1, 1_000_000)]
    return selecting.compiled(found, plan.inner)


def _having(plan: Plan) -> tuple[str, list[Any]]:
    if plan.query.having is None:
        return "", []
    sql, params = having.where(plan.query.having, plan.outputs())
    return f" WHERE ({sql})" + (" OR currency_min <> currency_max" if plan.mixes else ""), params


def _order(plan: Plan) -> list[str]:
    outputs = plan.outputs()
    order = ["(currency_min <> currency_max) DESC NULLS LAST"] if plan.mixes else []
    for name, descending in plan.query.order:
        one_of("order", name, outputs)
        order.append(_sorted(outputs[name], descending))
    order += [_sorted(column, False) for column in plan.keys]
    return order or ["n"]


def _sorted(column: Column, descending: bool) -> str:
    # Texts byte by byte, as their columns are: the same order in every database, whatever its locale.
    collated = ' COLLATE "C"' if column.kind in (Kind.TEXT, Kind.ENUM) else ""
    return f"{column.alias}{collated} {'DESC' if descending else 'ASC'} NULLS LAST"
