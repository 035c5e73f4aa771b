"""Deletes rows together with the files beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from generations import access, at_once, attachments, holds, recording
from generations.access import Grant
from generations.at_once import Statement
from generations.models import Attachment, Generation, Project, Step

AT_ONCE: Final = 100


def remove(project: Project, kind: str, ids: Sequence[str]) -> tuple[int, int]:
    """Delete these rows alone, with what hangs on them; returns how many there were and how many files went along.

    The files go first: a worker that is killed in between finds the rows again, and with them what is left to do.
    """
    files = remove_files(project, kind, ids)
    return recording.delete(project, kind, ids), files


def remove_threads(project: Project, ids: Sequence[str]) -> int:
    """Delete these threads with the steps and generations in them, a hundred at a time; returns how many threads."""
    for calls in batches(Generation.objects.in_project(project.pk).filter(thread_id__in=ids)):
        remove(project, "generation", calls)
    for steps in batches(Step.objects.in_project(project.pk).filter(thread_id__in=ids)):
        remove_steps(project, steps)
    return remove(project, "thread", ids)[0]


def remove_steps(project: Project, ids: Sequence[str]) -> int:
    """Delete these steps with the generations made in them, a hundred at a time; returns how many steps."""
    for calls in batches(Generation.objects.in_project(project.pk).filter(step_id__in=ids)):
        remove(project, "generation", calls)
    return remove(project, "step", ids)[0]


def erase(grant: Grant, kind: str, id: str) -> bool:
    """Delete one row with what is in it and the files beside that in somebody's name, which the audit keeps; False when
    there is none. Interrupted, it is to be done again.

    Raises Held for what a legal hold keeps.
    """
    project = grant.project
    holds.refuse(project.pk, kind, [id])
    if kind == "thread":
        gone = remove_threads(project, [id])
    elif kind == "step":
        gone = remove_steps(project, [id])
    else:
        gone, _ = remove(project, kind, [id])
    if gone:
        access.audit(grant, f"{kind}.delete", kind, id)
    return bool(gone)


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
        beside, all_files = {f"{kind}_id__in": list(ids)}, Attachment.objects.in_project(project.pk)
        for row in all_files.filter(**beside).exclude(storage_key=None):
            with transaction.atomic():
                if provided:
                    at_once.send(provided)
                # Of a file that several of these rows have, nothing is left that refers to it.
                attachments.delete(row, all_files.exclude(**beside))
            files += 1
    return files
