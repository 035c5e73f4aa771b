"""The rows of an export: which ones, fixed by one statement, and their documents, a bounded batch at a time."""

from __future__ import annotations

import operator
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from django.db import connection
from django.db.models import F, IntegerField, Q, QuerySet, Sum
from django.db.models.expressions import Func
from django.db.models.functions import Coalesce

from generations import bundles, filters
from generations.ingest import rest
from generations.ingest.values import iso
from generations.models import (
    Alternative,
    DatasetItem,
    Generation,
    GenerationPayload,
    Project,
    Score,
    Step,
    StepPayload,
    Thread,
)
from generations.records import Json

BATCH_ROWS: Final = 500
BATCH_BYTES: Final = 1 << 20
"""Of payload as it is stored, compressed: read, it takes some ten times as much memory."""

Key = tuple[Any, ...]
Documents = Iterable[tuple[uuid.UUID, dict[str, Json]]]


@dataclass(frozen=True, slots=True)
class Source:
    """How the rows of one list are found and read. `order` is the default; `key` is what a row is fetched by again."""

    key: tuple[str, ...]
    order: str
    narrow: Callable[[int, filters.Condition | None], QuerySet[Any]]
    read: Callable[[Project, Sequence[Key], bool], Documents]
    sizes: Callable[[Project, Sequence[Key]], dict[uuid.UUID, int]] | None = None


def ordering(kind: str, order: str | None, project_pk: int) -> list[Any]:
    """ORDER BY of an order like `-usage.cost`, ties broken so that no two runs differ; unknown values come last.

    Raises BadFilter for a field that there is none of, or that cannot be sorted by.
    """
    source = SOURCES[kind]
    ties: list[Any] = [F(name).desc() for name in reversed(source.key)]
    if not order or order == source.order:
        return ties
    path = order.removeprefix("-")
    field = filters.field(kind, path)
    if not field.sortable:
        names = ", ".join(f.path for f in filters.fields(kind) if f.sortable)
        raise filters.BadFilter("order", order, f"a field that can be sorted by: {names}")
    value: Any = field.expression(project_pk)
    value = F(value) if isinstance(value, str) else value
    return [value.desc(nulls_last=True) if order.startswith("-") else value.asc(nulls_last=True), *ties]


