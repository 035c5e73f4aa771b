"""Rows with all that belongs to them, for a page of them at a time, in a constant number of queries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from generations import identities, records
from generations.ingest.otlp.lending import NOTE
from generations.ingest.values import iso
from generations.models import (
    Alternative,
    Attachment,
    Feedback,
    Generation,
    GenerationPayload,
    Participant,
    Project,
    Score,
    Step,
    StepPayload,
    Thread,
)

T = TypeVar("T")

MOST_WAYS: Final = 8
"""Calls that gave way to one another which are followed to the one that stands."""


@dataclass(slots=True)
class Bundle:
    """A generation and what hangs on it. `feedback` is the latest. What was not asked for is empty."""

    generation: Generation
    payload: GenerationPayload | None = None
    alternatives: list[Alternative] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    feedback: Feedback | None = None
    attachments: list[Attachment] = field(default_factory=list)

    @property
    def record(self) -> records.GenerationRecord:
        """The record that would store this generation as it is."""
        return records.GenerationRecord(
            id=self.generation.public_id,
            **_values(self.generation, records.stored_fields(records.GenerationRecord)),
            **_values(self.payload, records.payload_fields(records.GenerationRecord)),
            alternatives=tuple(map(_alternative, self.alternatives)) or None,
            scores=tuple(map(score_record, self.scores)),
            feedback=None if self.feedback is None else feedback_record(self.feedback),
            attachments=tuple(map(attachment_record, self.attachments)),
        )


@dataclass(slots=True)
class StepBundle:
    """A step and what hangs on it."""

    step: Step
    payload: StepPayload | None = None
    scores: list[Score] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    generations: list[Generation] = field(default_factory=list)

    @property
    def record(self) -> records.StepRecord:
        """The record that would store this step as it is, without its generations."""
        return records.StepRecord(
            id=self.step.public_id,
            **_values(self.step, records.stored_fields(records.StepRecord)),
            **_values(self.payload, records.payload_fields(records.StepRecord)),
            scores=tuple(map(score_record, self.scores)),
            attachments=tuple(map(attachment_record, self.attachments)),
        )


def of_generations(
    project: Project,
    rows: Sequence[Generation],
    *,
    payload: bool = True,
    alternatives: bool = True,
    scores: bool = True,
    feedback: bool = True,
    attachments: bool = True,
) -> list[Bundle]:
    """The bundles of these rows, in their order; one query for each kind of thing that is asked for."""
    bundles = [Bundle(row) for row in rows]
    if not rows:
        return bundles
    by_uid = {bundle.generation.uid: bundle for bundle in bundles}
    by_id = {bundle.generation.public_id: bundle for bundle in bundles}
    starts = [row.started_at for row in rows]
    # The start is passed along, so that only the partitions of these rows are visited.
    span = {"started_at__gte": min(starts), "started_at__lte": max(starts)}
    if payload:
        for found in GenerationPayload.objects.in_project(project.pk).filter(uid__in=by_uid, **span):
            by_uid[found.uid].payload = found
    if alternatives:
        others = Alternative.objects.in_project(project.pk).filter(generation_uid__in=by_uid, **span)
        for other in others.order_by("generation_uid", "index"):
            by_uid[other.generation_uid].alternatives.append(other)
    if scores:
        for score in _hanging(Score, project, "generation_id", by_id):
            by_id[score.generation_id].scores.append(score)
    if feedback:
        for said in Feedback.objects.in_project(project.pk).filter(generation_id__in=by_id, is_latest=True):
            by_id[said.generation_id].feedback = said
    if attachments:
        for file in _hanging(Attachment, project, "generation_id", by_id):
            by_id[file.generation_id].attachments.append(file)
    return bundles


def of_steps(
    project: Project,
    rows: Sequence[Step],
    *,
    payload: bool = True,
    scores: bool = True,
    attachments: bool = True,
    generations: bool = True,
) -> list[StepBundle]:
    """The bundles of these steps, in their order; one query for each kind of thing that is asked for."""
    bundles = [StepBundle(row) for row in rows]
    if not rows:
        return bundles
    by_uid = {bundle.step.uid: bundle for bundle in bundles}
    by_id = {bundle.step.public_id: bundle for bundle in bundles}
    starts = [row.started_at for row in rows]
    if payload:
        span = {"started_at__gte": min(starts), "started_at__lte": max(starts)}
        for found in StepPayload.objects.in_project(project.pk).filter(uid__in=by_uid, **span):
            by_uid[found.uid].payload = found
    if scores:
        for score in _hanging(Score, project, "step_id", by_id):
            by_id[score.step_id].scores.append(score)
    if attachments:
        for file in _hanging(Attachment, project, "step_id", by_id):
            by_id[file.step_id].attachments.append(file)
    if generations:
        made = Generation.objects.in_project(project.pk).filter(step_id__in=by_id).order_by("started_at", "uid")
        for generation_ in made:
            by_id[generation_.step_id].generations.append(generation_)
    return bundles


def generation(project: Project, id: str, **parts: bool) -> Bundle | None:
    """The generation that has the caller's `id`, or the one that this gave way to, with what belongs to it, `parts` as
    in `of_generations`; None when there is none."""
    if (row := _row(project, id)) is None and (id := stands_for(project, id) or "") != "":
        row = _row(project, id)
    return None if row is None else of_generations(project, [row], **parts)[0]


def _row(project: Project, id: str) -> Generation | None:
    return Generation.objects.in_project(project.pk).filter(uid=identities.uid(project.pk, "generation", id)).first()


def stands_for(project: Project, id: str) -> str | None:
    """The id of the generation that is there for `id`: its own, or that of the one which tells of the same call and
    that it gave way to. None when there is none. One query where it has its own."""
    if Generation.objects.by_ids(project.pk, "generation", [id]).exists():
        return id
    return gave_way(project, [id]).get(id)


def gave_way(project: Project, ids: Collection[str]) -> dict[str, str]:
    """Of these ids of generations those that gave way to others which tell of the same call, and whose ids stand now.

    One query where none did; where some did, one more for each way and one for those that stand.
    """
    ends = {id: id for id in ids}
    asked = set(ids)
    for _ in range(MOST_WAYS):
        if not asked:
            break
        by_uid = {identities.uid(project.pk, "step", id): id for id in asked}
        steps = StepPayload.objects.in_project(project.pk).filter(uid__in=by_uid)
        rows = steps.values_list("uid", f"attributes__{NOTE}__into")
        ways = {by_uid[uid]: into for uid, into in rows if isinstance(into, str) and into}
        ends = {id: ways.get(end, end) for id, end in ends.items()}
        asked = set(ways.values())
    moved = {id: end for id, end in ends.items() if end != id}
    if not moved:
        return {}
    wanted = {*moved, *moved.values()}
    there = set(Generation.objects.by_ids(project.pk, "generation", wanted).values_list("public_id", flat=True))
    return {id: end for id, end in moved.items() if id not in there and end in there}


def step(project: Project, id: str) -> StepBundle | None:
    """The step that has the caller's `id`, with all that belongs to it; None when there is none."""
    row = Step.objects.in_project(project.pk).filter(uid=identities.uid(project.pk, "step", id)).first()
    return None if row is None else of_steps(project, [row])[0]


