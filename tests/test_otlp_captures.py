"""Bodies that real instrumentations sent, and the records they become: one generation a call, in any order."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from generations.models import Alternative, Generation, GenerationPayload, Project, Score, Step, StepPayload, Thread
from tests.doors.rest import Answer, Caller, caller

pytestmark = pytest.mark.django_db

DATA = Path(__file__).parent / "data" / "otlp"
INDEX: list[dict[str, Any]] = json.loads((DATA / "index.json").read_text())
GOLDEN = DATA / "golden.json"
TRACES = [entry for entry in INDEX if entry["signal"] == "traces"]
SHOWN = (
    *("type", "name", "model_id", "model_version", "provider", "prompt_tokens", "completion_tokens", "total_tokens"),
    *("cached_tokens", "cache_write_tokens", "reasoning_tokens", "cost", "finish_reason", "error", "error_type"),
    *("thread_id", "user_id", "session_id", "tags", "metadata", "parameters", "environment", "response_id"),
    *("prompt_name", "prompt_version", "input_type", "output_type", "time_to_first_token"),
)
CONTENT = (
    "messages",
    "prompt",
    "input",
    "message_completion",
    "completion",
    "output",
    "tools",
    "variables",
    "logprobs",
)


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def body(name: str) -> bytes:
    """A capture, unpacked."""
    packed = (DATA / name).read_bytes()
    return gzip.decompress(packed) if packed[:2] == b"\x1f\x8b" else packed


def send(api: Caller, name: str) -> Answer:
    kind = "application/json" if name.endswith(".json") else "application/x-protobuf"
    signal = "logs" if ".logs." in name else "traces"
    return api.send("POST", f"/v1/{signal}", raw=body(name), type=kind)


def generations(project: Project) -> list[dict[str, Any]]:
    """What is stored of a project's calls, without ids and times."""
    found = []
    for row in Generation.objects.in_project(project.pk).order_by("started_at", "public_id"):
        payload = GenerationPayload.objects.in_project(project.pk).filter(uid=row.uid).first()
        alternatives = Alternative.objects.in_project(project.pk).filter(generation_uid=row.uid).order_by("index")
        told = {name: getattr(row, name) for name in SHOWN} | {name: getattr(payload, name, None) for name in CONTENT}
        told["cost"] = None if told["cost"] is None else str(told["cost"])
        told["alternatives"] = [a.content for a in alternatives]
        found.append({name: value for name, value in told.items() if value not in (None, [], {})})
    return found


def stored(project: Project) -> dict[str, Any]:
    """All rows of a project as values, but for when they were written."""
    rows: dict[str, Any] = {}
    for model in (Step, StepPayload, Generation, GenerationPayload, Alternative, Score, Thread):
        hidden = ("created_at", "updated_at", "project_id", "uid", "generation_uid")
        rows[model.__name__] = sorted(
            json.dumps({k: v for k, v in row.items() if k not in hidden}, default=str, sort_keys=True)
            for row in model._base_manager.filter(project_id=project.pk).values()
        )
    return rows


def single(bodies: Iterable[bytes]) -> list[bytes]:
    """Each span of these requests in a request of its own."""
    parts = []
    for one in bodies:
        for group in ExportTraceServiceRequest.FromString(one).resource_spans:
            for scope in group.scope_spans:
                for span in scope.spans:
                    request = ExportTraceServiceRequest()
                    outer = request.resource_spans.add(resource=group.resource)
                    outer.scope_spans.add(scope=scope.scope).spans.append(span)
                    parts.append(request.SerializeToString())
    return parts


# ---------------------------------------------------------------------------------------------------- all of them
@pytest.mark.parametrize("entry", [e for e in TRACES if e["expected_generations"]], ids=lambda e: e["file"])
def test_a_call_becomes_one_generation(api: Caller, entry: dict[str, Any]) -> None:
    assert send(api, entry["file"]).status == 200

    assert len(generations(api.project)) == entry["expected_generations"]
    assert Step.objects.in_project(api.project.pk).count() == entry["items"]


@pytest.mark.parametrize("entry", [e for e in TRACES if e["expected_generations"]], ids=lambda e: e["file"])
def test_the_records_of_a_capture_are_those_that_a_person_has_read(api: Caller, entry: dict[str, Any]) -> None:
    send(api, entry["file"])
    logs = entry["file"].rpartition(".pb")[0]
    for name in (f"{logs}.logs.pb", f"{logs}.logs.otlp.json"):
        if (DATA / name).exists():
            send(api, name)

    read = json.loads(GOLDEN.read_text())[entry["file"]]
    assert json.loads(json.dumps(generations(api.project), default=str)) == read


