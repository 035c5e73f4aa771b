"""Files that wait to be imported: kept in the storage, looked at, worked on by a job, and forgotten."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field
from typing import BinaryIO, Final, cast

from django.core import signing
from django.core.files import File
from django.core.files.storage import default_storage
from django.utils import timezone

from generations import incoming
from generations.access import Grant, Scope
from generations.cleaning import clean_string
from generations.importing import Row, tables
from generations.importing.tables import BadFile

PREVIEWED: Final = 5
KEPT: Final = dt.timedelta(days=2)
"""How long a file is kept that nobody began to import, or whose import failed."""
FILES: Final = incoming.NAMED
_SALT: Final = "generations.importing.uploads"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that waits to be imported: where it is, as what it is read, what it was called, and its bytes."""

    key: str
    format: str
    name: str
    size: int

    @property
    def token(self) -> str:
        """The upload as a text that cannot be forged."""
        return signing.dumps([self.key, self.format, self.name, self.size], salt=_SALT, compress=True)


@dataclass(slots=True)
class Preview:
    """The first rows of a file, the names of its columns, and the places and problems of those that are no rows."""

    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def keep(grant: Grant, file: BinaryIO, name: str, size: int) -> Upload:
    """Keep a file until it is imported or forgotten. Needs `write`; raises BadFile when it is of no known form."""
    grant.need(Scope.WRITE)
    head = tables.head_of(file)
    if not head:
        raise BadFile("The file is empty.")
    format = tables.format_of(name, head)
    key = default_storage.save(f"{incoming.folder(grant.project.pk)}{uuid.uuid4()}.{format}", File(file))
    return Upload(key, format, clean_string(name)[:200], size)


def kept(grant: Grant, token: str) -> Upload | None:
    """The upload of a token, if it is this project's and still there."""
    try:
        read = signing.loads(token, salt=_SALT, max_age=KEPT)
    except signing.BadSignature:
        return None
    upload = Upload(*read)
    is_ours = upload.key.startswith(incoming.folder(grant.project.pk))
    return upload if is_ours and default_storage.exists(upload.key) else None


def forget_uploads() -> int:
    """Delete what was uploaded and never imported; returns how many files. Files that open jobs read stay."""
    gone = 0
    for key in incoming.idle():
        if timezone.now() - default_storage.get_modified_time(key) > KEPT:
            default_storage.delete(key)
            gone += 1
    return gone


def preview(upload: Upload) -> Preview:
    """The beginning of a file. Raises BadFile."""
    made = Preview()
    with default_storage.open(upload.key, "rb") as file:
        for row in tables.rows(cast(BinaryIO, file), upload.format):
            if row.problem is not None:
                made.problems.append(f"Row {row.place}: {row.problem}")
            else:
                made.rows.append(row)
            if len(made.rows) >= PREVIEWED or len(made.problems) >= PREVIEWED:
                break
    if not made.rows and not made.problems:
        raise BadFile("The file has no rows.")
    made.columns = tables.names_of(made.rows)
    return made
