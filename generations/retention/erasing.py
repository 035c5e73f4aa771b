"""Takes one participant out of everything: what they did, what was made from it, and the files that hold it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from generations import exporting, filters, holds, jobs, recording, records
from generations.access import Grant, Scope
from generations.models import (
    DatasetItem,
    ExperimentItem,
    Feedback,
    Generation,
    IngestReject,
    Job,
    LegalHold,
    Participant,
    Project,
    ReviewItem,
    Score,
    Step,
    Thread,
)
from generations.retention import copies
from generations.retention.removing import AT_ONCE, batches, remove

COUNTED: Final = (
    *("threads", "steps", "generations", "scores", "feedback", "files", "dataset items", "experiment items"),
    *("exports", "refused bodies", "files to import", "participants"),
)
"""What a report counts, in its order."""
DELIVERED: Final = "delivered"
"""Where a report names the files that were delivered to a folder or a bucket, which no erasure reaches."""
_HELD: Final = "A legal hold keeps something of theirs. Nothing was erased; release it and start again."
_HELD_SINCE: Final = (
    "A legal hold was added that keeps something of theirs. What is counted here was erased before, the rest stays;"
    " release the hold and start again."
)
CLOCKS: Final = dt.timedelta(minutes=1)
"""By how much the clocks of those who take files in may be ahead of the database's."""
Count = Callable[[str, int], None]
"""Adds to a count of the report, in the transaction in which that went."""


class NoSuchParticipant(Exception):
    """Nothing in the project is theirs who are to be erased. Doors answer 404."""

    def __init__(self, id: str) -> None:
        self.field, self.value = "participant", id[:80]
        super().__init__(f"There is no participant {records.shown(id)} in this project, nor anything of theirs.")


def erase(grant: Grant, participant_id: str, *, id: uuid.UUID | None = None) -> Job:
    """A job that erases a participant for good; its result counts what went, and names the files that may hold
    something of theirs and were delivered elsewhere. Needs the scope `admin`.

    One of theirs that no worker has begun is the same job: it takes what there is then. `id` is that of a request that
    may come again, which has a job of its own. Raises NoSuchParticipant, and Held when a legal hold keeps something of
    theirs.
    """
    grant.need(Scope.ADMIN)
    if not is_erasable(grant.project, participant_id):
        raise NoSuchParticipant(participant_id)
    if (hold := hold_of(grant.project, participant_id)) is not None:
        raise holds.Held(hold, "participant")
    parameters = {"participant": participant_id}
    # One that was begun and waits for imports takes no more than what those bring.
    waiting = Job.objects.filter(
        project=grant.project, kind=Job.Kind.ERASURE, state=Job.State.QUEUED, started_at=None, parameters=parameters
    )
    same = waiting.select_related("project").first() if id is None else None
    return same or jobs.create(grant, Job.Kind.ERASURE, parameters, id=id)


def is_erasable(project: Project, participant_id: str) -> bool:
    """Whether anything in the project is this participant's."""
    return "\0" not in participant_id and any(
        rows.exists() for rows in (participants(project, participant_id), *own(project, participant_id).values())
    )


def run(job_id: uuid.UUID | str) -> bool:
    """Do a job of `erase`; False when another worker has it or it has ended."""
    return jobs.work(job_id, _run)


def _run(lease: jobs.Lease) -> None:
    job = lease.job
    id = str(job.parameters["participant"])
    if hold_of(job.project, id) is not None:
        raise jobs.Failed(_HELD_SINCE if job.result else _HELD)
    # An attempt that takes over goes on counting where the last one stopped, and finds the same files that were
    # delivered and those of the meantime: once the rows are gone, nothing leads to them any more.
    report = {name: int(job.result.get(name, 0)) for name in COUNTED}
    delivered = job.result.get(DELIVERED, [])
    delivered += [found for found in _delivered(job.project, id, job) if found not in delivered]

    def tell() -> dict[str, Any]:
        return {**report, DELIVERED: delivered}

    def count(name: str, number: int) -> None:
        report[name] += number
        if number:
            Job.objects.filter(pk=job.pk).update(result=tell())

    comes_again = _is_brought_more(job)
    if not (comes_again and job.result):
        Job.objects.filter(pk=job.pk).update(result=tell())
        _erase(job, id, count, lambda: lease.advance(sum(report.values())))
    if comes_again:
        raise jobs.Interrupted
    lease.finish(tell())


def _is_brought_more(job: Job) -> bool:
    """Whether a file that was sent before the erasure began is still being imported, or waits for that: it may hold
    rows of theirs. The erasure is done at once all the same, and comes again until there is none."""
    assert job.started_at is not None
    imports = Job.objects.filter(project=job.project, kind=Job.Kind.IMPORT, created_at__lte=job.started_at + CLOCKS)
    return imports.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING]).exists()


def own(project: Project, id: str) -> dict[str, QuerySet[Any]]:
    """The rows that name the participant, in the order in which they go."""
    return {
        "thread": Thread.objects.in_project(project.pk).filter(user_id=id),
        "step": Step.objects.in_project(project.pk).filter(user_id=id),
        "generation": Generation.objects.in_project(project.pk).filter(user_id=id),
        "feedback": Feedback.objects.in_project(project.pk).filter(user_id=id),
        "score": Score.objects.in_project(project.pk).filter(author=id),
    }


