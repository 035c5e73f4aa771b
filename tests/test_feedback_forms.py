"""What a user said of an answer is one thing, whichever client says it: first, late or again, at every door."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from typing import Any, Protocol

import pytest

from generations.models import Feedback, Score
from tests import web
from tests.doors import literal
from tests.doors.rest import Caller, caller

pytestmark = pytest.mark.django_db


class Form(Protocol):
    """A client's way: its call and what is said of it. `id` is the generation that the call becomes."""

    id: str

    def call(self) -> None: ...

    def say(self, thumbs: str, comment: str) -> None: ...


class OfGantry:
    """`log_llm_data`, and `log(feedbacks=...)` by the id of the response."""

    id = "writer:r1"

    def __init__(self, api: Caller) -> None:
        self.api = api
        self.numbers = itertools.count()

    def call(self) -> None:
        answer = {"id": "r1", "choices": [{"text": "Yes"}]}
        event = {"application": "writer", "api_request": {"model": "m", "prompt": "Hi"}, "api_response": answer}
        assert self.api.post("/api/v1/logging/openai/completions", event).status == 200

    def say(self, thumbs: str, comment: str) -> None:
        said = {"thumbs": int(thumbs == "up"), "comment": comment}
        event = {"event_id": f"e{next(self.numbers)}", "metadata": {"func_name": "writer"}, "feedback_id": "r1"}
        assert self.api.post("/api/v1/ingest/raw", {"events": [{**event, "feedback": said}]}).status == 200


class OfLiteral:
    """A step with a generation, and the vote of a person as a score that is changed when he votes again."""

    id = "step"

    def __init__(self, api: Caller) -> None:
        self.client = literal.client(api.project)
        self.score: str | None = None

    def call(self) -> None:
        generation = {"type": "CHAT", "messages": [{"role": "user", "content": "Hi"}]}
        literal.send(self.client, literal.batch({"id": "step", "type": "llm", "name": "n", "generation": generation}))

    def say(self, thumbs: str, comment: str) -> None:
        vote = {"value": int(thumbs == "up"), "comment": comment}
        if self.score is None:
            made = literal.ask(
                self.client,
                "mutation ($value: Float!, $comment: String) { createScore(name: "
                '"user-feedback", type: HUMAN, value: $value, comment: $comment, stepId: "step") { id } }',
                **vote,
            )
            self.score = made["createScore"]["id"]
            return
        literal.ask(
            self.client,
            "mutation ($id: String!, $value: Float!, $comment: String) "
            "{ updateScore(id: $id, value: $value, comment: $comment) { id } }",
            id=self.score,
            **vote,
        )


class OfRest:
    """A generation's document, in which feedback may come before all else, and feedback on one that is there."""

    id = "generation-123"

    def __init__(self, api: Caller) -> None:
        self.api = api

    def call(self) -> None:
        assert self.api.post("/api/generations", {"id": self.id, "prompt": "Hi", "type": "completion"}).status < 300

    def say(self, thumbs: str, comment: str) -> None:
        said = {"thumbs": thumbs, "comment": comment, "userId": "user-456"}
        if self.api.post(f"/api/generations/{self.id}/feedback", said).status == 404:
            assert self.api.post("/api/generations", {"id": self.id, "feedback": said}).status == 201


