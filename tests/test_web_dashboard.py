"""The dashboard: numbers beside those of the time before, charts whose points lead to what they count, kept tiles."""

import datetime as dt
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generations import recording
from generations.models import AuditEntry, Generation, Project
from generations.models.accounts import Role
from generations.records import ScoreRecord
from tests import web
from tests.web import call, ids

pytestmark = pytest.mark.django_db

DAY = 24 * 60
WEEK = "from=2026-11-14T00:00:00Z&timestamp__lt=2026-11-21T00:00:00Z"
WHOLE_WEEK = dt.datetime(2026, 11, 14, tzinfo=dt.UTC), dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


def place(project: Project) -> str:
    """The address of the dashboard."""
    return f"/projects/{project.slug}/dashboard/"


def data(client: Client, project: Project, chart: str, query: str = WEEK) -> Any:
    """The numbers of a chart."""
    return client.get(f"{place(project)}{chart}/data/?{query}").json()


def lines(said: Any) -> dict[str, list[float | None]]:
    """The values of each line by its label."""
    return {line["label"]: line["values"] for line in said["lines"]}


def filled(project: Project) -> None:
    """Seven days: two models, one failure, one call without a cost; the week before one call."""
    recording.record(
        project,
        [
            call(-6 * DAY, latency=1.0, user_id="ann", tags=("a", "b"), prompt_tokens=10, completion_tokens=5),
            call(1 - 6 * DAY, latency=3.0, user_id="bob", error="Boom", model_id="gpt-4", cost=None),
            call(-2 * DAY, latency=2.0, user_id="ann", environment="staging", metadata={"plan": "pro"}),
            call(-9 * DAY, latency=4.0, user_id="eve"),
        ],
    )


def test_numbers_stand_beside_their_change_since_the_time_before() -> None:
    project = web.project()
    client = web.signed_in(project)
    filled(project)

    said = web.text(client.get(f"{place(project)}?{WEEK}"))

    assert "Generations 3 Up 200 %" in said
    assert "Failed 33.3 % Up 33.3 points" in said
    assert "Latency p50 2.00 s Down 50 %" in said
    assert "First token p50 — nothing to compare with" in said
    assert "Tokens 15 nothing to compare with" in said
    assert "Cost $0.50 Up 100 %" in said


def test_numbers_of_many_calls_are_not_compared_with_those_of_hardly_any() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(n, latency=1.0) for n in range(101)])
    recording.record(project, [call(-9 * DAY, latency=4.0)])

    said = web.text(client.get(f"{place(project)}?{WEEK}"))

    assert "Generations 101 Up hardly any before" in said
    assert "Failed 0.0 % hardly any before" in said
    assert "Latency p50 1.00 s hardly any before" in said


def test_each_number_leads_to_the_list_that_it_is_of() -> None:
    project = web.project()
    client = web.signed_in(project)
    filled(project)

    page = client.get(f"{place(project)}?from=2026-11-14T00:00:00Z&to=2026-11-21T00:00:00Z")
    tiles = [str(link["href"]) for link in web.tags(page, "a") if link.get("class") == "tile"]

    assert len(ids(client.get(tiles[0]))) == 3
    assert ids(client.get(tiles[1])) == [f"call-{1 - 6 * DAY:03}"]


def test_every_point_of_every_chart_leads_to_exactly_the_calls_that_it_counts() -> None:
    project = web.project()
    Project.objects.update(time_zone="Asia/Kolkata")
    client = web.signed_in(project)
    filled(project)

    for chart in ("generations", "errors"):
        for by in ("", "model.id", "tags", "environment", "metadata.plan", "metadata.userId"):
            table = client.get(f"{place(project)}{chart}/?{WEEK}&by={by}")
            found = [
                (link, client.get(link)) for link in web.links(table) if "timestamp__lt" in link and "from" in link
            ]
            rows = [len(ids(page)) for link, page in found if "/generations/?" in link]
            counts = [int(value) for values in lines(data(client, project, chart, f"{WEEK}&by={by}")).values()
                      for value in values if value]  # fmt: skip
            assert sorted(rows) == sorted(counts), (chart, by)
            assert rows, (chart, by)


