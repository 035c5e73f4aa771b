"""Everything that matches a filter as one file: started here, written by a worker, fetched by a signed link.

A file is whole or absent: it is written beside the storage, moved into it when it is complete, and only then named by
its job. Memory stays flat whatever the number of rows; the rows are those that matched when the worker began.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from django.conf import settings
from django.core import signing
from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone

from generations import filters, jobs
from generations.access import Grant, Scope
from generations.exporting import columns, rows, writers
from generations.exporting.columns import COLUMNS
from generations.exporting.writers import FORMATS, MEDIA_TYPES
from generations.filters.fields import nearest
from generations.models import Job
from generations.records import Json

if TYPE_CHECKING:
    _BytesFile = File[bytes]
else:
    _BytesFile = File

KINDS: Final = tuple(COLUMNS)
_SALT: Final = "generations.exporting"


class NotReady(Exception):
    """There is no file yet, or none any more; the sentence says which. Doors answer 409 or 410."""

    def __init__(self, job: Job) -> None:
        self.is_gone = job.state in (Job.State.EXPIRED, Job.State.FAILED, Job.State.CANCELLED, Job.State.DONE)
        if job.state in (Job.State.EXPIRED, Job.State.DONE):
            sentence = "This export has expired and its file was deleted. Start it again."
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
    condition_document: Json = None,
    fields: Sequence[str] | None = None,
    order: str | None = None,
    version: int | None = None,
) -> Job:
    """A job that will write what matches to a file; the door sends it to a worker after the commit.

    `kind` is one of KINDS, `format` one of FORMATS; `condition_document` is a filter in its document form, None for
    everything; `fields` are names as `columns.chosen` takes them, None for all; `order` is like `-usage.cost`, newest
    first when it is None; `version` is that of datasets whose items are wanted as they were. Needs the scope `read`.
    Raises filters.BadFilter, before anything is written, for whatever the worker could not do.
    """
    grant.need(Scope.READ)
    if kind not in KINDS:
        raise filters.BadFilter("kind", kind, f"one of {', '.join(KINDS)}{nearest(str(kind), KINDS)}")
    if format not in FORMATS:
        raise filters.BadFilter("format", format, f"one of {', '.join(FORMATS)}{nearest(str(format), FORMATS)}")
    if version is not None and kind != "datasets":
        raise filters.BadFilter("version", version, f"none: {kind} have no versions")
    if fields is not None:
        columns.chosen(kind, fields)
    # Building the statement finds what reading the document alone cannot.
    rows.ordering(kind, order, grant.project.pk)
    rows.SOURCES[kind].narrow(grant.project.pk, filters.from_document(kind, condition_document or {}))
    parameters = {
        "kind": kind,
        "format": format,
        "filter": condition_document or {},
        "fields": None if fields is None else list(fields),
        "order": order,
    }
    if version is not None:
        parameters["version"] = version
    return jobs.create(grant, Job.Kind.EXPORT, parameters)


def find(grant: Grant, job_id: uuid.UUID | str) -> Job | None:
    """The project's export of this id, or None."""
    return jobs.find(grant, job_id, Job.Kind.EXPORT)


def cancel(grant: Grant, job_id: uuid.UUID | str) -> Job | None:
    """Stop an export; its file is deleted or never made. None when there is no such export."""
    return None if find(grant, job_id) is None else jobs.cancel(grant, job_id)


def run(job_id: uuid.UUID | str) -> bool:
    """Do the export, if it is free to be done; False when another worker has it or it has ended."""
    return jobs.work(job_id, _export)


def expire() -> int:
    """Delete the files that are past their time; returns how many exports that were."""
    past = Job.objects.filter(kind=Job.Kind.EXPORT, state=Job.State.DONE, expires_at__lte=timezone.now())
    expired = 0
    for job in past.order_by("expires_at")[:100]:
        # In this order: a file that could not be deleted is tried again, rather than forgotten.
        default_storage.delete(job.result["file"])
        expired += Job.objects.filter(pk=job.pk, state=Job.State.DONE).update(state=Job.State.EXPIRED)
    return expired


