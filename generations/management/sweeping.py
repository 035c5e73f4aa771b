"""What copies that were killed left where all copies of a machine put something, removed at the next start of any.

A copy that starts again finds its own; one whose folder is gone does not. Only what is called as this user's is
removed, where nobody holds it and its server does not run.
"""

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from generations.management import embedded, places

OLD: Final = 3600.0
"""Seconds after which nobody is about to put something into an empty folder."""
_HELD: Final = "held"
"""The file in a folder on which whoever uses it has a lock, for as long as it lives."""
_LOCK: Final = ".s.PGSQL.5432.lock"
"""Where a server says its process number and, in the second line, whose data it has."""


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Make this folder anew, keep it from being swept, and remove it at the end."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    # Under another name until it is locked: nobody finds it without.
    with (folder / f"{_HELD}.new").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        (folder / f"{_HELD}.new").rename(folder / _HELD)
        try:
            yield
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Remove what may be removed; whatever cannot be is left."""
    for folder in _ours(places.MEMORY):
        # What is held raises BlockingIOError; what has no such file is of a copy that makes none.
        with suppress(OSError), (folder / _HELD).open("r") as held:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    for folder in _ours(places.SOCKETS):
        with suppress(OSError):
            if not _is_served(folder):
                shutil.rmtree(folder)


def _ours(parent: Path) -> list[Path]:
    name = re.compile(rf"generations-{os.getuid()}-[0-9a-f]{{16}}")
    found = parent.iterdir() if parent.is_dir() else ()
    return [path for path in found if name.fullmatch(path.name) and path.is_dir() and not path.is_symlink()]


def _is_served(sockets: Path) -> bool:
    """Whether a server has its socket there, or may be about to."""
    try:
        pid, data = (sockets / _LOCK).read_text().splitlines()[:2]
        return embedded.is_server(int(pid), Path(data))
    except FileNotFoundError:
        return time.time() - sockets.stat().st_mtime < OLD
    except ValueError:
        return True
