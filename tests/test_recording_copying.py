"""What goes into the database by COPY stands there as it was given."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, ProgrammingError, connection, transaction

from generations import access, identities, recording
from generations.at_once import Copies
from generations.models import Generation, GenerationPayload, Step, StepPayload
from generations.recording import copying
from generations.records import GenerationRecord, StepRecord

TEXTS = (
    *("", " ", "\\", r"\.", r"\N", "\\.\n", "a\nb", "\r\n", "tab\t", '"', "'", ",", "null"),
    *("\x01", "\x02", "\x01\x02\x01", "\x01\n\x01", "\x01\x01", "ü", "日本語", "\u2028", "{}", "NULL"),
)


def copied(columns: dict[str, str], rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """The rows as they stand in a table of these columns after they were copied into it, in their order."""
    with connection.cursor() as cursor:
        told = ", ".join(f'"{name}" {type}' for name, type in columns.items())
        cursor.execute(f"CREATE TEMPORARY TABLE copied (place serial, {told}) ON COMMIT DROP")
        names, text = copying.lines(list(columns), [*zip(*rows, strict=True)])
        with cursor.copy(copying.statement("copied", names)) as sink:
            sink.write(text)
        cursor.execute(f"SELECT {', '.join(columns)} FROM copied ORDER BY place")
        return list(cursor.fetchall())


@pytest.mark.django_db
def test_texts_of_every_kind_stand_as_they_were_given() -> None:
    rows: list[tuple[object, ...]] = [(text, None, text if n % 2 else None) for n, text in enumerate(TEXTS)]
    assert copied({"a": "text", "b": "text", "c": "text"}, rows) == rows


@pytest.mark.django_db
def test_values_that_are_no_texts_stand_as_they_were_given() -> None:
    moment = dt.datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)
    columns = {"n": "int", "f": "float8", "d": "numeric", "b": "bool", "t": "timestamptz", "k": "uuid[]"}
    key = "0198c5a1-0000-8000-8000-000000000001"
    rows: list[tuple[object, ...]] = [
        (1, 0.1, Decimal("0.000000000001"), True, moment, [key, key]),
        (None, None, None, None, None, []),
        (-3, 1e300, Decimal(7), False, moment, [key]),
    ]
    found = copied(columns, rows)
    assert [(*row[:5], [str(one) for one in row[5]] if row[5] else row[5]) for row in found] == rows  # type: ignore[attr-defined]


@pytest.mark.django_db
def test_columns_that_hold_nothing_are_left_out() -> None:
    names, _ = copying.lines(["a", "b", "c"], [(1, 2), (None, None), (None, "x")])
    assert names == ["a", "c"]


@pytest.mark.django_db
def test_many_records_are_stored_as_they_were_given() -> None:
    project = access.create_project("Copied")
    start = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
    steps = [
        StepRecord(id=f"s{n}", name=text or None, started_at=start, input={"said": text}, metadata={text: [text]})
        for n, text in enumerate(TEXTS)
    ]
    calls = [
        GenerationRecord(id=f"g{n}", started_at=start, tags=(f"{text}.",), completion=text or None)
        for n, text in enumerate(TEXTS)
    ]
    assert {one.state for one in recording.record(project, [*steps, *calls])} == {"stored"}

    found = {row.public_id: row for row in Step.objects.in_project(project.pk)}
    assert [found[f"s{n}"].name for n in range(len(TEXTS))] == [text or None for text in TEXTS]
    assert [found[f"s{n}"].metadata for n in range(len(TEXTS))] == [{text: [text]} for text in TEXTS]
    called = {row.public_id: row for row in Generation.objects.in_project(project.pk)}
    assert [called[f"g{n}"].tags for n in range(len(TEXTS))] == [[f"{text}.".strip()] for text in TEXTS]


@pytest.mark.django_db
def test_long_texts_of_many_records_stand_as_they_were_given() -> None:
    project = access.create_project("Packed")
    start = dt.datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)))
    numbers: list[Any] = [0, -1, 2**53 + 1, 10**25, 0.1, True, None, "", [], {"a": {}}]
    steps = [
        StepRecord(id=f"s{n}", started_at=start, input={"said": [text, *numbers]}, output=text * 3_000)
        for n, text in enumerate(TEXTS)
    ]
    calls = [
        GenerationRecord(id=f"g{n}", started_at=start, prompt=text or None, completion=text * 5_000 or None)
        for n, text in enumerate(TEXTS)
    ]
    assert {one.state for one in recording.record(project, [*steps, *calls])} == {"stored"}

    told = {row.uid: row for row in StepPayload.objects.in_project(project.pk)}
    said = {row.uid: row for row in GenerationPayload.objects.in_project(project.pk)}
    assert len(told) == len(said) == len(TEXTS)
    for n, text in enumerate(TEXTS):
        step, call = (
            told[identities.uid(project.pk, "step", f"s{n}")],
            said[identities.uid(project.pk, "generation", f"g{n}")],
        )
        assert (step.started_at, step.input, step.output) == (start, {"said": [text, *numbers]}, text * 3_000)
        assert (call.started_at, call.prompt, call.completion) == (start, text or None, text * 5_000 or None)


LONG = "long " * 100_000
"""Longer than what is sent at a time."""


@pytest.mark.django_db
def test_several_tables_are_filled_by_one_message() -> None:
    of: dict[str, list[tuple[object, ...]]] = {
        "one": [("a", LONG), ("b", None)],
        "none": [("c", None)],
        "last": [(LONG, "")],
    }
    with connection.cursor() as cursor:
        for table in of:
            cursor.execute(f"CREATE TEMPORARY TABLE {table} (x text, y text) ON COMMIT DROP")
        copies = []
        for table, rows in of.items():
            names, text = copying.lines(["x", "y"], [*zip(*rows, strict=True)])
            copies.append((copying.statement(table, names), [text.encode()]))
        cursor.execute(Copies(copies))
        for table, rows in of.items():
            cursor.execute(f"SELECT x, y FROM {table} ORDER BY x")
            assert cursor.fetchall() == rows


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_of_several_tables_none_is_filled_where_the_database_refuses_one(wrong: int) -> None:
    """Whichever it is, and although more rows are on their way: the connection is good for what comes next."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE numbers (n int)")
        copies = [
            (f"COPY numbers FROM STDIN /* {n} */", [b"x\n" if n == wrong else b"1\n"] * 300_000) for n in range(3)
        ]
        with pytest.raises(DataError, match="invalid input syntax for type integer"), transaction.atomic():
            cursor.execute(Copies(copies))
        cursor.execute("SELECT count(*) FROM numbers")
        assert cursor.fetchone() == (0,)
        cursor.execute("DROP TABLE numbers")


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_is_none_is_refused_before_its_rows_are_sent() -> None:
    with connection.cursor() as cursor:
        with pytest.raises(ProgrammingError, match="nowhere"):
            cursor.execute(Copies([("COPY nowhere FROM STDIN", [b"1\n"])]))
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)
