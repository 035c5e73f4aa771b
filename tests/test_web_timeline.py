"""Charts where clocks are set: a point for each unit of the calendar, which leads to exactly what it counts."""

import datetime as dt

import pytest

from generations import recording
from generations.models import Project
from tests import web
from tests.web import call, ids

pytestmark = pytest.mark.django_db


ZONES = (
    ("America/New_York", dt.date(2026, 11, 1)),
    ("Europe/Prague", dt.date(2026, 3, 29)),
    ("Atlantic/Azores", dt.date(2026, 10, 25)),  # midnight comes twice
    ("America/Havana", dt.date(2025, 11, 2)),
    ("Asia/Beirut", dt.date(2026, 3, 29)),  # and never
    ("Australia/Lord_Howe", dt.date(2026, 4, 4)),  # by half an hour
    ("Australia/Lord_Howe", dt.date(2026, 10, 3)),
)


@pytest.mark.parametrize(("zone", "day"), ZONES)
@pytest.mark.parametrize(("unit", "days", "points"), [("day", 3, 7), ("hour", 1, 48)])
def test_each_unit_is_one_point_that_leads_to_what_it_counts(
    zone: str, day: dt.date, unit: str, days: int, points: int
) -> None:
    project = web.project()
    Project.objects.update(time_zone=zone)
    client = web.signed_in(project)
    noon = dt.datetime.combine(day, dt.time(12), dt.UTC)
    start, end = noon - dt.timedelta(days=days), noon + dt.timedelta(days=days)
    moments = [start + n * dt.timedelta(minutes=30) for n in range(days * 96)]
    recording.record(project, [call(n, started_at=at, ended_at=None) for n, at in enumerate(moments)])
    query = f"from={start:%Y-%m-%dT%H:%M:%SZ}&timestamp__lt={end:%Y-%m-%dT%H:%M:%SZ}"
    place = f"/projects/{project.slug}/dashboard/generations/"

    said = client.get(f"{place}data/?{query}").json()
    divided = client.get(f"{place}data/?{query}&by=model.id").json()
    shown = client.get(f"/projects/{project.slug}/lists/generations/charts/", {"list": query}).json()
    links = [one for one in web.links(client.get(f"{place}?{query}")) if "/generations/?" in one and "from=" in one]
    links = links[::-1] if unit == "day" else []

    counts = said["lines"][0]["values"]
    assert said["grain"] == unit
    # Where a clock is set by half an hour, one of the hours is half of one.
    assert len(counts) == points + (unit == "hour" and zone == "Australia/Lord_Howe")
    assert 0 not in counts
    assert sum(counts) == len(moments)
    assert divided["lines"][0]["values"] == shown["count"] == counts
    assert [len(ids(client.get(f"{link}&limit=100"))) for link in links] in ([], counts)