def forget_unfinished() -> int:
    """Delete what killed workers left beside the storage and no later attempt cleared; returns how many files."""
    # A live one is written to all the time.
    old = time.time() - dt.timedelta(days=1).total_seconds()
    parts = [part for part in _unfinished().glob("*.part") if part.stat().st_mtime < old]
    for part in parts:
        part.unlink(missing_ok=True)
    return len(parts)


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


def open_file(job: Job) -> File[bytes]:
    """The file of a finished export, to be read and closed by the caller. Raises NotReady when there is none."""
    is_past = job.expires_at is not None and job.expires_at <= timezone.now()
    if job.state != Job.State.DONE or is_past:
        raise NotReady(job)
    try:
        return default_storage.open(job.result["file"], "rb")
    except FileNotFoundError:
        raise NotReady(job) from None


def file_name(job: Job) -> str:
    """What the file is called on the disk of who fetches it: `generations-2026-03-01-0199….csv`."""
    return f"{job.parameters['kind']}-{job.created_at:%Y-%m-%d}-{str(job.pk)[:13]}.{job.parameters['format']}"


def media_type(job: Job) -> str:
    """The content type of the file."""
    return MEDIA_TYPES[job.parameters["format"]]


# ------------------------------------------------------------------------------------------------------------ writing
def _export(lease: jobs.Lease) -> None:
    job = lease.job
    _clear_earlier_attempts(job)
    part = _part(job, job.attempts)
    try:
        part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with part.open("xb") as file:
                _write(lease, file)
                file.flush()
                # The job must not outlive its file when the machine stops.
                os.fsync(file.fileno())
            _deliver(lease, part)
        finally:
            part.unlink(missing_ok=True)
    except filters.BadFilter as error:
        raise jobs.Failed(f"The filter or the fields are no longer possible. {error}") from error
    except OSError as error:
        raise jobs.Failed(f"The file could not be written: {error.strerror or error}.") from error


def _write(lease: jobs.Lease, file: BinaryIO) -> None:
    project, asked = lease.job.project, lease.job.parameters
    kind, fields = asked["kind"], asked["fields"]
    chosen = columns.chosen(kind, fields)
    if not asked["format"].startswith("jsonl"):
        chosen = columns.flat(kind, chosen)
    condition = filters.from_document(kind, asked["filter"])
    stamped = not columns.STAMPS.isdisjoint(chosen)
    done = 0
    with (
        rows.keys(kind, project, condition, asked["order"], version=asked.get("version")) as keys,
        writers.writing(asked["format"], file, chosen, whole=fields is None) as writer,
    ):
        lease.advance(0, keys.count())
        for batch in keys.batches():
            for documents in rows.documents(kind, project, batch, stamped=stamped):
                writer.write(documents)
                done += len(documents)
                lease.advance(done)


def _deliver(lease: jobs.Lease, part: Path) -> None:
    with part.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        size = file.tell()
    # Not for an attempt that has been taken over meanwhile.
    lease.renew()
    with _Finished(part) as finished:
        name = default_storage.save(_name(lease.job, lease.job.attempts), finished)
    result: dict[str, Any] = {"file": name, "rows": lease.done, "bytes": size, "sha256": digest}
    expires_at = timezone.now() + dt.timedelta(hours=settings.EXPORT_EXPIRY_HOURS)
    try:
        lease.finish(result, expires_at=expires_at)
    except (jobs.Cancelled, jobs.Lost):
        default_storage.delete(name)
        raise


class _Finished(_BytesFile):
    """A file that a storage on the same disk may move instead of copying it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"), name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


def _name(job: Job, attempt: int) -> str:
    # Each attempt has a name of its own, so that two of them can never be in one file.
    return f"exports/{job.project_id}/{job.pk}-{attempt}.{job.parameters['format']}"


def _part(job: Job, attempt: int) -> Path:
    return _unfinished() / f"{job.pk}-{attempt}.part"


def _unfinished() -> Path:
    return Path(settings.DATA_DIR) / "unfinished"


def _clear_earlier_attempts(job: Job) -> None:
    for attempt in range(1, job.attempts):
        _part(job, attempt).unlink(missing_ok=True)
        default_storage.delete(_name(job, attempt))
