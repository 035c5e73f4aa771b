"""What is around a list: saved views, chosen columns, facets, charts, a time that was chosen."""

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client

from generations import metrics, recording
from generations.models import AuditEntry, ListColumns, Project, SavedView
from generations.models.accounts import Role
from generations.records import ParticipantRecord, StepRecord
from generations.web import strip
from tests import web
from tests.web import NOON, call, ids

pytestmark = pytest.mark.django_db

DAY = 24 * 60
"""Minutes."""


def place(project: Project) -> str:
    """The address of the list of generations."""
    return f"/projects/{project.slug}/generations/"


def save(client: Client, project: Project, name: str, query: str, **more: str) -> Any:
    """Save what the list shows under a name."""
    return client.post(f"/projects/{project.slug}/lists/generations/views/", {"name": name, "list": query, **more})


def current(response: Any) -> list[str]:
    """Where the marked tabs and choices lead."""
    return [str(link["href"]) for link in web.tags(response, "a") if link.get("aria-current") == "page"]


# -------------------------------------------------------------------------------------------------------------- views
def test_a_saved_view_shows_the_same_rows_later_with_its_time_and_order() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1, model_id="gpt-4"), call(2), call(3, model_id="gpt-4", error="Boom")])
    query = urlencode({"filter": '{"$or": [{"model.id": "gpt-4"}]}', "order": "timestamp", "from": "2026-11-01"})

    saved = save(client, project, "Old model", query, shared="on")
    shown = client.get(saved["Location"])

    assert ids(shown) == ["call-001", "call-003"]
    view = SavedView.objects.get()
    assert (view.name, view.order, view.is_shared) == ("Old model", "timestamp", True)
    assert saved["Location"] in current(shown)
    assert "Save changes" not in web.text(shown)
    assert AuditEntry.objects.filter(action="view.create", subject_id=str(view.pk)).exists()


def test_the_time_of_a_view_is_the_one_of_the_time_menu() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1)])

    saved = save(client, project, "Last days", "from=now-7d&hasError=true")

    asked = parse_qs(urlsplit(saved["Location"]).query)
    assert asked == {"view": [str(SavedView.objects.get().pk)], "from": ["now-7d"], "hasError": ["true"]}


def test_a_view_that_was_changed_says_so_and_is_overwritten_renamed_and_deleted() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1, model_id="gpt-4"), call(2)])
    address = save(client, project, "Mine", "model.id=gpt-4")["Location"]
    view = SavedView.objects.get()
    change = f"/projects/{project.slug}/views/{view.pk}/"

    changed = client.get(address.replace("gpt-4", "gpt-4o"))
    client.post(change, {"do": "overwrite", "list": f"view={view.pk}&model.id=gpt-4o"})
    client.post(change, {"name": "Ours", "shared": "on"})
    view.refresh_from_db()

    assert "Save changes" in web.text(changed)
    assert (view.name, view.is_shared, view.filter) == ("Ours", True, {"model.id": "gpt-4o"})
    gone = client.post(change, {"do": "delete"}, follow=True)
    assert "The view Ours is deleted." in web.text(gone)
    assert SavedView.objects.count() == 0


def test_a_view_of_ones_own_is_nobody_elses() -> None:
    project = web.project()
    mia, ben = web.signed_in(project), web.signed_in(project, Role.VIEWER, name="ben")
    recording.record(project, [call(1)])
    save(mia, project, "Mine", "model.id=gpt-4o")
    view = SavedView.objects.get()
    change = f"/projects/{project.slug}/views/{view.pk}/"

    assert "Mine" in web.text(mia.get(place(project)))
    assert "Mine" not in web.text(ben.get(place(project)))
    assert ben.post(change, {"do": "delete"}).status_code == 404
    save(ben, project, "Mine", "model.id=other")
    assert SavedView.objects.filter(name="Mine").count() == 2


