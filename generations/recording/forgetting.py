"""Deletes what has expired, a batch at a time: what was said in rows, or the rows with what hangs on them.

A batch is one message: the lock of the project, under which nobody else writes, is held as long as the database takes,
however long this process waits for a processor. Nor is the disk waited for: what a crash takes back is found again.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from django.utils import timezone

from generations import at_once
from generations.at_once import Statement
from generations.models import Project
from generations.recording import departing, locking, storing
from generations.recording.tables import HANGING, TABLES

Row = tuple[dt.datetime, uuid.UUID, str]
"""Start, key and id."""


class Part(Enum):
    """What of a row is forgotten: all of it, its text, or of that the previews, where nothing else is left."""

    ALL = "all"
    TEXT = "text"
    PREVIEWS = "previews"


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many rows had something to forget, and how many seconds the project was locked for that."""

    number: int
    seconds: float


def forget(
    project: Project,
    kind: str,
    rows: Sequence[Row],
    *,
    part: Part,
    within: float | None = None,
    provided: Sequence[Statement] = (),
    noted: Sequence[Statement] = (),
    without_files: Sequence[uuid.UUID] = (),
) -> Forgotten:
    """Delete a part of these generations or steps; all of them is without what was made in a step, and with what hangs
    on them.

    Of text, the facts stay without previews; neither their numbers nor when they were changed is touched. A row that
    starts at another time by now stays. What takes longer than `within` seconds is given up: an OperationalError of
    QueryCanceled. The statements `provided` come before the lock, so that all locks are
    taken in one order, and may refuse everything by an error of theirs; those `noted` come behind, where
    `current_setting('generations.forgotten')` is the number. Rows that are `without_files` by now, which were inside of
    their text, had something to forget, whatever else there is of it.
    """
    starts, uids = [start for start, _, _ in rows], [uid for _, uid, _ in rows]
    timeout = "DEFAULT" if within is None else str(max(1, int(1000 * within)))
    message: list[Statement] = [
        ("SET LOCAL synchronous_commit = off", ()),
        *provided,
        (locking.alone(project.pk), ()),
        _CLOCK,
        (f"SET LOCAL statement_timeout = {timeout}", ()),
        *(departing.rows(project.pk, kind, uids, [id for _, _, id in rows]) if part is Part.ALL else ()),
        _all(project.pk, kind, rows)
        if part is Part.ALL
        else _texts(project.pk, kind, starts, uids, part, without_files),
    ]
    place = len(message) - 1
    if kind == "generation" and part is not Part.PREVIEWS:
        message.append(storing.marks(project.pk, uids, starts, timezone.now(), hours=part is Part.ALL))
    message += noted
    # For what else is done where this is a part of something.
    message += [("SET LOCAL statement_timeout = DEFAULT", ()), _CLOCK]
    answers = at_once.send(message)
    return Forgotten(int(answers[place][0][0]), answers[-1][0][0] - answers[2 + len(provided)][0][0])


_CLOCK: Statement = ("SELECT extract(epoch FROM clock_timestamp())::float8", ())


def _texts(
    project: int,
    kind: str,
    starts: Sequence[dt.datetime],
    uids: Sequence[uuid.UUID],
    part: Part,
    others: Sequence[uuid.UUID],
) -> Statement:
    own = [min(starts), max(starts), list(uids)]
    where = f"WHERE project_id = {project:d} AND started_at BETWEEN %s AND %s"
    said = _said(kind) if part is Part.TEXT else {}
    parts = [
        f"{name}_gone AS (DELETE FROM {name} {where} AND {key} = ANY(%s) RETURNING {key} AS uid)"  # noqa: S608
        for name, key in said.items()
    ]
    cleared = (
        f"cleared AS (UPDATE {TABLES[kind].facts} SET input_preview = NULL, output_preview = NULL {where}"  # noqa: S608
        " AND uid = ANY(%s) AND (input_preview IS NOT NULL OR output_preview IS NOT NULL) RETURNING uid)"
    )
    # Some have a preview and nothing else any more, others something of which no preview was made.
    lost = " UNION ".join(
        f"SELECT uid FROM {name}"  # noqa: S608
        for name in ("cleared", *([f"{kind}_payload_gone"] if said else []), "unnest(%s::uuid[]) AS others (uid)")
    )
    number = f"(SELECT count(*) FROM ({lost}) AS lost)"  # noqa: S608
    return f"WITH {', '.join((*parts, cleared))} {_told(number)}", [*own * (len(parts) + 1), list(others)]


def _all(project: int, kind: str, rows: Sequence[Row]) -> Statement:
    starts, uids, ids = (list(column) for column in zip(*rows, strict=True))
    where = f"WHERE project_id = {project:d}"
    within = f"{where} AND started_at BETWEEN %s AND %s"
    own = [min(starts), max(starts), uids]
    gone = (
        f"gone AS (DELETE FROM {TABLES[kind].facts} {within} AND uid = ANY(%s)"  # noqa: S608
        " AND (started_at, uid) IN (SELECT * FROM unnest(%s::timestamptz[], %s::uuid[])) RETURNING uid, public_id)"
    )
    said = [
        f"{name}_gone AS (DELETE FROM {name} {within} AND {key} = ANY(%s) AND {key} IN (SELECT uid FROM gone))"  # noqa: S608
        for name, key in _said(kind).items()
    ]
    hanging = [
        f"{name}_gone AS (DELETE FROM {name} {where} AND {kind}_id = ANY(%s)"  # noqa: S608
        f" AND {kind}_id IN (SELECT public_id FROM gone))"
        for name in HANGING[kind]
    ]
    params = [*own, starts, uids, *(own * len(said)), *([ids] * len(hanging))]
    return f"WITH {', '.join((gone, *said, *hanging))} {_told('(SELECT count(*) FROM gone)')}", params  # noqa: S608


def _told(number: str) -> str:
    return f"SELECT n, set_config('generations.forgotten', n::text, true) FROM (SELECT {number} AS n) AS told"  # noqa: S608


def _said(kind: str) -> dict[str, str]:
    """The tables that hold what was said in rows of this kind, and the names of their keys there."""
    more = {"alternative": "generation_uid", "generation_search": "uid"} if kind == "generation" else {}
    return {f"{kind}_payload": "uid", **more}
