"""The rows of a file that were refused, each with its reason: the first with the job, all as a file beside it."""

from __future__ import annotations

import csv
import io
import tempfile
from types import TracebackType
from typing import Any, BinaryIO, Final, Self, cast

from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone

from generations import incoming
from generations.importing import Refusal, uploads
from generations.models import Job

SHOWN: Final = 100
"""How many stand in the job's result."""
MOST: Final = 100_000
"""How many stand in the file; all are counted."""
REASON: Final = 500
MEDIA_TYPE: Final = "text/csv; charset=utf-8"
_IN_MEMORY: Final = 1 << 20
_FILE: Final = "refusedFile"


class Refusals:
    """Collects what is refused, on disk where it is much."""

    def __init__(self) -> None:
        self.first: list[dict[str, Any]] = []
        self.number = 0
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed by `__exit__`
        self._text = io.TextIOWrapper(cast(BinaryIO, self._file), encoding="utf-8", errors="replace", newline="")
        self._rows = csv.writer(self._text)
        self._rows.writerow(("row", "field", "reason"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._text.close()

    def add(self, one: Refusal) -> None:
        """Note one more."""
        self.number += 1
        reason = one.reason[:REASON]
        if len(self.first) < SHOWN:
            self.first.append({"row": one.place, "reason": reason})
        if self.number <= MOST:
            self._rows.writerow((one.place, one.field, reason))

    def kept(self, job: Job) -> dict[str, Any]:
        """Keep the file, for as long as files that were sent; returns what the job's result says of it all."""
        told: dict[str, Any] = {"refusals": self.first}
        if self.number:
            self._text.flush()
            self._file.seek(0)
            name = f"{incoming.folder(job.project_id)}{job.pk}.refused.csv"
            told[_FILE] = default_storage.save(name, File(cast(BinaryIO, self._file)))
        return told


def has_file(job: Job) -> bool:
    """Whether there is such a file, as far as the job knows."""
    ended = job.finished_at
    return _FILE in job.result and ended is not None and timezone.now() - ended < uploads.KEPT


def file_name(job: Job) -> str:
    """What the file is called on the disk of who fetches it."""
    return f"refused-{job.created_at:%Y-%m-%d}-{str(job.pk)[:13]}.csv"


def opened(job: Job) -> File[bytes] | None:
    """The file, to be read and closed by the caller: `row,field,reason` in each line. None when there is none."""
    if not has_file(job):
        return None
    try:
        return default_storage.open(job.result[_FILE], "rb")
    except FileNotFoundError:
        return None