def test_the_projects_views_are_changed_by_who_may_write() -> None:
    project, other = web.project(), web.project("Other")
    mia, ben = web.signed_in(project), web.signed_in(project, Role.VIEWER, name="ben")
    stranger = web.signed_in(other, name="eve")
    recording.record(project, [call(1)])
    save(mia, project, "Ours", "model.id=gpt-4o", shared="on")
    change = f"/projects/{project.slug}/views/{SavedView.objects.get().pk}/"

    assert "Ours" in web.text(ben.get(place(project)))
    assert ben.post(change, {"do": "delete"}).status_code == 403
    assert save(ben, project, "Theirs", "", shared="on").status_code == 403
    assert stranger.post(change, {"do": "delete"}).status_code == 404
    assert SavedView.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "query", "words"),
    [
        ("", "", "a view has a name"),
        ("x" * 121, "", "1 to 120 characters"),
        ("Ours", "", "there is a view called Ours already"),
        ("New", "model.idd=x", "did you mean model.id?"),
        # Cut, it would let more through than it says.
        ("New", "model.id=" + "x" * 7_980 + "&status=error", "at most 8000 characters"),
    ],
)
def test_a_view_that_cannot_be_saved_says_why(name: str, query: str, words: str) -> None:
    project = web.project()
    client = web.signed_in(project)
    SavedView.objects.create(project=project, name="Ours")

    response = client.post(
        f"/projects/{project.slug}/lists/generations/views/",
        {"name": name, "list": query, "shared": "on"},
        follow=True,
    )

    assert words in web.text(response)
    assert SavedView.objects.count() == 1


# ------------------------------------------------------------------------------------------------------------ columns
def test_chosen_columns_are_shown_to_who_chose_them_and_to_nobody_else() -> None:
    project = web.project()
    mia, ben = web.signed_in(project), web.signed_in(project, name="ben")
    recording.record(project, [call(1, environment="staging", metadata={"plan": {"name": "pro-plan"}}, tags=("t1",))])
    chosen = {"column": ["input", "scores"], "more": ["environment", "metadata.plan.name"]}

    mia.post(f"/projects/{project.slug}/lists/generations/columns/", chosen)
    mine, bens = mia.get(place(project)), ben.get(place(project))

    table = web.text(mine).split("Time", 1)[1]
    assert "staging" in table
    assert "pro-plan" in table
    assert "Question 1" in table
    assert "Reply 1" not in table
    assert "Reply 1" in web.text(bens)
    assert "pro-plan" not in web.text(bens)
    mia.post(f"/projects/{project.slug}/lists/generations/columns/", {"reset": "1"})
    assert "Reply 1" in web.text(mia.get(place(project)))
    assert ListColumns.objects.count() == 0


def test_a_view_has_columns_of_its_own() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1)])
    client.post(f"/projects/{project.slug}/lists/generations/columns/", {"column": ["model"]})
    address = save(client, project, "Short", "model.id=gpt-4o")["Location"]
    view = SavedView.objects.get()

    client.post(f"/projects/{project.slug}/lists/generations/columns/", {"column": ["output"]})

    assert "Reply 1" not in web.text(client.get(address))
    client.post(f"/projects/{project.slug}/lists/generations/columns/", {"column": ["input"], "view": str(view.pk)})
    assert "Question 1" in web.text(client.get(address))
    assert "Question 1" not in web.text(client.get(place(project)))


@pytest.mark.parametrize("path", ["model.idd", "scores.quality", "feedback.rating", "metadata", "input.content"])
def test_a_field_that_is_not_in_the_rows_is_no_column(path: str) -> None:
    project = web.project()

    response = web.signed_in(project).post(
        f"/projects/{project.slug}/lists/generations/columns/", {"more": path}, follow=True
    )

    assert web.tags(response, "p")
    assert ListColumns.objects.count() == 0
    assert path.split(".", maxsplit=1)[0] in web.text(response)


