"""What is said of a generation, and made from it, stays where spans that come later show that the call is another."""

import datetime as dt
from typing import Any

import pytest

from generations import access, attachments, datasets, recording
from generations.models import (
    Attachment,
    DatasetItem,
    Experiment,
    ExperimentItem,
    Feedback,
    Project,
    ReviewItem,
    ReviewQueue,
    Score,
    Step,
)
from generations.records import AttachmentRecord, FeedbackRecord, GenerationRecord, ScoreRecord
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import BARE, CHAT, START, calls, post, span

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def say_much_of(project: Project, id: str) -> ReviewQueue:
    """Everything that can name a generation, and a queue with it."""
    recording.record(
        project,
        [
            ScoreRecord(id="s", name="quality", value=0.5, generation_id=id),
            FeedbackRecord(id="f", rating=4, generation_id=id),
            AttachmentRecord(id="linked", url="https://example.com/a.png", generation_id=id),
            AttachmentRecord(id="kept", storage_key=attachments.new_key(project), generation_id=id),
        ],
    )
    grant = access.of_system(project)
    dataset = datasets.create(grant, name="Golden")
    datasets.add_items(grant, str(dataset.pk), [datasets.NewItem(input={"a": 1}, generation_id=id)])
    experiment = Experiment.objects.create(project=project, name="Run")
    ExperimentItem.objects.create(experiment=experiment, generation_id=id)
    ExperimentItem.objects.create(experiment=experiment, generation_id=id, run_id="by hand")
    queue = ReviewQueue.objects.create(project=project, name="Queue")
    ReviewItem.objects.create(queue=queue, kind="generation", subject_id=id)
    return queue


def named(project: Project) -> dict[str, list[tuple[Any, ...]]]:
    """Which generations and steps all that names them."""
    own = {model.__name__: model.objects.in_project(project.pk) for model in (Score, Feedback, Attachment)}
    return {
        **{name: list(rows.order_by("uid").values_list("generation_id", "step_id")) for name, rows in own.items()},
        "Item": list(DatasetItem.objects.values_list("generation_id", "step_id")),
        "Result": list(ExperimentItem.objects.order_by("created_at").values_list("generation_id", "run_id")),
        "Review": list(ReviewItem.objects.values_list("kind", "subject_id")),
    }


def test_all_that_names_a_call_names_the_one_that_knows_more_from_then_on(api: Caller) -> None:
    post(api, span(1, attributes=BARE))
    (first,) = calls(api)
    say_much_of(api.project, first.public_id)

    post(api, span(2, parent=1, attributes=CHAT))

    (call,) = calls(api)
    assert call.public_id != first.public_id
    one = (call.public_id, None)
    assert named(api.project) == {
        "Score": [one],
        "Feedback": [one],
        "Attachment": [one, one],
        "Item": [one],
        "Result": [one, (call.public_id, "by hand")],
        "Review": [("generation", call.public_id)],
    }


def test_all_that_names_a_call_names_its_step_where_several_turn_out_to_be_the_calls(api: Caller) -> None:
    post(api, span(1, attributes=BARE))
    (first,) = calls(api)
    say_much_of(api.project, first.public_id)

    post(api, span(2, parent=1, attributes=CHAT), span(3, parent=1, attributes=CHAT))

    assert first.public_id not in {call.public_id for call in calls(api)}
    one = (None, first.public_id)
    assert named(api.project) == {
        "Score": [one],
        "Feedback": [one],
        "Attachment": [one, one],
        "Item": [one],
        "Result": [one, (None, "by hand")],
        "Review": [("step", first.public_id)],
    }


def test_what_is_reviewed_as_both_is_reviewed_once_and_other_projects_stay_as_they_are(api: Caller) -> None:
    other = caller("ingest")
    for one in (api, other):
        post(one, span(1, attributes=BARE))
    (first,) = calls(api)
    queue = say_much_of(api.project, first.public_id)
    post(other, span(7, attributes=CHAT))
    theirs = ReviewQueue.objects.create(project=other.project, name="Queue")
    ReviewItem.objects.create(queue=theirs, kind="generation", subject_id=first.public_id)
    second = first.public_id.replace(f"{1:016x}", f"{2:016x}")
    ReviewItem.objects.create(queue=queue, kind="generation", subject_id=second)

    post(api, span(2, parent=1, attributes=CHAT))

    assert [call.public_id for call in calls(api)] == [second]
    assert [one.subject_id for one in ReviewItem.objects.filter(queue=queue)] == [second]
    assert [one.subject_id for one in ReviewItem.objects.filter(queue=theirs)] == [first.public_id]


def test_a_call_that_a_program_recorded_beside_its_span_leaves_a_step_that_says_what_it_was(api: Caller) -> None:
    answer = {"gen_ai.response.id": "chatcmpl-1"}
    began, ended = (dt.datetime.fromtimestamp(START / 1e9 + seconds, dt.UTC) for seconds in (0.25, 0.75))
    recorded = GenerationRecord(
        id="by-hand",
        model_id="gpt-4o-mini",
        response_id="chatcmpl-1",
        thread_id="chat-1",
        started_at=began,
        ended_at=ended,
        attributes={"scope": "by hand"},
    )
    recording.record(api.project, [recorded])
    assert post(api, span(1, attributes={**CHAT, **answer})).status == 200

    (call,) = calls(api)
    assert call.public_id != "by-hand"
    step = Step.objects.in_project(api.project.pk).get(public_id="by-hand")
    assert (step.type, step.name, step.thread_id) == ("llm", "gpt-4o-mini", "chat-1")
    assert (step.started_at, step.ended_at) == (began, ended)
