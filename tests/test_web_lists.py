"""The lists: filters in the address, keyset pages, parts for htmx, bulk actions."""

import datetime as dt
import re
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import filters, recording
from generations.models import Job, Project
from generations.records import FeedbackRecord, ScoreRecord, StepRecord, ThreadRecord
from generations.web import building, sums
from tests import web
from tests.web import NOON, call, ids

pytestmark = pytest.mark.django_db


def filled(project: Project, count: int) -> None:
    """Calls with all that a list shows of them."""
    recording.record(
        project,
        [
            call(
                n,
                tags=("a", "b"),
                user_id=f"user-{n}",
                thread_id=f"thread-{n}",
                scores=(ScoreRecord(name="quality", value=0.5), ScoreRecord(name="tone", label="kind")),
                feedback=FeedbackRecord(rating=4, thumbs="up"),
            )
            for n in range(count)
        ],
    )
    recording.record(project, [StepRecord(id=f"step-{n}", started_at=NOON, type="tool") for n in range(count)])


def test_the_box_of_each_row_is_named_by_the_row() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1, name='say "hi"', thread_id="t-1", user_id="u-1"), call(2)])
    recording.record(project, [StepRecord(id="s-1", started_at=NOON, type="tool", name="look")])

    named = {
        kind: [
            box["aria-label"]
            for box in web.tags(client.get(f"/projects/{project.slug}/{kind}/"), "input")
            if box.get("name") == "id"
        ]
        for kind in ("generations", "steps", "threads", "users")
    }

    assert named == {
        "generations": ["Select gpt-4o, Nov 20 12:02:00", 'Select say "hi", Nov 20 12:01:00'],
        "steps": ["Select look, Nov 20 12:00:00"],
        "threads": ["Select t-1"],
        "users": ["Select u-1"],
    }


@pytest.mark.parametrize("page", ["generations/?", "dashboard/?", "search/?q=Question&"])
def test_a_time_that_is_counted_from_now_can_be_kept_in_a_link(page: str) -> None:
    project = web.project()
    client = web.signed_in(project)
    recent = timezone.now() - dt.timedelta(minutes=30)
    recording.record(project, [call(1, started_at=recent), call(2, started_at=recent - dt.timedelta(hours=1))])
    address = f"/projects/{project.slug}/{page}hasError=false&from=now-1h"

    [kept] = [link for link in web.links(client.get(address)) if "from=20" in link and "to=20" in link]

    asked = dict(parse_qsl(urlsplit(kept).query))
    span = dt.datetime.fromisoformat(asked["to"]) - dt.datetime.fromisoformat(asked["from"])
    assert asked["hasError"] == "false"
    assert span == dt.timedelta(hours=1, seconds=1)
    assert ids(client.get(f"/projects/{project.slug}/generations/?{urlencode(asked)}")) == ["call-001"]
    # It is kept by now: nothing is left to be kept.
    assert "Link that keeps this time" not in web.text(client.get(kept))


def test_the_list_shows_what_is_known_and_a_dash_for_what_is_not() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1, latency=1.5, prompt_tokens=1200, completion_tokens=34), call(2, cost=None)])

    response = client.get(f"/projects/{project.slug}/generations/")

    said = web.text(response)
    assert ids(response) == ["call-002", "call-001"]
    assert "Question 1" in said
    assert "Reply 1" in said
    assert "1.50 s" in said
    assert "1,200 → 34" in said
    assert "$0.25" in said
    assert said.count("—") == 5  # of the second its latency, first token, tokens and cost; of the first its first token
    assert "2 generations" in said


def test_of_a_trace_the_list_shows_what_it_ends_with() -> None:
    project = web.project()
    calls = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    f()\n'
    trace = f"{calls}org.trips.Unknown: No such city. Try again.\n"
    recording.record(project, [call(1, error=trace)])
    recording.record(project, [StepRecord(id="step", started_at=NOON, type="tool", error=trace)])
    client = web.signed_in(project)

    for kind in ("generations", "steps"):
        said = web.text(client.get(f"/projects/{project.slug}/{kind}/"))
        assert "Unknown: No such city. Try again." in said
        assert "Traceback" not in said
        assert "org.trips" not in said


def test_a_filter_in_the_address_narrows_the_list_and_is_said_in_words() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1, model_id="gpt-4"), call(2), call(3, model_id="gpt-4", latency=9.0)])

    response = client.get(f"/projects/{project.slug}/generations/?model.id=gpt-4&performance.latency__gte=2")

    assert ids(response) == ["call-003"]
    assert "model is gpt-4" in web.text(response)
    assert f"/projects/{project.slug}/generations/?performance.latency__gte=2" in web.links(response)
    assert f"/projects/{project.slug}/generations/?model.id=gpt-4" in web.links(response)


