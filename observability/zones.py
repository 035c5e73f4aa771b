"""Chooses the newer of two sets of time zones: the system's, or the one that is installed with the project.

Laws change every few months, and a system that nobody brings up to date knows nothing of it. PostgreSQL has zones of
its own: where they know other laws, a chart's days would not begin when those of its numbers do.
"""

import os
import re
import zoneinfo
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import tzdata

_VERSION: Final = re.compile(r"^(?:# version )?(\d{4}[a-z]{1,2})$", re.MULTILINE)


def choose_newer() -> None:
    """Let `zoneinfo` read the installed zones where those of the system are older, or do not say how old they are.

    PYTHONTZPATH, with which somebody has chosen, is left alone.
    """
    if "PYTHONTZPATH" not in os.environ and of_system(zoneinfo.TZPATH) < tzdata.IANA_VERSION:
        zoneinfo.reset_tzpath(())
        zoneinfo.ZoneInfo.clear_cache()


def of_system(folders: Sequence[str]) -> str:
    """The version of the zones in the first of these folders that says it, as `2026b`; "" where none does.

    `tzdata.zi` begins with it on Linux, `+VERSION` holds it on macOS and the BSDs.
    """
    for folder in folders:
        for name in ("tzdata.zi", "+VERSION"):
            with suppress(OSError), (Path(folder) / name).open(encoding="ascii", errors="replace") as file:
                if found := _VERSION.search(file.readline().strip()):
                    return found[1]
    return ""
