"""What earlier clients of Literal AI send: other types and arguments of the same things, and a vote for scores."""

from __future__ import annotations

from typing import Any

import pytest

from generations.models import Feedback, Generation, Score, Step, Thread
from tests.doors.literal import ask, client, send

pytestmark = pytest.mark.django_db

SENT = """
mutation AddStep($id_0: String!, $threadId_0: String!, $input_0: String, $feedback_0: FeedbackPayloadInput,
                 $generation_0: GenerationPayloadInput) {
  step0: ingestStep(id: $id_0, threadId: $threadId_0, input: $input_0, feedback: $feedback_0, generation: $generation_0)
  { ok message }
}
"""
STEP: dict[str, Any] = {
    "id_0": "s",
    "threadId_0": "t",
    "input_0": "Hi",
    "feedback_0": {"value": 1, "comment": "good", "strategy": "BINARY"},
    "generation_0": {"type": "COMPLETION", "prompt": "Hi", "completion": "Yo"},
}
READ = "query ($id: String!) { step(id: $id) { feedback { id value comment } } }"


def test_a_batch_with_types_and_arguments_of_its_own_version_is_stored_with_its_vote() -> None:
    who = client()

    for _ in range(2):
        assert ask(who, SENT, **STEP) == {"step0": {"ok": True, "message": None}}

    rows: Any = Step.objects.in_project(who.project.pk)
    assert rows.get().public_id == Generation.objects.in_project(who.project.pk).get().public_id == "s"
    vote = Score.objects.in_project(who.project.pk).get()
    assert (vote.name, vote.type, vote.value, vote.comment) == ("user-feedback", "HUMAN", 1, "good")
    assert Feedback.objects.in_project(who.project.pk).get().thumbs == "up"
    assert ask(who, READ, id="s")["step"]["feedback"] == {"id": vote.public_id, "value": 1, "comment": "good"}


def test_a_vote_that_is_none_is_refused_by_itself() -> None:
    who = client()

    answer = ask(who, SENT, **STEP | {"feedback_0": "good"})

    assert answer["step0"]["ok"] is None and answer["step0"]["message"].startswith("feedback: ")


def test_a_vote_is_made_and_changed() -> None:
    who = client()
    ask(who, SENT, **{name: value for name, value in STEP.items() if name != "feedback_0"})
    make = "mutation ($s: String!, $v: Int!, $c: String, $k: FeedbackStrategy) { createFeedback(stepId: $s, value: $v,"
    make += " comment: $c, strategy: $k) { id stepId value comment strategy } }"
    change = "mutation ($id: String!, $v: Int) { updateFeedback(id: $id, value: $v) { value comment strategy } }"

    made = ask(who, make, s="s", v=4, c="nice", k="STARS")["createFeedback"]
    changed = ask(who, change, id=made["id"], v=2)["updateFeedback"]

    assert made == {"id": made["id"], "stepId": "s", "value": 4, "comment": "nice", "strategy": "STARS"}
    assert changed == {"value": 2, "comment": "nice", "strategy": "STARS"}
    assert Feedback.objects.in_project(who.project.pk).get(is_latest=True).rating == 2
    assert ask(who, change, id="none", v=1) == {"updateFeedback": None}
    assert ask(who, make, s="half \ud83d", v=4)["createFeedback"]["value"] == 4


@pytest.mark.parametrize("name", ["upsertThread", "updateThread", "createThread"])
def test_a_thread_has_the_environment_that_is_said_with_it(name: str) -> None:
    """Chainlit before 2.0 declares it with every thread that it names."""
    who = client()
    ask(who, 'mutation { upsertThread(id: "t", name: "Talk") { id } }')
    given = "" if name == "createThread" else 'id: "t", '
    said = f'mutation ($e: String) {{ {name}({given}name: "Renamed", environment: $e) {{ id name }} }}'

    made = ask(who, said, e="dev")[name]["id"]
    again = ask(who, said, e=None)[name]["id"]

    rows = {row.public_id: row for row in Thread.objects.in_project(who.project.pk)}
    assert (rows[made].name, rows[made].environment) == ("Renamed", "prod" if again == made else "dev")


def test_an_experiment_names_its_prompt_by_either_name() -> None:
    made = ask(
        client(),
        'mutation { createDatasetExperiment(name: "Trial", promptId: "p1") { promptExperimentId } }',
    )

    assert made == {"createDatasetExperiment": {"promptExperimentId": "p1"}}


def test_a_version_that_is_promoted_is_drawn_alone() -> None:
    who = client()
    lineage = ask(who, 'mutation { createPromptLineage(name: "p") { id } }')["createPromptLineage"]["id"]
    made = "mutation ($l: String!, $m: Json) { createPromptVersion(lineageId: $l, templateMessages: $m) { id } }"
    ids = [
        ask(who, made, l=lineage, m=[{"role": "user", "content": text}])["createPromptVersion"]["id"]
        for text in ("one", "two")
    ]
    promote = "mutation ($l: String!, $v: Int!) { promotePromptVersion(lineageId: $l, version: $v) { id championId } }"

    assert ask(who, promote, l=lineage, v=0) == {"promotePromptVersion": {"id": lineage, "championId": ids[0]}}
    drawn = ask(who, '{ promptLineageRollout(lineageName: "p") { edges { node { version rollout } } } }')
    assert drawn["promptLineageRollout"]["edges"] == [{"node": {"version": 0, "rollout": 100}}]
    assert ask(who, promote, l="none", v=0) == {"promotePromptVersion": None}
    refused = send(who, {"query": promote, "variables": {"l": lineage, "v": 9}}).json
    assert refused["errors"][0]["message"] == "The prompt 'p' has no version 9."


def test_a_variable_that_a_document_does_not_declare_is_told_and_nothing_is_dropped() -> None:
    who = client()
    step = """step0: ingestStep(id: "a", threadId: $t, name: "n", metadata: {deep: [$m]}, tags: $given) { ok message }
              step1: ingestStep(id: $none, name: "x") { ok message }
              step2: ingestStep(id: "c", name: $n) { ok message }"""

    answer = send(who, {"query": f"mutation AddStep($n: String) {{ {step} }}", "variables": {"given": ["g"]}})

    assert (answer.status, list(answer.json)) == (200, ["data"])
    first, second, third = answer.json["data"].values()
    assert first["ok"] is True
    assert first["message"] == (
        "threadId: the variable $t is not declared by this document and has no value; "
        "metadata: the variable $m is not declared by this document and has no value"
    )
    assert second == {"ok": True, "message": "id: the variable $none is not declared by this document and has no value"}
    assert third == {"ok": True, "message": None}
    kept = Step.objects.in_project(who.project.pk).exclude(name="x")
    assert list(kept.order_by("public_id").values_list("public_id", "thread_id", "tags")) == [
        ("a", None, ["g"]),
        ("c", None, []),
    ]


def test_half_a_character_is_no_fault_of_ours_wherever_it_is_said() -> None:
    who = client()
    make = "mutation ($i: String!, $m: Json) { createParticipant(identifier: $i, metadata: $m) { id identifier } }"

    made = ask(who, make, i="mia \ud83d", m={"half \ud83d": ["\ud83d"]})["createParticipant"]
    again = ask(who, make, i="mia \ud83d")["createParticipant"]
    upload = who.post("/api/upload/file", {"contentType": "\ud83d", "fileName": "\ud83d"})
    named = who.post("/api/export/dataset", {"name": "\ud83d"})

    assert made == again
    assert made["identifier"].startswith("mia ")
    assert (upload.status, named.status) == (200, 200)
