"""What an erasure would take, counted beforehand and changing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q, QuerySet

from generations.models import (
    Attachment,
    DatasetItem,
    ExperimentItem,
    Feedback,
    Generation,
    IngestReject,
    Project,
    Score,
    Step,
)
from generations.retention import copies, erasing

MOST: Final = 5_000
"""Rows of a kind that are counted: whoever has more is told that there are more."""
LEVELS: Final = 50
"""Levels of steps within steps that are looked through: each is a query."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """Rows by the names that a report has for them; of some that are at MOST there may be more."""

    counts: dict[str, int]
    is_exact: bool


def foretell(project: Project, id: str) -> Foretold:
    """What would go if this participant were erased now. Files of exports are looked through by the erasure alone."""
    own = erasing.own(project, id)
    threads = _ids(own["thread"])
    steps = _ids(Step.objects.in_project(project.pk).filter(thread_id__in=threads)) | _ids(own["step"])
    line, levels = steps, 0
    while line and len(steps) < MOST and levels < LEVELS:
        levels += 1
        below = Step.objects.in_project(project.pk).filter(erasing.whose(id), parent_id__in=line)
        line = _ids(below) - steps
        steps |= line
    calls: QuerySet[Any] = Generation.objects.in_project(project.pk)
    inside = (calls.filter(thread_id__in=threads), calls.filter(step_id__in=steps), own["generation"])
    made = set[str]().union(*map(_ids, inside))
    of = {"generation_id__in": made}, {"step_id__in": steps}, {"thread_id__in": threads}
    scores = [Score.objects.in_project(project.pk).filter(**one) for one in of]
    said = [Feedback.objects.in_project(project.pk).filter(**one) for one in of[:2]]
    files = [Attachment.objects.in_project(project.pk).filter(**one) for one in of]
    items = DatasetItem.objects.filter(dataset__project=project)
    results = ExperimentItem.objects.filter(experiment__project=project)
    about = Q(generation_id__in=made) | Q(step_id__in=steps)
    tried = Q(generation_id__in=made) | Q(run_id__in=steps)
    tried |= Q(dataset_item__generation_id__in=made) | Q(dataset_item__step_id__in=steps)
    rejects = IngestReject.objects.filter(project=project)
    counts = {
        "threads": len(threads),
        "steps": len(steps),
        "generations": len(made),
        "scores": len(set[str]().union(*map(_ids, [*scores, own["score"]]))),
        "feedback": len(set[str]().union(*map(_ids, [*said, own["feedback"]]))),
        "files": len(set[str]().union(*map(_ids, files))),
        "dataset items": items.filter(about)[:MOST].count(),
        "experiment items": results.filter(tried).distinct()[:MOST].count(),
        "refused bodies": rejects.filter(Q(record_id=id) | copies.mentions(id))[:MOST].count(),
        "participants": erasing.participants(project, id).count(),
    }
    return Foretold(
        {name: min(count, MOST) for name, count in counts.items()}, max(counts.values()) < MOST and not line
    )


def _ids(rows: QuerySet[Any]) -> set[str]:
    return set(rows.order_by().values_list("public_id", flat=True)[:MOST])
