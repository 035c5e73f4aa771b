"""Files that no row names: uploaded by themselves for a span that never came, kept for what was then not stored, or of
what was deleted since, a project even."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Final

from django.core.files.storage import default_storage
from django.db import OperationalError
from django.utils import timezone

from generations import access, attachments
from generations.models import Attachment, DatasetFile, Job, Project
from generations.retention import gone

AT_ONCE: Final = 500
SECONDS: Final = 30.0
"""After which a turn ends: others wait for the worker. It begins anywhere: what one did not come to, others do."""

log = logging.getLogger(__name__)


def forget_unnamed(seconds: float = SECONDS) -> int:
    """Delete old files that no row names, of as many projects as there is time for; returns how many.

    A query for some hundreds that are old enough, and one for each that goes, under a lock of that file alone. The
    audit of each project tells how many went. What is older than its project is left: it was not kept for it, but by
    another installation, whose bucket this one was given.
    """
    until, number = time.monotonic() + seconds, 0
    turns: list[Callable[[], int]] = [lambda: _forget_of_the_gone(until)]
    turns += [lambda project=project: _forget(project, until) for project in Project.objects.all()]  # type: ignore[misc]
    secrets.SystemRandom().shuffle(turns)
    for turn in turns:
        if time.monotonic() > until:
            break
        number += turn()
    return number


def _forget_of_the_gone(until: float) -> int:
    try:
        return gone.forget_left(gone.left(), until)
    except (OSError, OperationalError) as error:
        log.warning("The files of deleted projects are looked for another time: %s", error)
    return 0


def _forget(project: Project, until: float) -> int:
    number = 0
    try:
        for is_forgotten in itertools.chain(_left(project, until), _unnamed(project, until)):
            number += is_forgotten()
            if time.monotonic() > until:
                break
    except (OSError, OperationalError) as error:
        log.warning("The files of project %s are looked through another time: %s", project.pk, error)
    finally:
        if number:
            access.audit(access.of_system(project), "retention.files", "file", "", {"count": number})
    return number


def _unnamed(project: Project, until: float) -> Iterator[Callable[[], bool]]:
    """What forgets each of the old attachments of a project that no row names, as far as one comes in time."""
    start = f"{attachments.folder(project)}{secrets.token_hex(1)}"
    every = itertools.chain(attachments.listed(project, after=start), attachments.listed(project, until=start))

    def named(keys: Collection[str]) -> Collection[str]:
        rows = Attachment.objects.in_project(project.pk).filter(storage_key__in=keys)
        return set(rows.values_list("storage_key", flat=True))

    found = ((key, at) for key, at in every if attachments.may_be_named(project, key))
    return (partial(attachments.forget, project, key) for key in _old(project, found, named, until))


def _left(project: Project, until: float) -> Iterator[Callable[[], bool]]:
    """The same of the files of datasets that were deleted, and of exports that no worker came to the end of."""

    def of_datasets(keys: Collection[str]) -> Collection[str]:
        rows = DatasetFile.objects.filter(dataset__project=project, storage_key__in=keys)
        return set(rows.values_list("storage_key", flat=True))

    def of_exports(keys: Collection[str]) -> Collection[str]:
        jobs = {key: id for key in keys if (id := _job_of(key)) is not None}
        there = Job.objects.filter(
            project=project, pk__in=jobs.values(), state__in=[Job.State.QUEUED, Job.State.RUNNING, Job.State.DONE]
        )
        kept = set(there.values_list("pk", flat=True))
        return {key for key, id in jobs.items() if id in kept}

    storage: Any = default_storage
    # Where earlier versions kept parts of Gantry's uploads, of which those that nobody finished stayed.
    for root, named in (("datasets", of_datasets), ("exports", of_exports), ("uploads", lambda keys: ())):
        old = _old(project, storage.listed(f"{root}/{project.pk}/"), named, until)
        yield from (partial(_is_deleted, key) for key in old)


def _is_deleted(key: str) -> bool:
    default_storage.delete(key)
    return True


def _job_of(key: str) -> uuid.UUID | None:
    """The job that made the file of an export: its name begins with that."""
    with suppress(ValueError):
        return uuid.UUID(key.rpartition("/")[2][:36])
    return None


def _old(
    project: Project,
    every: Iterator[Any],
    named: Callable[[Collection[str]], Collection[str]],
    until: float,
) -> Iterator[str]:
    """Those of these files that are old enough, and that nothing names."""
    for some in iter(lambda: list(itertools.islice(every, AT_ONCE)), []):
        latest = timezone.now() - attachments.STAYS
        old = [key for key, at in some if project.created_at <= at < latest]
        known = named(old) if old else ()
        yield from (key for key in old if key not in known)
        if time.monotonic() > until:
            return
