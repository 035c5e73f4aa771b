"""What people and programs said of a generation that turned out to be another, or none: it is said of that one, or of
its step."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from django.db.models import TextField, Value
from django.db.models.functions import Coalesce

from generations import attachments, bundles
from generations.models import Attachment, DatasetItem, ExperimentItem, Feedback, Project, ReviewItem, Score
from generations.records import AttachmentRecord, FeedbackRecord, Record, ScoreRecord, revised

_ITEM, _RESULT, _REVIEWED = "dataset item", "experiment item", "review item"
_MODELS: Final[dict[str, Any]] = {_ITEM: DatasetItem, _RESULT: ExperimentItem, _REVIEWED: ReviewItem}


def moved(project: Project, demoted: Collection[str], into: Mapping[str, str | None]) -> list[Record]:
    """The scores, feedback and files of generations that are `demoted`, on those that took them `into` themselves, to
    be stored once these are deleted; where several did, or none, on the step of the same id.

    Items of datasets, experiments and queues of reviews that name them name the others from now on. Four queries, where
    nothing does. Files that were inside of what was said go with that, and are not among these.
    """
    _rename(project, demoted, into)
    folder = attachments.folder(project)
    ids = {"generation_id__in": list(demoted)}
    files = Attachment.objects.in_project(project.pk).filter(**ids).exclude(storage_key__startswith=folder)
    hanging: list[ScoreRecord | FeedbackRecord | AttachmentRecord] = [
        *map(bundles.score_record, Score.objects.in_project(project.pk).filter(**ids)),
        *map(bundles.feedback_record, Feedback.objects.in_project(project.pk).filter(**ids)),
        *map(bundles.attachment_record, files),
    ]
    return [_on_another(one, into) for one in hanging]


def _on_another(
    one: ScoreRecord | FeedbackRecord | AttachmentRecord, into: Mapping[str, str | None]
) -> ScoreRecord | FeedbackRecord | AttachmentRecord:
    target = into.get(one.generation_id or "")
    return revised(one, generation_id=target, step_id=one.step_id if target else one.step_id or one.generation_id)


def _rename(project: Project, demoted: Collection[str], into: Mapping[str, str | None]) -> None:
    """Let what is no record name the others. One query, and one more for each thing that names one of them."""
    results = ExperimentItem.objects.filter(experiment__project=project, generation_id__in=list(demoted))
    items = DatasetItem.objects.filter(dataset__project=project, generation_id__in=list(demoted))
    reviewed = ReviewItem.objects.filter(queue__project=project, kind="generation", subject_id__in=list(demoted))
    parts = [
        rows.order_by().values_list(Value(kind, TextField()), "pk", name)
        for kind, rows, name in (
            (_ITEM, items, "generation_id"),
            (_RESULT, results, "generation_id"),
            (_REVIEWED, reviewed, "subject_id"),
        )
    ]
    for kind, pk, id in parts[0].union(*parts[1:], all=True):
        row = _MODELS[kind].objects.filter(pk=pk)
        target = into.get(id)
        if kind != _REVIEWED:
            step = "step_id" if kind == _ITEM else "run_id"
            row.update(generation_id=target, **({} if target else {step: Coalesce(step, Value(id))}))
            continue
        name = ("generation", target) if target else ("step", id)
        others = ReviewItem.objects.filter(queue__items=pk, kind=name[0], subject_id=name[1])
        # What is in the queue already is judged there, once.
        if others.exists():
            row.delete()
        else:
            row.update(kind=name[0], subject_id=name[1])
