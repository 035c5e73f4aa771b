"""Moments are read in every form that RFC 3339 allows, at every door."""

from __future__ import annotations

import datetime as dt

import pytest

from generations import filters, moments
from generations.graphql import scalars
from generations.ingest import files, literal, rest
from tests.doors.rest import caller, ids

NOON = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
BEFORE_NEW_YEAR = dt.datetime(2016, 12, 31, 23, 59, 59, 999999, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-01-31T12:00:00Z", NOON),
        ("2026-01-31t12:00:00z", NOON),
        ("2026-01-31 12:00:00z", NOON),
        (" 2026-01-31T14:00:00+02:00 ", NOON),
        ("2026-01-31T12:00:00", NOON),
        ("2016-12-31T23:59:60Z", BEFORE_NEW_YEAR),
        ("2016-12-31t15:59:60.75-08:00", BEFORE_NEW_YEAR),
    ],
)
def test_a_moment_is_read_as_rfc_3339_has_it(text: str, meant: dt.datetime) -> None:
    assert moments.read(text) == meant


@pytest.mark.parametrize("text", ["", "z", "2026-01-31T12:60:00Z", "2026-01-31T12:00:61Z", "0001-01-01T00:00:00+14:00"])
def test_what_names_no_moment_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"Invalid isoformat|must be in 0..59|before the first year"):
        moments.read(text)


@pytest.mark.parametrize("text", ["2026-01-31t12:00:00z", "2016-12-31T23:59:60Z"])
def test_every_reader_of_what_callers_write_takes_it(text: str) -> None:
    meant = moments.read(text)

    assert rest.generation({"timestamp": text}).started_at == meant
    assert scalars.read_moment(text) == meant
    assert literal.moment(text, "startTime") == meant
    assert files.moment(text) == meant
    assert filters.from_document("generations", {"timestamp": text}) == filters.from_document(
        "generations", {"timestamp": meant.isoformat()}
    )


@pytest.mark.django_db
def test_a_list_is_narrowed_by_it() -> None:
    api = caller()
    api.post("/api/generations", {"id": "g", "timestamp": "2026-01-31t12:00:00z"})

    assert ids(api.get("/api/generations?from=2026-01-31t12:00:00z&to=2026-06-30T23:59:60Z")) == ["g"]
    assert ids(api.get("/api/generations?from=2026-01-31t14:00:00.5+02:00&to=2026-06-30T23:59:60Z")) == []
