"""The admin's lists of what was recorded: one project at a time, paged by key, never counted, read-only."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from generations import access, recording
from generations.models import (
    Project,
)
from generations.records import GenerationRecord
from tests.triage import EVENTS, client, ids_in, links, listed, project, store, superuser

__all__ = ["client", "project", "superuser"]
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("model", EVENTS)
def test_without_a_project_there_is_a_choice_of_projects_and_no_rows(
    client: Client, project: Project, model: str
) -> None:
    store(project, 2)

    with CaptureQueriesContext(connection) as captured:
        page = client.get(listed(model))

    assert page.status_code == 200
    assert f'<a href="?project={project.pk}">Shop</a>' in page.content.decode()
    assert not any(f'FROM "{model}"' in query["sql"] for query in captured)
    for wrong in ("x", "0", "-1", "9" * 30, "1.5", "%00"):
        assert b'<a href="?project=' in client.get(listed(model, project=wrong)).content


@pytest.mark.parametrize("model", EVENTS)
def test_a_list_costs_the_same_for_one_row_and_for_fifty_and_neither_counts_nor_skips(
    client: Client, model: str
) -> None:
    one, many = access.create_project("One"), access.create_project("Many")
    store(one, 1)
    store(many, 51)

    def queries(project: Project, rows: int) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            page = client.get(listed(model, project=project.pk))
        assert len(page.context["cl"].result_list) == rows
        return [query["sql"] for query in captured]

    few, more = queries(one, 1), queries(many, 50)

    assert len(few) == len(more) == 4  # session, person, project, rows
    for sql in more:
        assert "COUNT(" not in sql.upper()
        assert "OFFSET" not in sql
        assert "payload" not in sql
    [rows] = [sql for sql in more if f'FROM "{model}"' in sql]
    assert f'"{model}"."project_id" = {many.pk}' in rows
    assert "LIMIT 51" in rows


def test_pages_concatenate_to_the_list_and_lead_back(client: Client, project: Project) -> None:
    store(project, 120)

    first = client.get(listed("generation", project=project.pk)).content
    second = client.get(listed("generation") + links(first)["Older"]).content
    third = client.get(listed("generation") + links(second)["Older"]).content
    back = client.get(listed("generation") + links(third)["Newer"]).content

    assert ids_in(first) + ids_in(second) + ids_in(third) == [f"g{n:03}" for n in reversed(range(120))]
    assert [sorted(links(page)) for page in (first, second, third)] == [["Older"], ["Newer", "Older"], ["Newer"]]
    assert ids_in(back) == ids_in(second)
    assert sorted(links(back)) == ["Newer", "Older"]


def test_a_place_that_is_none_is_the_beginning(client: Client, project: Project) -> None:
    store(project, 1)

    for wrong in ("x", "2026-01-01_x", "2026-01-01T00:00:00_" + "0" * 32, "%00", "_", "0" * 32):
        page = client.get(listed("generation", project=project.pk, after=wrong))
        assert page.status_code == 200
        assert ids_in(page.content) == ["g000"]
        assert b"is not a place in this list" in page.content


def test_a_moment_is_no_place_in_a_list_by_id(client: Client) -> None:
    page = client.get(listed("job", after="2026-01-01T00:00:00Z"))

    assert page.status_code == 200
    assert b"is not a place in this list" in page.content


@pytest.mark.parametrize("model", EVENTS)
def test_another_projects_rows_do_not_appear(client: Client, project: Project, model: str) -> None:
    other = access.create_project("Other")
    store(project, 1)
    store(other, 3)

    page = client.get(listed(model, project=project.pk))

    assert {row.project_id for row in page.context["cl"].result_list} == {project.pk}
    assert len(page.context["cl"].result_list) == 1


@pytest.mark.parametrize(
    ("narrowing", "found"),
    [
        ({"model": "claude"}, ["g002"]),
        ({"user": "u001"}, ["g001"]),
        ({"tag": "odd"}, ["g003"]),
        ({"error": "yes"}, ["g004"]),
        ({"error": "no", "model": "gpt-4"}, ["g003", "g001", "g000"]),
        ({"from_": "2026-03-04T05:06:10Z"}, ["g004", "g003"]),
        ({"from_": "2026-03-04T05:06:09Z", "to": "2026-03-04T05:06:10Z"}, ["g002"]),
        ({"q": "g003"}, ["g003"]),
        ({"q": "g00"}, []),
        ({"q": "g003", "model": "claude"}, []),
    ],
)
def test_generations_are_found_by_id_and_by_narrow_filters(
    client: Client, project: Project, narrowing: dict[str, str], found: list[str]
) -> None:
    store(project, 5)
    recording.record(
        project,
        [
            GenerationRecord(id="g002", model_id="claude"),
            GenerationRecord(id="g003", tags=("odd",)),
            GenerationRecord(id="g004", error="Overloaded"),
        ],
    )

    page = client.get(listed("generation", project=project.pk, **narrowing))

    assert ids_in(page.content) == found


def test_a_filter_that_cannot_be_asked_finds_nothing_and_says_why(client: Client, project: Project) -> None:
    store(project, 1)

    page = client.get(listed("generation", project=project.pk, from_="yesterday"))

    assert ids_in(page.content) == []
    assert b"expected a time in ISO 8601" in page.content
    assert client.get(listed("generation", project=project.pk, model="%00")).status_code == 200


def test_no_other_column_is_asked_about_through_the_url(client: Client, project: Project) -> None:
    assert client.get(listed("generation", project=project.pk, error__icontains="x")).status_code == 400
    assert client.get(listed("generation", project=project.pk, project__name="x")).status_code == 400


@pytest.mark.parametrize("model", EVENTS)
def test_a_row_is_found_by_its_whole_key_and_is_read_only(client: Client, project: Project, model: str) -> None:
    store(project, 2)
    page = client.get(listed(model, project=project.pk))
    there = re.findall(r'<th class="field-own_id"><a href="([^"?]*)', page.content.decode())[0]

    with CaptureQueriesContext(connection) as captured:
        shown = client.get(there)

    assert shown.status_code == 200
    [sql] = [query["sql"] for query in captured if f'FROM "{model}"' in query["sql"] and "uid" in query["sql"]][:1]
    assert f'"{model}"."project_id" = {project.pk}' in sql
    assert re.search(r"'20\d\d-", sql)  # its moment, which says in which partition
    assert b'name="_save"' not in shown.content
    assert client.post(there, {}).status_code == 403
    for wrong in ("x", f"{project.pk}-{'0' * 32}-1", f"{'9' * 40}-{'0' * 32}-1", f"1-{'0' * 32}-{'9' * 40}"):
        gone = client.get(reverse(f"admin:generations_{model}_change", args=[wrong]))
        assert gone.status_code == 302


def test_a_generations_page_shows_what_was_said_bounded(client: Client, project: Project) -> None:
    store(project, 1, completion="x" * 30_000, metadata={"plan": "<pro>"})
    there = client.get(listed("generation", project=project.pk))
    row = there.context["cl"].result_list[0]

    page = client.get(there.context["cl"].url_for_result(row)).content.decode()

    assert "<pre>Question 0</pre>" in page
    assert f"{'x' * 20_000}\n… 10,000 more characters</pre>" in page
    assert "x" * 20_001 not in page
    assert "&lt;pro&gt;" in page
    assert "exact: 1.0 (CODE, unknown)" in page
    assert f'href="/projects/{project.slug}/generations/g000/"' in page