def test_the_search_box_finds_text_in_what_was_asked_and_answered() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1, prompt="Where is Lisbon?"), call(2, completion="In Lisbon."), call(3)])

    response = client.get(f"/projects/{project.slug}/generations/?text=lisbon")

    assert ids(response) == ["call-002", "call-001"]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("model.idd=gpt-4", "did you mean model.id?"),
        ("performance.latency__gte=soon", "expected a number"),
        ("model.id__near=x", "operators"),
        ("after=rubbish", "cursor"),
        ("order=-tags", "order"),
        ("text=%00", "NUL"),
        ("filter={not json", "JSON"),
    ],
)
def test_a_filter_that_cannot_be_asked_is_answered_in_the_page_without_rows(query: str, words: str) -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1)])

    response = client.get(f"/projects/{project.slug}/generations/?{query}")

    assert response.status_code == 400
    assert words in web.text(response)
    assert "Reply 1" not in web.text(response)


def test_the_filter_form_leads_to_the_plain_address() -> None:
    project = web.project()
    client = web.signed_in(project)
    address = f"/projects/{project.slug}/generations/"

    added = client.get(f"{address}?text=&model.id=gpt-4&_field=performance.latency&_op=gte&_value=2&_key=")
    keyed = client.get(f"{address}?_field=metadata&_key=plan&_op=eq&_value=pro")
    known = client.get(f"{address}?_field=error&_op=exists&_value=")
    empty = client.get(f"{address}?text=&_field=&_op=eq&_value=&_key=")

    assert added["Location"] == f"{address}?model.id=gpt-4&performance.latency__gte=2"
    assert keyed["Location"] == f"{address}?metadata.plan=pro"
    assert known["Location"] == f"{address}?error__exists=true"
    assert empty["Location"] == address


def test_pages_follow_one_another_and_lead_back_without_losing_a_row() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(n) for n in range(60)])
    seen: list[str] = []
    address: str | None = f"/projects/{project.slug}/generations/?limit=25&order=timestamp"

    while address:
        response = client.get(address)
        seen += ids(response)
        address = next((a["href"] for a in web.tags(response, "a") if a.get("rel") == "next"), None)
    back = next(a["href"] for a in web.tags(response, "a") if a.get("rel") == "prev")

    assert seen == [f"call-{n:03}" for n in range(60)]
    assert ids(client.get(back or "")) == [f"call-{n:03}" for n in range(25, 50)]


def test_htmx_is_given_the_list_alone_and_the_browser_the_page() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(project, [call(1)])
    address = f"/projects/{project.slug}/generations/"

    part = client.get(address, headers={"HX-Request": "true"})
    again = client.get(address, headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})

    assert part.content.lstrip().startswith(b'<div id="list"')
    assert b"<html" not in part.content
    assert b"<html" in again.content
    assert "HX-Request" in client.get(address)["Vary"]


@pytest.mark.parametrize("page", ["generations", "threads", "steps", "users"])
def test_a_list_takes_as_many_queries_for_fifty_rows_as_for_one(page: str) -> None:
    counts = []
    for name, count in (("few", 1), ("many", 50)):
        project = web.project(name)
        client = web.signed_in(project, name=name)
        filled(project, count)
        with CaptureQueriesContext(connection) as queries:
            response = client.get(f"/projects/{project.slug}/{page}/")
        assert response.status_code == 200
        assert len(response.content) < 150_000
        counts.append(len(queries))

    assert counts[0] == counts[1]
    assert counts[0] <= 14


def test_the_first_view_of_an_empty_project_shows_how_to_fill_it() -> None:
    project = web.project()

    response = web.signed_in(project).get(f"/projects/{project.slug}/generations/")

    said = web.text(response)
    assert "curl http://testserver/api/generations" in said
    assert 'Generations("http://testserver", "YOUR_KEY")' in said
    assert f"import calls.jsonl --project {project.slug}" in said


def test_another_projects_rows_are_never_listed() -> None:
    project, other = web.project(), web.project("Other")
    recording.record(other, [call(1)])

    response = web.signed_in(project).get(f"/projects/{project.slug}/generations/")

    assert "Reply 1" not in web.text(response)


def test_times_are_told_in_the_projects_zone() -> None:
    project = web.project()
    Project.objects.update(time_zone="Asia/Tokyo")
    recording.record(project, [call(0)])

    response = web.signed_in(project).get(f"/projects/{project.slug}/generations/")

    # The second, once that year is over.
    assert re.search("Nov 20 21:00:00|2026-11-20 21:00", web.text(response))