def test_charts_tell_the_units_of_the_chosen_time() -> None:
    project, other = web.project(), web.project("Other")
    client = web.signed_in(project)
    filled(project)
    recording.record(other, [call(0)])

    counted = data(client, project, "generations")
    latency = data(client, project, "latency")
    cost = data(client, project, "cost", f"{WEEK}&by=model.id")

    assert counted["grain"] == "day"
    assert lines(counted) == {"generations": [2, 0, 0, 0, 1, 0, 0]}
    assert lines(data(client, project, "errors")) == {"errors": [1, 0, 0, 0, 0, 0, 0]}
    assert lines(latency)["p50"] == [2.0, None, None, None, 2.0, None, None]
    assert lines(data(client, project, "tokens"))["input"] == [10, 0, 0, 0, None, 0, 0]
    assert lines(data(client, project, "users")) == {"users": [2, 0, 0, 0, 1, 0, 0]}
    assert cost["currency"] == "USD"
    assert lines(cost) == {"gpt-4o": [0.25, 0, 0, 0, 0.25, 0, 0], "gpt-4": [None, 0, 0, 0, 0, 0, 0]}


@pytest.mark.parametrize("chart", ["generations", "errors", "tokens", "cost", "latency"])
def test_a_breakdown_by_tag_is_the_same_whether_all_tags_are_read_at_once_or_the_largest_are_looked_for(
    chart: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = web.project()
    client = web.signed_in(project)
    # Nine tags of which six are drawn, calls without any, one with the same tag twice, and another currency.
    recording.record(
        project,
        [
            call(
                -n * 60,
                tags=() if n % 7 == 0 else (f"t{n % 9}", f"t{n * n % 9}"),
                error="Boom" if n % 5 == 0 else None,
                currency="EUR" if n % 11 == 0 else "USD",
                prompt_tokens=n,
                latency=float(n),
            )
            for n in range(100)
        ],
    )
    filled(web.project())

    at_once = data(client, project, chart, f"{WEEK}&by=tags")
    monkeypatch.setattr("generations.web.drawing.AT_ONCE", 1)
    one_by_one = data(client, project, chart, f"{WEEK}&by=tags")

    assert at_once == one_by_one
    assert len(at_once["lines"]) == 6
    most = {"errors": "with the most errors", "tokens": "with the most tokens", "cost": "that cost the most"}
    assert at_once["note"].startswith(f"The 6 {most.get(chart, 'with the most generations')}.")
    if chart == "generations":
        expected = dict.fromkeys(lines(at_once), 0)
        for row in Generation.objects.in_project(project.pk).between(*WHOLE_WEEK):
            for tag in row.tags or ["none"]:
                if tag in expected:
                    expected[tag] += 1
        assert {label: sum(value or 0 for value in values) for label, values in lines(at_once).items()} == expected


@pytest.mark.parametrize("is_one_by_one", [False, True])
@pytest.mark.parametrize(
    ("chart", "first", "note"),
    [
        ("cost", "dear", "The 6 that cost the most. Without calls whose cost is unknown."),
        ("errors", "broken", "The 6 with the most errors."),
        ("tokens", "wordy", "The 6 with the most tokens."),
        ("generations", "m0", "The 6 with the most generations."),
    ],
)
def test_a_breakdown_draws_those_with_the_most_of_what_the_chart_is_about(
    chart: str, first: str, note: str, is_one_by_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if is_one_by_one:
        monkeypatch.setattr("generations.web.drawing.AT_ONCE", 1)
    project = web.project()
    client = web.signed_in(project)
    many = [call(-n - k * 60, model_id=f"m{k}", prompt_tokens=1) for k in range(6) for n in range(12 - k)]
    rare = [
        call(-700, model_id="dear", cost=Decimal(40)),
        call(-701, model_id="dear", cost=None),
        call(-702, model_id="broken", error="Boom"),
        call(-703, model_id="wordy", prompt_tokens=9_000, completion_tokens=1),
    ]
    recording.record(project, [*many, *rare])

    said = data(client, project, chart, f"{WEEK}&by=model.id")

    assert said["lines"][0]["label"] == first
    assert said["note"] == note


@pytest.mark.parametrize("is_one_by_one", [False, True])
def test_money_in_another_currency_is_said_to_be_left_out(is_one_by_one: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if is_one_by_one:
        monkeypatch.setattr("generations.web.drawing.AT_ONCE", 1)
    project = web.project()
    client = web.signed_in(project)
    many = [call(-n - k * 60, model_id=f"m{k}") for k in range(7) for n in range(3)]
    recording.record(project, [*many, call(-900, model_id="far", currency="JPY", cost=Decimal(5_000))])

    assert "Cost, without JPY $5.25" in web.text(client.get(f"{place(project)}?{WEEK}"))
    # The model that was paid in it is not one of the six: without a word it would seem to have cost less than they did.
    said = data(client, project, "cost", f"{WEEK}&by=model.id")
    assert "far" not in lines(said)
    assert said["note"] == "The 6 that cost the most. Without what was paid in JPY."


def test_a_cost_that_nobody_knows_is_not_drawn_as_nothing() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(0, cost=None), call(-DAY, cost=None, currency=None)])

    for query in (WEEK, f"{WEEK}&by=model.id"):
        said = data(client, project, "cost", query)
        assert [line["values"][-2:] for line in said["lines"]] == [[None, None]]
        assert said["note"].startswith("What these calls cost is unknown")
    assert "What these calls cost is unknown" in web.text(client.get(f"{place(project)}cost/?{WEEK}"))

    recording.record(project, [call(1)])
    assert data(client, project, "cost")["note"] == "Without calls whose cost is unknown."
    recording.record(project, [call(2, currency="EUR")])
    assert data(client, project, "cost")["note"] == "Without what was paid in EUR and calls whose cost is unknown."


def test_calls_of_nobody_are_not_counted_as_a_user() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(
        project,
        [
            *(call(-n - 2 * DAY, user_id=user) for n, user in enumerate(("ann", "bob", "ann", None))),
            call(-3 * DAY, user_id=None),
        ],
    )
    filled(web.project())

    users = lines(data(client, project, "users"))

    assert users == {"users": [0, 0, 0, 0, 2, 0, 0]}


def test_money_of_two_currencies_is_never_added() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(
        project, [call(0), call(-1), call(-2, currency="EUR", cost=Decimal(100)), call(-3, cost=None, currency=None)]
    )

    assert lines(data(client, project, "cost"))["cost"][-1] == 0.5
    assert "Cost, without EUR $0.50" in web.text(client.get(f"{place(project)}?{WEEK}"))


def test_scores_are_averaged_by_their_name() -> None:
    project = web.project()
    client = web.signed_in(project)
    tone = ScoreRecord(name="tone", label="kind")
    recording.record(project, [call(n, scores=(ScoreRecord(name="quality", value=n / 2), tone)) for n in (1, 2)])
    # Scores are given when they come in, which is today.
    said = data(client, project, "scores", "from=now-1d")

    assert {label: [value for value in values if value is not None] for label, values in lines(said).items()} == {
        "quality": [0.75]
    }
    assert said["lines"][0]["query"] == "scores.quality__exists=true"


def test_a_filter_narrows_all_and_is_carried_to_the_list() -> None:
    project = web.project()
    client = web.signed_in(project)
    filled(project)

    said = data(client, project, "generations", f"{WEEK}&environment=staging")

    assert lines(said) == {"generations": [0, 0, 0, 0, 1, 0, 0]}
    assert parse_qs(urlsplit(said["list"]).query) == {
        "environment": ["staging"],
        "timestamp__lt": ["2026-11-21T00:00:00Z"],
    }
    assert "Generations 1 none before" in web.text(client.get(f"{place(project)}?{WEEK}&environment=staging"))


def test_what_the_page_is_broken_down_by_holds_for_all_usual_tiles_and_a_tile_s_own_stays_its_own() -> None:
    project = web.project()
    client = web.signed_in(project)
    filled(project)

    asked = web.text(client.get(f"{place(project)}?{WEEK}&by=metadata.plan"))
    usual = client.get(f"{place(project)}?{WEEK}")
    table = next(str(link["href"]) for link in web.tags(usual, "a") if link.get("aria-label") == "Table: Cost")
    back = next(str(link["href"]) for link in web.tags(client.get(table), "a") if "data-back" in link)

    assert "Cost by metadata.plan" in asked
    assert "Latency p95 by metadata.plan" in asked
    assert "Cost by model.id" in web.text(usual)
    assert "Cost by model.id" in web.text(client.get(table))
    assert parse_qs(urlsplit(back).query) == parse_qs(WEEK)
    assert "Cost by metadata.plan" not in web.text(client.get(back))
    client.post(f"{place(project)}tiles/", {"add": "cost", "by": "tags"})
    assert "Cost by tags" in web.text(client.get(f"{place(project)}?{WEEK}&by=metadata.plan"))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("by=model.idd", "did you mean model.id?"),
        ("by=input.content", "a field that can be grouped by"),
        ("by=metadata", "such as metadata.plan"),
        ("model.idd=x", "did you mean model.id?"),
        ("from=soon", "a time in ISO 8601"),
    ],
)
def test_what_cannot_be_drawn_says_why(query: str, words: str) -> None:
    project = web.project()
    client = web.signed_in(project)

    page, table = client.get(f"{place(project)}?{query}"), client.get(f"{place(project)}cost/?{query}")
    answer = client.get(f"{place(project)}cost/data/?{query}")

    assert (page.status_code, table.status_code, answer.status_code) == (400, 400, 400)
    assert words in web.text(page)
    assert words in web.text(table)
    assert words in answer.json()["problem"]


