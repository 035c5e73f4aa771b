"""Deletes rows together with the files beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from generations import at_once, attachments, recording
from generations.at_once import Statement
from generations.models import Attachment, Generation, Project, Step

AT_ONCE: Final = 100


def remove(project: Project, kind: str, ids: Sequence[str]) -> tuple[int, int]:
    """Delete these rows alone, with what hangs on them; returns how many there were and how many files went along.

    The files go first: a worker that is killed in between finds the rows again, and with them what is left to do.
    """
    files = remove_files(project, kind, ids)
    return recording.delete(project, kind, ids, alone=True), files


def remove_threads(project: Project, ids: Sequence[str]) -> int:
    """Delete these threads with the steps and generations in them, a hundred at a time; returns how many threads."""
    steps = Step.objects.in_project(project.pk).filter(thread_id__in=ids)
    calls = Generation.objects.in_project(project.pk)
    for inside in batches(calls.filter(thread_id__in=ids)):
        remove(project, "generation", inside)
    for inside in batches(steps):
        for made in batches(calls.filter(step_id__in=inside)):
            remove(project, "generation", made)
        remove(project, "step", inside)
    return remove(project, "thread", ids)[0]


def batches(rows: QuerySet[Any]) -> Iterator[list[str]]:
    """The ids of rows that are deleted as they are had, some at a time."""
    while found := list(rows.order_by("uid").values_list("public_id", flat=True)[:AT_ONCE]):
        yield found


def remove_files(project: Project, kind: str, ids: Sequence[str], provided: Sequence[Statement] = ()) -> int:
    """Delete the files beside these rows; returns how many. A storage far away may take its time.

    What is `provided` may refuse each of them by an error of its own, and stays as it is until that one is gone.
    """
    files = 0
    if kind in ("generation", "step", "thread"):
        beside = Attachment.objects.in_project(project.pk).filter(**{f"{kind}_id__in": list(ids)})
        for row in beside.exclude(storage_key=None):
            with transaction.atomic():
                if provided:
                    at_once.send(provided)
                attachments.delete(row)
            files += 1
    return files
