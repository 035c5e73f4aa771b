"""Everything that matches a filter as one file: started here, written by a worker, fetched by a signed link.

A file is whole or absent: it is written beside the storage, moved into it when it is complete, and only then named by
its job. Memory stays flat whatever the number of rows; the rows are those that matched when the worker began.
"""

from __future__ import annotations

import datetime as dt
import posixpath
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from django.conf import settings
from django.core import signing
from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone

from generations import jobs, outages
from generations.access import Grant, Scope
from generations.exporting import schedules, writers
from generations.exporting.asked import KINDS, Asked, checked
from generations.exporting.departures import forget_told
from generations.exporting.making import expire, forget, forget_lost, forget_unfinished, run
from generations.exporting.writers import COMPRESSIONS, FORMATS
from generations.models import Job
from generations.records import Json

__all__ = [
    "COMPRESSIONS",
    "FORMATS",
    "KINDS",
    "Asked",
    "NotReady",
    "again",
    "cancel",
    "check_signature",
    "download_path",
    "expire",
    "file_name",
    "find",
    "forget",
    "forget_lost",
    "forget_told",
    "forget_unfinished",
    "has_file",
    "lost",
    "manifest_of",
    "media_type",
    "open_file",
    "run",
    "schedules",
    "start",
]
_SALT: Final = "generations.exporting"


class NotReady(Exception):
    """There is no file yet, or none any more; the sentence says which. Doors answer 409 or 410."""

    def __init__(self, job: Job) -> None:
        self.is_gone = job.state in (Job.State.EXPIRED, Job.State.FAILED, Job.State.CANCELLED, Job.State.DONE)
        if job.state == Job.State.DONE and "delivered" in job.result:
            sentence = f"This export was delivered to {job.result['delivered']}."
        elif job.state in (Job.State.EXPIRED, Job.State.DONE):
            sentence = "The file of this export is gone: it has expired, or a backup was restored. Start it again."
        elif self.is_gone:
            sentence = f"This export was {job.state} and has no file. Start it again."
        else:
            sentence = f"This export is {job.state}; its file is there when its state is 'done'."
        super().__init__(sentence)


def start(
    grant: Grant,
    *,
    kind: str = "generations",
    format: str = "jsonl",
    compression: str | None = None,
    condition_document: Json = None,
    fields: Sequence[str] | None = None,
    order: str | None = None,
    version: int | None = None,
    since: dt.datetime | None = None,
    id: uuid.UUID | None = None,
) -> Job:
    """A job that will write what matches to a file; the door sends it to a worker after the commit.

    `kind` is one of KINDS, `format` one of FORMATS, `compression` one of COMPRESSIONS, None for what is usual with the
    format; `condition_document` is a filter in its document form, None for everything; `fields` are names as
    `columns.chosen` takes them, None for all; `order` is like `-usage.cost`, newest first when it is None; `version` is
    that of datasets whose items are wanted as they were; `since` leaves out what did not change from then on; of one
    `id` there is one job, as `jobs.create` says. Needs the scope `read`. Raises filters.BadFilter, before anything is
    written, for whatever the worker could not do.
    """
    grant.need(Scope.READ)
    asked = checked(
        grant.project,
        kind=kind,
        format=format,
        compression=compression,
        condition_document=condition_document,
        fields=fields,
        order=order,
        version=version,
    )
    return jobs.create(grant, Job.Kind.EXPORT, replace(asked, since=since).parameters(), id=id)


def find(grant: Grant, job_id: uuid.UUID | str) -> Job | None:
    """The project's export of this id, or None."""
    return jobs.find(grant, job_id, Job.Kind.EXPORT)


def cancel(grant: Grant, job_id: uuid.UUID | str) -> Job | None:
    """Stop an export; its file is deleted or never made. None when there is no such export."""
    return None if find(grant, job_id) is None else jobs.cancel(grant, job_id)


def again(grant: Grant, job_id: uuid.UUID | str) -> Job | None:
    """A new export of what an earlier one was asked for, of changes since the same moment where it was a schedule's
    incremental run; None when there is none. Raises BadFilter as `start` does."""
    job = find(grant, job_id)
    if job is None:
        return None
    asked = Asked.of(job)
    return start(
        grant,
        kind=asked.kind,
        format=asked.format,
        compression=asked.compression,
        condition_document=asked.filter,
        fields=asked.fields,
        order=asked.order,
        version=asked.version,
        since=asked.since,
    )


# ---------------------------------------------------------------------------------------------------------- download
def download_path(job: Job) -> str:
    """The path that anyone who has it may fetch the file from, until the export expires."""
    signature = signing.TimestampSigner(salt=_SALT).sign(str(job.pk)).partition(":")[2]
    return f"/api/exports/{job.pk}/download?signature={signature}"


def check_signature(job_id: uuid.UUID | str, signature: str) -> Job | None:
    """The export whose download path was signed with this; None when it was not, or too long ago."""
    age = dt.timedelta(hours=settings.EXPORT_EXPIRY_HOURS)
    try:
        signing.TimestampSigner(salt=_SALT).unsign(f"{job_id}:{signature}", max_age=age)
    except signing.BadSignature:
        return None
    # What was signed is the id of a job that there was.
    return Job.objects.filter(pk=job_id, kind=Job.Kind.EXPORT).select_related("project").first()


def has_file(job: Job) -> bool:
    """Whether there is a file to be fetched here, as far as the job knows."""
    is_past = job.expires_at is not None and job.expires_at <= timezone.now()
    return job.state == Job.State.DONE and "file" in job.result and not is_past


def lost(rows: Iterable[Job]) -> frozenset[uuid.UUID]:
    """The ids of those whose file, which the job knows of, is not there any more: deleted by hand, or left out of a
    backup. None of them while the storage is away.

    It costs a look into the folder, or a question to the bucket for each thousand files of the project.
    """
    kept = [job for job in rows if has_file(job)]
    try:
        there = {
            f"{folder}/{name}"
            for folder in {posixpath.dirname(job.result["file"]) for job in kept}
            for name in _names(folder)
        }
    except outages.StorageAway:
        return frozenset()
    return frozenset(job.pk for job in kept if job.result["file"] not in there)


def _names(folder: str) -> list[str]:
    try:
        return default_storage.listdir(folder)[1]
    except FileNotFoundError:
        return []


def manifest_of(job: Job) -> Json:
    """What is told of the file of an export that was made once. Raises NotReady when none was."""
    if "manifest" not in job.result:
        raise NotReady(job)
    return job.result["manifest"]


def open_file(job: Job) -> File[bytes]:
    """The file of a finished export, to be read and closed by the caller. Raises NotReady when there is none."""
    if not has_file(job):
        raise NotReady(job)
    try:
        return default_storage.open(job.result["file"], "rb")
    except FileNotFoundError:
        raise NotReady(job) from None


def file_name(job: Job) -> str:
    """What the file is called on the disk of who fetches it: `generations-2026-03-01-0199….csv.gz`."""
    asked = Asked.of(job)
    return f"{asked.kind}-{job.created_at:%Y-%m-%d}-{str(job.pk)[:13]}{asked.ending}"


def media_type(job: Job) -> str:
    """The content type of the file."""
    asked = Asked.of(job)
    return writers.media_type(asked.format, asked.compression)
