"""What hangs on the rows of a batch, fetched for all of them in one query each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, Final, TypeVar

from django.db import connection, models
from django.db.models import F, Func, Sum
from django.db.models.functions import Coalesce

from generations import horizons, paging
from generations.graphql.connections import LARGEST_SLICE, BadArgument, bounded, slice_of
from generations.graphql.nodes import Batch
from generations.ingest.rest_content import RECEIVED, SENT, Content, settled
from generations.ingest.rest_fields import Slot
from generations.models import Alternative, Generation, GenerationPayload, StepPayload

M = TypeVar("M", bound=models.Model)

Groups = dict[Hashable, list[M]]

MEBIBYTE: Final = 1 << 20
MAX_PAYLOADS: Final = 32 * MEBIBYTE
"""What the payloads of one batch may take where they are stored, which is compressed."""

_BY_TIME: Final = ("created_at", "uid")
_OLDEST_FIRST: Final = ("started_at", "uid")
_NEWEST_FIRST: Final = ("-started_at", "-uid")


def payloads(batch: Batch[Any], model: type[M]) -> dict[Hashable, M]:
    """The payloads of a batch of generations or steps, by uid."""

    def load() -> dict[Hashable, M]:
        if not batch.rows:
            return {}
        moments = [row.started_at for row in batch.rows]
        # The bounds of time keep the look-up to the months that the rows are in.
        rows: Any = model._default_manager
        wanted = rows.in_project(batch.project_pk).filter(
            uid__in=[row.uid for row in batch.rows],
            started_at__gte=min(moments),
            started_at__lte=max(moments),
        )
        _bound(wanted, model, len(batch.rows))
        return {row.pk: row for row in wanted}

    return batch.once(("payloads", model), load)


def _bound(wanted: models.QuerySet[Any], model: type[models.Model], rows: int) -> None:
    """Refuse what would not fit: a payload may be 64 MiB, and a page has many. Sizes are known without reading them."""
    held = [
        field.column for field in model._meta.concrete_fields if isinstance(field, models.JSONField | models.TextField)
    ]
    stored = [Coalesce(Func(F(name), function="pg_column_size"), 0) for name in held]
    size = wanted.aggregate(size=Sum(reduce(add, stored), output_field=models.BigIntegerField()))["size"] or 0
    if size > MAX_PAYLOADS and rows > 1:
        raise BadArgument(
            "first",
            f"{size / MEBIBYTE:.0f} MiB of payloads",
            f"at most {MAX_PAYLOADS // MEBIBYTE} MiB at once: ask for fewer rows, or for their previews",
        )


def contents(batch: Batch[Generation]) -> dict[Hashable, Content]:
    """What was said in the generations of a batch, settled as every door shows it, by uid."""

    def load() -> dict[Hashable, Content]:
        found = payloads(batch, GenerationPayload)
        return {row.pk: _content(row, found.get(row.pk)) for row in batch.rows}

    return batch.once("contents", load)


def _content(row: Generation, payload: GenerationPayload | None) -> Content:
    if payload is None:
        return Content(type=row.type)
    said = {name: getattr(payload, name) for name in (*SENT, *RECEIVED)}
    return settled(Content(type=row.type, **said), infer_type=True)


def named(batch: Batch[Any], attribute: str, model: Any, kind: str) -> Batch[Any]:
    """The rows of `model` whose ids the batch's rows carry in `attribute`; what has not come yet is not in it."""

    def load() -> Batch[Any]:
        ids = {name for row in batch.rows if (name := getattr(row, attribute)) is not None}
        rows = model.objects.by_ids(batch.project_pk, kind, ids) if ids else ()
        return Batch(batch.grant, list(rows))

    return batch.once(("named", attribute, kind), load)


def following(
    batch: Batch[Any],
    model: type[models.Model],
    attribute: str,
    order: Sequence[str],
    limit: int,
    *,
    key: str = "public_id",
    only: str = "",
    after: str | None = None,
) -> tuple[Batch[Any], Groups[Any]]:
    """The first `limit` rows of `model` for each row of the batch that `attribute` names, and all of them as a batch.

    One statement, whose cost is `limit` index entries for each row, however many there are. `order` are columns, "-"
    before one means descending, of all or of none; `only` names a column that has to be true; `after` is the `place` of
    a row that the first ones come behind. Raises BadArgument for another text.
    """
    behind = [] if after is None else paging.placed(model, order, after)

    def load() -> tuple[Batch[Any], Groups[Any]]:
        parents = list(dict.fromkeys(getattr(row, key) for row in batch.rows))
        statement, bounds = _first_of_each(batch, model, attribute, order, only, bool(behind))
        rows: list[Any] = list(model._default_manager.raw(statement, [parents, *bounds, *behind, limit]))
        if model is Alternative:
            rows = [row for row in rows if not horizons.hides(batch.project_pk, "generation", row.started_at)]
        groups: Groups[Any] = defaultdict(list)
        for row in rows:
            groups[getattr(row, attribute)].append(row)
        return Batch(batch.grant, rows), groups

    return batch.once(("following", model, attribute, tuple(order), limit, only, after), load)


