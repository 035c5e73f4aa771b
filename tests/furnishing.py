"""A project with one of everything that GraphQL can show, in which every text says whose it is."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from generations import (
    access,
    datasets,
    evaluating,
    experiments,
    exporting,
    gathering,
    prompts,
    retention,
    reviewing,
    tasks,
)
from generations.access import Grant, Scope
from generations.datasets import NewItem
from generations.exporting import schedules
from generations.models import Dataset, Membership
from generations.models.accounts import Role
from generations.records import (
    Alternative,
    AttachmentRecord,
    FeedbackRecord,
    GenerationRecord,
    ParticipantRecord,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)
from tests import web
from tests.asking import NOON, Door, store


@dataclass
class Room:
    """A project, and the ids that the server gave to what is in it."""

    door: Door
    word: str
    ids: dict[str, str] = field(default_factory=dict)


def furnished(word: str) -> Room:
    """A project where everything says `word`. What has ids that callers give has the same in each such project."""
    room = Room(Door.of(f"Room {word}"), word)
    grant, user = room.door.grant, web.person(f"member-{word}")
    Membership.objects.create(project=room.door.project, user=user, role=Role.MEMBER)
    member = access.by_user(user, room.door.project.slug)
    _recorded(room)
    store(room.door, ParticipantRecord(id=f"gone {word}"))
    erasure = retention.erase(grant, f"gone {word}")
    tasks.run_job(str(erasure.pk))
    erasure.refresh_from_db()
    erasure.result["delivered"] = [{"to": f"folder {word}", "finishedAt": NOON.isoformat(), "job": str(erasure.pk)}]
    erasure.save()
    dataset = datasets.create(grant, name=f"Set {word}", description=word, metadata={"of": word})
    made = NewItem(input=word, expected_output=word, metadata={"of": word}, generation_id="g", step_id="s", split=word)
    [item] = datasets.add_items(grant, str(dataset.pk), [made])
    template: dict[str, Any] = {"template": f"{word} {{{{x}}}}", "model_id": "ngram:", "settings": {"max_tokens": 2}}
    version, _ = prompts.publish(grant, f"prompt {word}", labels=["l"], **template)
    _experiment(room, dataset, str(item.pk), str(version.public_id))
    _judged(room, member)
    evaluator = evaluating.create(grant, name=f"rule {word}", kind="regex", options={"pattern": word})
    judge = evaluating.create(grant, name=f"judge {word}", kind="judge", options={"model": "ngram:", "criterion": word})
    asked: dict[str, Any] = {"name": f"check {word}", "dataset": str(dataset.pk), "versions": [str(version.public_id)]}
    number = evaluating.create(grant, name=f"number {word}", kind="numeric", options={"absolute": 1.0})
    asked |= {"evaluators": [str(evaluator.pk), str(number.pk)]}
    evaluation = evaluating.start(member, evaluating.asked(member, asked))
    tasks.run_job(str(evaluation.pk))
    export = exporting.start(grant, fields=["id"], condition_document={"metadata.of": word})
    tasks.run_job(str(export.pk))
    fill = gathering.into_dataset(grant, str(dataset.pk), kind="steps", document={"metadata.of": word}, order="name")
    tasks.run_job(str(fill.pk))
    schedule = schedules.create(grant, {"name": f"plan {word}", "destination": f"to-{word}"})
    key, _ = access.create_key(grant, name=f"key {word}", scopes=[Scope.READ], environment=word.lower())
    room.ids |= {
        "dataset": str(dataset.pk), "item": str(item.pk), "version": str(version.public_id),
        "evaluator": str(evaluator.pk), "judge": str(judge.pk), "evaluation": str(evaluation.pk),
        "export": str(export.pk), "erasure": str(erasure.pk), "schedule": str(schedule.pk), "key": str(key.pk),
        "prompt": str(version.prompt_uid), "fill": str(fill.pk),
    }  # fmt: skip
    return room


def _recorded(room: Room) -> None:
    word = room.word
    said: dict[str, Any] = {"metadata": {"of": word}, "tags": (word,), "environment": word.lower()}
    about: dict[str, Any] = {
        "generation": {"generation_id": "g"},
        "step": {"step_id": "s"},
        "thread": {"thread_id": "t"},
    }
    hung: dict[str, Any] = {"thread_id": "t", "user_id": "p", "started_at": NOON, **said}
    store(
        room.door,
        ParticipantRecord(id="p", identifier=f"person {word}", metadata={"of": word}),
        ThreadRecord(id="t", name=f"thread {word}", user_id="p", started_at=NOON, **said),
        StepRecord(id="root", name=f"root {word}", type="run", **hung),
        StepRecord(
            id="s", name=f"step {word}", type="tool", parent_id="root", root_id="root", input=word, output=word,
            ended_at=NOON + dt.timedelta(seconds=1), error=word, attributes={"of": word}, events=[{"name": word}],
            attachments=(AttachmentRecord(id="f", name=f"file {word}", step_id="s", url=f"https://x/{word}"),), **hung,
        ),
        GenerationRecord(
            id="g", name=f"call {word}", step_id="s", model_id=f"model-{word}", provider=word, prompt=word,
            completion=word, total_tokens=5, latency=1.0, prompt_name=f"prompt {word}", prompt_version=0,
            tools=[{"of": word}], error=word, error_type=word, finish_reason=word,
            alternatives=(Alternative(index=0, content=word, score=0.5),),
            attachments=(AttachmentRecord(id="a", name=f"file {word}", generation_id="g"),), **hung,
        ),
        FeedbackRecord(id="fb", generation_id="g", rating=4, comment=word, categories=(word,), user_id="p"),
        *(
            ScoreRecord(id=f"on-{kind}", name=f"score {word}", value=1, comment=word, author=word, **on)
            for kind, on in about.items()
        ),
    )  # fmt: skip


def _experiment(room: Room, dataset: Dataset, item: str, version: str) -> None:
    grant, word = room.door.grant, room.word
    about: dict[str, Any] = {"dataset_id": str(dataset.pk), "prompt_version_id": version, "params": {"of": word}}
    made = experiments.create(grant, name=f"try {word}", **about)
    result = experiments.add_item(
        grant, str(made.pk), dataset_item_id=item, run_id="s", generation_id="g", input=word, output=word
    )
    store(room.door, ScoreRecord(id="on-item", name=f"score {word}", value=1, experiment_item_id=str(result.pk)))
    room.ids |= {"experiment": str(made.pk), "result": str(result.pk)}


def _judged(room: Room, member: Grant) -> None:
    grant, word = room.door.grant, room.word
    queue = reviewing.create(grant, name=f"queue {word}", criteria=reviewing.parsed("tone: category kind, rude"))
    reviewing.add(grant, str(queue.pk), "generation", ["g"])
    reviewing.add(grant, str(queue.pk), "step", ["s"])
    turn = reviewing.take(member, str(queue.pk))
    assert turn is not None
    reviewing.save(member, str(queue.pk), str(turn.review.pk), {"tone": "kind"})
    room.ids["queue"] = str(queue.pk)
