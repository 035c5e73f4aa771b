"""Long answers of JSON are packed for programs that take them so, and for nobody else."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from django.test import Client

from generations.compressing import LEAST
from generations.models import User
from generations.models.accounts import Membership, Role
from tests.doors.gantry import event, log
from tests.doors.rest import Answer, Caller, caller

pytestmark = pytest.mark.django_db

LIST = "/api/generations"
LITERAL = {"query": "{ generations { edges { node { id prompt messages } } } }"}
QUERY = {"query": "{ generations { nodes { id input { content } } } }"}


@pytest.fixture
def api() -> Caller:
    """Of a project with one call, whose text is long."""
    api = caller()
    assert api.post("/api/generations", {"id": "g", "input": {"content": "Why? " * LEAST}}).status == 201
    return api


def asked(api: Caller, path: str = LIST, takes: str = "gzip, deflate, br", method: str = "GET") -> Answer:
    return api.send(method, path, headers={"Accept-Encoding": takes})


def questions(api: Caller, takes: str) -> list[Answer]:
    """The same at each address that answers with lists."""
    sent: list[tuple[str, str, Any]] = [
        ("GET", LIST, None),
        ("GET", "/api/generations/g", None),
        ("POST", "/api/generations/query", {"filter": {"id": "g"}}),
        ("POST", "/graphql/", QUERY),
        ("POST", "/api/graphql", LITERAL),
        ("POST", "/api/v1/applications/writer/raw_data", {}),
    ]
    return [api.send(method, path, body, headers={"Accept-Encoding": takes}) for method, path, body in sent]


def test_a_long_answer_is_packed_for_who_takes_it_so(api: Caller) -> None:
    log(api, event(api_request={"model": "text-davinci-003", "prompt": "Why? " * LEAST}))
    for packed, plain in zip(questions(api, "gzip, deflate, br"), questions(api, "identity"), strict=True):
        assert (packed.status, packed.headers["Content-Encoding"]) == (200, "gzip")
        assert json.loads(gzip.decompress(packed.content)) == plain.json
        assert packed.headers["Content-Length"] == str(len(packed.content))
        assert len(packed.content) * 10 < len(plain.content)
        for answer in (packed, plain):
            assert "Accept-Encoding" in answer.headers["Vary"]
        assert "Content-Encoding" not in plain.headers


@pytest.mark.parametrize("takes", ["", "identity", "br, zstd", "gzip;q=0", "gzip; q=0.0, deflate", "xgzip"])
def test_who_does_not_take_it_so_has_it_as_it_is(api: Caller, takes: str) -> None:
    assert "Content-Encoding" not in asked(api, takes=takes).headers


def test_a_short_answer_is_sent_as_it_is(api: Caller) -> None:
    answer = asked(api, f"{LIST}?fields=id")

    assert answer.data == [{"id": "g"}]
    assert {"Content-Encoding", "Vary"}.isdisjoint(answer.headers)


def test_who_is_signed_in_has_it_as_it_is_because_a_page_elsewhere_can_make_a_browser_ask(api: Caller) -> None:
    user = User.objects.create_user("ada")
    Membership.objects.create(project=api.project, user=user, role=Role.MEMBER)
    browser = Client(headers={"Accept-Encoding": "gzip"})
    browser.force_login(user)

    answer = browser.get(f"{LIST}?project={api.project.slug}")

    assert (answer.status_code, len(answer.content) > LEAST) == (200, True)
    assert "Content-Encoding" not in answer.headers


def test_head_tells_of_the_same_bytes(api: Caller) -> None:
    whole = asked(api)

    assert asked(api, method="HEAD").headers == whole.headers


def test_a_packed_prompt_is_known_again(api: Caller) -> None:
    api.post("/api/prompts/long/versions", {"template": "Say it. " * LEAST})

    first = asked(api, "/api/prompts/long")
    again = api.send(
        "GET", "/api/prompts/long", headers={"Accept-Encoding": "gzip", "If-None-Match": first.headers["ETag"]}
    )

    assert first.headers["Content-Encoding"] == "gzip"
    assert first.headers["ETag"].startswith('W/"')
    assert (again.status, again.content) == (304, b"")
