"""A call through the gateway of which a client's span tells as well: one, whichever of the two came first."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from generations import bundles
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
