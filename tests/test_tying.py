"""A call is tied to the prompt version that made it: by id, by number, or by what was sent, at every door."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generations import access, filling, prompts, providers, recording
from generations.gateway import journal, routes, upstream, views
from generations.models import Generation, Project, PromptVersion
from generations.records import GenerationRecord
from tests.doors import literal
from tests.doors.rest import Caller, caller
from tests.scripted import Scripted

pytestmark = pytest.mark.django_db

BEGIN = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
SENT = [{"role": "system", "content": "Greet Ann warmly."}, {"role": "user", "content": "Hello"}]
VARIABLES = {"name": "Ann"}
Tie = tuple[str | None, int | None, str | None]


@pytest.fixture
def api() -> Caller:
    return caller("write")


@pytest.fixture
def versions(api: Caller) -> list[PromptVersion]:
    """Two versions of a prompt, of which the second is the one that SENT was made of."""
    return [version(api.project, f"Greet {{{{name}}}} {how}.") for how in ("coldly", "warmly")]


def version(project: Project, text: str, name: str = "greeting", **content: Any) -> PromptVersion:
    grant = access.of_system(project)
    messages = [{"role": "system", "content": text}]
    prompt = prompts.get_or_create(grant, name)
    return prompts.add_version(grant, prompt, template_messages=messages, **content)


def ties(project: Project) -> dict[str, Tie]:
    rows = Generation.objects.in_project(project.pk)
    return {row.public_id: (row.prompt_name, row.prompt_version, row.prompt_version_id) for row in rows}


# --------------------------------------------------------------------------------------------------------------- doors
Send = Callable[[Caller, dict[str, Any], Any], None]
"""Sends one call, `SENT`, with what is said of its version: (caller, variables, one of id / (name, number) / None)."""


def rest(api: Caller, variables: dict[str, Any], said: Any) -> None:
    document: dict[str, Any] = {"id": "g", "messages": SENT, "variables": variables}
    if isinstance(said, str):
        document["promptVersion"] = {"id": said}
    elif said is not None:
        document["promptVersion"] = {"name": said[0], "version": said[1]}
    answer = api.post("/api/generations", document)
    assert answer.status == 201, answer.content


def otlp(api: Caller, variables: dict[str, Any], said: Any) -> None:
    attributes = {"openinference.span.kind": "LLM", "llm.prompt_template.variables": json.dumps(variables)}
    for n, message in enumerate(SENT):
        attributes |= {f"llm.input_messages.{n}.message.{part}": text for part, text in message.items()}
    if said is not None:
        attributes |= {"gen_ai.prompt.name": said[0], "gen_ai.prompt.version": str(said[1])}
    span = {"traceId": "0a" * 16, "spanId": "0b" * 8, "name": "call", "startTimeUnixNano": "1790000000000000000"}
    span |= {"endTimeUnixNano": "1790000001000000000"}
    span |= {"attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]}  # type: ignore[dict-item]
    answer = api.post("/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    assert answer.status == 200, answer.content


def of_literal(api: Caller, variables: dict[str, Any], said: Any) -> None:
    generation = {"type": "chat", "messages": SENT, "variables": variables, "promptId": said}
    step = {"id": "s", "type": "llm", "name": "call", "generation": generation}
    answer = literal.send(literal.client(api.project), literal.batch(step))
    assert answer.json["data"]["step0"]["ok"] is True, answer.json


def gantry(api: Caller, variables: dict[str, Any], said: Any) -> None:
    event = {
        "application": "greeting",
        "api_request": {"model": "gpt-4", "messages": SENT},
        "api_response": {"id": "r", "object": "chat.completion", "choices": [{"message": {"content": "Hi"}}]},
        "request_attributes": {"prompt_values": variables},
        "tags": {} if said is None else {"version_number": said[1]},
    }
    assert api.post("/api/v1/logging/chat/completions", event).status == 200


@pytest.mark.parametrize(
    ("send", "by"),
    [
        *((rest, by) for by in ("id", "number", "content")),
        *((otlp, by) for by in ("number", "content")),
        *((of_literal, by) for by in ("id", "content")),
        *((gantry, by) for by in ("number", "content")),
    ],
)
def test_each_door_ties_a_call_to_its_version(api: Caller, versions: list[PromptVersion], send: Send, by: str) -> None:
    made_by = versions[1]

    send(api, VARIABLES, {"id": made_by.public_id, "number": ("greeting", 1), "content": None}[by])

    assert list(ties(api.project).values()) == [("greeting", 1, made_by.public_id)]


@pytest.mark.parametrize("header", ["greeting:1", "greeting"])
def test_the_gateway_ties_a_call_by_number_or_by_what_was_sent(
    api: Caller,
    versions: list[PromptVersion],
    header: str,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.EGRESS_PRIVATE, settings.DATA_DIR = ["127.0.0.1"], tmp_path
    monkeypatch.setattr(journal, "start", lambda: None)
    views._known.clear()
    routes._known.clear()
    upstream.let_go()
    provider = Scripted()
    said = {"id": "c1", "object": "chat.completion", "choices": [{"index": 0, "message": {"content": "Hi"}}]}
    provider.answer = lambda *_: (200, {"Content-Type": "application/json"}, json.dumps(said).encode())
    try:
        grant = access.of_system(api.project)
        providers.save(grant, kind="vllm", name="main", secret="sk-theirs", endpoint=f"{provider.url}/v1")
        answer = api.send(
            "POST",
            "/v1/chat/completions",
            {"model": "m", "messages": SENT},
            headers={"x-generations-prompt": header},
        )
        assert answer.status == 200, answer.content
        while journal.record_ended():
            pass
    finally:
        provider.close()
        upstream.let_go()

    assert list(ties(api.project).values()) == [("greeting", 1, versions[1].public_id)]


# ------------------------------------------------------------------------------------------------------------- content
def record(project: Project, **fields: Any) -> Tie:
    call = GenerationRecord(**{"id": "g", "started_at": BEGIN, "messages": SENT, "variables": VARIABLES, **fields})
    recording.record(project, [call])
    return ties(project)[call.id]


def test_another_projects_versions_make_none_of_our_calls(api: Caller, versions: list[PromptVersion]) -> None:
    other = access.create_project("Other")
    version(other, "Something {{else}}.", "others")

    assert record(other) == (None, None, None)
    assert record(other, id="n", prompt_name="greeting", prompt_version=1) == ("greeting", 1, None)
    assert record(other, id="i", prompt_version_id=versions[1].public_id) == (None, None, versions[1].public_id)


def test_a_version_that_there_is_none_of_is_kept_as_it_was_said(api: Caller, versions: list[PromptVersion]) -> None:
    assert record(api.project, prompt_name="greeting", prompt_version=9) == ("greeting", 9, None)
    assert record(api.project, id="i", prompt_version_id="nobody's") == (None, None, "nobody's")
    # What was one version's call and is said to be another's is not tied to the first any more.
    tied = record(api.project, id="m", prompt_name="greeting", prompt_version=1)
    assert tied == ("greeting", 1, versions[1].public_id)
    assert record(api.project, id="m", prompt_name="greeting", prompt_version=9) == ("greeting", 9, None)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"version": 0}, ("greeting", 0, 0)),
        ({"version": 9}, ("greeting", 9, None)),
        ({"name": "greeting"}, ("greeting", 1, 1)),
        ({"name": "other"}, ("other", None, None)),
        ({"name": "greeting", "version": 0}, ("greeting", 0, 0)),
        ({"version": None}, ("greeting", None, None)),
        (None, (None, None, None)),
    ],
)
def test_a_change_of_the_name_or_the_number_alone_is_not_tied_to_the_old_version(
    api: Caller, versions: list[PromptVersion], said: Any, told: Any
) -> None:
    api.post("/api/generations", {"id": "g", "promptVersion": {"name": "greeting", "version": 1}})
    assert ties(api.project) == {"g": ("greeting", 1, versions[1].public_id)}

    answer = api.patch("/api/generations/g", {"promptVersion": said})

    name, number, place = told
    assert answer.status == 200, answer.content
    assert ties(api.project) == {"g": (name, number, None if place is None else versions[place].public_id)}


@pytest.mark.parametrize(
    "changes",
    [
        {"variables": {"name": "Bob"}},
        {"variables": None},
        {"messages": [{"role": "user", "content": "Greet Ann warmly."}]},
        {"messages": [{"role": "system", "content": "Greet Ann warmly. Now."}]},
        {"messages": None, "input": "Greet Ann warmly."},
        {"prompt_name": "another"},
    ],
)
def test_a_call_that_no_version_made_is_tied_to_none(
    api: Caller, versions: list[PromptVersion], changes: dict[str, Any]
) -> None:
    assert record(api.project, **changes) == (changes.get("prompt_name"), None, None)


def test_a_named_prompts_version_is_found_without_its_variables_and_a_text_by_the_whole_of_it(api: Caller) -> None:
    grant = access.of_system(api.project)
    made = version(api.project, "Greet {{name}} in {{place}}.", "travel")
    text = prompts.add_version(grant, prompts.get_or_create(grant, "text"), template="Say {{word}} twice")

    said = [{"role": "system", "content": [{"type": "text", "text": "Greet Ann in Rome."}]}]
    assert record(api.project, messages=said, variables=None, prompt_name="travel") == ("travel", 0, made.public_id)
    whole = {"messages": None, "variables": {"word": 5, "other": [1]}}
    assert record(api.project, id="t", prompt="Say 5 twice", **whole) == ("text", 0, text.public_id)
    assert record(api.project, id="u", prompt="Say 5 twice, please", **whole) == (None, None, None)


def test_of_versions_with_the_same_words_the_one_with_the_calls_settings_made_it(api: Caller) -> None:
    cold = version(api.project, "Greet {{name}} warmly.", settings={"temperature": 0, "max_tokens": 5})
    warm = version(api.project, "Greet {{name}} warmly.", settings={"temperature": 1, "max_tokens": 5})

    for n, made in ((0, cold), (1, warm)):
        call = {"id": f"g{n}", "parameters": {"temperature": n, "maxTokens": 5}}
        assert record(api.project, **call) == ("greeting", n, made.public_id)


def test_a_call_that_is_sent_again_stays_the_version_that_was_there_when_it_began(api: Caller) -> None:
    before, now = BEGIN - dt.timedelta(days=9), BEGIN + dt.timedelta(days=1)
    grant = access.of_system(api.project)
    prompt = prompts.get_or_create(grant, "greeting")
    old, older, newer = (
        prompts.add_version(
            grant,
            prompt,
            template_messages=[{"role": "system", "content": "Greet {{name}} warmly."}],
            created_at=moment,
            is_new=True,
        )
        for moment in (before - dt.timedelta(days=1), before, now)
    )
    assert record(api.project) == ("greeting", 1, older.public_id)

    later = prompts.add_version(grant, prompt, template_messages=newer.template_messages, created_at=now, is_new=True)

    assert record(api.project) == ("greeting", 1, older.public_id)
    # Of a call from before all of them, the first is as good as any, and stays.
    early = BEGIN - dt.timedelta(days=99)
    assert record(api.project, id="early", started_at=early) == ("greeting", 0, old.public_id)
    assert later.version == 3


def test_a_version_that_was_just_made_is_known_to_the_next_call(api: Caller, versions: list[PromptVersion]) -> None:
    sent = [{"role": "system", "content": "Praise Ann."}]
    assert record(api.project, messages=sent) == (None, None, None)

    made = version(api.project, "Praise {{name}}.")

    assert record(access.by_key(api.token).project, id="next", messages=sent) == ("greeting", 2, made.public_id)


def test_of_a_project_without_versions_and_of_calls_without_a_prompt_nothing_is_asked(api: Caller) -> None:
    def asked(project: Project, *calls: GenerationRecord) -> int:
        recording.record(project, calls)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            recording.tied(project, calls)
        return len(queries)

    named = [GenerationRecord(id=f"{n}", messages=SENT, variables=VARIABLES, prompt_name=f"p{n}") for n in range(50)]
    plain = GenerationRecord(id="plain", messages=SENT)
    assert asked(api.project, *named) == 0

    version(api.project, "Greet {{name}} warmly.")

    assert asked(api.project, plain) == 0
    # What was asked once is remembered, until there is another version.
    assert asked(api.project, *named) == 0
    version(api.project, "Greet {{name}} kindly.")
    for some in (named[:1], named):
        version(api.project, f"Greet {{{{name}}}} {len(some)} times.")
        with CaptureQueriesContext(connection) as queries:
            recording.tied(api.project, some)
        assert len(queries) == 1


# ------------------------------------------------------------------------------------------------------------ templates
@pytest.mark.parametrize(
    ("template", "text", "values", "own"),
    [
        ("Hi {{a}}!", "Hi Ann!", {"a": "Ann"}, 3),
        ("Hi {{ a }} and {{{b}}}", "Hi Ann and [1, 2]", {"a": "Ann", "b": [1, 2]}, 5),
        ("Hi {{a}}!", "Hi Bob!", {"a": "Ann"}, None),
        ("Hi {{a}}!", "Hi Bob!", {}, 3),
        ("{{a}}, {{b}}, {{c}}.", "x, y, z.", {"b": "y"}, 3),
        ("{{a}}, {{b}}, {{c}}.", "x, y.", {}, None),
        ("ab{{x}}ba", "aba", {}, None),
        ("ab{{x}}ba", "abba", {}, 4),
        ("{{a}}", "{{b}}", {"a": "{{b}}", "b": "never"}, 0),
        ("", "", {}, 0),
    ],
)
def test_a_text_fits_a_template_or_not(template: str, text: str, values: dict[str, Any], own: int | None) -> None:
    assert filling.fit(template, text, values) == own


def test_a_template_is_filled_once_and_keeps_what_has_no_value() -> None:
    assert filling.filled("{{a}} {{ b }} {{c}}", {"a": "{{b}}", "b": 1}) == "{{b}} 1 {{c}}"
