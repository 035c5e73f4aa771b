"""Dumps of Literal AI's objects brought in: what each becomes, in every form a dump has, and what is refused where."""

import datetime as dt
import io
import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from generations import access, importing
from generations.access import Grant
from generations.importing import literal
from generations.models import (
    Attachment,
    Dataset,
    DatasetItem,
    Generation,
    Participant,
    PromptVersion,
    Score,
    Step,
    Thread,
)
from tests.exports import folder, grant

__all__ = ["folder", "grant"]
pytestmark = pytest.mark.django_db

GENERATION = {
    "promptId": None,
    "provider": "openai",
    "model": "gpt-4o",
    "error": None,
    "settings": {"temperature": 0.5},
    "variables": None,
    "tags": ["g"],
    "metadata": None,
    "tools": None,
    "tokenCount": 15,
    "inputTokenCount": 12,
    "outputTokenCount": 3,
    "ttFirstToken": 250.0,
    "tokenThroughputInSeconds": 1.5,
    "duration": 2.0,
    "id": "s-2",
    "messages": [{"role": "user", "content": "Hi"}],
    "messageCompletion": {"role": "assistant", "content": "Hello"},
    "type": "CHAT",
}
SCORE = {
    "id": "score-1",
    "name": "quality",
    "type": "AI",
    "value": 0.5,
    "stepId": "s-2",
    "datasetExperimentItemId": None,
    "comment": "fair",
    "tags": None,
}
ATTACHMENT = {
    "id": "file-1",
    "metadata": {},
    "mime": "image/png",
    "name": "A picture",
    "objectKey": "projects/theirs/picture",
    "url": "https://elsewhere.example/picture",
}


def step(id: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id,
        "metadata": {},
        "parentId": None,
        "startTime": "2026-01-02T03:04:05.000000Z",
        "endTime": "2026-01-02T03:04:07.000000Z",
        "type": "run",
        "threadId": "t-1",
        "error": None,
        "input": {"content": "in"},
        "output": {"content": "out"},
        "generation": None,
        "name": id.upper(),
        "tags": None,
        "scores": [],
        "attachments": [],
        "rootRunId": None,
        **more,
    }


THREAD = {
    "id": "t-1",
    "metadata": {"plan": "pro", "env": {"KEY": "sk-1"}},
    "tags": ["talk"],
    "name": "A talk",
    "steps": [
        step("s-1"),
        step(
            "s-2", type="llm", parentId="s-1", generation=GENERATION, scores=[SCORE], attachments=[ATTACHMENT],
        ),
    ],
    "participant": {"id": "u-1", "identifier": "ann"},
    "createdAt": "2026-01-02T03:04:05.000000Z",
}  # fmt: skip
DATASET: dict[str, Any] = {
    "id": "0b7c7b0e-0f0b-4a50-9b39-3b8f5b0a9f10",
    "createdAt": "2025-05-06T07:08:09.000000Z",
    "metadata": {"a": 1},
    "name": "Questions",
    "description": "Some",
    "items": [
        {
            "id": f"0b7c7b0e-0f0b-4a50-9b39-3b8f5b0a9f1{n}",
            "createdAt": f"2025-05-06T07:08:1{n}.000000Z",
            "datasetId": "0b7c7b0e-0f0b-4a50-9b39-3b8f5b0a9f10",
            "metadata": {},
            "input": {"q": n},
            "expectedOutput": {"a": n},
            "intermediarySteps": None,
        }
        for n in (1, 2)
    ],
    "type": "key_value",
}
PROMPT = {
    "id": "p-1",
    "createdAt": "2025-05-06T07:08:09.000000Z",
    "updatedAt": "2025-05-06T07:08:09.000000Z",
    "type": "CHAT",
    "name": "Greeting",
    "version": 0,
    "url": "https://elsewhere.example/projects/x/playground?name=Greeting&version=0",
    "versionDesc": None,
    "templateMessages": [{"role": "user", "content": "Hello {{name}}", "uuid": "m-1"}],
    "tools": [],
    "provider": "openai",
    "settings": {"model": "gpt-4o"},
    "variables": [{"name": "name", "language": "plaintext"}],
    "variablesDefaultValues": None,
}
USER = {"id": "u-2", "identifier": "bob", "metadata": {"a": 1}, "createdAt": "2025-05-06T07:08:09.000000Z"}
EVERYTHING: dict[str, list[Any]] = {
    "threads": [THREAD],
    "datasets": [DATASET],
    "prompts": [PROMPT],
    "participants": [USER],
    "generations": [{**GENERATION, "id": "alone"}],
    "steps": [step("free", threadId=None)],
    "scores": [{**SCORE, "id": "score-2", "stepId": "free"}],
    "attachments": [{**ATTACHMENT, "id": "file-2"}],
}
STORED = 14
"""thread and its user, two steps, generation; dataset with two items; prompt, user, generation, step, score, file"""


