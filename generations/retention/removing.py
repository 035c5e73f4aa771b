"""Deletes rows together with the files beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from generations import access, at_once, attachments, bundles, holds, identities, recording
from generations.access import Grant
from generations.at_once import Statement
from generations.models import Attachment, DatasetItem, Generation, Project, Step, Thread

AT_ONCE: Final = 100
_WITH_OTHERS: Final[dict[str, type[Any]]] = {"step": Step, "thread": Thread}


def remove(project: Project, kind: str, ids: Sequence[str]) -> tuple[int, int]:
    """Delete these rows alone, with what hangs on them; returns how many there were and how many files went along.

    The files go first: a worker that is killed in between finds the rows again, and with them what is left to do.
    Raises Held, and nothing is deleted, where a legal hold keeps any of it.
    """
    with transaction.atomic():
        holds.refuse(project.pk, kind, ids)
        files = remove_files(project, kind, ids)
        return recording.delete(project, kind, ids), files


def remove_threads(project: Project, ids: Sequence[str]) -> int:
    """Delete these threads with the steps and generations in them, a hundred at a time; returns how many threads."""
    empty_threads(project, ids)
    return remove(project, "thread", ids)[0]


def empty_threads(project: Project, ids: Sequence[str]) -> None:
    """Delete the steps and generations in these threads, a hundred at a time. Raises Held, as `remove` does."""
    _remove_within(project, "thread", ids)


def _remove_within(project: Project, kind: str, ids: Sequence[str]) -> None:
    """Delete what is in these threads or steps, a hundred rows at a time."""
    if kind == "thread":
        for steps in batches(Step.objects.in_project(project.pk).filter(thread_id__in=ids)):
            _remove_within(project, "step", steps)
            remove(project, "step", steps)
    for calls in batches(Generation.objects.in_project(project.pk).filter(**{f"{kind}_id__in": list(ids)})):
        remove(project, "generation", calls)


def erase(grant: Grant, kind: str, id: str) -> bool:
    """Delete one row with what is in it and the files beside that in somebody's name, which the audit keeps; False when
    there is none. By the id of a generation that gave way, the one that stands for it.

    Interrupted, it is to be done again. Raises Held for what a legal hold keeps.
    """
    project = grant.project
    if "\0" in id:
        return False  # which the database has no place for
    if rows := _WITH_OTHERS.get(kind):
        with transaction.atomic():
            holds.refuse(project.pk, kind, [id])  # before anything in it is gone
            if not rows.objects.by_ids(project.pk, kind, [id]).exists():
                return False  # what names it, and came before it, stays
            access.audit(grant, f"{kind}.delete", kind, id)  # now: it may be interrupted
        _remove_within(project, kind, [id])
        remove(project, kind, [id])
        return True
    with transaction.atomic():
        gone, _ = remove(project, kind, [id])
        if gone:
            access.audit(grant, f"{kind}.delete", kind, id)
    if not gone and kind == "generation" and (standing := bundles.gave_way(project, [id]).get(id)) is not None:
        return erase(grant, kind, standing)
    return bool(gone)


def batches(rows: QuerySet[Any]) -> Iterator[list[str]]:
    """The ids of rows that are deleted as they are had, some at a time."""
    while found := list(rows.order_by("uid").values_list("public_id", flat=True)[:AT_ONCE]):
        yield found


def files_of_text(project: Project, kind: str) -> QuerySet[Attachment]:
    """The files that were inside of what was said in generations or steps, and that no item of a dataset, which is a
    copy of that, refers to."""
    own: QuerySet[Attachment] = Attachment.objects.in_project(project.pk)
    items = DatasetItem.objects.filter(dataset__project=project, **{f"{kind}_id": OuterRef(f"{kind}_id")})
    return own.filter(storage_key__startswith=attachments.folder(project)).exclude(Exists(items))


def remove_files_of_text(project: Project, kind: str, ids: Sequence[str], provided: Sequence[Statement]) -> list[str]:
    """Delete the files that were inside of what was said in these rows, where nothing else refers to them; returns of
    each the id of its row. What is `provided` may refuse as `remove_files` says."""
    rows: list[str] = []
    named = files_of_text(project, kind).filter(**{f"{kind}_id__in": list(ids)})
    while found := dict(named.order_by("uid").values_list("public_id", f"{kind}_id")[:AT_ONCE]):
        with transaction.atomic():
            at_once.send(provided)
            remove_files(project, "attachment", list(found))
            recording.delete(project, "attachment", list(found))
        rows += found.values()
    return rows


def remove_files(project: Project, kind: str, ids: Sequence[str], provided: Sequence[Statement] = ()) -> int:
    """Delete the files beside these rows; returns how many. A storage far away may take its time.

    What is `provided` may refuse each of them by an error of its own, and stays as it is until that one is gone.
    """
    if kind not in ("generation", "step", "thread", "attachment"):
        return 0
    all_files = Attachment.objects.in_project(project.pk)
    beside: dict[str, Any] = {f"{kind}_id__in": list(ids)}
    if kind == "attachment":
        beside = {"uid__in": [identities.uid(project.pk, kind, id) for id in ids]}
    files = 0
    for row in all_files.filter(**beside).exclude(storage_key=None):
        with transaction.atomic() if provided else nullcontext():
            if provided:
                at_once.send(provided)
            # Of a file that several of these rows have, nothing is left that refers to it.
            attachments.delete(row, all_files.exclude(**beside))
        files += 1
    return files