def _first_of_each(
    batch: Batch[Any], model: type[models.Model], attribute: str, order: Sequence[str], only: str, is_behind: bool
) -> tuple[str, list[int]]:
    """The statement, and what it is told behind the parents: the project, if rows name theirs."""
    quote = connection.ops.quote_name
    column: Any = model._meta.get_field(attribute)
    ordering = ", ".join(f"{quote(name.lstrip('-'))} DESC" if name.startswith("-") else quote(name) for name in order)
    true = f" AND {quote(only)}" if only else ""
    if is_behind:
        columns = [quote(name.lstrip("-")) for name in order]
        sign = "<" if order[0].startswith("-") else ">"
        true += f" AND ({', '.join(columns)}) {sign} ({', '.join(['%s'] * len(columns))})"
    # What belongs to a row of the batch, such as a result of an experiment, is of that row's project.
    is_ours = any(field.name == "project" for field in model._meta.fields)
    ours = "project_id = %s AND " if is_ours else ""
    # Every name comes from the models; values are parameters.
    statement = (
        f"SELECT child.* FROM unnest(%s::{column.db_type(connection)}[]) AS parent(id) CROSS JOIN LATERAL ("  # noqa: S608
        f"SELECT * FROM {quote(model._meta.db_table)} WHERE {ours}{quote(column.column)} = parent.id"
        f"{true} ORDER BY {ordering} LIMIT %s) AS child"
    )
    return statement, [batch.project_pk] if is_ours else []


# ---------------------------------------------------------------------------------------------- as the types show them
def said(view: Any, name: str) -> Any:
    """This part of the payload of the generation or step that `view` shows; None when it is not known."""
    model: Any = GenerationPayload if isinstance(view.row, Generation) else StepPayload
    return getattr(payloads(view.batch, model).get(view.row.pk), name, None)


def content(view: Any) -> Content:
    """What was said in the generation that `view` shows, in the form that every door shows it in."""
    return contents(view.batch)[view.row.pk]


def metadata(view: Any, own: Mapping[str, Slot]) -> Any:
    """The free metadata with the names that are fields of their own, as every door shows it."""
    row = view.row
    known = {name: value for name, slot in own.items() if (value := getattr(row, slot.attribute)) not in (None, [])}
    return {**row.metadata, **known}


def named_by(view: Any, model: Any, show: Any, kind: str, attribute: str) -> Any:
    """The row of `model` that the row names in `attribute`; None when it names none, or one that has not come yet."""
    batch = named(view.batch, attribute, model, kind)
    row = batch.by_id.get(getattr(view.row, attribute) or "")
    return None if row is None else show(row=row, batch=batch)


def own(view: Any, model: Any, show: Any, attribute: str, first: int, after: str | None = None) -> Any:
    """The first rows of `model` whose `attribute` names the row that `view` shows, the oldest first."""
    return hanging(view, model, show, attribute, _BY_TIME, first, after)


def in_time(view: Any, model: Any, show: Any, attribute: str, first: int, newest_first: bool) -> Any:
    """The first rows of `model` whose `attribute` names the row that `view` shows, by their start."""
    return hanging(view, model, show, attribute, _NEWEST_FIRST if newest_first else _OLDEST_FIRST, first)


def hanging(
    view: Any,
    model: Any,
    show: Any,
    attribute: str,
    order: Sequence[str],
    first: int,
    after: str | None = None,
    *,
    key: str = "public_id",
    only: str = "",
) -> Any:
    """The first rows of `model` whose `attribute` is the `key` of the row that `view` shows, as a slice."""
    limit = bounded(first, LARGEST_SLICE)
    batch, groups = following(view.batch, model, attribute, order, limit + 1, key=key, only=only, after=after)
    rows = groups.get(getattr(view.row, key), ())
    return slice_of(rows, limit, lambda row: show(row=row, batch=batch), lambda row: paging.place(row, order))
