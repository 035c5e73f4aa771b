"""Files of projects that are gone: they go once that is committed, and by its note where this was interrupted."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.core.files.storage import default_storage
from django.db import OperationalError
from django.utils import timezone

from generations import attachments
from generations.models import AuditEntry, Project

ROOTS: Final = ("attachments", "datasets", "exports", "imports", "uploads")
"""The folders of the storage in which each project has one that is called by its number."""
PROJECT_GONE: Final = "project.delete"
"""The action of the note that a deletion leaves; it belongs to no project."""
SINCE: Final = "since"
"""What of such a note says when the project was made."""

log = logging.getLogger(__name__)


def forget_files(number: int, since: dt.datetime, before: dt.datetime | None = None, until: float | None = None) -> int:
    """Delete the files of a project that is gone, as far as one comes `until` then; returns how many.

    What is older than the project was, `since`, is another installation's, whose bucket this one was given; what was
    kept `before` some moment may be all that is asked for.
    """
    gone = 0
    for key, at in _of(number):
        if since <= at and (before is None or at < before):
            default_storage.delete(key)
            gone += 1
        if until is not None and time.monotonic() > until:
            break
    return gone


def left() -> list[tuple[int, dt.datetime]]:
    """The projects that were deleted here and have folders in the storage all the same, with the moments since which
    they were there.

    A number that no note tells of is not among them: its project may be another installation's, or be restored yet. One
    request for each of a few folders.
    """
    there: set[str] = set()
    for root in ROOTS:
        try:
            there.update(default_storage.listdir(root)[0])
        except FileNotFoundError:
            continue
    notes = AuditEntry.objects.filter(project=None, action=PROJECT_GONE, subject_id__in=there, detail__has_key=SINCE)
    found = {
        int(id): dt.datetime.fromisoformat(since) for id, since in notes.values_list("subject_id", "detail__since")
    }
    for number in Project.objects.filter(pk__in=found).values_list("pk", flat=True):
        del found[number]
    return list(found.items())


def forget_left(projects: Iterable[tuple[int, dt.datetime]], until: float) -> int:
    """Delete what is old enough of the files of these; returns how many. What cannot be deleted keeps no other one."""
    gone = 0
    for number, since in projects:
        if time.monotonic() > until:
            break
        try:
            gone += forget_files(number, since, timezone.now() - attachments.STAYS, until)
        except (OSError, OperationalError) as error:
            log.warning("The files of the deleted project %s are looked through another time: %s", number, error)
    return gone


def _of(number: int) -> Iterator[tuple[str, dt.datetime]]:
    storage: Any = default_storage
    for root in ROOTS:
        yield from storage.listed(f"{root}/{number}/")
