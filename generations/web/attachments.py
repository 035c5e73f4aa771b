"""Files beside what was recorded, as pages show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from generations import attachments
from generations.ingest.media import Reference
from generations.models import Attachment
from generations.web.parts import PICTURES, SOUNDS

MOST: Final = 20


@dataclass(frozen=True, slots=True)
class Attached:
    """A file: `address` is where it can be had now, if anywhere; `show` is how: picture, sound, file, link or missing.

    Only what is kept here is shown in the page. A link leads elsewhere, and nothing is fetched from there.
    """

    row: Attachment
    address: str
    show: str


def shown(rows: Sequence[Attachment]) -> list[Attached]:
    """The first of these files."""
    return [_shown(row) for row in rows[:MOST]]


def bytes_of(rows: Sequence[Attachment]) -> Callable[[Reference], bytes | None]:
    """What gives the bytes of files that messages refer to: those of these rows that are kept here."""
    by_digest = {row.sha256: row for row in rows if row.sha256 and row.storage_key}

    def read(found: Reference) -> bytes | None:
        row = by_digest.get(found.sha256)
        return attachments.content(row) if row is not None else None

    return read


def _shown(row: Attachment) -> Attached:
    address = attachments.url(row, "") or ""
    if not address.startswith(attachments.FILES):
        return Attached(row, address, "link" if address else "missing")
    mime = (row.mime or "").partition(";")[0].strip().lower()
    return Attached(row, address, "picture" if mime in PICTURES else "sound" if mime in SOUNDS else "file")
