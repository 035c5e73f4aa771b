"""The filter builder: a condition as nested groups of boxes, and back, without a script."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.http import QueryDict
from django.test import Client

from generations import filters, recording
from generations.models import Project
from generations.records import ScoreRecord
from generations.web import building
from tests import web
from tests.web import call, ids

pytestmark = pytest.mark.django_db


def boxes(response: Any) -> list[tuple[str, str]]:
    """What the form would send: boxes and hidden values as they are, and the chosen option of each select."""
    parser = web._read(response)
    sent: list[tuple[str, str]] = []
    select = ""
    for tag, found in parser.tags:
        name = found.get("name") or ""
        if tag == "input" and name:
            sent.append((name, found.get("value") or ""))
        elif tag == "select":
            select = name
        elif tag == "option" and "selected" in found and select:
            sent.append((select, found.get("value") or ""))
    return [(name, value) for name, value in sent if name == "list" or (name[0] in "fovgrh" and name != "q")]


def pressed(client: Client, project: Project, sent: list[tuple[str, str]], do: str) -> Any:
    """The answer to a button of the form."""
    query = urlencode([*[(name, value) for name, value in sent if name != "do"], ("do", do)])
    return client.get(f"/projects/{project.slug}/lists/generations/filter/?{query}")


def filled(sent: list[tuple[str, str]], **values: str) -> list[tuple[str, str]]:
    """The same with some boxes filled: `f_0` for `f.0`."""
    changed = {name.replace("_", "."): value for name, value in values.items()}
    return [(name, changed.get(name, value)) for name, value in sent]


def test_an_or_of_a_score_and_metadata_is_built_by_buttons_alone() -> None:
    project = web.project()
    client = web.signed_in(project)
    recording.record(
        project,
        [
            call(1, metadata={"plan": "pro"}),
            call(2, scores=(ScoreRecord(name="quality", value=0.9),)),
            call(3, scores=(ScoreRecord(name="quality", value=0.1), ScoreRecord(name="tone", value=1.0))),
        ],
    )
    start = client.get(f"/projects/{project.slug}/lists/generations/filter/?" + urlencode({"list": "order=timestamp"}))

    sent = filled(boxes(start), g="any", f_0="metadata.plan", v_0="pro")
    related = pressed(client, project, sent, "scores:")
    sent = filled(boxes(related), v_1_0="quality", v_1_1="0.5")
    applied = pressed(client, project, sent, "apply")

    assert [value for name, value in sent if name.startswith("f.1.")] == ["name", "value"]
    assert applied.status_code == 302
    address = applied["Location"]
    assert dict(parse_qsl(urlsplit(address).query))["order"] == "timestamp"
    assert ids(client.get(address)) == ["call-001", "call-002"]


@pytest.mark.parametrize(
    "document",
    [
        {"model.id": "gpt-4"},
        {"$or": [{"model.id": "gpt-4"}, {"$and": [{"usage.cost": {"$gte": 0.5}}, {"tags": {"$all": ["a", "b"]}}]}]},
        {"$not": {"$or": [{"name": "x"}, {"error": {"$exists": True}}]}},
        {"$not": {"$and": [{"name": "x"}, {"type": "chat"}]}},
        {"scores": {"$some": {"name": "quality", "value": {"$gte": 0.5}}}},
        {"scores": {"$none": {"name": "quality"}}},
        {"scores": {"$every": {"value": {"$gt": 0}}}},
        {"model.id": {"$in": ["a,b", "c"]}, "metadata.plan": {"$ne": "pro"}},
        {"timestamp": {"$gte": "now-7d"}},
        {"threads": {"$some": {"steps": {"$some": {"type": "tool"}}}}},
    ],
)
def test_what_the_form_shows_of_a_condition_says_the_same_when_it_is_sent(document: dict[str, Any]) -> None:
    project = web.project()
    client = web.signed_in(project)
    condition = filters.from_document("generations", document)
    query = urlencode(filters.to_query(condition) or [("filter", _json(document))])

    shown = client.get(f"/projects/{project.slug}/lists/generations/filter/?" + urlencode({"list": query}))
    sent = QueryDict(urlencode(boxes(shown)))

    assert building.condition(building.read("generations", sent)) == condition


def _json(document: dict[str, Any]) -> str:
    import json

    return json.dumps(document)


def test_what_is_wrong_is_said_beside_its_box_and_nothing_is_applied() -> None:
    project = web.project()
    client = web.signed_in(project)
    sent = [("g", "all"), ("f.0", "model.idd"), ("o.0", "eq"), ("v.0", "gpt-4"), ("f.1", "usage.cost"), ("v.1", "dear")]

    response = pressed(client, project, sent, "apply")

    assert response.status_code == 400
    wrong = {box["name"] for box in web.tags(response, "input") if box.get("aria-invalid")}
    assert wrong == {"f.0", "f.1"}
    assert "did you mean model.id?" in web.text(response)
    assert "usage.cost: 'dear' is not valid; expected a number" in web.text(response)


def test_groups_are_added_and_removed_where_their_button_is() -> None:
    project = web.project()
    client = web.signed_in(project)
    sent = [("g", "all"), ("f.0", "name"), ("o.0", "eq"), ("v.0", "x")]

    grouped = boxes(pressed(client, project, sent, "group:"))
    longer = boxes(pressed(client, project, grouped, "leaf:1"))
    shorter = boxes(pressed(client, project, longer, "remove:1.0"))
    gone = boxes(pressed(client, project, shorter, "remove:1"))

    assert [name for name, _ in grouped if name[0] in "fg"] == ["g", "f.0", "g.1", "f.1.0", "f.1.1"]
    assert [name for name, _ in longer if name.startswith("f.1.")] == ["f.1.0", "f.1.1", "f.1.2"]
    assert [name for name, _ in shorter if name.startswith("f.1.")] == ["f.1.0", "f.1.1"]
    assert [name for name, _ in gone if name[0] in "fg"] == ["g", "f.0"]


@pytest.mark.parametrize(
    ("query", "status", "conditions"),
    [
        ("do=apply&g=nonsense&f.0.0=name&v.0.0=x", 302, 0),
        ("do=remove:&g=all", 200, 0),
        ("do=scores:0&f.0=name", 200, 1),
        ("do=nothing:9&r.0=secrets&h.0=some", 200, 1),
        ("do=group:&" + "&".join(f"g.{'.'.join(['0'] * n)}=any" for n in range(1, 60)), 200, 2),
        ("do=leaf:&" + "&".join(f"f.{n}=name&v.{n}=x" for n in range(400)), 200, 202),
        ("do=apply&f.0=name&v.0=%00", 400, 1),
        ("do=apply&f.999999999999=name&v.999999999999=x", 302, 0),
        ("list=" + "x" * 9000, 200, 1),
        ("list=model.idd%3Dx", 200, 1),
    ],
)
def test_a_form_that_nobody_would_send_is_answered_with_what_can_be_made_of_it(
    query: str, status: int, conditions: int
) -> None:
    project = web.project()

    response = web.signed_in(project).get(f"/projects/{project.slug}/lists/generations/filter/?{query}")

    assert response.status_code == status
    if status == 302:
        assert response["Location"] == f"/projects/{project.slug}/generations/"
    else:
        assert len([name for name, _ in boxes(response) if name.startswith("f.")]) == conditions


def test_htmx_is_led_to_the_list_and_others_lists_are_nobodys() -> None:
    project, other = web.project(), web.project("Other")
    client = web.signed_in(project)
    query = "do=apply&g=all&f.0=model.id&o.0=eq&v.0=gpt-4"

    part = client.get(f"/projects/{project.slug}/lists/generations/filter/?{query}", headers={"HX-Request": "true"})

    assert '"path":"/projects/shop/generations/?model.id=gpt-4"' in part["HX-Location"]
    assert client.get(f"/projects/{project.slug}/lists/secrets/filter/").status_code == 404
    assert client.get(f"/projects/{other.slug}/lists/generations/filter/").status_code == 404