@pytest.mark.parametrize("entry", INDEX, ids=lambda e: e["file"])
def test_a_replay_changes_nothing(api: Caller, entry: dict[str, Any]) -> None:
    send(api, entry["file"])
    before = stored(api.project)

    assert send(api, entry["file"]).status == 200

    assert stored(api.project) == before


# ------------------------------------------------------------------------------------------------- order and splits
CASES = [e["file"] for e in TRACES if e["items"] > 1 and e["file"].endswith(".pb") and e["expected_generations"]]


@pytest.mark.parametrize("name", CASES)
def test_spans_one_by_one_and_in_any_order_give_the_same_rows(api: Caller, name: str) -> None:
    send(api, name)
    whole = stored(api.project)
    for seed in range(3):
        parts = single([body(name)])
        random.Random(seed).shuffle(parts)
        other = caller("ingest")
        for part in parts:
            assert other.send("POST", "/v1/traces", raw=part, type="application/x-protobuf").status == 200

        assert stored(other.project) == whole, seed


def test_a_trace_that_came_in_five_requests_has_its_two_calls_and_its_tree(api: Caller) -> None:
    for entry in TRACES:
        if entry["case"] == "split_nested" and entry["client"] == "openinference-openai":
            assert send(api, entry["file"]).status == 200

    steps = Step.objects.in_project(api.project.pk)
    assert len(generations(api.project)) == 2
    assert steps.count() == 5
    known = set(steps.values_list("public_id", flat=True))
    assert [p for p in steps.values_list("parent_id", flat=True) if p not in known] == [None]


@pytest.mark.parametrize("client", ["otel-openai-v2-default", "otel-js-openai"])
@pytest.mark.parametrize("case", ["simple", "stream", "tools", "n3"])
def test_messages_that_came_as_log_events_join_their_span_in_either_order(client: str, case: str) -> None:
    logs = f"{client}-{case}.logs." + ("otlp.json" if client == "otel-js-openai" else "pb")
    one, other = caller("ingest"), caller("ingest")
    send(one, f"{client}-{case}.pb"), send(one, logs)
    send(other, logs), send(other, f"{client}-{case}.pb")

    first, second = generations(one.project), generations(other.project)
    assert first == second
    assert all(row["messages"] and row["message_completion"] for row in first)
    assert len(first[0].get("alternatives", [])) == (2 if case == "n3" else 0)


# ------------------------------------------------------------------------------------------ numbers that are given
_OTHERS = ("anthropic-sdk", "otel-genai-openai-nocontent")
SIMPLE = [e["file"] for e in TRACES if e["case"].startswith("simple") and e["client"] not in _OTHERS]


@pytest.mark.parametrize("name", SIMPLE)
def test_the_simple_call_has_its_numbers_and_words_whoever_tells_of_it(api: Caller, name: str) -> None:
    send(api, name)
    base = name.removesuffix(".pb")
    for logs in (f"{base}.logs.pb", f"{base}.logs.otlp.json"):
        if (DATA / logs).exists():
            send(api, logs)

    (row,) = generations(api.project)
    assert (row["prompt_tokens"], row["completion_tokens"], row["total_tokens"]) == (51, 25, 76)
    assert row.get("cached_tokens", 8) == 8
    assert row.get("reasoning_tokens", 4) == 4
    assert "gpt-4o-mini" in row["model_id"]
    assert [m["content"] for m in row["messages"]] == ["You are a helpful assistant.", "What is the capital of France?"]
    assert row["message_completion"]["content"] == "The capital of France is Paris."
    assert row["parameters"]["temperature"] == 0.2
    assert "error" not in row


def test_what_anthropic_counts_beside_its_input_is_within_ours(api: Caller) -> None:
    send(api, "anthropic-sdk-simple.pb")

    (row,) = generations(api.project)
    assert (row["prompt_tokens"], row["cached_tokens"], row["cache_write_tokens"]) == (62, 30, 12)
    assert (row["completion_tokens"], row["total_tokens"]) == (15, 77)


def test_results_of_evaluations_become_scores_of_the_generation(api: Caller) -> None:
    send(api, "otel-manual-evaluation.pb")
    send(api, "otel-manual-evaluation.logs.pb")

    generation = Generation.objects.in_project(api.project.pk).get()
    scores = Score.objects.in_project(api.project.pk).order_by("name")
    assert [(s.name, s.value, s.label, s.type, s.generation_id) for s in scores] == [
        ("Faithfulness", 0.8, None, "AI", generation.public_id),
        ("Judge", None, None, "AI", generation.public_id),
        ("Relevance", 4.0, "relevant", "AI", generation.public_id),
        ("Toxicity", None, "pass", "AI", generation.public_id),
    ]
