"""A call through the gateway of which a client's span tells as well: one, whichever of the two came first."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from generations import bundles
from generations.gateway import journal
from generations.models import Step
from tests.doors.gateway import all_recorded, api, call, content, provider
from tests.doors.rest import Caller
from tests.doors.rest import caller as made_caller

__all__ = ["api", "provider"]

pytestmark = pytest.mark.django_db

TRACE = "5b8efff798038103d269b633813fc60c"


def span(began: float, ended: float, response: str = "chatcmpl-1") -> dict[str, Any]:
    """What an instrumented client tells of the call, in OTLP/JSON."""
    said = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.id": response,
        "gen_ai.usage.input_tokens": "9",
        "gen_ai.usage.output_tokens": "3",
        "gen_ai.conversation.id": "talk",
    }
    one = {
        "traceId": TRACE,
        "spanId": "00f067aa0ba902b7",
        "name": "chat gpt-4o-mini",
        "kind": 3,
        "startTimeUnixNano": str(int(began * 1e9)),
        "endTimeUnixNano": str(int(ended * 1e9)),
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in said.items()],
    }
    scope = {"name": "opentelemetry.instrumentation.openai_v2"}
    return {"resourceSpans": [{"scopeSpans": [{"scope": scope, "spans": [one]}]}]}


def through(api: Caller) -> tuple[float, float]:
    began = time.time()
    assert b"Hello" in content(call(api))
    return began, time.time()


def told(api: Caller, began: float, ended: float, response: str = "chatcmpl-1") -> None:
    sent = api.client.post("/v1/traces", json.dumps(span(began, ended, response)), content_type="application/json")
    assert (sent.status_code, sent.content) == (200, b"{}")


@pytest.mark.parametrize("is_first", [True, False], ids=["span first", "call first"])
def test_a_call_through_the_gateway_and_its_span_are_one(api: Caller, is_first: bool) -> None:
    times = through(api)
    if not is_first:
        all_recorded(api)
    told(api, *times)
    (one,) = all_recorded(api)

    row = one.generation
    assert row.thread_id == "talk"
    assert (row.response_id, row.prompt_tokens, row.completion_tokens) == ("chatcmpl-1", 9, 3)
    assert one.record.messages is not None
    assert one.record.message_completion is not None
    steps = set(Step.objects.in_project(api.project.pk).values_list("public_id", flat=True))
    assert f"{TRACE}-00f067aa0ba902b7" in steps


def test_another_answer_or_another_time_is_another_call(api: Caller) -> None:
    began, ended = through(api)
    told(api, began, ended, response="chatcmpl-2")

    assert len(all_recorded(api)) == 2

    began, ended = through(api)
    told(api, began - 900, began - 800)

    assert len(all_recorded(api)) == 3


@pytest.mark.parametrize("is_first", [True, False], ids=["span first", "call first"])
def test_the_call_is_found_and_judged_by_either_id(api: Caller, is_first: bool) -> None:
    times = through(api)
    if is_first:
        told(api, *times)
    before = {row.generation.public_id for row in all_recorded(api)}
    if not is_first:
        told(api, *times)
    (one,) = all_recorded(api)
    ids = {*before, f"{TRACE}-00f067aa0ba902b7"}
    person = made_caller("read", "write", project=api.project)

    for id in ids:
        found = person.get(f"/api/generations/{id}")
        assert (found.status, found.json["id"]) == (200, one.generation.public_id)
        for what, said in (
            ("scores", {"name": f"s{len(id)}", "type": "CODE", "value": 1}),
            ("feedback", {"rating": 1}),
        ):
            judged = person.post(f"/api/generations/{id}/{what}", said)
            assert (judged.status in (200, 201), judged.json["generationId"]) == (True, one.generation.public_id)
        tagged = person.put(f"/api/generations/{id}/tags", {"add": ["seen"]})
        assert (tagged.status, tagged.json["tags"]) == (200, ["seen"])
        changed = person.patch(f"/api/generations/{id}", {"name": "hello"})
        assert (changed.status, changed.json["id"], changed.json["name"]) == (200, one.generation.public_id, "hello")
        asked = {"query": "query ($id: ID!) { generation(id: $id) { id name } }", "variables": {"id": id}}
        assert person.post("/graphql/", asked).json["data"]["generation"] == {
            "id": one.generation.public_id,
            "name": "hello",
        }
        renamed = 'mutation ($id: ID!) { updateGeneration(id: $id, set: {name: "hello"}) { id } }'
        set_ = person.post("/graphql/", {"query": renamed, "variables": {"id": id}}).json
        assert set_["data"]["updateGeneration"]["id"] == one.generation.public_id
        assert len(all_recorded(api)) == 1


@pytest.mark.parametrize("is_first", [True, False], ids=["span first", "call first"])
def test_by_either_id_it_is_judged_everywhere_added_to_a_dataset_and_deleted(api: Caller, is_first: bool) -> None:
    times = through(api)
    if is_first:
        told(api, *times)
    before = {row.generation.public_id for row in all_recorded(api)}
    if not is_first:
        told(api, *times)
    (one,) = all_recorded(api)
    stands = one.generation.public_id
    ids = sorted({*before, f"{TRACE}-00f067aa0ba902b7"})
    person = made_caller("read", "write", project=api.project)
    dataset = person.post("/api/datasets", {"name": "seen"}).json["id"]

    assert len(ids) == 2
    for n, id in enumerate(ids):
        said = {"name": f"s{n}", "type": "CODE", "value": 1, "generationId": id}
        assert person.post("/api/scores", said).json["generationId"] == stands
        assert person.put(f"/api/scores/put-{n}", said).json["generationId"] == stands
        asked = """mutation ($id: ID!, $given: ID!) {
          createScore(on: {generationId: $id}, input: {name: "asked", value: 1}) { generation { id } }
          addFeedback(generationId: $given, input: {rating: 2}) { rating }
        }"""
        made = person.post("/graphql/", {"query": asked, "variables": {"id": id, "given": id}}).json
        assert made["data"]["createScore"]["generation"] == {"id": stands}, made
        added = person.post(f"/api/datasets/{dataset}/items", {"generationIds": [id]})
        assert added.status in (200, 201), added.json

    assert len(bundles.of_generations(api.project, [one.generation])[0].scores) == 6
    gone = ids[0] if ids[1] == stands else ids[1]
    assert person.delete(f"/api/generations/{gone}").status == 204
    assert all_recorded(api) == []
    assert person.delete(f"/api/generations/{gone}").status == 404
    # What names a call that is gone is said of that one.
    said = {"name": "late", "type": "CODE", "value": 1, "generationId": gone}
    assert person.post("/api/scores", said).json["generationId"] == gone


def test_nobody_finds_a_call_of_another_project_by_an_id_that_gave_way(api: Caller) -> None:
    times = through(api)
    told(api, *times)
    all_recorded(api)
    other = made_caller("read")

    for id in Step.objects.in_project(api.project.pk).values_list("public_id", flat=True):
        assert bundles.stands_for(api.project, id) is not None
        assert bundles.stands_for(other.project, id) is None
        assert other.get(f"/api/generations/{id}").status == 404


# ------------------------------------------------------------------------------------------------ calls within a trace
EMBED = {"model": "text-embedding-3-small", "input": "Lima"}
VECTOR = {"object": "list", "model": "text-embedding-3-small", "usage": {"prompt_tokens": 2, "total_tokens": 2}}
CLIENT, HTTP = "00f067aa0ba902b7", "00f067aa0ba902b8"


def traced(began: float, ended: float, number: str, above: str = "", **said: str) -> dict[str, Any]:
    """A span of the trace: the client's, which tells of a call, or that of its request."""
    return {
        "traceId": TRACE,
        "spanId": number,
        "parentSpanId": above,
        "name": "embeddings text-embedding-3-small" if said else "POST",
        "kind": 3,
        "startTimeUnixNano": str(int(began * 1e9)),
        "endTimeUnixNano": str(int(ended * 1e9)),
        "attributes": [{"key": k.replace("__", "."), "value": {"stringValue": v}} for k, v in said.items()],
    }


