"""Deletes rows together with the files beside them."""

from __future__ import annotations

from collections.abc import Sequence

from generations import attachments, recording
from generations.models import Attachment, Project


def remove(project: Project, kind: str, ids: Sequence[str]) -> tuple[int, int]:
    """Delete these rows alone, with what hangs on them; returns how many there were and how many files went along.

    The files go first: a worker that is killed in between finds the rows again, and with them what is left to do.
    """
    files = remove_files(project, kind, ids)
    return recording.delete(project, kind, ids, alone=True), files


def remove_files(project: Project, kind: str, ids: Sequence[str]) -> int:
    """Delete the files beside these rows; returns how many. A storage far away may take its time."""
    files = 0
    if kind in ("generation", "step", "thread"):
        beside = Attachment.objects.in_project(project.pk).filter(**{f"{kind}_id__in": list(ids)})
        for row in beside.exclude(storage_key=None):
            attachments.delete(row)
            files += 1
    return files
