"""Forms that are refused: what was typed stands in them again, and what is wrong stands beside its field."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest

from generations import access, datasets, evaluating, prompts
from generations.models import PromptVersion, SavedView
from generations.models.accounts import Role
from tests import web

pytestmark = pytest.mark.django_db


class Form(HTMLParser):
    """What stands in the fields of a page, by their names, and beside which of them it is said what is wrong."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        self.typed: set[tuple[str, str]] = set()
        self.wrong: list[tuple[str, str]] = []
        self.invalid: list[tuple[str, str, bool]] = []
        self._field = ""
        self._reads = ""
        self.feed(response.content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self._reads = ""
        if tag in ("input", "textarea", "select") and given.get("type") != "hidden":
            self._field = given.get("name") or ""
            if given.get("aria-invalid") == "true":
                self.invalid.append((self._field, given.get("aria-describedby") or "", "autofocus" in given))
        if tag == "option" and "selected" in given:
            self._reads = "choice"
            self.typed.add((self._field, given.get("value") or ""))
        elif tag == "input" and (given.get("type") != "checkbox" or "checked" in given):
            self.typed.add((self._field, given.get("value") or ""))
        elif tag == "textarea":
            self._reads = "text"
        elif "field-error" in (given.get("class") or ""):
            self._reads = "wrong"

    def handle_data(self, data: str) -> None:
        if self._reads == "wrong":
            self.wrong.append((self._field, data))
        elif self._reads:
            self.typed.add((self._field, data.strip()))

    def handle_endtag(self, tag: str) -> None:
        self._reads = ""


PLACES: dict[str, tuple[str, dict[str, str], str, str]] = {
    # what is made: where it is sent, what is typed, the field that is wrong, and how it is told
    "a dataset": ("datasets/", {"name": "x" * 300, "description": "Mine"}, "description", "name: "),
    "a prompt": ("prompts/", {"name": "x" * 300, "description": "Mine"}, "description", "name: "),
    "a key": ("settings/keys/", {"name": "Mine", "days": "90"}, "scopes", "scopes: "),
    "an invitation": ("settings/members/", {"role": "viewer", "note": "x" * 201, "days": "30"}, "note", "note: "),
    "a price": ("settings/prices/", {"match": "m", "currency": "EUR", "input_price": "much"}, "input_price", "input"),
    "a reckoning": ("settings/prices/reckon/", {"filter": "model.idd=x"}, "filter", "filter: model.idd"),
    "a rule": (
        "settings/retention/rules/",
        {"kind": "steps", "what": "text", "filter": "name=x", "days": "soon"},
        "days",
        "days: ",
    ),
    "a rule's filter": ("settings/retention/rules/", {"kind": "steps", "filter": "idd=x"}, "filter", "filter: idd"),
    "a hold": ("settings/retention/holds/", {"kind": "steps", "filter": "name=x", "reason": " "}, "reason", "reason"),
    "a provider": ("settings/providers/", {"kind": "vllm", "name": "a/b", "endpoint": "http://h"}, "name", "name: "),
    "a queue": ("review/", {"name": "Mine", "criteria": "safe: maybe", "reviewers": "2"}, "criteria", "criteria"),
    "an evaluator": ("evaluators/new/regex/", {"name": "Mine", "pattern": "("}, "pattern", "options.pattern: "),
    "a schedule": ("exports/schedules/", {"name": "Mine", "destination": "x", "at": "soon"}, "at", "at: "),
    "pasted calls": ("import/", {"text": "neither JSON nor a table"}, "", ""),
    "a tile": ("dashboard/tiles/", {"add": "cost", "by": "model.idd"}, "by", "by: model.idd"),
    "a view": (
        "lists/generations/views/",
        {"list": "hasError=false", "name": "Taken", "shared": "on"},
        "name",
        "name: there is",
    ),
    "columns": ("lists/generations/columns/", {"more": "model.idd"}, "more", "more: model.idd"),
    "a tag for several": ("bulk/generations/", {"do": "tag", "id": "one", "tags": ","}, "", "Say which tags"),
    "a score for several": ("bulk/generations/", {"do": "score", "id": "one", "comment": "Odd"}, "comment", "A score"),
    "a score": ("generations/one/scores/", {"name": "tone", "value": "nan", "comment": "Odd"}, "comment", "value"),
    "a comment": ("generations/one/comments/", {"comment": " "}, "comment", "Write something"),
    "a tag": ("generations/one/tags/", {"add": ","}, "add", "Say which tags"),
    "feedback": ("generations/one/feedback/", {"rating": "", "categories": "x" * 300}, "comment", "categories"),
    "a place": ("generations/one/datasets/", {"new_dataset": "x" * 300}, "new_dataset", "name: "),
    "a kept call": ("playground/keep/", {"generation": "one", "prompt": "x" * 300}, "prompt", "name: "),
}


@pytest.mark.parametrize("name", PLACES)
def test_what_was_typed_stands_there_again_and_what_is_wrong_beside_it(name: str) -> None:
    project = web.project()
    client = web.signed_in(project, Role.OWNER)
    web.recorded(project, prompt="Hi", completion="Ho")
    SavedView.objects.create(project=project, kind="generations", name="Taken", filter={}, is_shared=True)
    place, given, field, words = PLACES[name]

    form = Form(client.post(f"/projects/{project.slug}/{place}", given, follow=True))

    hidden = {"do", "list", "generation", "shared"}
    assert {pair for pair in given.items() if pair[0] not in hidden and pair[1].strip()} <= form.typed
    if words:
        assert [(beside if field else "", said[: len(words)]) for beside, said in form.wrong] == [(field, words)]


@pytest.mark.parametrize("name", ["a price", "a rule", "a queue", "an evaluator", "a schedule", "columns"])
def test_a_field_that_is_wrong_says_so_where_nobody_looks(name: str) -> None:
    project = web.project()
    client = web.signed_in(project, Role.OWNER)
    web.recorded(project, prompt="Hi", completion="Ho")
    place, given, field, _words = PLACES[name]

    response = client.post(f"/projects/{project.slug}/{place}", given, follow=True)

    [(invalid, why, has_focus)] = Form(response).invalid
    assert (invalid, has_focus) == (field, True)
    [told] = [one for one in web.tags(response, "span") if one.get("id") == why]
    assert told["class"] == "field-error"


def test_a_refused_change_of_a_dataset_keeps_what_was_typed() -> None:
    project = web.project()
    client = web.signed_in(project)
    row = datasets.create(access.of_system(project), name="Questions", description="Theirs")
    address = f"/projects/{project.slug}/datasets/{row.pk}/"

    added = Form(client.post(address, {"do": "add", "input": "[1", "metadata": "{}", "split": "mine"}, follow=True))
    renamed = Form(client.post(address, {"do": "rename", "name": "x" * 300, "description": "Mine"}, follow=True))
    deleted = Form(client.post(address, {"do": "delete", "confirm": "Question"}, follow=True))
    again = Form(client.get(address))

    assert {("input", "[1"), ("metadata", "{}"), ("split", "mine")} <= added.typed
    assert {("name", "x" * 300), ("description", "Mine")} <= renamed.typed
    assert ("confirm", "Question") in deleted.typed
    assert [[field for field, _ in one.wrong] for one in (added, renamed, deleted)] == [
        ["input"],
        ["name"],
        ["confirm"],
    ]
    assert again.wrong == []
    assert {("name", "Questions"), ("description", "Theirs")} <= again.typed


def test_a_refused_change_of_a_prompt_keeps_what_was_typed_and_makes_nothing() -> None:
    project = web.project()
    client = web.signed_in(project)
    grant = access.of_system(project)
    prompt = prompts.get_or_create(grant, "answer")
    prompts.add_version(grant, prompt, template_messages=[{"role": "user", "content": "Hi"}])
    address = f"/projects/{project.slug}/prompts/{prompt.pk}/"
    written = {"role": "user", "content": "Ho", "description": "Shorter", "label": "latest"}

    made = Form(client.post(f"{address}new/", written))
    moved = Form(client.post(f"{address}labels/", {"label": "prod", "version": "7"}, follow=True))

    assert set(written.items()) <= made.typed
    assert [field for field, _ in made.wrong] == ["label"]
    assert PromptVersion.objects.in_project(project.pk).filter(version__gte=0).count() == 1
    assert {("label", "prod"), ("version", "7")} <= moved.typed
    assert len(moved.wrong) == 1


def test_a_refused_trigger_and_a_refused_change_of_an_evaluator_keep_what_was_typed() -> None:
    project = web.project()
    client = web.signed_in(project)
    row = evaluating.create(access.of_system(project), kind="contains", name="Sorry", options={"text": "sorry"})
    address = f"/projects/{project.slug}/evaluators/{row.pk}/"

    share = Form(client.post(f"{address}trigger/", {"share": "101", "filter": "model.id=x"}))
    asked = Form(client.post(f"{address}trigger/", {"share": "10", "filter": "model.idd=x"}))
    named = Form(client.post(address, {"name": "x" * 300, "text": "excuse"}))

    assert {("share", "101"), ("filter", "model.id=x")} <= share.typed
    assert {("share", "10"), ("filter", "model.idd=x")} <= asked.typed
    assert {("name", "x" * 300), ("text", "excuse")} <= named.typed
    assert [[field for field, _ in one.wrong] for one in (share, asked, named)] == [["share"], ["filter"], ["name"]]


def test_a_value_that_the_database_refuses_is_no_failure_of_the_server() -> None:
    project = web.project()
    client = web.signed_in(project, Role.ADMIN)

    asked = client.get("/graphql/?project=%00", headers={"Accept": "text/html"})
    sent = client.post(f"/projects/{project.slug}/settings/keys/", {"name": "My\0 key", "scopes": ["read"]})

    assert (asked.status_code, sent.status_code) == (400, 200)
    assert "cannot contain NUL" in web.text(asked)
    assert project.keys.get().name == "My key"