@pytest.mark.parametrize("order", [("call", "spans"), ("spans", "call"), ("client", "call", "request")])
def test_a_call_whose_answer_has_no_id_is_one_with_the_span_that_it_was_made_in(
    api: Caller, provider: Any, order: tuple[str, ...]
) -> None:
    vector = {**VECTOR, "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}]}
    provider.answer = lambda *_: (200, {"Content-Type": "application/json"}, json.dumps(vector).encode())
    began = time.time()
    answer = call(api, EMBED, "/v1/embeddings", traceparent=f"00-{TRACE}-{HTTP}-01")
    content(answer)
    ended = time.time()
    said = {"gen_ai__operation__name": "embeddings", "gen_ai__request__model": "text-embedding-3-small"}
    client = traced(began - 0.001, ended + 0.001, CLIENT, **said, gen_ai__usage__input_tokens="2")
    request = traced(began, ended, HTTP, CLIENT)
    parts = {"spans": [client, request], "client": [client], "request": [request]}
    for one in order:
        if one == "call":
            while journal.record_ended():
                pass
            continue
        spans = {"resourceSpans": [{"scopeSpans": [{"scope": {"name": "tests"}, "spans": parts[one]}]}]}
        assert api.client.post("/v1/traces", json.dumps(spans), content_type="application/json").content == b"{}"

    (made,) = all_recorded(api)
    assert (made.generation.model_id, made.generation.prompt_tokens) == ("text-embedding-3-small", 2)
    assert (made.generation.trace_id, made.generation.input_preview) == (TRACE, "Lima")
    steps = {row.public_id: row.parent_id for row in Step.objects.in_project(api.project.pk)}
    own = answer["X-Generations-Id"]
    assert steps == {
        f"{TRACE}-{CLIENT}": None,
        f"{TRACE}-{HTTP}": f"{TRACE}-{CLIENT}",
        own: f"{TRACE}-{HTTP}",
    }
    assert bundles.stands_for(api.project, own) == made.generation.public_id


def test_a_call_within_a_trace_of_which_nothing_else_is_told_is_a_step_of_it_with_all_that_was_said(
    api: Caller,
) -> None:
    headers = {"x-generations-user": "ann", "x-generations-thread": "talk", "x-generations-tags": "a,b"}
    answer = call(api, traceparent=f"00-{TRACE}-{HTTP}-00", **headers)
    content(answer)
    (one,) = all_recorded(api)

    row, own = one.generation, answer["X-Generations-Id"]
    assert (row.public_id, row.step_id, row.trace_id) == (own, own, TRACE)
    assert (row.user_id, row.thread_id, row.tags, row.prompt_tokens) == ("ann", "talk", ["a", "b"], 9)
    (step,) = Step.objects.in_project(api.project.pk)
    assert (step.public_id, step.parent_id, step.thread_id, step.type) == (own, f"{TRACE}-{HTTP}", "talk", "llm")
    assert step.name == row.name == "chat gpt-4o-mini"


@pytest.mark.parametrize(
    "said", ["", "x", f"00-{'0' * 32}-{HTTP}-01", f"00-{TRACE}-{'0' * 16}-01", f"ff-{TRACE}-{HTTP}-01", f"00-{TRACE}"]
)
def test_a_header_that_names_no_span_is_none(api: Caller, said: str) -> None:
    content(call(api, traceparent=said))
    (one,) = all_recorded(api)

    assert (one.generation.trace_id, one.generation.step_id) == (None, None)
