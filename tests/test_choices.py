"""Another of several answers is selected: on the page, over REST and GraphQL the same, checked and audited."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from generations import access, recording
from generations.models import AuditEntry, Generation, Project
from generations.models.accounts import Role
from generations.records import Alternative, GenerationRecord
from tests import web
from tests.doors.gantry import event, log
from tests.doors.rest import Answer, Caller, caller

pytestmark = pytest.mark.django_db

ID = "writer:r1"
_numbers = itertools.count()
UPDATE = """
mutation ($id: ID!, $choice: Int) {
  updateGeneration(id: $id, set: {selectedChoice: $choice}) { selectedChoice output { content } }
}
"""


@pytest.fixture
def api() -> Caller:
    """A caller of a project with a call of two answers, A and B, of which A was used."""
    api = caller("write")
    log(api, event())
    return api


def by_rest(api: Caller, choice: int | None) -> Answer:
    return api.patch(f"/api/generations/{ID}", {"selectedChoice": choice})


def by_graphql(api: Caller, choice: int | None) -> Answer:
    return api.post("/graphql/", {"query": UPDATE, "variables": {"id": ID, "choice": choice}})


def on_the_page(api: Caller, choice: int | None) -> Answer:
    client = web.signed_in(api.project, name=f"member-{next(_numbers)}")
    address = f"/projects/{api.project.slug}/generations/{ID}/selected/"
    response = client.post(address, {"choice": "" if choice is None else str(choice)})
    return Answer(response.status_code, response.headers, response.content)


WAYS = [by_rest, by_graphql, on_the_page]


def stored(project: Project) -> tuple[int | None, Any, str | None, list[Any]]:
    """What is selected, what the answer is with its reason, and who selected what in the audit log."""
    row = Generation.objects.in_project(project.pk).get()
    entries = AuditEntry.objects.filter(project=project, action="generation.select").order_by("pk")
    shown = caller("read", project=project).get(f"/api/generations/{ID}").json
    return row.selected_choice, shown["output"]["content"], row.finish_reason, [entry.detail for entry in entries]


@pytest.mark.parametrize("select", WAYS)
def test_the_selected_one_is_the_answer_and_the_audit_says_what_was_selected_before(
    api: Caller, select: Callable[[Caller, int | None], Answer]
) -> None:
    assert stored(api.project) == (0, "A", "stop", [])

    select(api, 1)

    assert stored(api.project) == (1, "B", "length", [{"from": 0, "to": 1}])
    page = web.page(web.signed_in(api.project, name="reader"), api.project, ID)
    assert "Choice 1 Choice 2 selected" in web.text(page)
    # Again changes nothing; all answers are there still.
    select(caller("write", project=api.project), 1)
    assert stored(api.project)[3] == [{"from": 0, "to": 1}]
    document = api.get(f"/api/generations/{ID}").json
    assert [one["content"] for one in document["output"]["alternatives"]] == ["A", "B"]
    assert Generation.objects.in_project(api.project.pk).get().output_preview == "B"
    select(caller("write", project=api.project), 0)
    assert stored(api.project) == (0, "A", "stop", [{"from": 0, "to": 1}, {"from": 1, "to": 0}])


@pytest.mark.parametrize(
    ("choice", "expected"),
    [(2, "one of 0, 1, the places of the answers"), (-1, "a whole number from 0 to 2147483647")],
)
def test_a_choice_that_there_is_none_of_is_refused_by_its_name(api: Caller, choice: int, expected: str) -> None:
    refused, other = by_rest(api, choice), by_graphql(api, choice)

    assert (refused.status, refused.error["field"], refused.error["value"]) == (422, "selectedChoice", str(choice))
    assert refused.error["expected"] == expected
    (error,) = other.json["errors"]
    assert (error["extensions"]["code"], error["extensions"]["field"]) == ("BAD_INPUT", "selectedChoice")
    assert on_the_page(api, choice).status == 404
    assert stored(api.project) == (0, "A", "stop", [])


def test_nobody_selects_without_the_right_or_in_another_project(api: Caller) -> None:
    reader, stranger = caller("read", project=api.project), caller("write")
    viewer = web.signed_in(api.project, Role.VIEWER, "vic")

    assert [by_rest(one, 1).status for one in (reader, stranger)] == [403, 404]
    codes = [by_graphql(one, 1).json["errors"][0]["extensions"]["code"] for one in (reader, stranger)]
    assert codes == ["FORBIDDEN", "NOT_FOUND"]
    address = f"/projects/{api.project.slug}/generations/{ID}/selected/"
    assert viewer.post(address, {"choice": "1"}).status_code == 403
    assert stored(api.project) == (0, "A", "stop", [])


def test_an_answer_that_stands_nowhere_else_is_kept_and_only_the_mark_moves() -> None:
    project = access.create_project("Others")
    others = (Alternative(index=0, content="Second"), Alternative(index=1, content="Third"))
    recording.record(project, [GenerationRecord(id=ID, completion="First", alternatives=others)])
    api = caller("write", project=project)

    by_rest(api, 1)

    assert stored(project) == (1, "First", None, [{"from": None, "to": 1}])
    # With new alternatives come new places.
    more = [{"content": text} for text in ("Second", "Third", "Fourth")]
    changed = api.patch(f"/api/generations/{ID}", {"selectedChoice": 2, "output": {"alternatives": more}})
    assert (changed.status, stored(project)[0]) == (200, 2)
    assert by_rest(api, None).status == 200
    assert stored(project)[0] is None
