"""Makes the file of an export: in one picture of the database, whole or absent, at flat memory."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import logging
import os
import uuid
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from generations import filters, jobs
from generations.exporting import columns, departures, destinations, manifests, rows, schedules, snapshots, writers
from generations.exporting.asked import Asked
from generations.exporting.columns import Column
from generations.exporting.dialects import DIALECTS
from generations.exporting.manifests import Made
from generations.exporting.settling import dumped, loaded
from generations.exporting.snapshots import Snapshot
from generations.models import Job, Project
from generations.records import InvalidRecord
from generations.whole_files import Finished, WholeFiles, forget_left

_BUFFER: Final = 128 << 10
_STRETCH: Final = 8 << 20
"""Bytes of a file after which they are sent to the disk."""

log = logging.getLogger(__name__)


def run(job_id: uuid.UUID | str) -> bool:
    """Do the export, if it is free to be done; False when another worker has it or it has ended."""
    return jobs.work(job_id, _export)


def expire() -> int:
    """Delete the files that are past their time; returns how many exports that were. One that cannot be deleted is
    told to the log and tried again, and keeps no other one."""
    past = Job.objects.filter(kind=Job.Kind.EXPORT, state=Job.State.DONE, expires_at__lte=timezone.now())
    gone = 0
    for job in past.order_by("expires_at")[:100]:
        try:
            gone += forget(job)
        except OSError as error:
            log.error("The file of the expired export %s could not be deleted: %s", job.pk, error)
    return gone


def forget(job: Job) -> bool:
    """Delete the file of an export; whether it had one. What was delivered elsewhere stays there."""
    name = job.result.get("file")
    if not name:
        return False
    # In this order: a file that could not be deleted is tried again, rather than forgotten.
    default_storage.delete(name)
    default_storage.delete(manifests.beside(name))
    return bool(Job.objects.filter(pk=job.pk, state=Job.State.DONE).update(state=Job.State.EXPIRED))


def forget_lost() -> int:
    """Say of exports whose file is not there that it is gone; returns how many. A backup has no files of exports."""
    done = Job.objects.filter(kind=Job.Kind.EXPORT, state=Job.State.DONE, result__file__isnull=False)
    return sum(forget(job) for job in done.iterator() if not default_storage.exists(job.result["file"]))


def forget_unfinished() -> int:
    """Delete what killed processes left, beside the storage and in it, and nobody cleared; returns how many files."""
    folders = [_unfinished(), *([default_storage.unfinished] if isinstance(default_storage, WholeFiles) else [])]
    return sum(forget_left(folder) for folder in folders)


# ------------------------------------------------------------------------------------------------------------ the work
def _export(lease: jobs.Lease) -> None:
    job = lease.job
    asked = Asked.of(job)
    _clear(job, asked, range(1, job.attempts))
    try:
        with snapshots.held() as snapshot, _part(job, job.attempts) as part:
            if _is_outdated(job, snapshot):
                # An erasure may wait for an import that takes hours: nothing is written to be thrown away.
                raise jobs.Interrupted
            made = Made(part, snapshot)
            with _Hashed(part.open("xb", buffering=0)) as file:
                _write(lease, asked, made, file)
                file.flush()
                # The job must not outlive its file when the machine stops.
                os.fsync(file.fileno())
            made.bytes = part.stat().st_size
            made.sha256 = file.hash.hexdigest()
            if made.bytes != file.seen:
                # Parquet's process has written it.
                with part.open("rb") as whole:
                    made.sha256 = hashlib.file_digest(whole, "sha256").hexdigest()
            _keep(lease, asked, made)
    except filters.BadFilter as error:
        raise jobs.Failed(f"The filter or the fields are no longer possible. {error}") from error
    except OSError as error:
        # The file may have found room in the storage, and its manifest none.
        with suppress(OSError):
            _clear(job, asked, [job.attempts])
        raise jobs.Failed(f"The file could not be written: {error.strerror or error}.") from error


def _write(lease: jobs.Lease, asked: Asked, made: Made, file: BinaryIO) -> None:
    project = lease.job.project
    chosen = columns.chosen(asked.kind, asked.fields)
    flat = chosen if asked.format == "jsonl" else columns.flat(asked.kind, chosen)
    with (
        rows.keys(asked.kind, project, asked.rows(project), asked.order, made.snapshot) as keys,
        writers.writing(asked.format, asked.compression, file, flat) as writer,
    ):
        lease.advance(0, keys.count())
        for batch in keys.batches():
            made.saw([key[1] for key in batch])
            with made.snapshot.copying(), closing(_lines(asked, project, batch, flat)) as lines:
                for line in lines:
                    writer.write(line)
                    made.rows += 1
                    lease.check()
            lease.advance(made.rows)


def _lines(asked: Asked, project: Project, batch: Sequence[rows.Key], chosen: Sequence[Column]) -> Generator[Any]:
    """The rows as the writer of their format takes them."""
    if dialect := DIALECTS.get(asked.format):
        yield from rows.lines(asked.kind, project, batch, chosen, dialect)
    elif asked.fields is None:
        yield from rows.documents(asked.kind, project, batch)
    else:
        stamped = not columns.STAMPS.isdisjoint(chosen)
        for document in rows.documents(asked.kind, project, batch, chosen, stamped=stamped):
            yield dumped(columns.part(loaded(document), chosen))


def _keep(lease: jobs.Lease, asked: Asked, made: Made) -> None:
    """Hand the file to the storage and tell of it, unless someone's records were erased meanwhile."""
    job = lease.job
    if _is_outdated(job, made.snapshot):
        raise jobs.Interrupted
    # Not for an attempt that has been taken over meanwhile.
    lease.renew()
    result: dict[str, Any] = {"rows": made.rows, "bytes": made.bytes, "sha256": made.sha256}
    if job.schedule_id is not None or "destination" in job.parameters:
        _deliver(lease, asked, made, result)
        return
    manifest = manifests.manifest(job, asked, made)
    result["manifest"] = manifest
    with Finished(made.path) as finished:
        name = default_storage.save(_name(job, asked, job.attempts), finished)
    default_storage.save(manifests.beside(name), ContentFile(manifests.text(manifest)))
    expires_at = timezone.now() + dt.timedelta(hours=settings.EXPORT_EXPIRY_HOURS)
    try:
        with _unless_outdated(job, made.snapshot):
            lease.finish(result | {"file": name}, expires_at=expires_at)
    except (jobs.Cancelled, jobs.Lost, jobs.Interrupted):
        default_storage.delete(name)
        default_storage.delete(manifests.beside(name))
        raise


