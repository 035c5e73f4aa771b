"""Prompts by Literal AI's interface: what cannot be a version is refused by the name that the client gave it."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from generations.models import Prompt, PromptVersion
from tests.doors.literal import ask, client, send
from tests.doors.rest import Caller

pytestmark = pytest.mark.django_db

LINEAGE = "mutation ($n: String!) { createPromptLineage(name: $n) { id deletedAt } }"
VERSION = """
mutation ($l: String!, $m: Json, $s: Json, $t: Json, $v: Json, $d: String) {
  createPromptVersion(
    lineageId: $l, templateMessages: $m, settings: $s, tools: $t, variablesDefaultValues: $v, versionDesc: $d
  ) { id version }
}
"""
NAMED = "query ($n: String!) { promptLineage(name: $n) { id } }"


def lineage(who: Caller) -> str:
    return str(ask(who, LINEAGE, n="greeting")["createPromptLineage"]["id"])


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ({"m": [{"role": "user", "content": "x" * (4 << 20)}]}, "templateMessages"),
        ({"m": "Hello"}, "templateMessages"),
        ({"s": [1]}, "settings"),
        ({"t": {"a": 1}}, "tools"),
        ({"v": [1]}, "variablesDefaultValues"),
        ({"v": {"a": "x" * (4 << 20)}}, "variablesDefaultValues"),
        ({"d": "d" * 10_001}, "versionDesc"),
    ],
)
def test_a_version_that_cannot_be_is_refused_by_the_clients_name(sent: dict[str, Any], name: str) -> None:
    who = client()

    answer = send(who, {"query": VERSION, "variables": {"l": lineage(who), **sent}})

    assert answer.json["errors"][0]["message"].startswith(f"{name}: ")
    assert not PromptVersion.objects.in_project(who.project.pk).exists()


def test_a_deleted_lineage_is_none_until_it_is_made_again() -> None:
    who = client()
    id = lineage(who)
    Prompt.objects.update(deleted_at=timezone.now())

    assert ask(who, NAMED, n="greeting") == {"promptLineage": None}
    assert "There is no prompt" in send(who, {"query": VERSION, "variables": {"l": id}}).json["errors"][0]["message"]
    assert ask(who, LINEAGE, n="greeting") == {"createPromptLineage": {"id": id, "deletedAt": None}}