# ------------------------------------------------------------------------------------------------------------- facets
def test_facets_count_the_values_and_lead_to_the_list_with_and_without_them() -> None:
    project, other = web.project(), web.project("Other")
    client = web.signed_in(project)
    recording.record(project, [call(1, model_id="gpt-4"), call(2), call(3, error="Boom", tags=("hot",))])
    recording.record(other, [call(9, model_id="secret-model")])
    address = f"/projects/{project.slug}/lists/generations/facets/"

    free = client.get(address)
    narrowed = client.get(address, {"list": "model.id=gpt-4&order=timestamp&after=x"})
    shared = client.get(address, {"list": "model.id=gpt-4&model.id=gpt-4o"})

    assert "Model gpt-4o 2 gpt-4 1" in web.text(free)
    assert "secret-model" not in web.text(free)
    assert f"{place(project)}?model.id=gpt-4" in web.links(free)
    assert f"{place(project)}?tags=hot" in web.links(free)
    assert f"{place(project)}?order=timestamp" in web.links(narrowed)
    assert f"{place(project)}?model.id=gpt-4&order=timestamp&model.id=gpt-4o" not in web.links(narrowed)
    assert f"{place(project)}?model.id=gpt-4&model.id=gpt-4o&order=timestamp" in web.links(narrowed)
    assert "gpt-4o 2" in web.text(narrowed)
    assert "error 1" in web.text(shared)
    assert client.get(f"/projects/{other.slug}/lists/generations/facets/").status_code == 404


def test_a_facet_of_which_no_row_has_a_value_is_left_out_until_the_list_is_narrowed_by_it() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1), call(2, error="Boom", error_type="timeout")])
    address = f"/projects/{project.slug}/lists/generations/facets/"

    every = web.text(client.get(address))
    well = web.text(client.get(address, {"list": "status=success"}))
    untyped = web.text(client.get(address, {"list": "status=success&errorType__exists=false"}))

    assert "Error type timeout 1 none 1" in every
    assert "Release" not in every
    assert "Error type" not in well
    assert "Error type Chosen none 1" in untyped


def test_calls_without_a_value_are_chosen_and_let_go_again() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1, user_id="mia"), call(2)])
    address = f"/projects/{project.slug}/lists/generations/facets/"
    nobody = f"{place(project)}?metadata.userId__exists=false"

    free, chosen = client.get(address), client.get(address, {"list": "metadata.userId__exists=false"})

    assert nobody in web.links(free)
    assert all(said in web.text(chosen) for said in ("none 1", "mia 1"))
    assert nobody not in web.links(chosen)
    assert place(project) in [link["href"] for link in web.tags(chosen, "a") if link.get("aria-current") == "true"]


def test_users_are_counted_by_what_the_application_says_of_them() -> None:
    project, other = web.project(), web.project("Other")
    client = web.signed_in(project)
    users: list[tuple[str, dict[str, Any]]] = [
        ("ann", {"plan": "pro", "city": "Lima"}),
        ("ben", {"plan": "free"}),
        ("cy", {"plan": "pro", "odd key": 1}),
    ]
    recording.record(
        project, [ParticipantRecord(id=id, identifier=id, metadata={**more, "all": [1]}) for id, more in users]
    )
    recording.record(other, [ParticipantRecord(id="zoe", identifier="zoe", metadata={"secret": "yes"})])
    address = f"/projects/{project.slug}/lists/participants/facets/"

    free = client.get(address)
    narrowed = client.get(address, {"list": "metadata.plan=free"})

    assert "Metadata plan pro 2 free 1 Metadata city none 2 Lima 1" in web.text(free)
    assert "secret" not in web.text(free)
    assert "odd key" not in web.text(free)
    assert f"/projects/{project.slug}/users/?metadata.plan=pro" in web.links(free)
    assert "Metadata city" not in web.text(narrowed)
    bare = web.signed_in(web.project("Bare"), name="cleo").get("/projects/bare/lists/participants/facets/")
    assert "Nothing to count" in web.text(bare)


