"""Calls of a file that was sent: what its rows are taken for, a preview, and the job that stores them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, cast

from django.core.files.storage import default_storage

from generations import importing, jobs
from generations.access import Grant, Scope
from generations.importing import Reader, Row, calls, columns, refusals, tables, uploads
from generations.importing.tables import BadFile
from generations.importing.uploads import Upload
from generations.ingest import exported, files
from generations.models import Job
from generations.records import GenerationRecord, InvalidRecord, Json

TELLING: Final = ("jsonl", "json")
"""Formats whose rows may say themselves what they are: calls of a known form, rather than cells of a table."""
COUNTS: Final = ("rows", "stored", "merged", "unchanged", "refused")
_KEPT: Final = ("place", "stored", "merged", "unchanged")


@dataclass(frozen=True, slots=True)
class Taken:
    """A row as what it would be stored as, or why it would not be: `record` is that of a call, `row` the row itself
    where it is of another list that is exported here."""

    place: int
    record: GenerationRecord | None = None
    shape: str = ""
    problem: str = ""
    row: Mapping[str, Json] = field(default_factory=dict)


def begun(upload: Upload) -> uploads.Preview:
    """The beginning of a file, at least a row of which can be read. Raises BadFile."""
    preview = uploads.preview(upload)
    if not preview.rows:
        raise BadFile(f"Of the first rows none can be read. {preview.problems[0]}")
    return preview


def guess(rows: Sequence[Row], format: str) -> dict[str, str]:
    """A field for each column of a file's first rows; none where the format is one of TELLING and they do tell."""
    good = [row.value for row in rows if row.problem is None]
    if format in TELLING and any(_tells_itself(value) for value in good):
        return {}
    return columns.guess(tables.names_of(rows), good)


def _tells_itself(value: Json) -> bool:
    if exported.kind_of(value) is not None:
        return True
    try:
        files.read(value)
    except InvalidRecord:
        return False
    return True


def take(rows: Sequence[Row], roles: Mapping[str, str], requests: Upload | None = None) -> list[Taken]:
    """Rows as `roles` say, or as they tell themselves where there are none. Raises InvalidRecord for bad roles."""
    with _reader(roles, requests.key if requests else None) as read:
        return [_taken(row, read) for row in rows]


def _taken(row: Row, read: Reader) -> Taken:
    try:
        (found,) = read(row.value)
    except InvalidRecord as problem:
        return Taken(row.place, problem=str(problem))
    if isinstance(found.item, GenerationRecord):
        return Taken(row.place, found.item, found.shape)
    return Taken(row.place, shape=found.shape, row=cast(Mapping[str, Json], row.value))


@contextmanager
def _reader(roles: Mapping[str, str], requests: str | None) -> Iterator[Reader]:
    """Reads rows as `roles` say, and as they tell themselves where there are none."""
    if roles:
        columns.check(roles)
        yield columns.reader(roles)
    elif requests is None:
        yield calls.reader()
    else:
        with default_storage.open(requests, "rb") as file:
            try:
                asked = calls.Requests(cast(BinaryIO, file), is_bounded=True)
            except InvalidRecord as problem:
                raise BadFile(f"The file of requests is none of a batch: {problem}.") from None
            yield calls.reader(asked)


# ----------------------------------------------------------------------------------------------------------------- job
def start(
    grant: Grant,
    upload: Upload,
    roles: Mapping[str, str],
    requests: Upload | None = None,
    *,
    id: uuid.UUID | None = None,
) -> Job:
    """A job that stores the calls of a file, one of an `id`. Needs `write`; raises InvalidRecord for bad roles."""
    grant.need(Scope.WRITE)
    if roles:
        columns.check(roles)
    asked: dict[str, Any] = {
        "file": upload.key,
        "format": upload.format,
        "fileName": upload.name,
        "roles": dict(roles),
        "requests": requests.key if requests else None,
    }
    return jobs.create(grant, Job.Kind.IMPORT, asked, id=id)


def store(lease: jobs.Lease, file: BinaryIO) -> None:
    """Store the calls of a file, after it was read through once: of one that is damaged nothing is stored.

    A job that is taken up again reads all rows once more, of which those that were stored stay as they are, and counts
    them as they were counted in the transactions that stored them. Raises jobs.Failed.
    """
    asked = lease.job.parameters
    grant = jobs.grant_of(lease.job)
    try:
        total = 0
        for _ in tables.rows(file, asked["format"]):
            lease.check()
            total += 1
        lease.advance(0, total)
        file.seek(0)
        with _reader(asked["roles"], asked["requests"]) as read, refusals.Refusals() as refused:
            report = importing.run(
                grant,
                tables.rows(file, asked["format"]),
                read,
                progress=lambda so_far: lease.advance(so_far.rows),
                report=importing.Report(**lease.earlier, tell=refused.add),
                keep=lambda so_far: lease.remember({name: getattr(so_far, name) for name in _KEPT}),
            )
            result = {**{name: getattr(report, name) for name in COUNTS}, **refused.kept(lease.job)}
    except BadFile as problem:
        raise jobs.Failed(f"{problem} Nothing was stored.") from None
    lease.finish(result)
