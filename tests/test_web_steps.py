"""The page of a step: what it says of itself, whatever came of it and of what is above it."""

import re

import pytest
from django.test import Client

from generations.models import Project
from generations.records import GenerationRecord, StepRecord
from tests import web
from tests.test_web_trees import at, record, show, step
from tests.web import shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db


def test_a_step_whose_parent_never_came_says_so(client: Client, project: Project) -> None:
    record(
        project,
        [
            step("top", trace_id="t"),
            step("kept", "top", trace_id="t", began=1),
            step("lost", "never came", trace_id="t", began=2),
            step("below", "lost", trace_id="t", began=3),
            step("moved", "elsewhere", trace_id="t", began=4),
            step("elsewhere", trace_id="other"),
        ],
    )

    shown = show(client, project, "lost")

    assert "Step above never came has not arrived" in web.text(shown)
    assert "Step above elsewhere in another trace" in web.text(show(client, project, "moved"))
    for id in ("top", "kept", "below"):
        assert "Step above" not in web.text(show(client, project, id))
    rows = re.findall(r"<li data-level.*?</li>", shown.content.decode(), re.DOTALL)
    marked = {
        id
        for id in ("top", "kept", "lost", "below", "moved")
        for row in rows
        if f"/{id}/" in row and "is missing" in row
    }
    assert marked == {"lost", "moved"}


def test_what_a_step_asked_a_model_stands_on_its_page(client: Client, project: Project) -> None:
    record(
        project,
        [
            step("framed", trace_id="t"),
            GenerationRecord(
                id="went", step_id="framed", started_at=at(1), prompt="Which museum?", completion="Azulejo"
            ),
            GenerationRecord(
                id="broke", step_id="framed", started_at=at(2), prompt="And now?", error="Too many requests"
            ),
        ],
    )

    shown = show(client, project, "framed")

    words = web.text(shown)
    assert "Asked Which museum? Answered Azulejo" in words
    assert "Asked And now? Failed Too many requests" in words
    assert "Nothing is recorded" not in words
    assert (
        f'href="/projects/{project.slug}/generations/went/"'
        in shown.content.decode().partition('class="conversation"')[2]
    )


def test_a_step_without_a_type_is_not_called_undefined(client: Client, project: Project) -> None:
    record(project, [step("plain", type="undefined")])

    assert "undefined" not in web.text(show(client, project, "plain"))
    row = re.search(
        r"<tr data-row>.*?</tr>", client.get(f"/projects/{project.slug}/steps/").content.decode(), re.DOTALL
    )
    assert row is not None
    assert "undefined" not in row[0] and "It came without a type" in row[0]


def test_a_step_that_says_nothing_stands_in_the_list_with_what_it_asked_a_model(
    client: Client, project: Project
) -> None:
    record(
        project,
        [
            step("silent", trace_id="t"),
            step("says", trace_id="t", began=1, input="Its own words"),
            GenerationRecord(id="a", step_id="silent", started_at=at(1), prompt="Which museum?", completion="Azulejo"),
            GenerationRecord(id="b", step_id="silent", started_at=at(2), prompt="Another?", completion="Gulbenkian"),
            GenerationRecord(id="c", step_id="says", started_at=at(2), prompt="Not this", completion="Nor this"),
        ],
    )

    told = web.text(client.get(f"/projects/{project.slug}/steps/"))

    assert "Which museum? Azulejo" in told
    assert "Its own words" in told
    for other in ("Another?", "Gulbenkian", "Not this", "Nor this"):
        assert other not in told


def test_of_a_step_that_failed_with_a_trace_what_it_ends_with_comes_first(client: Client, project: Project) -> None:
    for id, times in (("short", 1), ("long", 100)):
        trace = "Traceback (most recent call last):\n" + '  File "a.py", line 1, in f\n    f()\n' * times
        record(project, [step(id, error=f"{trace}KeyError: city")])

        told = web.text(show(client, project, id))

        assert "KeyError: city" in told.partition("Traceback")[0]
        assert told.count("KeyError: city") == 2


def test_others_that_failed_so_are_one_click_away_also_where_no_type_is_known(client: Client, project: Project) -> None:
    said = '\n  100 % of the "budget" & more_is used up: wait for the next month or ask\nTraceback'
    alike = {"alike": said.replace("ask", "pay"), "one": said, "other": "Timeout"}
    record(project, [GenerationRecord(id=id, error=error) for id, error in alike.items()])
    record(project, [StepRecord(id=id, error=error) for id, error in alike.items()])

    for room in ("generations", "steps"):
        place = f"/projects/{project.slug}/{room}/"
        address = next(link for link in web.links(client.get(f"{place}one/")) if "error__contains=" in link)
        assert set(web.ids(client.get(address))) == {"alike", "one"}, room