def whose(id: str) -> Q:
    """Rows that are named as nobody else's."""
    return Q(user_id=None) | Q(user_id=id)


def participants(project: Project, id: str) -> QuerySet[Any]:
    """The participant's own row."""
    found: QuerySet[Any] = Participant.objects.by_ids(project.pk, "participant", [id])
    return found


def hold_of(project: Project, id: str) -> LegalHold | None:
    """The first legal hold that keeps something of the participant's; None where none does."""
    theirs = own(project, id)
    for hold in holds.open_holds(project.pk):
        for kind, name in (("generations", "generation"), ("steps", "step")):
            for condition in holds.conditions([hold], kind):
                if condition is None:
                    return hold
                held = theirs[name].filter(filters.q(kind, condition, project.pk))
                threads = theirs["thread"].filter(public_id=OuterRef("thread_id"))
                if held.exists() or filters.narrow(kind, project.pk, condition).filter(Exists(threads)).exists():
                    return hold
    return None


def _erase(job: Job, id: str, count: Count, advance: Callable[[], None]) -> None:
    """In this order: copies first, while the rows that lead to them are there; the participant's own row last."""
    project = job.project
    count("exports", _exports(project, id, job))
    rejects = IngestReject.objects.filter(project=project)
    count("refused bodies", rejects.filter(Q(record_id=id) | copies.mentions(id)).update(body=None))
    count("files to import", copies.forget_files_to_import(project))
    theirs = own(project, id)

    def take(kind: str, ids: list[str]) -> None:
        try:
            if hold_of(project, id) is None:
                _take(project, kind, ids, count)
                advance()
                return
        except holds.Held:
            pass
        raise jobs.Failed(_HELD_SINCE)

    def take_steps(steps: QuerySet[Any]) -> None:
        for ids in batches(steps):
            # From below: those above lead to them.
            for level in reversed(_levels(project, id, ids)):
                for made in batches(Generation.objects.in_project(project.pk).filter(step_id__in=level)):
                    take("generation", made)
                take("step", level)

    for threads in batches(theirs["thread"]):
        inside = {"thread_id__in": threads}
        take_steps(Step.objects.in_project(project.pk).filter(**inside))
        for calls in batches(Generation.objects.in_project(project.pk).filter(**inside)):
            take("generation", calls)
        take("thread", threads)
    take_steps(theirs["step"])
    for kind in ("generation", "feedback", "score"):
        for ids in batches(theirs[kind]):
            take(kind, ids)
    count("participants", remove(project, "participant", [id])[0])


def _levels(project: Project, id: str, ids: list[str]) -> list[list[str]]:
    """These steps and those below them, level by level, a hundred at most in each; without what is named as somebody
    else's, and what is below that."""
    levels, seen = [ids], set(ids)
    at = 0
    while at < len(levels):
        below = Step.objects.in_project(project.pk).filter(whose(id), parent_id__in=levels[at])
        found = [one for one in below.values_list("public_id", flat=True) if one not in seen]
        seen.update(found)
        levels += [found[n : n + AT_ONCE] for n in range(0, len(found), AT_ONCE)]
        at += 1
    return levels


def _take(project: Project, kind: str, ids: list[str], count: Count) -> None:
    """These rows, with what people made from them and what hangs on them; each is counted as it goes."""
    if kind in ("generation", "step"):
        with transaction.atomic():
            holds.refuse(project.pk, kind, ids)
            made = {f"{kind}_id__in": ids}
            results = ExperimentItem.objects.filter(experiment__project=project)
            named = {"generation_id__in": ids} if kind == "generation" else {"run_id__in": ids}
            results = results.filter(Q(**named) | Q(**{f"dataset_item__{name}": value for name, value in made.items()}))
            items = DatasetItem.objects.filter(dataset__project=project, **made)
            # With what reviewers wrote of it.
            ReviewItem.objects.filter(queue__project=project, kind=kind, subject_id__in=ids).delete()
            gone = results.delete()[1].get("generations.ExperimentItem", 0)
            count("experiment items", gone)
            count("dataset items", items.delete()[1].get("generations.DatasetItem", 0))
    if kind in ("generation", "step", "thread"):
        for name, model in (("scores", Score), ("feedback", Feedback)):
            if not (name == "feedback" and kind == "thread"):
                beside = model.objects.in_project(project.pk).filter(**{f"{kind}_id__in": ids})
                with transaction.atomic():
                    noun = name.removesuffix("s")
                    count(name, recording.delete(project, noun, list(beside.values_list("public_id", flat=True))))
    with transaction.atomic():
        number, files = remove(project, kind, ids)
        count("files", files)
        count(kind if kind == "feedback" else f"{kind}s", number)


def _exports(project: Project, id: str, erasure: Job) -> int:
    """Delete the files of exports that may hold rows of the participant; returns how many. What can no longer be told
    is deleted: an export can be made again."""
    return sum(exporting.forget(export) for export in copies.exports(project, id, erasure, result__file__isnull=False))


def _delivered(project: Project, id: str, erasure: Job) -> list[dict[str, str]]:
    """The files outside that may hold rows of the participant, the oldest first: for whoever has them to delete."""
    return [
        {"to": str(export.result["delivered"]), "finishedAt": export.finished_at.isoformat(), "job": str(export.pk)}
        for export in copies.exports(project, id, erasure, result__delivered__isnull=False)
        if export.finished_at is not None
    ]
