"""What has expired and is not gone yet: text of a project from before some moment, which nobody is shown any more.

The moment stands in the project's row. Every request and every job reads that row before anything of the project, and
what it said last is known to the whole process from then on; so it costs no statement of its own, and a run of
retention hides millions of texts by one change.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

MOST: Final = 20_000
"""Moments that a process knows; beyond, it forgets those of the projects that it has not read for the longest time."""
_moments: Final[OrderedDict[tuple[int, str], dt.datetime]] = OrderedDict()
_noting: Final = threading.Lock()
_all_is_shown: ContextVar[bool] = ContextVar("all_is_shown", default=False)


def note(project_pk: int, kind: str, moment: dt.datetime | None) -> None:
    """Know from now on that of this kind, "generation" or "step", only text from `moment` on is shown; None: all."""
    with _noting:
        if moment is None:
            _moments.pop((project_pk, kind), None)
            return
        _moments[project_pk, kind] = moment
        _moments.move_to_end((project_pk, kind))
        if len(_moments) > MOST:
            _moments.popitem(last=False)


def of(project_pk: int, kind: str) -> dt.datetime | None:
    """The moment from which on text is shown; None where all of it is."""
    return None if _all_is_shown.get() else _moments.get((project_pk, kind))


def hides(project_pk: int | None, kind: str, started_at: dt.datetime | None) -> bool:
    """Whether the text of a row is not shown. Of a row that was read without its project or start: if any may be so."""
    if not _moments or _all_is_shown.get():
        return False
    if project_pk is None:
        return True
    moment = _moments.get((project_pk, kind))
    return moment is not None and (started_at is None or started_at < moment)


@contextmanager
def lifted() -> Iterator[None]:
    """Within, this thread is shown everything that is there: for whoever removes it."""
    token = _all_is_shown.set(True)
    try:
        yield
    finally:
        _all_is_shown.reset(token)
