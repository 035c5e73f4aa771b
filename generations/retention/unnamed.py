"""Files that no row names: uploaded by themselves for a span that never came, or kept for what was then not stored."""

from __future__ import annotations

import itertools
import logging
import secrets
import time
from collections.abc import Iterator
from typing import Final

from django.db import OperationalError
from django.utils import timezone

from generations import access, attachments
from generations.models import Attachment, Project

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
    until, gone = time.monotonic() + seconds, 0
    for project in Project.objects.order_by("?"):
        if time.monotonic() > until:
            break
        gone += _forget(project, until)
    return gone


def _forget(project: Project, until: float) -> int:
    number = 0
    try:
        for key in _unnamed(project, until):
            number += attachments.forget(project, key)
            if time.monotonic() > until:
                break
    except (OSError, OperationalError) as error:
        log.warning("The files of project %s are looked through another time: %s", project.pk, error)
    finally:
        if number:
            access.audit(access.of_system(project), "retention.files", "file", "", {"count": number})
    return number


def _unnamed(project: Project, until: float) -> Iterator[str]:
    """The old files of a project that no row names, as far as one comes in time."""
    start = f"{attachments.folder(project)}{secrets.token_hex(1)}"
    every = itertools.chain(attachments.listed(project, after=start), attachments.listed(project, until=start))
    for some in iter(lambda: list(itertools.islice(every, AT_ONCE)), []):
        latest = timezone.now() - attachments.STAYS
        old = [key for key, at in some if project.created_at <= at < latest and attachments.may_be_named(project, key)]
        rows = Attachment.objects.in_project(project.pk).filter(storage_key__in=old)
        named = set(rows.values_list("storage_key", flat=True)) if old else ()
        yield from (key for key in old if key not in named)
        if time.monotonic() > until:
            return
