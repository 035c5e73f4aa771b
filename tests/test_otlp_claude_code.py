"""Claude Code's spans: one thread a session, and what tools and calls were told, which stands in texts of its own."""

from __future__ import annotations

from typing import Any

import pytest

from generations.models import Generation, GenerationPayload, Step, StepPayload
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import START, span

pytestmark = pytest.mark.django_db

SESSION, AGENT = "638fa74f-f123-4db1-a511-35a9d4491539", "ae146160964ea54f3"


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def post(api: Caller, *spans: dict[str, Any]) -> None:
    group = {"scope": {"name": "com.anthropic.claude_code.tracing"}, "spans": list(spans)}
    assert api.post("/v1/traces", {"resourceSpans": [{"scopeSpans": [group]}]}).status == 200


def call(number: int, **more: str) -> dict[str, Any]:
    about = {"span.type": "llm_request", "gen_ai.request.model": "claude-haiku-4-5", "output_tokens": "5"}
    return span(number, parent=1, attributes={**about, "session.id": SESSION, **more})


def tool(number: int, *events: dict[str, Any], **more: str) -> dict[str, Any]:
    about = {"span.type": "tool", "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "Bash"}
    attributes = {**about, "session.id": SESSION, **more}
    return span(number, parent=1, name="claude_code.tool", attributes=attributes, events=list(events))


def test_what_subagents_do_is_of_their_session(api: Caller) -> None:
    post(
        api,
        span(1, attributes={"span.type": "interaction", "gen_ai.conversation.id": SESSION, "session.id": SESSION}),
        call(2, **{"gen_ai.conversation.id": SESSION}),
        call(3, **{"gen_ai.conversation.id": AGENT, "agent_id": AGENT}),
        tool(4, **{"gen_ai.conversation.id": AGENT, "agent_id": AGENT}),
        call(5),
    )
    post(api, call(6, **{"gen_ai.conversation.id": AGENT, "agent_id": AGENT, "session.id": ""}))

    steps = {row.public_id[-1]: row.thread_id for row in Step.objects.in_project(api.project.pk)}
    assert steps == {**dict.fromkeys("12345", SESSION), "6": AGENT}
    threads = {row.public_id[-1]: row.thread_id for row in Generation.objects.in_project(api.project.pk)}
    assert threads == {**dict.fromkeys("235", SESSION), "6": AGENT}
    kept = StepPayload.objects.in_project(api.project.pk).values_list("attributes__agent_id", flat=True)
    assert sum(agent == AGENT for agent in kept) == 3


def test_tools_have_what_they_were_given_and_made(api: Caller) -> None:
    def made(**said: str) -> dict[str, Any]:
        attributes = [{"key": key, "value": {"stringValue": value}} for key, value in said.items()]
        return {"name": "tool.output", "timeUnixNano": str(START), "attributes": attributes}

    post(
        api,
        tool(
            2, made(output="6"), tool_input='[TOOL INPUT: Bash]\n{"command":"ls"}', new_context="[TOOL RESULT: Bash]\n7"
        ),
        tool(3, made(bash_command="echo 6", output="6")),
        tool(4, made(file_path="a.txt", content="One.")),
        tool(5, tool_input="of another kind"),
    )

    rows = {row.uid: row for row in Step.objects.in_project(api.project.pk)}
    said = {}
    for payload in StepPayload.objects.in_project(api.project.pk):
        row = rows[payload.uid]
        said[row.public_id[-1]] = (row.type, row.name, payload.input, payload.output)
    assert said == {
        "2": ("tool", "claude_code.tool Bash", {"command": "ls"}, "7"),
        "3": ("tool", "claude_code.tool Bash", None, "6"),
        "4": ("tool", "claude_code.tool Bash", None, "One."),
        "5": ("tool", "claude_code.tool Bash", None, None),
    }


def test_calls_have_what_came_since_the_one_before_and_their_answer(api: Caller) -> None:
    new = "[USER]\nThe capital\n\n---\n\nof Peru?\n\n---\n\n[TOOL RESULT: toolu_7]\n7\n[USER]\n8"
    post(
        api,
        call(2, new_context=new, **{"response.model_output": "Lima."}),
        call(3, new_context="[USER PROMPT]\nof another kind"),
    )

    first, second = (
        GenerationPayload.objects.in_project(api.project.pk).filter(uid=row.uid).first()
        for row in Generation.objects.in_project(api.project.pk).order_by("public_id")
    )
    assert first is not None
    assert first.messages == [
        {"role": "user", "content": "The capital\n\n---\n\nof Peru?"},
        {"role": "tool", "tool_call_id": "toolu_7", "content": "7\n[USER]\n8"},
    ]
    assert first.message_completion == {"role": "assistant", "content": "Lima."}
    assert second is None or second.messages is None
