"""Calls to models at the doors: REST and GraphQL, whole and as streams, with the project's own keys."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from generations import access, generating, llm, providers
from generations.access import Scope
from generations.models import AuditEntry, Generation, ProviderCredential
from tests.asking import Door, door
from tests.completing import EVENTS, endpoint
from tests.doors.rest import Caller, caller, rows
from tests.scripted import Scripted

__all__ = ["door", "endpoint"]
pytestmark = pytest.mark.django_db


@pytest.fixture
def private(settings: Any) -> None:
    settings.EGRESS_PRIVATE = ["127.0.0.1"]


def kept(project: Any, endpoint: Scripted, name: str = "mine", key: str = "sk-secret-1") -> ProviderCredential:
    """A credential for the scripted endpoint."""
    grant = access.of_system(project)
    return providers.save(grant, kind="vllm", name=name, endpoint=f"{endpoint.url}/v1", secret=key)


def events(content: bytes) -> list[tuple[str, Any]]:
    """The events of a stream: name and data."""
    found = []
    for part in content.decode().strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in part.split("\n") if not line.startswith(":"))
        if lines:
            found.append((lines.get("event", "message"), json.loads(lines["data"])))
    return found


# -------------------------------------------------------------------------------------------------------------- REST
def test_text_is_generated_by_the_built_in_model_and_recorded() -> None:
    rest = caller()
    asked = {
        "model": "ngram:", "prompt": "The {{what}} is", "variables": {"what": "shop"}, "maxTokens": 8, "n": 2,
        "decoder": "argmax", "parameters": {"topP": 1, "stopSequences": ["!"]},
        "name": "hours", "threadId": "t1", "tags": ["a"], "metadata": {"k": 1}, "id": "g1",
    }  # fmt: skip

    answer = rest.post("/api/generate", asked)

    assert answer.status == 200, answer.content
    assert answer.json["texts"] == [" open from nine to six on weekdays,"] * 2
    stored = rest.get("/api/generations/g1").json
    assert stored["input"]["content"] == "The shop is"
    assert stored["variables"] == {"what": "shop"}
    assert stored["parameters"] == {
        "maxTokens": 8, "n": 2, "decoder": "argmax", "topP": 1, "stopSequences": ["!"], "temperature": 0,
    }  # fmt: skip
    assert stored["attributes"] == {"llm.prompt_template.template": "The {{what}} is"}
    assert (stored["metadata"]["k"], stored["metadata"]["tags"], stored["name"]) == (1, ["a"], "hours")
    assert stored["usage"]["promptTokens"] == 3
    shown = answer.json["generation"]
    assert (shown["id"], shown["usage"]["totalTokens"]) == ("g1", stored["usage"]["totalTokens"])
    assert shown["output"]["content"] == stored["output"]["content"]


def test_values_are_scored_and_recorded_as_alternatives() -> None:
    rest = caller()

    answer = rest.post("/api/score", {"model": "ngram:", "prompt": "The sea is", "values": [" blue", " two"]}).json

    assert answer["best"] == " blue"
    assert [value["value"] for value in answer["values"]] == [" blue", " two"]
    assert sum(value["prob"] for value in answer["values"]) == pytest.approx(1)
    stored = rest.get(f"/api/generations/{answer['generationId']}").json
    assert stored["type"] == "scoring"
    assert [(a["kind"], a["content"], a["score"]) for a in stored["output"]["alternatives"]] == [
        ("scored", value["value"], pytest.approx(value["sum"])) for value in answer["values"]
    ]


def test_a_stream_brings_pieces_and_then_the_generation() -> None:
    rest = caller()

    answer = rest.post("/api/generate", {"model": "ngram:", "prompt": "The sea", "maxTokens": 4, "stream": True})

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    *pieces, (name, done) = events(answer.content)
    assert [data["text"] for _, data in pieces] == [" is", " blue", " and", " the"]
    assert name == "done"
    assert done["texts"] == [" is blue and the"]
    assert rest.get(f"/api/generations/{done['generation']['id']}").json["output"]["content"] == " is blue and the"


@pytest.mark.usefixtures("private")
def test_a_stream_that_breaks_tells_so_and_keeps_what_had_arrived(endpoint: Scripted) -> None:
    rest = caller()
    kept(rest.project, endpoint)
    endpoint.script.append((200, EVENTS, [b'data: {"choices": [{"index": 0, "text": " la"}]}\n\n']))

    answer = rest.post("/api/generate", {"model": "mine/m", "prompt": "sing", "stream": True})

    (_, piece), (name, data) = events(answer.content)
    assert piece == {"index": 0, "text": " la"}
    assert (name, data["error"]["code"]) == ("error", "broken")
    stored = rest.get(f"/api/generations/{data['error']['generationId']}").json
    assert (stored["output"]["content"], stored["errorType"]) == (" la", "broken")


@pytest.mark.usefixtures("private")
def test_leaving_a_stream_ends_the_call_and_records_it_as_cancelled(endpoint: Scripted) -> None:
    rest = caller()
    kept(rest.project, endpoint)
    endpoint.script.append((200, EVENTS, [b'data: {"choices": [{"index": 0, "text": " la"}]}\n\n'] * 1000))
    endpoint.pause = 0.01
    response: Any = rest.client.post(
        "/api/generate", {"model": "mine/m", "prompt": "sing", "stream": True, "id": "g1"}, "application/json"
    )

    assert b" la" in next(iter(response.streaming_content))
    response._iterator.close()  # as a server does when the caller has gone

    stored = rest.get("/api/generations/g1").json
    assert stored["errorType"] == "cancelled"
    assert stored["output"]["content"].startswith(" la")


@pytest.mark.parametrize(
    ("path", "document", "status", "code", "words"),
    [
        ("generate", {}, 422, "invalid_record", "prompt"),
        ("generate", {"prompt": "x"}, 422, "invalid_record", "model"),
        ("generate", {"model": "ngram:", "prompt": "x", "messages": []}, 422, "invalid_record", "prompt"),
        ("generate", {"model": "ngram:", "messages": ["x"]}, 422, "invalid_record", "roles"),
        ("generate", {"model": "ngram:", "prompt": "x", "max_tokens": 1}, 422, "invalid_record", "maxTokens"),
        ("generate", {"model": "ngram:", "prompt": "x", "tools": {}}, 422, "invalid_record", "tools"),
        ("generate", {"model": "ngram:", "prompt": "x", "tags": "a"}, 422, "invalid_record", "tags"),
        ("generate", {"model": "ngram:", "prompt": "x", "parameters": []}, 422, "invalid_record", "parameters"),
        ("generate", {"model": "ngram:", "prompt": "x", "parameters": {"record": 1}}, 422, "invalid_record", "record"),
        ("generate", {"model": "ngram:", "prompt": "x", "stream": "yes"}, 422, "invalid_record", "stream"),
        ("generate", {"model": "ngram:", "prompt": "x", "n": 0}, 422, "invalid_call", "n: 0"),
        ("generate", {"model": "ngram:", "prompt": "x", "maxTokens": "many"}, 422, "invalid_call",
         "maxTokens: 'many' is not"),
        ("generate", {"model": "ngram:", "prompt": "{{a}}", "variables": {}}, 422, "invalid_record",
         "for a, too"),
        ("generate", {"model": "gpt-9", "prompt": "x"}, 422, "unknown_model", "it has ngram:, random"),
        ("generate", {"model": "ngram:/etc/passwd", "prompt": "x"}, 422, "unknown_model", "no model"),
        ("generate", {"model": "local:gpt2", "prompt": "x"}, 422, "unknown_model", "no model"),
        ("generate", {"model": "ngram:", "prompt": "x", "parameters": {"topP": 2}}, 422, "invalid_call",
         "parameters.topP: 2 is not valid"),
        ("score", {"model": "ngram:", "prompt": "x", "values": []}, 422, "invalid_call", "values"),
        ("score", {"model": "ngram:", "prompt": "x", "values": [""]}, 422, "invalid_call", r"values[0]"),
        ("score", {"model": "ngram:", "prompt": "x", "values": ["a", 3]}, 422, "invalid_call", r"values[1]"),
        ("score", {"model": "ngram:", "prompt": "x", "values": ["a"] * 1001}, 422, "invalid_record", "1000"),
        ("score", {"model": "ngram:", "prompt": [], "values": ["a"]}, 422, "invalid_record", "messages"),
        ("score", {"model": "ngram:", "prompt": "x", "values": "a", "straddle": "x"}, 422, "invalid_call", "straddle"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    path: str, document: Any, status: int, code: str, words: str
) -> None:
    rest = caller()
    before = rows()

    answer = rest.post(f"/api/{path}", document)

    assert (answer.status, answer.error["code"]) == (status, code), answer.content
    assert words in answer.error["message"]
    if code == "invalid_call":
        assert answer.error["message"].startswith(f"{answer.error['field']}: ")
        assert answer.error["message"].endswith(answer.error["expected"])
    assert rows() == before


@pytest.mark.usefixtures("private")
@pytest.mark.parametrize(
    ("answered", "status", "code"),
    [
        ((401, {}, b'{"error": {"message": "Incorrect API key"}}'), 502, "wrong_key"),
        ((429, {"Retry-After": "3600"}, b'{"error": {"message": "slow down"}}'), 429, "rate_limited"),
        ((500, {}, b"oops"), 502, "provider_failed"),
        ((400, {}, b'{"error": {"message": "maximum context length is 10"}}'), 422, "context_too_long"),
        ((302, {"Location": "http://169.254.169.254/latest"}, b""), 422, "refused"),
    ],
)  # fmt: skip
def test_what_the_provider_refuses_is_told_and_recorded(
    endpoint: Scripted, answered: Any, status: int, code: str
) -> None:
    rest = caller()
    kept(rest.project, endpoint)
    endpoint.script.append(answered)

    answer = rest.post("/api/generate", {"model": "mine/m", "prompt": "x"})

    assert (answer.status, answer.error["code"]) == (status, code)
    stored = rest.get(f"/api/generations/{answer.headers['X-Generation-Id']}").json
    assert stored["errorType"] == code
    assert answer.headers.get("Retry-After") == ("3600" if status == 429 else None)
    assert "sk-secret-1" not in f"{answer.content!r} {stored}"


@pytest.mark.usefixtures("private")
@pytest.mark.parametrize(("path", "more"), [("generate", {}), ("score", {"values": [" a"]})])
@pytest.mark.parametrize("code", ["unreachable", "too_slow", "broken"])
def test_a_provider_that_is_away_or_too_slow_or_dies_is_told_and_recorded(
    endpoint: Scripted, path: str, more: Any, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = caller()
    kept(rest.project, endpoint)
    if code == "unreachable":
        endpoint.close()
    elif code == "too_slow":
        monkeypatch.setattr(generating, "TIMEOUT", 0.2)
        endpoint.delay = 30
    else:
        endpoint.cut_after = 1
    monkeypatch.setattr("generations.client.connection.wait_before", lambda *_: 0.0)

    answer = rest.post(f"/api/{path}", {"model": "mine/m", "prompt": "x", **more})

    assert (answer.status, answer.error["code"]) == (502, code)
    stored = rest.get(f"/api/generations/{answer.headers['X-Generation-Id']}").json
    assert (stored["errorType"], stored["input"]["content"]) == (code, "x")


@pytest.mark.parametrize("path", ["/api/generate", "/api/score"])
def test_calls_need_a_key_of_the_project_that_may_write(path: str, endpoint: Scripted) -> None:
    document = {"model": "mine/m", "prompt": "x", **({"values": ["a"]} if path.endswith("score") else {})}
    owner, stranger = caller(), caller()
    kept(owner.project, endpoint)

    for scope in ("ingest", "read"):
        assert caller(scope, project=owner.project).post(path, document).status == 403
    assert Caller(owner.project, None).post(path, document).status == 401
    assert stranger.post(path, document).error["code"] == "unknown_model"
    assert endpoint.requests == []


def test_a_session_may_not_call_a_model_by_rest() -> None:
    client, project = Client(), access.create_project("p")

    assert client.post(f"/api/generate?project={project.slug}", "{}", "application/json").status_code == 401


def test_more_calls_than_there_is_room_for_are_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = caller()
    places = generating._places()
    taken = 0
    while places.acquire(blocking=False):
        taken += 1
    try:
        answer = rest.post("/api/generate", {"model": "ngram:", "prompt": "x"})
        streamed = rest.post("/api/generate", {"model": "ngram:", "prompt": "x", "stream": True})
    finally:
        places.release(taken)

    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert events(streamed.content)[0][1]["error"]["code"] == "busy"
    assert rest.post("/api/generate", {"model": "ngram:", "prompt": "x", "maxTokens": 1}).status == 200


def test_the_models_of_a_project_are_listed(endpoint: Scripted) -> None:
    rest = caller("read")
    row = kept(rest.project, endpoint)
    row.options = {"models": ["m1", "m2"]}
    row.save()

    assert [one["id"] for one in rest.get("/api/models").data] == ["ngram:", "random", "mine/m1", "mine/m2"]
    assert [one["id"] for one in caller("read").get("/api/models").data] == ["ngram:", "random"]


# ------------------------------------------------------------------------------------------------- keys of providers
@pytest.mark.usefixtures("private")
def test_a_key_is_kept_encrypted_used_for_its_host_and_never_shown(endpoint: Scripted) -> None:
    rest = caller()
    row = kept(rest.project, endpoint)

    text = rest.post("/api/generate", {"model": "mine/m", "prompt": "the dog", "maxTokens": 1}).json["texts"]

    assert text == [" sat"]
    assert endpoint.requests[0][2]["Authorization"] == "Bearer sk-secret-1"
    stored = ProviderCredential.objects.get(pk=row.pk)
    assert b"sk-secret" not in bytes(stored.secret)
    assert "sk-secret-1" not in json.dumps(list(AuditEntry.objects.values()), default=str)
    assert bytes(stored.secret) != bytes(kept(rest.project, endpoint, name="other").secret)


@pytest.mark.usefixtures("private")
def test_a_key_that_was_saved_under_another_secret_is_asked_for_again(endpoint: Scripted, settings: Any) -> None:
    rest = caller()
    kept(rest.project, endpoint)
    settings.SECRET_KEY = "another-" * 8

    answer = rest.post("/api/generate", {"model": "mine/m", "prompt": "x"})

    assert (answer.status, answer.error["code"]) == (422, "not_configured")
    assert "Enter it again" in answer.error["message"]


def test_a_private_address_is_not_called_unless_the_operator_allows_it(endpoint: Scripted, settings: Any) -> None:
    rest = caller()
    kept(rest.project, endpoint)

    refused = rest.post("/api/generate", {"model": "mine/m", "prompt": "x"})
    settings.EGRESS_PRIVATE = ["127.0.0.0/8"]
    allowed = rest.post("/api/generate", {"model": "mine/m", "prompt": "the", "maxTokens": 1})

    assert (refused.status, refused.error["code"]) == (422, "forbidden_host")
    assert "EGRESS_PRIVATE" in refused.error["message"]
    assert allowed.json["texts"] == [" cat"]
    assert len(endpoint.requests) == 1


@pytest.mark.usefixtures("private")
def test_a_credential_is_tried_by_asking_for_its_models(endpoint: Scripted) -> None:
    grant = access.of_system(access.create_project("p"))
    row = kept(grant.project, endpoint)
    endpoint.script.append((200, {}, b'{"data": [{"id": "m2"}, {"id": "m1"}]}'))
    endpoint.script.append((401, {}, b'{"error": {"message": "Incorrect API key"}}'))

    assert generating.tried(grant, row) == ["m1", "m2"]
    with pytest.raises(llm.WrongKey):
        generating.tried(grant, row)

    assert [path for _, path, _, _ in endpoint.requests] == ["/v1/models"] * 2
    assert generating.models(grant) == ["ngram:", "random", "mine/m1", "mine/m2"]


def test_only_an_administrator_tries_a_key(endpoint: Scripted) -> None:
    project = access.create_project("p")
    row = kept(project, endpoint)
    member = access.Grant(project=project, scopes=frozenset({Scope.READ, Scope.WRITE, Scope.INGEST}))

    with pytest.raises(access.NotAllowed):
        generating.tried(member, row)

    assert endpoint.requests == []


# ----------------------------------------------------------------------------------------------------------- GraphQL
GENERATE = """
mutation ($input: GenerateInput!) {
  generate(input: $input) { texts generationId generation { input { content } output { content } } }
}
"""
SCORE = """
mutation ($input: ScoreValuesInput!) {
  score(input: $input) { best generationId values { value sum prob straddles tokens } generation { type } }
}
"""


def test_graphql_generates_and_scores_as_rest_does(door: Door) -> None:
    said = {"model": "ngram:", "prompt": "The {{x}} is", "variables": {"x": "sea"}, "maxTokens": 2, "tags": ["a"]}
    generated = door.read(GENERATE, {"input": said})["generate"]
    scored = door.read(SCORE, {"input": {"model": "ngram:", "prompt": "The sea is", "values": [" blue", " two"]}})[
        "score"
    ]

    assert generated["texts"] == [" blue and"]
    assert generated["generation"] == {"input": {"content": "The sea is"}, "output": {"content": " blue and"}}
    assert (scored["best"], scored["generation"]["type"].lower()) == (" blue", "scoring")
    assert scored["values"][0]["tokens"][-1]["token"] == " blue"
    row = Generation.objects.in_project(door.grant.project.pk).get(public_id=generated["generationId"])
    assert row.tags == ["a"]


def test_graphql_tells_what_is_wrong_with_a_call(door: Door) -> None:
    unknown = door.ask(GENERATE, {"input": {"model": "gpt-9", "prompt": "x"}})
    nothing = door.ask(GENERATE, {"input": {"model": "ngram:"}})

    assert unknown.codes == nothing.codes == ["BAD_INPUT"]
    assert not Generation.objects.in_project(door.grant.project.pk).exists()