class Keys:
    """The keys of all rows that match, in order, held by the database: its memory and disk, not this process's.

    A cursor "with hold" is filled by one statement, so the rows are those of one moment; and it holds neither a
    transaction nor a snapshot, however long the export takes, so that nothing else waits for it.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._name = connection.ops.quote_name(cursor.name)

    def count(self) -> int:
        """How many there are. Costs a walk over what is already found."""
        with connection.cursor() as plain:
            plain.execute(f"MOVE FORWARD ALL IN {self._name}")
            count = int(plain.rowcount)
            plain.execute(f"MOVE ABSOLUTE 0 IN {self._name}")
        return count

    def batches(self) -> Iterator[list[Key]]:
        """The keys in order, BATCH_ROWS at a time."""
        while batch := self._cursor.fetchmany(BATCH_ROWS):
            yield batch


@contextmanager
def keys(
    kind: str, project: Project, condition: filters.Condition | None, order: str | None, *, version: int | None = None
) -> Iterator[Keys]:
    """The keys of the rows of a list that satisfy `condition`; of datasets, as their items were in `version`."""
    source = SOURCES[kind]
    found = source.narrow(project.pk, condition) if version is None else _items_of(project.pk, condition, version)
    rows = found.order_by(*ordering(kind, order, project.pk)).values_list(*source.key)
    # A condition that nothing can satisfy is a statement too: one without rows.
    sql, params = rows.query.get_compiler(connection=connection, elide_empty=False).as_sql()
    connection.ensure_connection()
    raw: Any = connection.connection
    with closing(raw.cursor(name=f"export_{uuid.uuid4().hex}", scrollable=True, withhold=True)) as cursor:
        cursor.itersize = BATCH_ROWS
        cursor.execute(sql, params)
        yield Keys(cursor)


def documents(
    kind: str, project: Project, batch: Sequence[Key], *, stamped: bool = False
) -> Iterator[list[dict[str, Json]]]:
    """The documents of these rows in their order, in lists that fit into memory; rows deleted meanwhile are left out.

    `stamped` ones also say when the row was stored and changed here. A constant number of queries for each list; a
    single row is read whole, whatever its size.
    """
    source = SOURCES[kind]
    sizes = source.sizes(project, batch) if source.sizes else {}
    for some in _bounded(batch, sizes):
        found = dict(source.read(project, some, stamped))
        yield [found[key[0]] for key in some if key[0] in found]


def _bounded(batch: Sequence[Key], sizes: dict[uuid.UUID, int]) -> Iterator[list[Key]]:
    some: list[Key] = []
    room = BATCH_BYTES
    for key in batch:
        size = sizes.get(key[0], 0)
        if some and size > room:
            yield some
            some, room = [], BATCH_BYTES
        some.append(key)
        room -= size
    if some:
        yield some


# ------------------------------------------------------------------------------------------------- generations, steps
def _within(rows: Any, project: Project, batch: Sequence[Key]) -> Any:
    """Rows of a partitioned table by key; the range of starts spares the partitions that hold none of them."""
    starts = [key[1] for key in batch]
    return rows.in_project(project.pk).filter(
        uid__in=[key[0] for key in batch], started_at__gte=min(starts), started_at__lte=max(starts)
    )


def _stored_bytes(*columns: str) -> Any:
    # The size as stored is read off the row; a TOASTed value itself is not touched.
    sizes = (Func(F(name), function="pg_column_size", output_field=IntegerField()) for name in columns)
    return reduce(operator.add, (Coalesce(size, 0) for size in sizes))


_GENERATION_BYTES: Final = _stored_bytes(
    "input", "output", "messages", "message_completion", "prompt", "completion", "variables", "tools", "logprobs",
    "attributes", "error_detail", "cost_arithmetic",
)  # fmt: skip
_STEP_BYTES: Final = _stored_bytes("input", "output", "attributes", "events", "error_detail")
_ALTERNATIVE_BYTES: Final = Sum(_stored_bytes("content", "logprobs"))


def _generation_sizes(project: Project, batch: Sequence[Key]) -> dict[uuid.UUID, int]:
    payloads = _within(GenerationPayload.objects, project, batch)
    sizes = dict(payloads.values_list("uid", _GENERATION_BYTES))
    others = Alternative.objects.in_project(project.pk).filter(generation_uid__in=[key[0] for key in batch])
    for uid, size in others.values_list("generation_uid").annotate(size=_ALTERNATIVE_BYTES):
        sizes[uid] = sizes.get(uid, 0) + size
    return sizes


def _step_sizes(project: Project, batch: Sequence[Key]) -> dict[uuid.UUID, int]:
    return dict(_within(StepPayload.objects, project, batch).values_list("uid", _STEP_BYTES))


def _generations(project: Project, batch: Sequence[Key], stamped: bool) -> Documents:
    rows: list[Generation] = list(_within(Generation.objects, project, batch))
    for bundle in bundles.of_generations(project, rows):
        row = bundle.generation
        yield row.uid, rest.document(bundle.record, **_stamps(row, stamped))


def _steps(project: Project, batch: Sequence[Key], stamped: bool) -> Documents:
    rows: list[Step] = list(_within(Step.objects, project, batch))
    for bundle in bundles.of_steps(project, rows, generations=False):
        yield bundle.step.uid, rest.step_document(bundle.record, **_stamps(bundle.step, stamped))


def _stamps(row: Generation | Step, stamped: bool) -> dict[str, Any]:
    return {"created_at": row.created_at, "updated_at": row.updated_at} if stamped else {}


# ------------------------------------------------------------------------------------------- threads, scores, datasets
def _threads(project: Project, batch: Sequence[Key], stamped: bool) -> Documents:
    rows = Thread.objects.in_project(project.pk).filter(uid__in=[key[0] for key in batch])
    return ((row.uid, bundles.thread_document(row)) for row in rows)


def _scores(project: Project, batch: Sequence[Key], stamped: bool) -> Documents:
    rows = Score.objects.in_project(project.pk).filter(uid__in=[key[0] for key in batch])
    return ((row.uid, rest.score_document(bundles.score_record(row))) for row in rows)


def _items_of(
    project_pk: int, condition: filters.Condition | None, version: int | None = None
) -> QuerySet[DatasetItem]:
    # The items as they are now, unless a version is named: those that were removed belong to versions before.
    found = DatasetItem.objects.filter(dataset__in=filters.narrow("datasets", project_pk, condition))
    if version is None:
        return found.filter(removed_in=None)
    return found.filter(Q(removed_in=None) | Q(removed_in__gt=version), added_in__lte=version)


def _items(project: Project, batch: Sequence[Key], stamped: bool) -> Documents:
    rows = DatasetItem.objects.select_related("dataset").filter(dataset__project=project)
    return ((row.pk, _item(row)) for row in rows.filter(pk__in=[key[0] for key in batch]))


def _item(row: DatasetItem) -> dict[str, Json]:
    return _known(
        id=str(row.pk),
        datasetId=str(row.dataset_id),
        datasetName=row.dataset.name,
        input=row.input,
        expectedOutput=row.expected_output,
        metadata=row.metadata,
        intermediarySteps=row.intermediary_steps,
        generationId=row.generation_id,
        stepId=row.step_id,
        split=row.split or None,
        createdAt=iso(row.created_at),
    )


def _known(**values: Json) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value is not None}


def _narrow(kind: str) -> Callable[[int, filters.Condition | None], QuerySet[Any]]:
    return lambda project_pk, condition: filters.narrow(kind, project_pk, condition)


SOURCES: Final[dict[str, Source]] = {
    "generations": Source(("uid", "started_at"), "-timestamp", _narrow("generations"), _generations, _generation_sizes),
    "steps": Source(("uid", "started_at"), "-timestamp", _narrow("steps"), _steps, _step_sizes),
    "threads": Source(("uid", "last_activity_at"), "-lastActivityAt", _narrow("threads"), _threads),
    "scores": Source(("uid", "created_at"), "-timestamp", _narrow("scores"), _scores),
    "datasets": Source(("pk", "created_at"), "-createdAt", _items_of, _items),
}