def test_a_time_that_is_typed_without_a_zone_is_the_projects_on_pages_and_utc_in_addresses() -> None:
    project = web.project()
    Project.objects.update(time_zone="Asia/Tokyo")
    client, at = web.signed_in(project), f"/projects/{project.slug}/generations/"

    def led(**typed: str) -> dict[str, str]:
        answer = client.get(at, {"_field": "timestamp", **typed})
        return dict(parse_qsl(urlsplit(answer["Location"]).query))

    assert led(_op="gte", _value="2026-11-20 21:00") == {"timestamp__gte": "2026-11-20T12:00:00Z"}
    assert led(_op="gte", _value="2026-11-20T21:00Z") == {"timestamp__gte": "2026-11-20T21:00Z"}
    assert led(_op="lte", _value="2026-11-20") == {"timestamp__lte": "2026-11-20"}
    assert led(_op="gt", _value="now-2h") == {"timestamp__gt": "now-2h"}
    root = building.read("generations", QueryDict("g=all&f.0=timestamp&o.0=gt&v.0=2026-11-20T21:00:00"))
    with timezone.override("Asia/Tokyo"):
        assert filters.to_document(building.condition(root)) == {"timestamp": {"$gt": "2026-11-20T12:00:00Z"}}
    recording.record(project, [call(0)])
    plain = client.get(at, {"timestamp__gte": "2026-11-20T12:00:01"})
    assert "Reply 0" not in web.text(plain)
    assert "Reply 0" in web.text(client.get(at, {"timestamp__gte": "2026-11-20T12:00:00"}))


def test_hostile_text_in_a_list_is_text() -> None:
    project = web.project()
    evil = '<script>alert("x")</script>"\'><img src=x onerror=alert(1)>'
    recording.record(
        project, [call(1, id=evil, prompt=evil, completion=evil, model_id=evil, name=evil, tags=(evil[:60],))]
    )

    response = web.signed_in(project).get(f"/projects/{project.slug}/generations/")

    assert evil in web.text(response)
    assert not [image for image in web.tags(response, "img") if image.get("src") == "x"]
    assert all("nonce" in script for script in web.tags(response, "script"))


@pytest.mark.parametrize("letter", ["a", "'", "東"])
@pytest.mark.parametrize("page", ["generations", "threads", "steps", "users"])
def test_a_first_view_is_bounded_whatever_was_recorded(page: str, letter: str) -> None:
    project = web.project()
    large = letter * 190
    recording.record(
        project,
        [
            call(
                n,
                id=f"{large[:80]}{n}",
                name=large,
                model_id=large,
                prompt=large,
                completion=large,
                user_id=f"{large[:80]}{n}",
                thread_id=f"{large[:80]}{n}",
                tags=tuple(f"{tag}{large}" for tag in range(5)),
                scores=tuple(ScoreRecord(name=f"{s}{large}", label=large, author=large) for s in range(5)),
            )
            for n in range(60)
        ],
    )
    recording.record(
        project,
        [StepRecord(id=f"{large[:80]}{n}", name=large, type="tool", input=large, output=large) for n in range(60)],
    )

    response = web.signed_in(project).get(f"/projects/{project.slug}/{page}/", follow=True)

    assert response.status_code == 200
    assert len(response.content) < 150_000
    assert len(response.redirect_chain) <= 1


def test_a_thread_counts_what_was_called_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "PATIENCE", 60.0)
    project = web.project()
    client = web.signed_in(project)
    recording.record(
        project,
        [
            ThreadRecord(id="chat", name="A chat"),
            call(1, thread_id="chat", prompt_tokens=10, completion_tokens=5),
            call(2, thread_id="chat", error="Boom"),
        ],
    )

    said = web.text(client.get(f"/projects/{project.slug}/threads/"))

    assert "A chat" in said
    assert "2 1 15 $0.50" in said
    assert Job.objects.count() == 0


@pytest.mark.parametrize(("more", "beside"), [(10, ["call-001"]), (20, [])], ids=["long", "too long"])
def test_a_long_list_is_gone_through_by_all_that_it_asks(more: int, beside: list[str]) -> None:
    project = web.project()
    recording.record(project, [call(1), call(2, model_id="gpt-3"), call(3)])
    client = web.signed_in(project)
    asked = urlencode([("name__ne", "x" * 450)] * more + [("model.id__ne", "gpt-3")])

    response = client.get(f"/projects/{project.slug}/generations/call-003/?{urlencode({'list': asked})}")

    shown = [one["href"] or "" for one in web.tags(response, "a") if one.get("rel") in ("prev", "next")]
    assert [address.partition("/generations/")[2].partition("/")[0] for address in shown] == beside
