"""MongoDB's aggregation pipeline, as far as it asks about generations: read into a `Query`, answered as documents.

Stages are `$match`, `$group`, `$sort`, `$limit`, `$project` and `$count`. Without `$group` the documents are the
generations themselves, as REST shows them; after it, `$match` narrows the groups. Where the answer differs from
MongoDB's: a sum of which nothing is known is null and not 0; null sorts last in both directions; `$percentile` says
how exact it is; weeks begin on Monday; grouping by a list (`$tags`) counts a document once for each entry;
`$countDistinct` and `$errorRate` are accumulators of ours; and stages that follow `$limit` may only be `$project` or
`$count`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from generations import bundles, filters
from generations.ingest import rest
from generations.ingest.values import iso, plain
from generations.metrics import grouping, having, projecting
from generations.metrics.answering import TIMEOUT, aggregate, count_groups
from generations.metrics.compiling import row_order
from generations.metrics.grouping import Grouping, Shape
from generations.metrics.projecting import MISSING, Projection
from generations.metrics.query import MAX_LIMIT, BadQuery, Measure, Query, Row, Source, one_of, whole
from generations.models import Project
from generations.records import InvalidRecord

KIND: Final = "generations"
STAGES: Final = ("$match", "$group", "$sort", "$limit", "$project", "$count")
MAX_STAGES: Final = 50
MAX_DOCUMENTS: Final = 1_000
_MAX_FIRST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Documents:
    """What a pipeline makes. `source` and `approximate` say what answered, and how exact percentiles are (`Result`)."""

    rows: list[dict[str, Any]]
    source: Source = "rows"
    approximate: float = 0.0


def documents(
    project: Project, stages: Sequence[Mapping[str, Any]], *, exact: bool = False, timeout: float = TIMEOUT
) -> Documents:
    """What a pipeline makes of a project's generations, in order.

    Groups look like `{"_id": "gpt-4", "totalTokens": 12, "count": 2}`: JSON values, times as ISO 8601 UTC, money as
    Decimal. One statement for groups, a constant number for generations. Raises BadQuery naming the stage, also when
    there are more than 10,000 groups or 1,000 generations and no `$limit`; raises TooSlow.
    """
    asked = _read(stages)
    if asked.grouping is not None:
        return _groups(project, asked, exact, timeout)
    if asked.counted is not None:
        return Documents(_count(project, asked, asked.counted, timeout))
    return Documents(_documents(project, asked))


@dataclass(slots=True)
class _Pipeline:
    """What the stages ask for, read one after the other."""

    conditions: list[filters.Condition] = field(default_factory=list)
    rows_order: list[tuple[str, bool]] = field(default_factory=list)
    rows_limit: int | None = None
    grouping: Grouping | None = None
    shape: dict[str, Shape] = field(default_factory=dict)
    having: list[filters.Condition] = field(default_factory=list)
    order: list[tuple[str, bool]] = field(default_factory=list)
    limit: int | None = None
    projections: list[Projection] = field(default_factory=list)
    counted: str | None = None

    @property
    def is_cut(self) -> bool:
        """Whether `$limit` has come since the documents were made."""
        return (self.rows_limit if self.grouping is None else self.limit) is not None


def _read(stages: object) -> _Pipeline:
    if not isinstance(stages, list | tuple):
        raise BadQuery("pipeline", stages, "a list of stages, such as [{$match: {…}}, {$group: {…}}]")
    if len(stages) > MAX_STAGES:
        raise BadQuery("pipeline", f"{len(stages)} stages", f"at most {MAX_STAGES} stages")
    asked = _Pipeline()
    for n, stage in enumerate(stages):
        if not isinstance(stage, Mapping) or len(stage) != 1:
            raise BadQuery(f"pipeline[{n}]", stage, "an object with one stage, such as {$limit: 10}")
        name, spec = next(iter(stage.items()))
        if name == "$skip":
            raise BadQuery(f"pipeline[{n}]", name, "a $match on what comes after the last one seen")
        name = one_of(f"pipeline[{n}]", f"${str(name).removeprefix('$')}", STAGES)
        if asked.counted is not None:
            raise BadQuery(f"pipeline[{n}]", name, "nothing after $count")
        _STEPS[name](asked, spec)
    return asked


# --------------------------------------------------------------------------------------------------------- stages
def _match(asked: _Pipeline, spec: object) -> None:
    _before_cut(asked, "$match")
    if not isinstance(spec, Mapping):
        raise BadQuery("$match", spec, "a filter document, such as {'model.id': 'gpt-4'}")
    if asked.grouping is not None:
        condition = having.read(spec, _columns(asked))
        asked.having += [] if condition is None else [condition]
        return
    if asked.projections:
        raise BadQuery("$match", "after $project", "$match before $project")
    try:
        found = filters.from_document(KIND, dict(spec))
    except filters.BadFilter as error:
        raise BadQuery.of(error) from error
    asked.conditions += [] if found is None else [found]


def _group(asked: _Pipeline, spec: object) -> None:
    if asked.grouping is not None:
        raise BadQuery("$group", "a second one", "one $group; ask for finer groups and combine them")
    if asked.projections:
        raise BadQuery("$group", "after $project", "$group before $project")
    asked.grouping = grouping.read(spec)
    asked.shape = asked.grouping.shape


def _sort(asked: _Pipeline, spec: object) -> None:
    _before_cut(asked, "$sort")
    if not isinstance(spec, Mapping) or not spec:
        raise BadQuery("$sort", spec, "an object such as {totalTokens: -1}")
    order: list[tuple[str, bool]] = []
    for path, direction in spec.items():
        if isinstance(direction, bool) or direction not in (1, -1):
            raise BadQuery(f"$sort.{path}", direction, "1 (ascending) or -1 (descending)")
        if asked.grouping is None:
            if asked.projections:
                raise BadQuery("$sort", "after $project", "$sort before $project")
            order.append((str(path), direction == -1))
        else:
            order += [(column, direction == -1) for column in _sorted_by(asked, str(path))]
    if asked.grouping is None:
        asked.rows_order = order
    else:
        asked.order = order


def _sorted_by(asked: _Pipeline, path: str) -> list[str]:
    found = projecting.at(asked.shape, path)
    if found is MISSING:
        one_of("$sort", path, [path for path, _ in projecting.leaves(asked.shape)])
    return [column for _, column in projecting.leaves(found) if column is not None]


def _limit(asked: _Pipeline, spec: object) -> None:
    if asked.grouping is None:
        asked.rows_limit = min(asked.rows_limit or _MAX_FIRST, whole("$limit", spec, 1, _MAX_FIRST))
    else:
        asked.limit = min(asked.limit or MAX_LIMIT, whole("$limit", spec, 1, MAX_LIMIT))


def _project(asked: _Pipeline, spec: object) -> None:
    key = "id" if asked.grouping is None else "_id"
    projection = projecting.read(spec, key)
    if asked.grouping is None:
        if not asked.projections:
            for path in projection.sources:
                _document_path(path)
        asked.projections.append(projection)
        return
    for path in projection.sources:
        if projecting.at(asked.shape, path) is MISSING:
            one_of("$project", path, [*asked.shape, *(path for path, _ in projecting.leaves(asked.shape))])
    asked.shape = projecting.applied(projection, asked.shape, key)


def _document_path(path: str) -> None:
    try:
        rest.check_fields([path])
    except InvalidRecord as error:
        raise BadQuery("$project", path, error.expected) from error


def _counted(asked: _Pipeline, spec: object) -> None:
    asked.counted = grouping.named("$count", spec)


def _before_cut(asked: _Pipeline, stage: str) -> None:
    if asked.is_cut:
        raise BadQuery(stage, "after $limit", f"{stage} before $limit")


def _columns(asked: _Pipeline) -> dict[str, str]:
    return {path: column for path, column in projecting.leaves(asked.shape) if column is not None}


_STEPS: Final = {
    "$match": _match,
    "$group": _group,
    "$sort": _sort,
    "$limit": _limit,
    "$project": _project,
    "$count": _counted,
}


# -------------------------------------------------------------------------------------------------------- answers
def _groups(project: Project, asked: _Pipeline, exact: bool, timeout: float) -> Documents:
    assert asked.grouping is not None
    query = Query(
        kind=KIND,
        condition=filters.both(*asked.conditions),
        dimensions=tuple(asked.grouping.dimensions),
        bucket=asked.grouping.bucket,
        measures=tuple(asked.grouping.measures),
        having=filters.both(*asked.having),
        order=tuple(asked.order),
        limit=asked.limit or MAX_LIMIT,
        first=asked.rows_limit,
        first_order=tuple(asked.rows_order),
        exact=exact,
    )
    has_keys = bool(query.dimensions or query.bucket)
    if asked.counted is not None and has_keys:
        return Documents(_number(asked.counted, count_groups(project, query, timeout=timeout)))
    result = aggregate(project, query, timeout=timeout)
    # No documents make no group, not even that of null.
    rows = [row for row in result.rows if row.count]
    if asked.counted is not None:
        return Documents(_number(asked.counted, len(rows)))
    if result.more and asked.limit is None:
        raise BadQuery("$group", f"more than {MAX_LIMIT} groups", "a $limit, or a $match that leaves fewer")
    return Documents([_rendered(asked.shape, _values(row)) for row in rows], result.source, result.approximate)


def _number(name: str, number: int) -> list[dict[str, Any]]:
    return [{name: number}] if number else []


def _values(row: Row) -> dict[str, Any]:
    shown = {name: plain(value) if isinstance(value, float) else value for name, value in row.key.items()}
    return {
        name: iso(value) if isinstance(value, dt.datetime) else value for name, value in (shown | row.values).items()
    }


def _rendered(shape: Shape, values: Mapping[str, Any]) -> Any:
    if isinstance(shape, Mapping):
        return {name: _rendered(part, values) for name, part in shape.items()}
    if isinstance(shape, list):
        return [_rendered(part, values) for part in shape]
    return None if shape is None else values[shape]


def _count(project: Project, asked: _Pipeline, name: str, timeout: float) -> list[dict[str, Any]]:
    query = Query(
        kind=KIND,
        condition=filters.both(*asked.conditions),
        measures=(Measure(name, "count"),),
        first=asked.rows_limit,
        first_order=tuple(asked.rows_order),
    )
    return _number(name, aggregate(project, query, timeout=timeout).rows[0].count)


def _documents(project: Project, asked: _Pipeline) -> list[dict[str, Any]]:
    limit = MAX_DOCUMENTS if asked.rows_limit is None else whole("$limit", asked.rows_limit, 1, MAX_DOCUMENTS)
    found = filters.narrow(KIND, project.pk, filters.both(*asked.conditions))
    rows = list(found.order_by(*row_order(KIND, project.pk, asked.rows_order))[: limit + 1])
    if len(rows) > limit and asked.rows_limit is None:
        raise BadQuery("pipeline", f"more than {limit} generations", f"a $limit of at most {limit}, or a $group")
    parts = rest.needs(_wanted(asked.projections))
    documents = []
    for bundle in bundles.of_generations(project, rows[:limit], **{part: part in parts for part in rest.needs(None)}):
        row = bundle.generation
        document = rest.document(bundle.record, created_at=row.created_at, updated_at=row.updated_at)
        for projection in asked.projections:
            document = projecting.applied(projection, document, "id")
        documents.append(document)
    return documents


def _wanted(projections: Sequence[Projection]) -> tuple[str, ...] | None:
    """The paths that the first projection reads, or None when it reads everything but some."""
    return projections[0].sources if projections and projections[0].made else None