def _deliver(lease: jobs.Lease, asked: Asked, made: Made, result: dict[str, Any]) -> None:
    """Put a run's file where its schedule says. Its name is the run's, so that another attempt replaces it."""
    job = lease.job
    try:
        destination = destinations.read(job.parameters["destination"])
    except InvalidRecord as error:
        raise jobs.Failed(str(error)) from error
    name = f"{job.parameters['name']}{asked.ending}"
    media_type = writers.media_type(asked.format, asked.compression)
    with _gone(job, asked, made, name) as gone:
        result["manifest"] = manifests.manifest(job, asked, made)
        text = manifests.text(result["manifest"])
        where = destinations.deliver(destination, job.project.slug, name, made.path, text, media_type, gone)
    try:
        with _unless_outdated(job, made.snapshot):
            lease.finish(result | {"delivered": where})
            schedules.ended(job, made.snapshot.complete_until)
    except (jobs.Cancelled, jobs.Interrupted):
        destinations.withdraw(destination, job.project.slug, name)
        raise


@contextmanager
def _gone(job: Job, asked: Asked, made: Made, name: str) -> Iterator[Path | None]:
    """The file that tells what was deleted since the moment that an increment begins with; None for what has none."""
    if asked.since is None:
        yield None
        return
    path = made.path.with_name(f"{made.path.stem}.gone{made.path.suffix}")
    try:
        told = departures.write(path, asked, job.project, made.snapshot)
        made.gone = {"file": f"{name.rpartition('/')[2]}{destinations.GONE}", **told}
        made.text_expired = departures.expired(asked.kind, job.project, asked.since)
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _unless_outdated(job: Job, snapshot: Snapshot) -> Iterator[None]:
    """A transaction that ends the job, unless somebody's records were erased while the file was handed over.

    An erasure that begins from here on waits for its end (`retention.copies`), and finds the file.
    """
    with transaction.atomic():
        Job.objects.select_for_update().filter(pk=job.pk).first()
        if _is_outdated(job, snapshot):
            raise jobs.Interrupted
        yield


def _is_outdated(job: Job, snapshot: Snapshot) -> bool:
    """Whether an erasure has begun that the snapshot may not show, also one that waits for another attempt. The export
    is then made anew."""
    begun = Job.objects.filter(project=job.project, kind=Job.Kind.ERASURE, started_at__isnull=False)
    return begun.filter(Q(finished_at=None) | Q(finished_at__gte=snapshot.taken_at)).exists()


class _Hashed(io.BufferedWriter):
    """Reckons the checksum of what is written to it, and has the system keep none of it in memory.

    What is cached for a file of gigabytes is taken from the database's pages, is copied into memory that is fresh each
    time, at four times the cost, and is all to be waited for at the end.
    """

    def __init__(self, raw: io.RawIOBase) -> None:
        super().__init__(raw, _BUFFER)
        self.hash = hashlib.sha256()
        self.seen = 0
        self._stored = 0

    def write(self, data: Any, /) -> int:
        self.hash.update(data)
        number = super().write(data)
        self.seen += number
        if self.seen - self._stored >= _STRETCH and hasattr(os, "posix_fadvise"):
            # What is not on disk yet is only sent there, and let go by the next call.
            start = max(0, self._stored - _STRETCH)
            os.posix_fadvise(self.fileno(), start, self.seen - start, os.POSIX_FADV_DONTNEED)
            self._stored = self.seen
        return number


def _name(job: Job, asked: Asked, attempt: int) -> str:
    # Each attempt has a name of its own, so that two of them can never be in one file.
    return f"exports/{job.project_id}/{job.pk}-{attempt}{asked.ending}"


def _path(job: Job, attempt: int) -> Path:
    return _unfinished() / f"{job.pk}-{attempt}.part"


@contextmanager
def _part(job: Job, attempt: int) -> Iterator[Path]:
    """A file to write to, gone afterwards if nobody has moved it."""
    part = _path(job, attempt)
    part.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _unfinished() -> Path:
    return Path(settings.DATA_DIR) / "unfinished"


def _clear(job: Job, asked: Asked, attempts: Iterable[int]) -> None:
    """Delete what these attempts left."""
    for attempt in attempts:
        _path(job, attempt).unlink(missing_ok=True)
        name = _name(job, asked, attempt)
        default_storage.delete(name)
        default_storage.delete(manifests.beside(name))
