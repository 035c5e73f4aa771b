"""Threads and votes as Chainlit keeps them: no key of a user's is stored, and a vote is changed whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin import site
from django.db import connection

from generations import access
from generations.models import Score, Thread
from tests import triage, web
from tests.doors.literal import ask, client
from tests.exports import export, folder, lines

__all__ = ["folder"]
pytestmark = pytest.mark.django_db

SECRET = "sk-the-own-key-of-a-user"
MUTATIONS = {
    "upsertThread": 'mutation M($m: Json) { upsertThread(id: "chat", name: "Chat", metadata: $m) { id metadata } }',
    "createThread": 'mutation M($m: Json) { createThread(name: "Chat", metadata: $m) { id metadata } }',
    "updateThread": 'mutation M($m: Json) { updateThread(id: "chat", metadata: $m) { id metadata } }',
}


def everything_stored() -> str:
    """All rows of all tables, as text."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        said = []
        for table in tables:
            cursor.execute(f"SELECT coalesce(string_agg(t::text, chr(10)), '') FROM \"{table}\" t")
            said.append(cursor.fetchone()[0])
    return "\n".join(said)


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize(
    ("env", "kept"),
    [
        ({"OPENAI_API_KEY": SECRET}, {"OPENAI_API_KEY": "***"}),
        ({"NESTED": {"deep": [SECRET]}, "EMPTY": None}, {"NESTED": "***", "EMPTY": "***"}),
        ([SECRET], "***"),
        (json.dumps({"OPENAI_API_KEY": SECRET}), "***"),
        (SECRET, "***"),
        ({}, {}),
        ("prod", "prod"),
        (None, None),
    ],
)
def test_no_key_of_a_user_is_stored_with_a_thread(mutation: str, env: Any, kept: Any) -> None:
    who = client()
    ask(who, MUTATIONS["upsertThread"], m={"client_type": "webapp"})

    answered = ask(who, MUTATIONS[mutation], m={"env": env, "chat_profile": None})[mutation]

    assert answered["metadata"]["env"] == kept
    row = Thread.objects.in_project(who.project.pk).get(public_id=answered["id"])
    assert row.metadata["env"] == kept
    assert "chat_profile" in row.metadata
    assert SECRET not in everything_stored()


def test_what_is_shown_of_a_users_keys_is_their_names(folder: Path) -> None:
    who = client()
    metadata = {"env": {"OPENAI_API_KEY": SECRET}}
    ask(who, MUTATIONS["upsertThread"], m=metadata)
    grant = access.of_system(who.project)
    (exported,) = lines(export(grant, kind="threads"))
    page = web.signed_in(who.project).get(f"/projects/{who.project.slug}/threads/chat/")
    detail = ask(who, 'query { threadDetail(id: "chat") { metadata } }')["threadDetail"]
    listed = ask(who, "query { threads(first: 5) { edges { node { metadata } } } }")["threads"]
    rest = who.get("/api/threads").json
    ours = who.client.post(
        "/graphql/",
        {"query": "{ threads(first: 5) { nodes { metadata } } }"},
        content_type="application/json",
        headers={"authorization": f"Bearer {who.token}"},
    )
    row = Thread.objects.in_project(who.project.pk).get()
    key = site._registry[Thread].key_of(row)  # type: ignore[attr-defined]
    admin = triage.signed_in(triage.root()).get(f"/admin/generations/thread/{key}/change/")

    for shown in (exported, detail, listed, rest, ours.json(), page.content.decode(), admin.content.decode()):
        text = json.dumps(shown)
        assert "OPENAI_API_KEY" in text
        assert "***" in text
        assert SECRET not in text


VOTE = 'mutation M { createScore(name: "user-feedback", type: HUMAN, value: 1, comment: "Good", stepId: "s") { id } }'
CHANGE = """mutation UpdateScore($id: String!, $comment: String, $value: Float!) {
  updateScore(id: $id, comment: $comment, value: $value) { id value comment stepId } }"""


@pytest.mark.parametrize(
    ("given", "comment"),
    [({"comment": "Hm"}, "Hm"), ({"comment": None}, "Good"), ({"comment": ""}, None), ({}, "Good")],
)
def test_a_vote_is_changed_and_its_comment_only_where_one_is_given(given: dict[str, Any], comment: str | None) -> None:
    who = client()
    id = ask(who, VOTE)["createScore"]["id"]

    changed = ask(who, CHANGE, id=id, value=0, **given)["updateScore"]

    assert changed == {"id": id, "value": 0, "comment": comment, "stepId": "s"}
    row = Score.objects.in_project(who.project.pk).get()
    assert (row.value, row.comment, row.name, row.type) == (0, comment, "user-feedback", "HUMAN")


def test_a_vote_that_is_taken_back_is_gone_and_anothers_is_untouched() -> None:
    who, stranger = client(), client()
    id = ask(who, VOTE)["createScore"]["id"]
    take_back = "mutation M($id: String!) { deleteScore(id: $id) { id } }"

    assert ask(stranger, take_back, id=id)["deleteScore"] is None
    assert ask(stranger, CHANGE, id=id, value=0)["updateScore"] is None
    assert Score.objects.in_project(who.project.pk).get().value == 1
    assert ask(who, take_back, id=id)["deleteScore"] == {"id": id}
    assert not Score.objects.in_project(who.project.pk).exists()
    assert ask(who, take_back, id=id)["deleteScore"] is None
