"""The manifest of an export: what is in its file, how it came to be, and by what its wholeness is known."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from django.utils import timezone

from generations import __version__
from generations.exporting.asked import Asked
from generations.exporting.snapshots import Snapshot
from generations.ingest.values import iso
from generations.models import Job
from generations.records import Json


@dataclass(slots=True)
class Made:
    """A file that is whole, and what is told of it."""

    path: Path
    snapshot: Snapshot
    rows: int = 0
    first: dt.datetime | None = None
    last: dt.datetime | None = None
    bytes: int = 0
    sha256: str = ""
    gone: dict[str, Json] | None = None
    """Of the file beside an increment's: what was deleted since. None of what holds everything."""
    text_expired: list[Json] | None = None

    def saw(self, moments: Sequence[dt.datetime]) -> None:
        """Widen the time that the rows span."""
        self.first = min(moments) if self.first is None else min(self.first, *moments)
        self.last = max(moments) if self.last is None else max(self.last, *moments)


def manifest(job: Job, asked: Asked, made: Made) -> dict[str, Json]:
    """What is told of a file. `time` spans the moments of its rows; `snapshotAt` is when all of it was so."""
    return {
        "export": str(job.pk),
        "project": {"slug": job.project.slug, "name": job.project.name},
        "kind": asked.kind,
        "filter": {"document": asked.filter, "sentence": asked.sentence},
        "fields": asked.fields,
        "order": asked.order,
        "format": asked.format,
        "compression": asked.compression,
        "rows": made.rows,
        "bytes": made.bytes,
        "sha256": made.sha256,
        "time": {"from": _said(made.first), "to": _said(made.last)},
        "changedSince": _said(asked.since),
        "gone": made.gone,
        "textExpired": made.text_expired,
        "schedule": None if job.schedule is None else {"id": str(job.schedule_id), "name": job.schedule.name},
        "snapshotAt": iso(made.snapshot.taken_at),
        "startedAt": _said(job.started_at),
        "finishedAt": iso(timezone.now()),
        "version": __version__,
    }


def text(manifest: Json) -> bytes:
    """The manifest as a file."""
    return orjson.dumps(manifest, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def beside(name: str) -> str:
    """The name of the manifest of a file of this name."""
    return f"{name}.manifest.json"


def _said(moment: dt.datetime | None) -> str | None:
    return None if moment is None else iso(moment)
