"""What is asked about a batch before it is written: one statement, prepared once. Used by `recording` alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from generations import partitions, prepared
from generations.recording.tables import AMOUNTS, NAMED, TABLES

EVENTS: Final = tuple(kind for kind, table in TABLES.items() if table.is_partitioned)
_PRICE: Final = (
    *("id", "match", "provider", "currency", "input_price", "cached_input_price", "cache_write_price"),
    *("output_price", "valid_from", "valid_to"),
)


def statement(months: tuple[dt.date, ...], is_far: bool) -> prepared.Statement:
    """What asks which keys there are: of all kinds and in every month if it is to look `is_far`, and of events in
    `months`; which tags; prices; what hangs on calls, where it looks far; whose rows say as much already.

    In the order of its parameters: if it looks far, keys by kind and the ids of calls; in months, keys by kind of
    events; names of tags; whether there are calls; of each kind that is only named its keys and what is told of it.

    The months are asked by their partitions' names. Of a condition on the start the planner may think, in a table that
    nobody analysed, that it picks fewer rows than the key does, and read the whole day for each key.
    """
    make_room(months)
    return _made(months, is_far)


def make_room(months: Iterable[dt.date]) -> None:
    """Have partitions for these months; where some were not known to be there, plans are made anew."""
    if new := partitions.unknown(months):
        partitions.ensure(new)
        prepared.doubt()


@lru_cache(maxsize=100)
def _made(months: tuple[dt.date, ...], is_far: bool) -> prepared.Statement:
    types: list[str] = []
    parts: list[str] = []

    def given(type: str) -> str:
        types.append(type)
        return f"${len(types)}"

    if is_far:
        parts += [
            prepared.found(f"'{kind}' AS label, uid::text AS said", table.facts, "uid", given("uuid[]"))
            for kind, table in TABLES.items()
        ]
        calls = given("text[]")
        parts += [
            prepared.found("'judged', generation_id", table, "generation_id", calls)
            for table in ("score", "feedback", "attachment")
        ]
    if months:
        for kind in EVENTS:
            keys, table = given("uuid[]"), TABLES[kind].facts
            parts += [
                prepared.found(f"'{kind}' AS label, uid::text AS said", partitions.named(table, month), "uid", keys)
                for month in months
            ]
    parts.append(prepared.found("'tag', name", "tag", "name", given("text[]")))
    columns = ", ".join(f'"{name}"::text' if name in AMOUNTS else f'"{name}"' for name in _PRICE)
    parts.append(
        f"SELECT 'price', row_to_json(r)::text FROM (SELECT {columns} FROM price_override"  # noqa: S608
        f" WHERE project_id = {{project}} AND {given('boolean')}) AS r"
    )
    for kind, wider in NAMED.items():
        columns = ", ".join(column for column, _ in wider.fields.values())
        told = ", ".join([given("uuid[]"), *(given(f"{type}[]") for _, type in wider.fields.values())])
        rows = f"SELECT * FROM {TABLES[kind].facts} WHERE project_id = {{project}} AND uid = excluded.uid OFFSET 0"  # noqa: S608
        parts.append(
            f"SELECT 'wide {kind}', there.public_id FROM unnest({told}) AS excluded (uid, {columns})"  # noqa: S608
            f" CROSS JOIN LATERAL ({rows}) AS there WHERE NOT ({wider.where})"
        )
    name = "_".join(["seen", *(["far"] if is_far else []), *(f"{month:%Y%m}" for month in months)])
    return prepared.Statement(name, types, " UNION ALL ".join(parts))
