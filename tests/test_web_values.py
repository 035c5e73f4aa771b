"""Values as pages show them: what is unknown is never a zero, and a moment says its zone."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone

from generations import recording
from generations.models import Project, Step
from generations.records import GenerationRecord, StepRecord
from generations.templatetags import web as shown
from tests import web
from tests.web import NOON, page, recorded, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`


@pytest.mark.parametrize(
    ("tokens", "words"),
    [(17.0, "17.0"), (1234.56, "1,234.6"), (1.0, "1.0"), (0.94, "0.94"), (0.0123, "0.012")],
)
def test_a_speed_that_is_not_zero_is_never_shown_as_zero(tokens: float, words: str) -> None:
    assert shown.speed(tokens) == words


@pytest.mark.parametrize("tokens", [None, 0.0])
def test_no_speed_is_unknown(tokens: float | None) -> None:
    assert shown.speed(tokens) == shown.UNKNOWN


@pytest.mark.parametrize(
    ("latency", "type", "words"),
    [
        (0.25, "tool", "250 ms"),
        (0.0, "run", "0 ms"),
        (None, "user_message", "—"),
        (None, "message", "—"),
        (None, "run", "no end"),
    ],
)
def test_work_without_an_end_says_so_and_a_message_takes_no_time(latency: float | None, type: str, words: str) -> None:
    assert f">{words}<" in f">{shown.lasted(Step(latency=latency, type=type))}<"


def test_a_moment_of_another_zone_is_in_utc_too_when_pointed_at() -> None:
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        html = shown.moment(NOON + dt.timedelta(milliseconds=5))

    assert html == (
        '<time datetime="2026-11-20T12:00:00.005Z"'
        ' title="Friday 2026-11-20 21:00:00.005 JST, 2026-11-20 12:00:00.005 UTC">2026-11-20 21:00:00</time>'
    )
    assert 'title="Friday 2026-11-20 12:00:00.000 UTC"' in shown.moment(NOON)


def test_the_hour_that_comes_twice_says_which_of_both_it_is() -> None:
    first = dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)
    with timezone.override(ZoneInfo("Europe/Berlin")):
        said = [shown.moment(first + dt.timedelta(hours=n)) for n in range(-1, 3)]
        short = shown.short_moment(first)
    with timezone.override(ZoneInfo("Europe/London")):
        british = shown.moment(first + dt.timedelta(hours=1))

    words = [re.sub("<[^>]+>", "", one) for one in said]
    assert [word.removeprefix("2026-10-25 ") for word in words] == [
        *("01:30:00", "02:30:00 CEST", "02:30:00 CET", "03:30:00")
    ]
    assert "02:30" in short
    assert "CEST</time>" in short
    assert ">2026-10-25 01:30:00 GMT<" in british


@pytest.mark.django_db
def test_a_step_that_never_ended_is_told_from_one_that_did_and_from_a_message() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(
        project,
        [
            StepRecord(id="open", type="run", name="crawl", started_at=NOON),
            StepRecord(id="ended", type="tool", parent_id="open", started_at=NOON, latency=2.0),
            StepRecord(id="asked", type="user_message", started_at=NOON, output={"content": "Hello"}),
        ],
    )

    whole = _read(client, project, "open")
    assert "No end recorded" in whole
    assert "Duration no end" in whole
    assert "No end recorded" not in _read(client, project, "ended")
    assert "No end recorded" not in _read(client, project, "asked")
    assert "Duration —" in _read(client, project, "asked")
    assert web.text(client.get(f"/projects/{project.slug}/steps/")).count("no end") == 1


def _read(client: Client, project: Project, id: str) -> str:
    return web.text(client.get(f"/projects/{project.slug}/steps/{id}/"))


@pytest.mark.django_db
def test_an_embedding_is_told_in_words_and_its_numbers_are_had_when_asked_for(client: Client, project: Project) -> None:
    recorded(project, type="embedding", output={"data": [{"index": n, "embedding": [0.125] * 700} for n in range(3)]})

    formatted, exact = page(client, project), page(client, project, query="?view=raw")
    listed = client.get(f"/projects/{project.slug}/generations/")

    assert "3 vectors of 700 numbers" in web.text(formatted)
    assert "3 vectors of 700 numbers" in web.text(listed)
    assert "0.125" not in web.text(formatted) + web.text(listed)
    assert "0.125" in web.text(exact)
    [more] = [link for link in web.links(formatted) if link.endswith("/block/?at=%2Foutput")]
    assert "0.125" in web.text(client.get(more))


@pytest.mark.django_db
def test_a_call_that_names_a_version_that_was_not_there_says_so(client: Client, project: Project) -> None:
    words = "version 99, which was not known here when the call came"
    recorded(project, prompt_name="greet", prompt_version=99)
    assert words in web.text(page(client, project))

    recording.record(project, [GenerationRecord(id="one", prompt_version_id="v99")])
    assert words not in web.text(page(client, project))
