"""Two calls side by side: which one stands beside a failed one, what differs, and within which bounds."""

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from generations import access, recording
from generations.models import Project
from generations.prompts import differing
from generations.records import GenerationRecord
from tests import web
from tests.web import NOON, call, page, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db


def compared(client: Client, project: Project, id: str, query: str = "") -> Any:
    """The page of a generation beside another."""
    return client.get(f"/projects/{project.slug}/generations/{id}/compare/{query}")


def record(project: Project, *records: GenerationRecord) -> None:
    """Store the calls."""
    recording.record(project, list(records))


def test_a_failed_call_leads_to_the_last_of_its_kind_that_went_well(client: Client, project: Project) -> None:
    record(
        project,
        call(1, name="answer", release="1.0", parameters={"temperature": 0}),
        call(2, name="answer", error="Too long", error_type="context_length"),
        call(3, name="other"),
        call(4, name="answer", release="1.1", error="Too long", error_type="context_length", completion=None),
        call(5, name="answer"),
    )

    failed = page(client, project, "call-004")
    there = f"/projects/{project.slug}/generations/call-004/compare/"
    told = web.text(compared(client, project, "call-004"))

    assert there in web.links(failed)
    assert f"/projects/{project.slug}/generations/?errorType=context_length" in web.links(failed)
    assert "of the same name, answer" in told
    assert "The other: call-001 This one: call-004" in told
    assert "Release differs 1.0 1.1" in told
    assert "Model gpt-4o gpt-4o" in told
    assert "was: Question 1 is: Question 4" in told
    assert "was: Reply 1" in told


def test_calls_of_a_prompt_are_compared_with_its_calls_whatever_their_model(client: Client, project: Project) -> None:
    record(
        project,
        call(1, name="a", prompt_name="greet", model_id="old"),
        call(2, name="b", model_id="new"),
        call(3, name="b", prompt_name="greet", model_id="new", error="No"),
    )

    told = web.text(compared(client, project, "call-003"))

    assert "The other: call-001" in told
    assert "Model differs old new" in told


def test_what_is_the_same_is_named_and_not_shown(client: Client, project: Project) -> None:
    same = {"parameters": {"temperature": 0.5}, "prompt": "The same question"}
    record(project, call(1, **same), call(2, **same))

    told = web.text(compared(client, project, "call-002", "?with=call-001"))

    assert "The same in both: Settings, Sent." in told
    assert "The same question" not in told


def test_a_long_line_that_ends_otherwise_is_not_called_the_same(client: Client, project: Project) -> None:
    record(project, call(1, prompt="x" * 9000 + " left"), call(2, prompt="x" * 9000 + " right"))

    told = web.text(compared(client, project, "call-002", "?with=call-001"))

    assert "left" in told
    assert "right" in told
    assert "The same in both" not in told


def test_where_nothing_went_well_before_it_is_said_what_to_do(client: Client, project: Project) -> None:
    week = dt.timedelta(days=8)
    record(project, call(1, name="answer", started_at=NOON - week), call(2, name="answer", error="No"))

    told = web.text(compared(client, project, "call-002"))

    assert "Nothing of the name answer went well in the 7 days before this call." in told


def test_an_id_of_nothing_is_said_and_a_call_of_another_project_is_nothing(client: Client, project: Project) -> None:
    other = access.create_project("Other")
    record(project, call(1))
    record(other, call(2))

    told = web.text(compared(client, project, "call-001", "?with=call-002"))

    assert "There is no generation with the id call-002 in this project." in told
    assert "Reply 2" not in told
    assert compared(client, project, "gone").status_code == 404
    assert compared(client, project, "call-001", "?with=%00").status_code == 200


def test_two_that_are_selected_are_compared_and_no_other_number_is(client: Client, project: Project) -> None:
    record(project, call(1), call(2), call(3))
    address = f"/projects/{project.slug}/bulk/generations/"

    two = client.post(address, {"do": "compare", "id": ["call-002", "call-001"]})
    three = client.post(address, {"do": "compare", "id": ["call-003", "call-002", "call-001"]}, follow=True)
    all_of_them = client.post(address, {"do": "compare", "id": ["call-002", "call-001"], "all": "1"}, follow=True)

    assert two["Location"] == f"/projects/{project.slug}/generations/call-002/compare/?with=call-001"
    assert "Select two generations to compare them." in web.text(three)
    assert "Select two generations to compare them." in web.text(all_of_them)


def test_a_page_of_two_long_calls_is_bounded(client: Client, project: Project) -> None:
    def long(n: int) -> dict[str, Any]:
        said = [{"role": "user", "content": f"{n} <{turn}> " + "&" * 3000} for turn in range(300)]
        return {"messages": said, "completion": f"{n}\n" * 50_000, "tools": [{"name": f"{n}{m}"} for m in range(900)]}

    record(project, call(1, **long(1)), call(2, **long(2)))

    response = compared(client, project, "call-002", "?with=call-001")

    assert len(response.content) < 150_000
    assert "more lines have no room on this page" in web.text(response)


def test_what_is_of_no_prompt_name_or_model_is_compared_when_an_id_is_given(client: Client, project: Project) -> None:
    record(project, call(1, model_id=None), call(2, model_id=None))

    assert "Nothing went well" in web.text(compared(client, project, "call-002"))
    assert "The other: call-001" in web.text(compared(client, project, "call-002", "?with=call-001"))


def test_lines_that_are_the_same_are_counted_in_words_for_one_and_for_several() -> None:
    told = [
        [text for kind, text in differing.part("Sent", before, after).lines if kind == "gap"]
        for before, after in (
            (["a", "b", "c", "d", "old"], ["a", "b", "c", "d", "new"]),
            (["old", *"abcde"], ["new", *"abcde"]),
            (list("abcdefg"), list("abcdefg")),
        )
    ]

    assert told == [["1 line, the same"], ["2 lines, the same"], ["1 more line, the same"]]