def test_an_empty_project_has_a_dashboard_without_numbers() -> None:
    project = web.project()
    client = web.signed_in(project)

    page = client.get(place(project))

    assert page.status_code == 200
    assert "Generations 0 as before" in web.text(page)
    assert "Send the first generation" in web.text(page)
    assert f"/projects/{project.slug}/generations/" in web.links(page)
    assert sum(lines(data(client, project, "generations", ""))["generations"]) == 0  # type: ignore[arg-type]
    assert lines(data(client, project, "cost", "by=model.id")) == {}

    recording.record(project, [call(-400 * DAY)])
    page = client.get(place(project))
    assert "Send the first generation" not in web.text(page)


def test_tiles_are_kept_for_the_project() -> None:
    project = web.project()
    client, viewer = web.signed_in(project), web.signed_in(project, Role.VIEWER, name="ben")
    tiles = f"{place(project)}tiles/"

    client.post(tiles, {"add": "cost", "by": "metadata.plan"})
    client.post(tiles, {"up": "8"})
    client.post(tiles, {"remove": "0"})
    shown = [tag["aria-label"] for tag in web.tags(viewer.get(place(project)), "section")]

    assert shown == ["Errors", "Latency", "Time to first token", "Tokens", "Cost", "Scores", "Cost", "Users"]
    assert viewer.post(tiles, {"remove": "0"}).status_code == 403
    assert AuditEntry.objects.filter(action="dashboard.update").count() == 3
    wrong = client.post(tiles, {"add": "cost", "by": "model.idd"}, follow=True)
    assert "did you mean model.id?" in web.text(wrong)
    assert client.post(tiles, {"add": "secrets"}).status_code == 404
    client.post(tiles, {"reset": "1"})
    assert "dashboard" not in Project.objects.get().settings


def test_the_dashboard_is_the_members_alone_and_takes_as_many_queries_for_much_as_for_little() -> None:
    counts = []
    for name, count in (("few", 1), ("many", 50)):
        project = web.project(name)
        client = web.signed_in(project, name=name)
        recording.record(project, [call(-n, model_id=f"model-{n}") for n in range(count)])
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"{place(project)}?{WEEK}&by=model.id").status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]
    for address in (place(web.project("Other")), f"{place(web.project('Another'))}cost/data/"):
        assert client.get(address).status_code == 404
    assert Client().get(place(project))["Location"].startswith("/login/")