class OfOpenTelemetry:
    """A span, and the result of an evaluation that is called the user's, as a log event of that span."""

    id = f"{'0a' * 16}-{'0b' * 8}"

    def __init__(self, api: Caller) -> None:
        self.api = api
        self.times = itertools.count(1_795_000_000_000_000_000, 1_000_000_000)

    def call(self) -> None:
        span: dict[str, Any] = {"traceId": "0a" * 16, "spanId": "0b" * 8, "name": "chat m", "kind": 3}
        span |= {"startTimeUnixNano": f"{next(self.times)}", "endTimeUnixNano": f"{next(self.times)}"}
        span |= {"attributes": _attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"})}
        assert self.api.post("/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).status == 200

    def say(self, thumbs: str, comment: str) -> None:
        said = {
            "gen_ai.evaluation.name": "user_feedback",
            "gen_ai.evaluation.score.value": float(thumbs == "up"),
            "gen_ai.evaluation.explanation": comment,
        }
        record: dict[str, Any] = {"eventName": "gen_ai.evaluation.result", "timeUnixNano": f"{next(self.times)}"}
        record |= {"traceId": "0a" * 16, "spanId": "0b" * 8, "attributes": _attributes(said)}
        assert self.api.post("/v1/logs", {"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}).status == 200


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {str: "stringValue", float: "doubleValue"}
    return [{"key": key, "value": {kinds[type(value)]: value}} for key, value in values.items()]


SHOWN = """
query ($id: ID!) {
  generation(id: $id) { feedback { thumbs comment } feedbackHistory { nodes { thumbs comment } } }
}
"""


@pytest.mark.parametrize("order", ["first", "late", "around", "again"])
@pytest.mark.parametrize("made", [OfGantry, OfLiteral, OfRest, OfOpenTelemetry])
def test_what_was_said_last_is_shown_at_every_door_and_what_was_said_before_is_kept(
    made: Callable[[Caller], Form], order: str
) -> None:
    api = caller("write")
    form = made(api)
    bad, good = {"thumbs": "down", "comment": "Too long."}, {"thumbs": "up", "comment": "Better now."}
    history = [bad, good, bad] if order == "again" else [bad, good]
    acts = {
        "first": (bad, good, None),
        "late": (None, bad, good),
        "around": (bad, None, good),
        "again": (None, bad, good, bad),
    }[order]

    for act in acts:
        if act is None:
            form.call()
        else:
            form.say(**act)

    document = api.get(f"/api/generations/{form.id}").json["feedback"]
    assert {name: document[name] for name in ("thumbs", "comment")} == history[-1]
    answer = api.post("/graphql/", {"query": SHOWN, "variables": {"id": form.id}}).json["data"]["generation"]
    assert (answer["feedback"], answer["feedbackHistory"]["nodes"]) == (history[-1], history)
    page = web.page(web.signed_in(api.project), api.project, form.id).content.decode()
    panel = page.partition('id="feedback"')[2].partition("</section>")[0]
    votes = re.findall(r'Thumbs (up|down)".*?<p class="whole">(.*?)</p>', panel, re.DOTALL)
    assert votes == [(one["thumbs"], one["comment"]) for one in reversed(history)]
    found = api.get(f"/api/generations?feedback.thumbs={history[-1]['thumbs']}").data
    assert [row["id"] for row in found] == [form.id]


def test_a_vote_that_is_taken_back_leaves_no_feedback() -> None:
    api = caller("write")
    form = OfLiteral(api)
    form.call()
    form.say("up", "Fine.")
    form.say("down", "No.")

    literal.ask(form.client, "mutation ($id: String!) { deleteScore(id: $id) { id } }", id=form.score)

    assert Score.objects.in_project(api.project.pk).count() == 0
    assert Feedback.objects.in_project(api.project.pk).count() == 0
    assert api.get("/api/generations/step").json.get("feedback") is None


def test_a_judgement_that_is_no_users_is_no_feedback() -> None:
    api = caller("write")
    form = OfLiteral(api)
    form.call()
    for name, kind in (("correctness", "HUMAN"), ("user-feedback", "AI")):
        literal.ask(
            form.client,
            "mutation ($name: String!, $type: ScoreType!) "
            '{ createScore(name: $name, type: $type, value: 1, stepId: "step") { id } }',
            name=name,
            type=kind,
        )

    assert Score.objects.in_project(api.project.pk).count() == 2
    assert Feedback.objects.in_project(api.project.pk).count() == 0
