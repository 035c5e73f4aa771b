"""What an incremental export tells of what is gone: ids of rows that were deleted or match its filter no longer, and by
which rules text expired."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import orjson
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from generations.exporting import changes, rows
from generations.exporting.asked import Asked
from generations.exporting.changes import KINDS
from generations.exporting.snapshots import Snapshot
from generations.ingest.values import iso
from generations.models import Departure, ExportSchedule, Generation, Job, Project, Score, Step
from generations.records import Json

_NOUNS: Final[dict[str, tuple[str, Any]]] = {
    "generations": ("generation", Generation),
    "steps": ("step", Step),
    "scores": ("score", Score),
}
_AT_ONCE: Final = 5_000
_OVERLAP: Final = dt.timedelta(minutes=2)
"""By more than this no snapshot shows what was recorded after what it is complete until."""
LONGEST: Final = dt.timedelta(days=90)
"""For how long a schedule that is paused, or fails, is waited for. Its next run after that begins anew."""


def write(path: Path, asked: Asked, project: Project, snapshot: Snapshot) -> dict[str, Json]:
    """Write a line for each row of an increment's kind that was deleted since its beginning, as JSON: its `id`, and
    `deletedAt`; one that is there again in the snapshot is in the export itself. And one for each that changed and does
    not match the filter, by which it may have been delivered before: its `id`, and `unmatchedAt`, the moment of the
    snapshot. Returns what the manifest tells of the file."""
    number, size, hashed = 0, 0, hashlib.sha256()
    with path.open("wb") as file, snapshot.reading():
        for batch in _batched(chain(_deleted(asked, project), _unmatched(asked, project, snapshot)), _AT_ONCE):
            lines = b"".join(orjson.dumps(line) + b"\n" for line in batch)
            file.write(lines)
            hashed.update(lines)
            number, size = number + len(batch), size + len(lines)
    return {"rows": number, "bytes": size, "sha256": hashed.hexdigest()}


def _batched(lines: Iterator[Json], number: int) -> Iterator[list[Json]]:
    """These, so many at once."""
    while batch := list(islice(lines, number)):
        yield batch


def _deleted(asked: Asked, project: Project) -> Iterator[Json]:
    noun, model = _NOUNS[asked.kind]
    there = model.objects.in_project(project.pk).filter(uid=OuterRef("uid"))
    gone = Departure.objects.filter(~Exists(there), project=project, kind=noun, at__gte=asked.since).order_by("pk")
    last = 0
    while found := list(gone.filter(pk__gt=last).values_list("pk", "public_id", "at")[:_AT_ONCE]):
        yield from ({"id": id, "deletedAt": iso(at)} for _, id, at in found)
        last = found[-1][0]


def _unmatched(asked: Asked, project: Project, snapshot: Snapshot) -> Iterator[Json]:
    """Which of the changed rows matched before is not known: those that are new since are not told, for no file has
    them; nobody minds the others. A score may be older than it is here."""
    if not asked.filter or asked.since is None:
        return
    model = _NOUNS[asked.kind][1]
    changed = changes.since(asked.kind, project, model.objects.in_project(project.pk), asked.since)
    if model is not Score:
        changed = changed.filter(created_at__lt=asked.since + _OVERLAP)
    # Of those that match, only the changed ones are looked through, or it would be the whole history.
    matching = changes.since(
        asked.kind, project, rows.SOURCES[asked.kind].narrow(project.pk, asked.condition), asked.since
    )
    matching = matching.filter(uid=OuterRef("uid")).order_by()
    ids = changed.filter(~Exists(matching)).order_by().values_list("public_id", flat=True)
    at = iso(snapshot.taken_at)
    for id in ids.iterator(chunk_size=_AT_ONCE):
        yield {"id": id, "unmatchedAt": at}


def expired(kind: str, project: Project, since: dt.datetime) -> list[Json]:
    """By which rules text of rows of a kind has expired since: `filter` and `before` say of which. Legal holds kept
    some of it, perhaps."""
    runs = Job.objects.filter(project=project, kind=Job.Kind.RETENTION).exclude(parameters__dry=True)
    runs = runs.filter(state=Job.State.DONE, finished_at__gte=since).order_by("finished_at")
    return [
        {"at": iso(run.finished_at), "filter": line["filter"], "before": line["before"]}
        for run in runs
        for line in run.result.get("rules", ())
        if line["kind"] == kind and line["what"] == "text" and run.finished_at is not None
    ]


def forget_told() -> int:
    """Delete the notes that all incremental schedules of their project have told, or none is there to tell; returns
    how many. Where the first run of one is under way, what left since its snapshot is told by the run after it. One
    that has delivered nothing for LONGEST begins anew, with all that there is.

    One statement sees a run under way or what it has ended with.
    """
    now = timezone.now()
    stale = Q(complete_until__lt=now - LONGEST) | Q(complete_until__gt=now)  # the clock was ahead when that was said
    ExportSchedule.objects.filter(stale, incremental=True).update(complete_until=None)
    own = ExportSchedule.objects.filter(project=OuterRef("project"), incremental=True)
    untold = own.filter(complete_until__lte=OuterRef("at"))
    runs = Job.objects.filter(project=OuterRef("project"), state__in=[Job.State.QUEUED, Job.State.RUNNING])
    first = runs.filter(schedule__incremental=True, schedule__complete_until=None)
    return Departure.objects.filter(~Exists(untold), ~Exists(first)).delete()[0]


assert set(_NOUNS) == set(KINDS)