def grouped(rows: Iterable[T], key: Callable[[T], str]) -> dict[str, list[T]]:
    """Rows by a key of theirs, in their order."""
    groups: dict[str, list[T]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _hanging(model: Any, project: Project, column: str, ids: Iterable[str]) -> Iterable[Any]:
    rows = model.objects.in_project(project.pk).filter(**{f"{column}__in": list(ids)})
    return rows.order_by("created_at", "uid")  # type: ignore[no-any-return]


def _values(row: Any, names: Iterable[str]) -> dict[str, Any]:
    if row is None:
        return {}
    values = {name: getattr(row, name) for name in names}
    if "tags" in values:
        values["tags"] = tuple(values["tags"])
    return values


def _alternative(row: Alternative) -> records.Alternative:
    return records.Alternative(
        index=row.index,
        kind=row.kind,
        content=row.content,
        tokens=row.tokens,
        score=row.score,
        finish_reason=row.finish_reason,
        logprobs=row.logprobs,
    )


def score_record(row: Score) -> records.ScoreRecord:
    """The record that would store this score as it is."""
    return records.ScoreRecord(id=row.public_id, **_values(row, records.stored_fields(records.ScoreRecord)))


def feedback_record(row: Feedback) -> records.FeedbackRecord:
    """The record that would store this feedback as it is."""
    values = _values(row, records.stored_fields(records.FeedbackRecord))
    return records.FeedbackRecord(id=row.public_id, **{**values, "categories": tuple(row.categories)})


def attachment_record(row: Attachment) -> records.AttachmentRecord:
    """The record that would store this attachment as it is."""
    return records.AttachmentRecord(id=row.public_id, **_values(row, records.stored_fields(records.AttachmentRecord)))


def participant_document(row: Participant) -> dict[str, records.Json]:
    """A participant as JSON, at every door."""
    return {
        "id": row.public_id,
        "identifier": row.identifier,
        "metadata": row.metadata,
        "createdAt": iso(row.created_at),
        "lastSeenAt": iso(row.last_seen_at),
    }


def thread_document(row: Thread) -> dict[str, records.Json]:
    """A thread as JSON, at every door. What is not known has no name in it."""
    known = {"name": row.name, "userId": row.user_id, "environment": row.environment}
    return {
        "id": row.public_id,
        **{name: value for name, value in known.items() if value is not None},
        "tags": row.tags,
        "metadata": row.metadata,
        "timestamp": iso(row.started_at),
        "lastActivityAt": iso(row.last_activity_at),
        "createdAt": iso(row.created_at),
    }
