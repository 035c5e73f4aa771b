"""The door of GraphQL: who is let in, what may be sent, how much of it, and what is answered to the rest."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
from typing import Any

import orjson
import pytest
from django.http import HttpRequest
from django.test import Client
from django.utils import timezone

from generations import access
from generations.access import Scope
from generations.graphql import view
from generations.models import ApiKey, Membership, Tag, User
from generations.models.accounts import Role
from generations.records import GenerationRecord
from tests.asking import Answer, Door, answer_of, door, store

__all__ = ["door"]
pytestmark = pytest.mark.django_db

ME = "{ me { name isKey scopes projects { nodes { slug } hasMore } } project { slug } }"


def post(
    body: Any, token: str | None = None, client: Client | None = None, headers: dict[str, str] | None = None
) -> Answer:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    sent = {**(headers or {}), **({} if token is None else {"authorization": f"Bearer {token}"})}
    sender = client or Client()
    return answer_of(sender.post("/graphql/", content, content_type="application/json", headers=sent))


def only(slug: str) -> dict[str, Any]:
    return {"nodes": [{"slug": slug}], "hasMore": False}


# --------------------------------------------------------------------------------------------------------------- by key
def test_a_key_is_taken_as_bearer_and_as_x_api_key(door: Door) -> None:
    token = door.key(Scope.READ)

    bearer = post({"query": ME}, token)
    plain = post({"query": ME}, headers={"x-api-key": token})

    assert bearer.status == plain.status == 200
    assert bearer.data == plain.data
    assert bearer.data == {
        "me": {"name": "key read", "isKey": True, "scopes": ["read"], "projects": only(door.project.slug)},
        "project": {"slug": door.project.slug},
    }


def test_the_slash_at_the_end_of_the_address_may_be_missing(door: Door) -> None:
    headers = {"x-api-key": door.key(Scope.READ)}

    answer = Client().post("/graphql", json.dumps({"query": ME}), content_type="application/json", headers=headers)

    assert (answer.status_code, answer.json()["data"]["project"]) == (200, {"slug": door.project.slug})


def test_without_a_key_or_with_a_wrong_one_the_answer_is_401_in_graphqls_form(door: Door) -> None:
    ApiKey.objects.filter(pk=_key(door, "old").pk).update(expires_at=timezone.now() - dt.timedelta(days=1))
    ApiKey.objects.filter(pk=_key(door, "gone").pk).update(revoked_at=timezone.now())

    answers = [
        post({"query": ME}),
        post({"query": ME}, "gen_wrong"),
        post({"query": ME}, ""),
        post({"query": ME}, headers={"authorization": "Basic eHg6eXk="}),
        post({"query": ME}, "gen_old"),
        post({"query": ME}, "gen_gone"),
    ]

    for answer in answers:
        assert (answer.status, answer.data, answer.codes) == (401, None, ["UNAUTHENTICATED"])
        assert answer.response["WWW-Authenticate"] == 'Bearer realm="generations"'
    assert "expired" in answers[4].errors[0]["message"]
    assert "revoked" in answers[5].errors[0]["message"]


def _key(door: Door, name: str) -> ApiKey:
    return access.create_key(door.grant, name=name, scopes=[Scope.READ], token=f"gen_{name}")[0]


def test_what_a_key_may_not_do_is_403_and_beside_what_it_may_it_is_an_error_of_its_part(door: Door) -> None:
    refused = post({"query": '{ generation(id: "g") { id } }'}, door.key(Scope.INGEST))
    partly = post({"query": '{ me { name } generation(id: "g") { id } }'}, door.key(Scope.INGEST))

    assert (refused.status, refused.data, refused.codes) == (403, {"generation": None}, ["FORBIDDEN"])
    assert (partly.status, partly.codes) == (200, ["FORBIDDEN"])
    assert partly.data == {"me": {"name": "key ingest"}, "generation": None}


def test_a_key_opens_no_other_project(door: Door) -> None:
    other = Door.of("Elsewhere")

    named = post({"query": ME}, door.key(Scope.READ), headers={"X-Project": other.project.slug})
    right = post({"query": ME}, door.key(Scope.READ), headers={"X-Project": door.project.slug})

    assert (named.status, named.codes) == (404, ["NOT_FOUND"])
    assert right.status == 200


# ----------------------------------------------------------------------------------------------------------- by session
@pytest.fixture
def person(door: Door) -> User:
    made = User.objects.create_user("ann", password="correct horse")
    Membership.objects.create(user=made, project=door.project, role=Role.MEMBER)
    return made


def signed_in(person: User) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person)
    return client


def csrf_token(client: Client) -> str:
    page = client.get("/graphql/", headers={"accept": "text/html"}).content.decode()
    return page.partition('data-csrf="')[2].partition('"')[0]


def test_a_session_needs_its_csrf_token(person: User, door: Door) -> None:
    client = signed_in(person)
    token = csrf_token(client)
    change = {"query": 'mutation { createTag(name: "new") { name } }'}

    without = post(change, client=client)
    wrong = post(change, client=client, headers={"X-CSRFToken": "x" * 64})
    before = Tag.objects.count()
    right = post(change, client=client, headers={"X-CSRFToken": token})

    assert (without.status, without.codes) == (wrong.status, wrong.codes) == (403, ["FORBIDDEN"])
    assert without.errors[0]["extensions"]["field"] == "X-CSRFToken"
    assert (before, right.data, Tag.objects.count()) == (0, {"createTag": {"name": "new"}}, 1)


def test_a_session_from_another_origin_is_refused(person: User) -> None:
    client = signed_in(person)
    token = csrf_token(client)

    answer = post({"query": ME}, client=client, headers={"X-CSRFToken": token, "Origin": "https://evil.example"})

    assert (answer.status, answer.codes) == (403, ["FORBIDDEN"])


def test_a_person_is_in_their_first_project_unless_they_name_another(person: User, door: Door) -> None:
    second = Door.of("A second").project
    Membership.objects.create(user=person, project=second, role=Role.VIEWER)
    stranger = Door.of("Strange").project
    client = signed_in(person)
    token = csrf_token(client)

    first = post({"query": ME}, client=client, headers={"X-CSRFToken": token})
    named = post({"query": ME}, client=client, headers={"X-CSRFToken": token, "X-Project": door.project.slug})
    refused = post({"query": ME}, client=client, headers={"X-CSRFToken": token, "X-Project": stranger.slug})

    assert first.data["project"]["slug"] == second.slug
    assert first.data["me"] == {
        "name": "ann",
        "isKey": False,
        "scopes": ["read"],
        "projects": {"nodes": [{"slug": second.slug}, {"slug": door.project.slug}], "hasMore": False},
    }
    assert named.data["project"]["slug"] == door.project.slug
    assert named.data["me"]["scopes"] == ["ingest", "read", "write"]
    assert (refused.status, refused.codes) == (404, ["NOT_FOUND"])


def test_the_projects_of_a_person_come_in_bounded_slices(person: User, door: Door) -> None:
    for n in range(2):
        Membership.objects.create(user=person, project=Door.of(f"Zoo {n}").project, role=Role.VIEWER)
    client = signed_in(person)
    asked = "projects(first: $first, named: $named) { nodes { name } hasMore }"
    query = f"query ($first: Int!, $named: String!) {{ me {{ {asked} }} }}"

    def projects(first: int, named: str = "") -> Answer:
        body = {"query": query, "variables": {"first": first, "named": named}}
        return post(body, client=client, headers={"X-CSRFToken": csrf_token(client)})

    assert projects(1, "zoo").data["me"]["projects"] == {"nodes": [{"name": "Zoo 0"}], "hasMore": True}
    assert projects(100).data["me"]["projects"]["hasMore"] is False
    assert projects(101).codes == ["BAD_INPUT"]


def test_a_person_without_a_project_is_told_so() -> None:
    client = signed_in(User.objects.create_user("new"))

    answer = post({"query": ME}, client=client, headers={"X-CSRFToken": csrf_token(client)})

    assert (answer.status, answer.codes) == (404, ["NOT_FOUND"])


def test_a_bad_key_is_not_made_good_by_a_session(person: User) -> None:
    client = signed_in(person)

    answer = post({"query": ME}, "gen_wrong", client=client)

    assert answer.status == 401


# ----------------------------------------------------------------------------------------------------------------- body
@pytest.mark.parametrize(
    ("body", "field"),
    [
        (" ", None),
        ("{", None),
        ('{"query": "{ me { name } }"', None),
        ("null", None),
        ('"{ me { name } }"', None),
        ("[" * 5_000, None),
        (b"\xff\xfe", None),
        ('{"query": NaN}', None),
        ([{"query": ME}, {"query": ME}], None),
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": 7}, "query"),
        ({"query": ME, "variables": []}, "variables"),
        ({"query": ME, "operationName": 5}, "operationName"),
        ({"query": "query A { me { name } } query B { me { name } }"}, "operationName"),
        ({"query": ME, "operationName": "Other"}, "operationName"),
    ],
)
def test_what_is_no_request_is_refused_with_what_would_be(door: Door, body: Any, field: str | None) -> None:
    answer = post(body, door.key(Scope.READ))

    assert (answer.status, answer.data, answer.codes) == (400, None, ["BAD_REQUEST"])
    assert answer.errors[0]["message"]
    assert answer.errors[0]["extensions"].get("field") == field
    assert answer.response["Content-Type"] == "application/json; charset=utf-8"


def test_a_body_beyond_a_mebibyte_is_not_read(door: Door) -> None:
    answer = post({"query": ME, "variables": {"x": "x" * view.MAX_BODY}}, door.key(Scope.READ))

    assert (answer.status, answer.codes) == (413, ["BAD_REQUEST"])


@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/graphql"],
)
def test_only_json_is_taken(door: Door, kind: str) -> None:
    response = Client().post(
        "/graphql/",
        json.dumps({"query": ME}),
        content_type=kind,
        headers={"authorization": f"Bearer {door.key(Scope.READ)}"},
    )

    answer = answer_of(response)
    assert (answer.status, answer.errors[0]["extensions"]["field"]) == (400, "Content-Type")


def test_a_compressed_body_is_refused_by_name(door: Door) -> None:
    answer = post({"query": ME}, door.key(Scope.READ), headers={"content-encoding": "gzip"})

    assert (answer.status, answer.errors[0]["extensions"]["field"]) == (400, "Content-Encoding")


@pytest.mark.parametrize("method", ["put", "patch", "delete", "head", "options", "trace"])
def test_other_methods_are_not_answered(door: Door, method: str) -> None:
    response = getattr(Client(), method)("/graphql/", headers={"authorization": f"Bearer {door.key(Scope.ADMIN)}"})

    assert (response.status_code, response["Allow"]) == (405, "GET, POST")


def test_a_query_may_come_in_the_address_and_a_mutation_may_not(door: Door) -> None:
    headers = {"authorization": f"Bearer {door.key(Scope.ADMIN)}"}
    asked = {"query": "query ($w: TagWhere) { tags(where: $w) { nodes { name } } }", "variables": '{"w": {}}'}

    query = answer_of(Client().get("/graphql/", asked, headers=headers))
    mutation = answer_of(
        Client().get("/graphql/", {"query": 'mutation { createTag(name: "x") { name } }'}, headers=headers)
    )
    broken = answer_of(Client().get("/graphql/", {"query": ME, "variables": "{"}, headers=headers))
    nothing = answer_of(Client().get("/graphql/", headers=headers))

    assert query.data == {"tags": {"nodes": []}}
    assert (mutation.status, mutation.codes, Tag.objects.count()) == (400, ["BAD_REQUEST"], 0)
    assert (broken.status, broken.errors[0]["extensions"]["field"]) == (400, "variables")
    assert nothing.status == 400


# --------------------------------------------------------------------------------------------------------------- errors
def test_what_nobody_expected_is_logged_and_not_told(
    door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("password=hunter2 at line 3")

    monkeypatch.setattr("generations.graphql.queries.connection", broken)

    with caplog.at_level(logging.ERROR):
        answer = post({"query": "{ generations { nodes { id } } me { name } }"}, door.key(Scope.READ))

    assert (answer.status, answer.data, answer.codes) == (500, None, ["INTERNAL"])
    assert "hunter2" not in json.dumps(answer.errors)
    assert answer.errors[0]["path"] == ["generations"]
    assert "hunter2" in caplog.text


def test_json_keeps_numbers_of_any_size(door: Door) -> None:
    store(door, GenerationRecord(id="g", metadata={"n": 2**70, "f": 1e-9}))

    answer = post({"query": '{ generation(id: "g") { metadata } }'}, door.key(Scope.READ))

    assert answer.data == {"generation": {"metadata": {"n": 2**70, "f": 1e-9}}}


@pytest.mark.parametrize("id", ["", "x" * 5_000, "nul\0", "\ud800", "'; drop table generation; --", "🎈"])
def test_an_id_of_any_text_is_merely_unknown(door: Door, id: str) -> None:
    answer = post(
        {"query": "query ($id: ID!) { generation(id: $id) { id } step(id: $id) { id } }", "variables": {"id": id}},
        door.key(Scope.READ),
    )

    if id == "\ud800":  # no JSON text can hold it
        assert answer.status == 400
    else:
        assert (answer.status, answer.data) == (200, {"generation": None, "step": None})


# ------------------------------------------------------------------------------------------------------------- GraphiQL
def test_graphiql_is_shown_to_who_is_signed_in_and_loads_nothing_from_outside(person: User, door: Door) -> None:
    page = signed_in(person).get(
        "/graphql/",
        {"query": "{ me { name } } # </script>", "project": door.project.slug},
        headers={"accept": "text/html"},
    )

    text = page.content.decode()
    policy = page["Content-Security-Policy"]
    assert page.status_code == 200
    assert "http://" not in text.replace("http://testserver", "") and "https://" not in text
    assert 'data-query="{ me { name } } # &lt;/script&gt;"' in text
    assert f'data-project="{door.project.slug}"' in text
    assert "'unsafe-inline'" not in policy and "'unsafe-eval'" not in policy
    assert "default-src 'none'" in policy and "script-src 'self'" in policy
    assert page["Cache-Control"].startswith("max-age=0")


def test_graphiql_offers_the_first_projects_and_the_one_that_is_asked_for(
    person: User, door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "OFFERED", 2)
    for name in ("1A", "1B", "1C", "1Z"):
        access.create_project(name, person)

    def offered(**asked: str) -> list[str]:
        text = signed_in(person).get("/graphql/", asked, headers={"accept": "text/html"}).content.decode()
        return re.findall('"name": "([^"]+)"', text.partition('id="graphiql-projects"')[2])

    assert offered() == ["1A", "1B"]
    assert offered(project="1z") == ["1A", "1B", "1Z"]
    assert offered(project="1b") == ["1A", "1B"]


def test_variables_alone_come_with_the_default_query(person: User) -> None:
    asked = {"variables": '{"where": {"userId": {"eq": "ann"}}}'}

    text = signed_in(person).get("/graphql/", asked, headers={"accept": "text/html"}).content.decode()

    assert text.count("query Latest($where: GenerationWhere)") == 2  # to begin with, and for new tabs
    assert "{&quot;where&quot;: {&quot;userId&quot;: {&quot;eq&quot;: &quot;ann&quot;}}}" in text


def test_graphiql_asks_strangers_to_sign_in() -> None:
    response = Client().get("/graphql/", {"query": ME}, headers={"accept": "text/html,*/*"})

    assert response.status_code == 302
    assert response["Location"].startswith("/login/?next=/graphql/")


def test_the_default_query_of_graphiql_is_answered(door: Door) -> None:
    assert door.read(view.DEFAULT_QUERY, {})["generations"]["nodes"] == []


def test_the_view_is_exempt_from_djangos_own_csrf_check_only_because_it_checks_itself() -> None:
    request = HttpRequest()
    request.method = "POST"

    assert getattr(view.endpoint, "csrf_exempt", False) is True
    assert view._has_csrf_token(request) is False
    assert orjson.loads(view.endpoint(_anonymous(request)).content)["errors"][0]["extensions"]["code"] == (
        "UNAUTHENTICATED"
    )


def _anonymous(request: HttpRequest) -> HttpRequest:
    from django.contrib.auth.models import AnonymousUser

    request.user = AnonymousUser()
    return request


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ('{generations(where: {tags: {has: "b"}}) {nodes {id}}}', "There are contains, ne, "),
        ("{aggregate {count}}", "There is aggregateGenerations."),
        ("{generations {rows {id}}}", "There are edges, nodes, "),
    ],
)
def test_a_field_that_there_is_not_is_told_with_those_that_there_are(door: Door, query: str, told: str) -> None:
    headers = {"x-api-key": door.key(Scope.READ)}
    answer = door.client.post("/graphql/", {"query": query}, "application/json", headers=headers)

    assert told in answer.json()["errors"][0]["message"]
