"""Files kept in a folder, each there whole or not at all: what a full disk or a kill cuts off never gets its name."""

from __future__ import annotations

import datetime as dt
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.core.files import File
from django.core.files.storage import FileSystemStorage

if TYPE_CHECKING:
    _BytesFile = File[bytes]
else:
    _BytesFile = File

LEFT_AFTER: Final = dt.timedelta(days=1)
"""A file that is written to all the time is not left over before."""


class Finished(_BytesFile):
    """A file that a storage on the same disk may move instead of copying it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"), name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        """Where it lies, as Django's storage asks for it."""
        return str(self._path)


class WholeFiles(FileSystemStorage):
    """Django's storage in a folder, in which a file is written under another name and renamed once it is on disk.

    Django's own shows a file while it is written, and leaves half of it when there is no room: what is named by its
    content would be taken for kept from then on.
    """

    @property
    def unfinished(self) -> Path:
        """The folder of what is being written."""
        return Path(self.location) / "unfinished"

    def _save(self, name: str, content: Any) -> str:
        if hasattr(content, "temporary_file_path"):
            return self._moved(name, content)
        self.unfinished.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self.unfinished / f"{uuid.uuid4().hex}.part"
        try:
            with part.open("xb") as file:
                for piece in content.chunks():
                    file.write(piece)
                file.flush()
                # The row that names it is on disk when it is answered for.
                os.fsync(file.fileno())
            with Finished(part) as finished:
                return self._moved(name, finished)
        finally:
            part.unlink(missing_ok=True)

    def _moved(self, name: str, content: Any) -> str:
        kept: str = super()._save(name, content)  # type: ignore[misc]  # its stubs leave it out
        return kept

    def renew(self, name: str) -> None:
        """Let a file be as if it were kept just now. Raises FileNotFoundError."""
        os.utime(self.path(name))

    def listed(self, folder: str, after: str = "", until: str | None = None) -> Iterator[tuple[str, dt.datetime]]:
        """The files below a folder and when each was kept or made new: those called later than `after`, up to `until`.
        None where there is no such folder."""
        folders = [folder.rstrip("/")]
        while folders:
            inside = folders.pop()
            # As the disk tells them: of a folder with millions, no more than a few are held.
            with suppress(FileNotFoundError), os.scandir(self.path(inside)) as entries:
                for entry in entries:
                    key = f"{inside}/{entry.name}"
                    if entry.is_dir():
                        if not entry.is_symlink():
                            folders.append(key)
                    elif after < key and (until is None or key <= until):
                        with suppress(FileNotFoundError):  # deleted just now
                            yield key, dt.datetime.fromtimestamp(entry.stat().st_mtime, dt.UTC)


def forget_left(folder: Path) -> int:
    """Delete the `*.part` of a folder that killed processes left there; returns how many."""
    old = time.time() - LEFT_AFTER.total_seconds()
    parts = [part for part in folder.glob("*.part") if part.stat().st_mtime < old]
    for part in parts:
        part.unlink(missing_ok=True)
    return len(parts)
