"""Times of threads and participants that were wider than what there is of them by now. Used by `recording` alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import connection

from generations import identities
from generations.recording.merging import Merged

_EVENTS: Final = ("generation", "step")


@dataclass(frozen=True, slots=True)
class Left:
    """What rows had that stand elsewhere by now: of threads as `narrow` takes it, of participants as `narrow_seen`."""

    threads: Sequence[tuple[str, dt.datetime, dt.datetime]] = ()
    participants: Sequence[tuple[str, dt.datetime]] = ()

    def __bool__(self) -> bool:
        return bool(self.threads or self.participants)


def moved(rows: Mapping[str, Sequence[Merged]]) -> Left:
    """Where rows stood whose start was only assumed and is known by now: their threads and participants had it."""
    were = [
        row.known.record
        for kind in _EVENTS
        for row in rows[kind]
        if row.has_moved and row.known is not None and row.known.extra.get("start_assumed")
    ]
    return Left(
        [
            (was.thread_id, was.started_at, max(was.started_at, was.ended_at or was.started_at))
            for was in were
            if was.thread_id
        ],
        [(was.user_id, was.started_at) for was in were if was.user_id],
    )


def take_back(project: int, left: Left) -> None:
    """`narrow` and `narrow_seen`, where there is something to be narrowed."""
    if left.threads:
        narrow(project, left.threads)
    if left.participants:
        narrow_seen(project, left.participants)


def narrow(project: int, left: Sequence[tuple[str, dt.datetime, dt.datetime]]) -> None:
    """Give threads that rows have left, or moved in, the times of what they hold by now, where they had such a row's.

    Each is a thread's id with the start and the end that a row had. Times that were given, and threads without any row
    left, stay as they are. For whoever holds the project's lock.
    """
    ids, starts, ends = (list(column) for column in zip(*left, strict=True))
    where = f"WHERE project_id = {project:d} AND thread_id = ANY(%(ids)s)"
    own = " UNION ALL ".join(f"SELECT thread_id, started_at, ended_at FROM {kind} {where}" for kind in _EVENTS)  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE thread SET"  # noqa: S608
            " started_at = CASE WHEN thread.started_at = gone.began THEN stay.began ELSE thread.started_at END,"
            " last_activity_at ="
            "  CASE WHEN thread.last_activity_at = gone.over THEN stay.over ELSE thread.last_activity_at END"
            " FROM (SELECT id, min(began) AS began, max(over) AS over"
            "   FROM unnest(%(ids)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[]) AS g(id, began, over)"
            "   GROUP BY id) AS gone"
            " JOIN (SELECT thread_id, min(started_at) AS began, max(greatest(started_at, ended_at)) AS over"
            f"   FROM ({own}) AS rows GROUP BY thread_id) AS stay ON stay.thread_id = gone.id"
            f" WHERE thread.project_id = {project:d} AND thread.uid = ANY(%(uids)s) AND thread.public_id = gone.id",
            {
                "ids": ids,
                "starts": starts,
                "ends": ends,
                "uids": [identities.uid(project, "thread", id) for id in set(ids)],
            },
        )


def narrow_seen(project: int, left: Sequence[tuple[str, dt.datetime]]) -> None:
    """Let participants be last seen when what they did last began, where they were seen at one of these moments.

    Each is a participant's id with the start that a row had. Who is named by no row any more stays as they are. For
    whoever holds the project's lock.
    """
    ids, starts = (list(column) for column in zip(*left, strict=True))
    last = ", ".join(
        f"(SELECT max(started_at) FROM {kind} WHERE project_id = {project:d} AND user_id = person.public_id)"  # noqa: S608
        for kind in _EVENTS
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE participant AS person"  # noqa: S608
            f" SET last_seen_at = coalesce(greatest({last}), person.last_seen_at)"
            " FROM unnest(%(ids)s::text[], %(starts)s::timestamptz[]) AS gone(id, seen)"
            f" WHERE person.project_id = {project:d} AND person.uid = ANY(%(uids)s)"
            " AND person.public_id = gone.id AND person.last_seen_at = gone.seen",
            {
                "ids": ids,
                "starts": starts,
                "uids": [identities.uid(project, "participant", id) for id in set(ids)],
            },
        )
