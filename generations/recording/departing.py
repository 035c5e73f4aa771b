"""Notes what leaves: rows that are deleted, and what hangs on another row by now. Incremental exports tell of it.

Only in projects that have such schedules, and before it goes, in the transaction in which it does.
`exporting.departures` reads the notes and forgets them once they are told.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from generations import identities
from generations.at_once import Statement
from generations.models import ExportSchedule
from generations.recording.merging import Merged
from generations.recording.tables import HANGING

_TARGETS: Final = ("generation_id", "step_id")
_HANGING: Final = ("score", "feedback", "attachment")
_KINDS: Final = ("generation", "step", *_HANGING)
_COLUMNS: Final = "project_id, kind, uid, public_id, generation_id, step_id, at"


def are_told(project: int) -> bool:
    """Whether anybody is told of what leaves the project. One query."""
    return ExportSchedule.objects.filter(project_id=project, incremental=True).exists()


def rows(project: int, kind: str, uids: Collection[uuid.UUID], ids: Collection[str]) -> list[Statement]:
    """What notes these rows with the scores on them, for whoever deletes them next. None where nobody is told."""
    if kind not in (*_KINDS, "thread") or not uids or not are_told(project):
        return []
    noted = [_noted(project, kind, "uid", list(uids))] if kind in _KINDS else []
    if "score" in HANGING.get(kind, ()):
        noted.append(_noted(project, "score", f"{kind}_id", list(ids)))
    return noted


def moved(cursor: Any, project: int, merged: Mapping[str, Sequence[Merged]]) -> None:
    """Note where scores, feedback and files were that are to stand somewhere else. No query where all stay."""
    left = [(kind, row) for kind in _HANGING for row in merged.get(kind, ()) if _has_left(row)]
    if left and are_told(project):
        for kind in dict.fromkeys(kind for kind, _ in left):
            uids = [identities.uid(project, kind, row.id) for one, row in left if one == kind]
            cursor.execute(*_noted(project, kind, "uid", uids))


def _has_left(row: Merged) -> bool:
    if row.known is None or not row.is_changed:
        return False
    return any(_is_left(getattr(row.known.record, name), getattr(row.record, name)) for name in _TARGETS)


def _is_left(before: str | None, now: str | None) -> bool:
    return before is not None and before != now


def _noted(project: int, kind: str, column: str, keys: Iterable[Any]) -> Statement:
    targets = ", ".join(_TARGETS if kind in _HANGING else ["NULL"] * len(_TARGETS))
    statement = (
        f"INSERT INTO departure ({_COLUMNS}) SELECT project_id, '{kind}', uid, public_id, {targets},"  # noqa: S608
        f" clock_timestamp() FROM {kind} WHERE project_id = {project:d} AND {column} = ANY(%s)"
    )
    return statement, [list(keys)]
