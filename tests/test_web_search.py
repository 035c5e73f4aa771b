"""The search page: snippets that lead to the message, ids that lead to the row, and nobody else's text."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import access, recording
from generations.models import SearchMark
from generations.models.accounts import Role
from tests.web import NOON, call, links, person, project, recorded, signed_in, tags, text

pytestmark = pytest.mark.django_db


def test_a_hit_shows_the_text_around_it_and_leads_to_the_message() -> None:
    own = project()
    recorded(own, messages=[{"role": "user", "content": "See <b>my</b> Walrus"}], completion="A seal")
    client = signed_in(own, Role.VIEWER)

    page = client.get(f"/projects/{own.slug}/search/?q=walrus")
    answer = client.get(f"/projects/{own.slug}/search/?q=seal")

    assert page.status_code == 200
    assert "See <b>my</b> Walrus" in text(page).replace(" Walrus", "Walrus").replace("Walrus", " Walrus")
    assert tags(page, "mark") == [{}]
    assert f"/projects/{own.slug}/generations/one/#m-messages-0" in links(page)
    assert f"/projects/{own.slug}/generations/one/#answers" in links(answer)
    assert 'id="m-messages-0"' in client.get(f"/projects/{own.slug}/generations/one/").content.decode()


def test_the_other_filters_narrow_a_search_and_a_bad_one_is_said() -> None:
    own = project()
    recording.record(own, [call(1, prompt="walrus"), call(2, prompt="walrus", model_id="claude")])
    client = signed_in(own)

    page = client.get(f"/projects/{own.slug}/search/?q=walrus&model.id=claude")
    bad = client.get(f"/projects/{own.slug}/search/?q=walrus&modl.id=claude")

    assert [one for one in links(page) if "call-" in one and "#" not in one] == [
        f"/projects/{own.slug}/generations/call-002/"
    ]
    assert bad.status_code == 400
    assert "did you mean model.id" in text(bad)


def test_pages_go_on_where_the_last_one_ended() -> None:
    own = project()
    recording.record(own, [call(n, prompt="walrus") for n in range(30)])
    client = signed_in(own)

    first = client.get(f"/projects/{own.slug}/search/?q=walrus")
    (older,) = [one for one in links(first) if "after=" in one]
    second = client.get(f"/projects/{own.slug}/search/{older}" if older.startswith("?") else older)

    assert "call-029" in first.content.decode()
    assert "call-004" not in first.content.decode()
    assert "call-004" in second.content.decode()
    assert "That is all" in text(second)


def test_a_pasted_id_leads_to_its_row() -> None:
    own = project()
    recorded(own, response_id="resp-77", thread_id="t-1")
    client = signed_in(own)

    assert client.get(f"/projects/{own.slug}/search/?q=resp-77").headers["Location"].endswith("/generations/one/")
    assert client.get(f"/projects/{own.slug}/search/?q=t-1").headers["Location"].endswith("/threads/t-1/")


def test_how_far_the_search_is_behind_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    own = project()
    recording.record(own, [call(1, prompt="walrus"), call(2, prompt="walrus")])
    SearchMark.objects.filter(project=own).update(created_at=timezone.now() - dt.timedelta(seconds=190))
    client = signed_in(own)

    monkeypatch.setattr("generations.search.indexing.CAUGHT_UP", 0)
    behind = text(client.get(f"/projects/{own.slug}/search/?q=walrus"))
    monkeypatch.undo()
    caught_up = text(client.get(f"/projects/{own.slug}/search/?q=walrus"))

    assert "2 generations are recorded and not searched yet, the first of them for 3 m 1" in behind
    assert "not searched yet" not in caught_up


def test_who_finds_nothing_is_led_to_where_errors_are_searched() -> None:
    own = project()
    recorded(own, prompt="walrus", error="Rate limit & more")
    client = signed_in(own)

    nothing = client.get(f"/projects/{own.slug}/search/?q=limit+%26+more")

    [errors] = [link for link in links(nothing) if "error__contains" in link]
    assert "Rate limit & more" in text(client.get(errors))


def test_nobody_searches_a_project_that_is_not_theirs() -> None:
    own, other = project(), project("Other")
    recorded(other, prompt="walrus")
    client = signed_in(own)
    stranger = Client()
    stranger.force_login(person("eve"))

    assert "Nothing says this" in text(client.get(f"/projects/{own.slug}/search/?q=walrus"))
    assert client.get(f"/projects/{other.slug}/search/?q=walrus").status_code == 404
    assert stranger.get(f"/projects/{other.slug}/search/?q=walrus").status_code == 404
    assert Client().get(f"/projects/{own.slug}/search/?q=walrus").status_code == 302


def test_the_page_is_bounded_and_takes_as_many_queries_for_many_hits_as_for_one() -> None:
    own = project()
    recording.record(own, [call(1, prompt="one seal"), *(call(n, prompt="walrus " * 5_000) for n in range(2, 30))])
    client = signed_in(own)
    client.get(f"/projects/{own.slug}/search/?q=seal")

    with CaptureQueriesContext(connection) as one:
        client.get(f"/projects/{own.slug}/search/?q=seal")
    with CaptureQueriesContext(connection) as many:
        page = client.get(f"/projects/{own.slug}/search/?q=walrus")

    assert len(one) == len(many)
    assert len(page.content) < 150_000


def test_rest_and_graphql_search_as_the_page_does() -> None:
    own = project()
    recording.record(own, [call(1, prompt="un café"), call(2, prompt="un thé")])
    _, token = access.create_key(access.of_system(own), name="k", scopes=["read"])
    client = Client(headers={"Authorization": f"Bearer {token}"})
    query = 'query { generations(where: {search: {contains: "CAFE un"}}) { edges { node { id } } } }'

    rest = client.get("/api/generations?search=CAFE un").json()
    graph = client.post("/graphql/", {"query": query}, content_type="application/json").json()
    both = client.get(
        "/api/generations?search=un&to=" + (NOON + dt.timedelta(seconds=90)).isoformat()[:19] + "Z"
    ).json()

    assert [one["id"] for one in rest["data"]] == ["call-001"]
    assert [one["node"]["id"] for one in graph["data"]["generations"]["edges"]] == ["call-001"]
    assert [one["id"] for one in both["data"]] == ["call-001"]