def test_a_wrong_filter_has_no_facets_and_no_charts() -> None:
    project = web.project()
    client = web.signed_in(project)

    facets = client.get(f"/projects/{project.slug}/lists/generations/facets/", {"list": "model.idd=x"})
    charts = client.get(f"/projects/{project.slug}/lists/generations/charts/", {"list": "model.idd=x"})

    assert "Nothing is counted until the filter is put right" in web.text(facets)
    assert charts.status_code == 400
    assert "did you mean model.id?" in charts.json()["problem"]


# ------------------------------------------------------------------------------------------------------------- charts
def test_charts_count_each_unit_of_the_chosen_time_in_the_projects_zone() -> None:
    project, other = web.project(), web.project("Other")
    Project.objects.filter(pk=project.pk).update(time_zone="Asia/Kolkata")
    client = web.signed_in(project)
    recording.record(
        project,
        [
            call(1 - 3 * DAY, latency=1.0),
            call(2 - 3 * DAY, latency=3.0, error="Boom"),
            call(-2 * DAY, latency=5.0, cost=None),
            call(0, currency="EUR"),
        ],
    )
    recording.record(other, [call(1)])
    asked = {"list": "from=2026-11-17T00:00:00Z&timestamp__lt=2026-11-24T00:00:00Z"}

    said = client.get(f"/projects/{project.slug}/lists/generations/charts/", asked).json()

    assert (said["unit"], said["zone"]) == ("day", "Asia/Kolkata")
    # Days of India begin at 18:30 of UTC: the first one is cut by the chosen time.
    assert said["time"][0] == NOON.timestamp() - 3 * 24 * 3600 - 17.5 * 3600
    assert said["count"] == [2, 1, 0, 1, 0, 0, 0, 0]
    assert said["errors"] == [1, 0, 0, 0, 0, 0, 0, 0]
    assert said["p50"][:3] == [2.0, 5.0, None]
    # Of the second day a call is known and its cost is not; on the days after the fourth there was none.
    assert (said["cost"], said["currency"]) == ([0.5, None, 0, None, 0, 0, 0, 0], "USD")
    assert said["others"] == ["EUR"]


def test_the_charts_of_other_lists_are_of_what_they_have() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [StepRecord(id="s", started_at=NOON, type="tool", thread_id="chat", user_id="ann")])
    address = f"/projects/{project.slug}/lists"

    steps = client.get(f"{address}/steps/charts/").json()
    threads = client.get(f"{address}/threads/charts/").json()

    assert sum(steps["count"]) == 1
    assert "cost" not in steps
    assert sum(threads["count"]) == 1
    assert client.get(f"{address}/participants/charts/").status_code == 200
    assert client.get(f"{address}/secrets/charts/").status_code == 404