def run(grant: Grant, data: bytes) -> importing.Report:
    return importing.run(grant, literal.rows(io.BytesIO(data)), literal.read)


def counts(report: importing.Report) -> tuple[int, int, int, int]:
    return report.stored, report.merged, report.unchanged, report.refused


FORMS = {
    "one object": json.dumps(EVERYTHING),
    "one object, indented": json.dumps(EVERYTHING, indent=2),
    "a list": json.dumps([one for part in EVERYTHING.values() for one in part]),
    "an indented list": json.dumps([one for part in EVERYTHING.values() for one in part], indent=1),
    "lines": "\n".join(json.dumps(one) for part in EVERYTHING.values() for one in part),
    "pages": "\n".join(json.dumps({"data": part, "pageInfo": {"hasNextPage": False}}) for part in EVERYTHING.values()),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_dump_comes_in_whole(grant: Grant, form: str) -> None:
    report = run(grant, FORMS[form].encode())

    assert report.refusals == []
    assert counts(report) == (STORED, 0, 0, 0)
    assert dict(report.shapes) == {
        "thread": 1, "participant": 2, "step": 3, "generation": 2, "score": 1, "attachment": 1,
        "dataset": 1, "prompt": 1,
    }  # fmt: skip


def test_everything_becomes_what_the_clients_would_have_sent(grant: Grant) -> None:
    run(grant, FORMS["lines"].encode())

    pk = grant.project.pk
    thread = Thread.objects.in_project(pk).get()
    assert (thread.public_id, thread.name, thread.tags, thread.user_id) == ("t-1", "A talk", ["talk"], "u-1")
    assert thread.metadata == {"plan": "pro", "env": {"KEY": "***"}}
    assert thread.started_at == dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    people = Participant.objects.in_project(pk).order_by("public_id").values_list("public_id", "identifier")
    assert list(people) == [("u-1", "ann"), ("u-2", "bob")]
    second = Step.objects.in_project(pk).get(public_id="s-2")
    assert (second.parent_id, second.thread_id, second.type, second.name) == ("s-1", "t-1", "llm", "S-2")
    call = Generation.objects.in_project(pk).get(public_id="s-2")
    assert (call.step_id, call.thread_id, call.model_id, call.total_tokens) == ("s-2", "t-1", "gpt-4o", 15)
    assert (call.time_to_first_token, call.latency) == (0.25, 2.0)
    scores = Score.objects.in_project(pk).order_by("public_id").values_list("public_id", "step_id", "value")
    assert list(scores) == [("score-1", "s-2", 0.5), ("score-2", "free", 0.5)]
    file = Attachment.objects.in_project(pk).get(public_id="file-1")
    assert (file.step_id, file.storage_key, file.url) == ("s-2", ATTACHMENT["objectKey"], ATTACHMENT["url"])
    dataset = Dataset.objects.get(project=grant.project)
    assert (str(dataset.pk), dataset.name, dataset.created_at.year) == (DATASET["id"], "Questions", 2025)
    items = DatasetItem.objects.filter(dataset=dataset).order_by("created_at")
    assert [(str(i.pk), i.input, i.created_at.second) for i in items] == [
        (DATASET["items"][n]["id"], {"q": n + 1}, 11 + n) for n in (0, 1)
    ]
    version = PromptVersion.objects.in_project(pk).get()
    assert (version.public_id, version.version, version.provider) == ("p-1", 0, "openai")
    assert version.template_messages == PROMPT["templateMessages"]


def test_importing_again_changes_nothing(grant: Grant) -> None:
    run(grant, FORMS["lines"].encode())

    again = run(grant, FORMS["one object"].encode())

    assert counts(again) == (0, 0, STORED, 0)
    assert Step.objects.in_project(grant.project.pk).count() == 3
    assert DatasetItem.objects.filter(dataset__project=grant.project).count() == 2


def test_a_dump_of_another_project_here_gets_datasets_of_its_own(grant: Grant) -> None:
    run(grant, FORMS["lines"].encode())
    other = access.of_system(access.create_project("Elsewhere"))

    first, again = run(other, FORMS["lines"].encode()), run(other, FORMS["lines"].encode())

    assert counts(first) == (STORED, 0, 0, 0)
    assert counts(again) == (0, 0, STORED, 0)
    theirs = Dataset.objects.get(project=other.project)
    assert theirs.pk != uuid.UUID(str(DATASET["id"]))
    assert [item.input for item in DatasetItem.objects.filter(dataset=theirs).order_by("created_at")] == [
        {"q": 1},
        {"q": 2},
    ]
    assert Dataset.objects.get(project=grant.project).version == 2


def test_a_larger_dataset_of_the_same_id_adds_what_is_new(grant: Grant) -> None:
    run(grant, json.dumps(DATASET).encode())
    third = {**DATASET["items"][0], "id": str(uuid.uuid4()), "input": {"q": 3}}

    report = run(grant, json.dumps({**DATASET, "items": [*DATASET["items"], third]}).encode())

    assert counts(report) == (1, 0, 3, 0)


def test_what_is_refused_is_named_by_its_place_and_nothing_else_is_lost(grant: Grant) -> None:
    poisoned = {
        "threads": [
            {**THREAD, "steps": [step("s-1", startTime="2026-02-31T00:00:00Z"), step("s-2"), step("", name="no id")]},
            "a text",
        ],
        "scores": [{**SCORE, "value": "many"}],
        "datasets": [{**DATASET, "items": [{"id": "x"}]}, {**DATASET, "id": "y", "name": "Other", "items": 5}],
        "prompts": [{**PROMPT, "name": None}],
        "experiments": [{"id": "e"}],
    }

    report = run(grant, json.dumps(poisoned).encode() + b"\n{not json}\n" + json.dumps({"id": "?"}).encode())

    assert [
        (refusal.place, refusal.field) for refusal in sorted(report.refusals, key=lambda r: (r.place, r.field))
    ] == [
        (1, "experiments"),
        (1, "items"),
        (1, "items[0].input"),
        (1, "name"),
        (1, "scores[0].value"),
        (1, "threads[0].steps[0].startTime"),
        (1, "threads[0].steps[2].id"),
        (1, "threads[1].line"),
        (2, "line"),
        (3, "line"),
    ]
    assert list(Step.objects.in_project(grant.project.pk).values_list("public_id", flat=True)) == ["s-2"]
    assert not Dataset.objects.filter(project=grant.project).exists()


def test_a_reading_key_may_not_import(grant: Grant) -> None:
    reader = Grant(project=grant.project, scopes=frozenset({access.Scope.READ}))

    with pytest.raises(access.NotAllowed):
        run(reader, FORMS["lines"].encode())

    assert not Thread.objects.in_project(grant.project.pk).exists()


def test_a_document_that_is_too_long_is_refused_before_it_is_read(
    grant: Grant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(literal, "MAX_DOCUMENT", 1_000)

    report = run(grant, FORMS["one object, indented"].encode())

    assert [(r.place, r.field) for r in report.refusals] == [(1, "document")]
    assert "JSON Lines" in report.refusals[0].reason


# ---------------------------------------------------------------------------------------------------------- the command
def test_the_command_previews_and_then_imports_and_says_what_it_did(
    grant: Grant, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dump.json"
    file.write_text(FORMS["one object"])

    call_command("import", "literal", str(file), "--preview", "--project", grant.project.slug)
    preview = capsys.readouterr().out
    assert not Thread.objects.in_project(grant.project.pk).exists()
    call_command("import", "literal", str(file), "--project", grant.project.slug)
    done = capsys.readouterr()

    assert "line 1: thread t-1, called “A talk”" in preview
    assert "answered “Hello”" in preview
    assert preview.endswith("1 lines, 0 of them refused. Nothing was stored.\n")
    assert f"{STORED} stored, 0 merged, 0 unchanged, 0 refused in project {grant.project.slug}." in done.out
    assert "        3 x step\n" in done.out


def test_the_command_has_no_requests_for_a_dump(grant: Grant, tmp_path: Path) -> None:
    file = tmp_path / "dump.json"
    file.write_text("{}")

    with pytest.raises(CommandError, match="--requests"):
        call_command("import", "literal", str(file), "--requests", str(file), "--project", grant.project.slug)
