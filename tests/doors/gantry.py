"""A caller of Gantry's doors for tests: events as its client sends them, and what became of them."""

from __future__ import annotations

from typing import Any

from generations.models import Generation, IngestReject
from tests.doors.rest import Answer, Caller

CHOICES = [{"text": "A", "index": 0, "finish_reason": "stop"}, {"text": "B", "index": 1, "finish_reason": "length"}]
OK = {"response": "ok"}
CONFIGURATION = "/api/v1/cms/writer/configurations/default_writer_configuration"


def event(**changes: Any) -> dict[str, Any]:
    return {
        "application": "writer",
        "api_request": {"model": "text-davinci-003", "prompt": "Hello"},
        "api_response": {"id": "r1", "object": "text_completion", "created": 1_763_000_000, "choices": CHOICES},
        "request_attributes": {},
        "response_attributes": {},
        "feedback": {},
        "selected_choice_index": 0,
        "session_id": None,
        "tags": {},
        **changes,
    }


def log(api: Caller, *events: Any, path: str = "openai/completions") -> list[Answer]:
    return [api.post(f"/api/v1/logging/{path}", one) for one in events]


def rows(api: Caller) -> list[Generation]:
    return list(Generation.objects.in_project(api.project.pk).order_by("created_at", "public_id"))


def reasons(api: Caller) -> str:
    return "\n".join(IngestReject.objects.filter(project=api.project).values_list("reason", flat=True))


def feedback(api: Caller, key: str, application: str = "writer", **said: Any) -> None:
    one = {"event_id": f"{key}{said}", "metadata": {"func_name": application}, "feedback": said, "feedback_id": key}
    assert api.post("/api/v1/ingest/raw", {"events": [one]}).json == OK


def version(api: Caller, template: str = "Explain {{topic}}") -> Any:
    data = {"prompt": template, "prompt_inputs": ["topic"], "model": "gpt-4", "params": {"n": 1}, "vendor": "openai"}
    return api.post(f"{CONFIGURATION}/versions", {"configuration_data": data, "description": "d"}).json["data"]