def test_threads_and_users_are_drawn_with_the_calls_that_are_theirs_at_the_time_of_their_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strip, "SOON", 60.0)
    project, other = web.project(), web.project("Other")
    client = web.signed_in(project)
    calls = [
        call(-3 * DAY, thread_id="chat", user_id="ann", error="Boom", cost=Decimal("0.25")),
        call(-DAY, thread_id="chat", user_id="ann", cost=Decimal("0.5")),
        call(1 - DAY, thread_id="talk", user_id="bob", cost=None),
        call(0, thread_id="talk", user_id="cee", cost=Decimal(3), currency="EUR"),
    ]
    recording.record(project, calls)
    recording.record(other, [call(0, thread_id="chat", user_id="ann", cost=Decimal(7))])
    asked = {"list": "from=2026-11-16T00:00:00Z&to=2026-11-20T23:00:00Z"}

    threads = client.get(f"/projects/{project.slug}/lists/threads/charts/", asked).json()
    users = client.get(f"/projects/{project.slug}/lists/participants/charts/", asked).json()
    one = client.get(f"/projects/{project.slug}/lists/threads/charts/", {"list": asked["list"] + "&id=chat"}).json()

    free = client.get(
        f"/projects/{project.slug}/lists/participants/charts/", {"list": asked["list"] + "&id=bob"}
    ).json()

    # A thread's calls are counted when something last happened in it, as its list has it.
    assert (threads["count"], threads["calls"], threads["errors"]) == (
        [0, 0, 0, 1, 1],
        [0, 0, 0, 2, 2],
        [0, 0, 0, 1, 0],
    )
    assert (threads["cost"], threads["currency"], threads["others"]) == ([0, 0, 0, 0.75, None], "USD", ["EUR"])
    assert (users["count"], users["calls"], users["errors"]) == ([0, 0, 0, 2, 1], [0, 0, 0, 3, 1], [0, 0, 0, 1, 0])
    # Nothing is known of what they cost: that is no 0.
    assert (free["calls"], free["cost"]) == ([0, 0, 0, 1, 0], [None] * 5)
    assert (one["calls"], one["cost"]) == ([0, 0, 0, 2, 0], [0, 0, 0, 0.75, 0])


def test_threads_are_drawn_without_their_calls_where_these_take_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    project = web.project()
    recording.record(project, [call(0, thread_id="chat")])

    def endless(*_: object, timeout: float, **__: object) -> None:
        raise metrics.TooSlow(timeout)

    monkeypatch.setattr("generations.metrics.belonging.over_time", endless)
    said = web.signed_in(project).get(f"/projects/{project.slug}/lists/threads/charts/").json()

    assert sum(said["count"]) == 1
    assert said.keys().isdisjoint({"calls", "errors", "cost"})


def test_an_empty_list_has_charts_of_nothing() -> None:
    project = web.project()

    said = web.signed_in(project).get(f"/projects/{project.slug}/lists/generations/charts/").json()

    assert sum(said["count"]) == 0
    assert set(said["p95"]) == {None}


# --------------------------------------------------------------------------------------------------------------- time
def test_a_time_is_chosen_in_the_projects_zone() -> None:
    project = web.project()
    Project.objects.filter(pk=project.pk).update(time_zone="Asia/Tokyo")
    client = web.signed_in(project)
    recording.record(project, [call(0), call(60), call(120)])

    led = client.get(f"{place(project)}?model.id=gpt-4o&_from=2026-11-20T21:30&_to=2026-11-20T22:30")
    shown = client.get(led["Location"])

    assert led["Location"] == (
        f"{place(project)}?model.id=gpt-4o&from=2026-11-20T12%3A30%3A00Z&to=2026-11-20T13%3A30%3A00Z"
    )
    assert ids(shown) == ["call-060"]
    boxes = {box["name"]: box["value"] for box in web.tags(shown, "input") if box.get("type") == "datetime-local"}
    assert boxes == {"_from": "2026-11-20T21:30:00", "_to": "2026-11-20T22:30:00"}


@pytest.mark.parametrize(
    ("given", "status", "shown"),
    [
        ("soon", 400, "'soon' is not valid; expected a time in ISO 8601"),
        ("0001-01-01T00:00", 200, "from 1-01-01 00:00 UTC"),
        ("9999-12-31T23:59", 200, "No generations match."),
        ("2026-13-01", 400, "'2026-13-01' is not valid; expected a time in ISO 8601"),
    ],
)
def test_a_time_that_is_none_or_far_away_is_answered_in_the_page(given: str, status: int, shown: str) -> None:
    project = web.project()
    recording.record(project, [call(1)])

    response = web.signed_in(project).get(f"{place(project)}?_from={given}", follow=True)

    assert response.status_code == status
    assert shown in web.text(response)
    assert ids(response) == (["call-001"] if given.startswith("0001") else [])
