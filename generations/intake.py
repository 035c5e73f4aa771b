"""What programs send to a project: by which door, with what, how much; and what was refused of it, kept in bounds."""

from __future__ import annotations

import datetime as dt
import logging
import math
import re
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.models import F, Sum
from django.utils import timezone

from generations import counting, identities
from generations.cleaning import MAX_ID, MAX_TEXT, clean_string
from generations.models import IngestReject, Project

MAX_BODY: Final = 1 << 20
"""Bytes of a body that are kept beside what was refused in it."""
MOST_REASONS: Final = 200
"""Kinds of refusals that a project has at most; the oldest make room."""
MOST_BODIES: Final = 60
"""New kinds of refusals of one minute with which bodies are kept: garbage at full speed must not fill the disk."""
MOST_TOLD: Final = 20
"""Kinds of refusals of one request that are kept."""
MAX_REASON: Final = 4_000
MAX_AGENT: Final = 120
MOST_AGENTS: Final = 5
"""Programs of one door of a project that are told apart within one count; more are one, as OTHERS."""
OTHERS: Final = "others"
AGAIN: Final = 5.0
"""Seconds until counts that could not be written are tried again, if no request comes before."""
DAY: Final = dt.timedelta(days=1)
_VALUES: Final = re.compile(r"'[^']*'|\"[^\"]*\"|\d+")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that was not stored: why, which field was wrong, its place in the request and its id, if it has one."""

    reason: str
    field: str | None = None
    index: int | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """What was sent, as far as it is kept; `size` is that of the whole."""

    content: bytes
    size: int
    type: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """What one program sent by one door: items and refusals of the last minute, hour and day, and when the last."""

    door: str
    agent: str
    last_seen: dt.datetime
    minute: int
    hour: int
    day: int
    requests: int
    refused: int


# ------------------------------------------------------------------------------------------------------------- refused
def keep(project: Project, door: str, refusals: Sequence[Refusal], body: Body, agent: str = "") -> None:
    """Note what was refused: one row for each kind of refusal and day, with how often, and an example with its body.

    Raises nothing where the database cannot take it now: the answer to the request stands, whether it was noted or not.
    """
    try:
        _keep(project, door, refusals, body, agent)
    except (OperationalError, InterfaceError) as error:
        log.error("What was refused could not be noted: %s", error)


def _keep(project: Project, door: str, refusals: Sequence[Refusal], body: Body, agent: str) -> None:
    now = timezone.now()
    kinds: dict[uuid.UUID, Refusal] = {}
    counts: Counter[uuid.UUID] = Counter()
    for refusal in refusals:
        key = _key(project, door, refusal, now)
        counts[key] += 1
        if len(kinds) < MOST_TOLD:
            kinds.setdefault(key, refusal)
    known = set(IngestReject.objects.filter(pk__in=kinds).values_list("pk", flat=True))
    for key in sorted(known):
        IngestReject.objects.filter(pk=key).update(count=F("count") + counts[key], last_at=now)
    new = [key for key in kinds if key not in known]
    if not new:
        return
    minute = IngestReject.objects.filter(project=project, created_at__gt=now - dt.timedelta(minutes=1))
    has_room = minute.count() < MOST_BODIES
    IngestReject.objects.bulk_create(
        (
            IngestReject(
                id=key,
                project=project,
                door=door,
                reason=clean_string(kinds[key].reason)[:MAX_REASON],
                field=clean_string(kinds[key].field or "")[:MAX_TEXT],
                index=kinds[key].index,
                record_id=clean_string(kinds[key].id or "")[:MAX_ID] or None,
                count=counts[key],
                body=(body.content[:MAX_BODY] or None) if has_room and not n else None,
                body_size=body.size,
                body_type=body.type[:100],
                agent=named(agent),
                last_at=now,
            )
            for n, key in enumerate(new)
        ),
        ignore_conflicts=True,
    )
    kept = IngestReject.objects.filter(project=project).order_by("-last_at", "-id")
    if spare := list(kept.values_list("pk", flat=True)[MOST_REASONS:]):
        IngestReject.objects.filter(pk__in=spare).delete()


def _key(project: Project, door: str, refusal: Refusal, now: dt.datetime) -> uuid.UUID:
    """The key of the row for refusals like this one on this day: of the same field, in the same words."""
    words = _VALUES.sub("…", refusal.reason)[:300]
    said = f"{door}\0{refusal.field}\0{words}\0{now:%Y-%m-%d}"
    return identities.uid(project.pk, "reject", said)


# ------------------------------------------------------------------------------------------------------------- counted
def count(project: Project, door: str, agent: str, items: int, refused: int) -> None:
    """Count a request with so many items. Written after the request, or with those of the next INTAKE_SECONDS."""
    counting.records(door, items, refused)
    _tally.add((project.pk, door, agent), items, refused)


def named(agent: str) -> str:
    """A program as it calls itself, in one line of bounded length."""
    return " ".join(clean_string(agent).split())[:MAX_AGENT]


class _Tally:
    """Counts of one process that are not written yet: a write for each request would cost as much as the request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str, str], list[int]] = {}
        self._written = -math.inf
        self._timer: threading.Timer | None = None

    def add(self, source: tuple[int, str, str], items: int, refused: int) -> None:
        """Count, and write if that is due; otherwise see that it will be, also when no further request comes."""
        with self._lock:
            project, door, agent = source
            self._add((project, door, named(agent)), (1, items, refused))
            wait = self._written + settings.INTAKE_SECONDS - time.monotonic()
            if wait > 0:
                self._wait(wait)
                return
        self.write()

    def _add(self, source: tuple[int, str, str], numbers: Sequence[int]) -> None:
        project, door, _ = source
        told = [one for one in self._counts if one[:2] == (project, door)]
        if source not in self._counts and len(told) >= MOST_AGENTS:
            source = project, door, OTHERS
        counts = self._counts.setdefault(source, [0, 0, 0])
        for n, more in enumerate(numbers):
            counts[n] += more

    def _wait(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = threading.Timer(seconds, self._later)
            self._timer.daemon = True
            self._timer.start()

    def _later(self) -> None:
        try:
            self.write()
        finally:
            connection.close()

    def write(self) -> None:
        """Write what was counted. What cannot be written now is counted still, and written with the next."""
        with self._lock:
            counts, self._counts, self._timer = self._counts, {}, None
            self._written = time.monotonic()
        if not counts:
            return
        now = timezone.now()
        minute = now.replace(second=0, microsecond=0)
        values: list[int | str | dt.datetime] = []
        for (project, door, agent), numbers in sorted(counts.items()):
            values += (project, door, agent, minute, *numbers, now)
        row = "(%s, %s, %s, %s, %s, %s, %s, %s)"
        try:
            with connection.cursor() as cursor:
                cursor.execute(
                    "INSERT INTO intake AS there (project_id, door, agent, minute, requests, items, refused, last_at)"  # noqa: S608
                    f" VALUES {', '.join([row] * len(counts))} ON CONFLICT (project_id, door, agent, minute) DO UPDATE"
                    " SET requests = there.requests + excluded.requests, items = there.items + excluded.items,"
                    " refused = there.refused + excluded.refused, last_at = excluded.last_at",
                    values,
                )
        except (OperationalError, InterfaceError) as error:
            log.warning("What came in could not be counted yet: %s", error)
            with self._lock:
                for source, numbers in counts.items():
                    self._add(source, numbers)
                self._wait(AGAIN)
        except DatabaseError as error:
            # One of these projects is not there any more.
            log.warning("What came in could not be counted: %s", error)


_tally: Final = _Tally()


def sources(project: Project) -> list[Source]:
    """Who sent what by which door, the latest first; one query over what was counted in a day."""
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT door, agent, max(last_at), coalesce(sum(items) FILTER (WHERE last_at > %(minute)s), 0),"
            " coalesce(sum(items) FILTER (WHERE minute > %(hour)s), 0),"
            " coalesce(sum(items) FILTER (WHERE minute > %(day)s), 0),"
            " coalesce(sum(requests) FILTER (WHERE minute > %(day)s), 0),"
            " coalesce(sum(refused) FILTER (WHERE minute > %(day)s), 0)"
            " FROM intake WHERE project_id = %(project)s GROUP BY door, agent ORDER BY max(last_at) DESC, door, agent"
            " LIMIT 200",
            {
                "project": project.pk,
                "minute": now - dt.timedelta(minutes=1),
                "hour": now - dt.timedelta(hours=1),
                "day": now - DAY,
            },
        )
        return [Source(*row) for row in cursor.fetchall()]


def refused_today(project: Project) -> int:
    """How often something was refused of the kinds that were refused within a day, as far as those are kept."""
    since = timezone.now() - DAY
    counted = IngestReject.objects.filter(project=project, last_at__gt=since).aggregate(times=Sum("count"))
    return counted["times"] or 0


def refusals(project: Project) -> Iterable[IngestReject]:
    """What was refused, the latest first, without the bodies; `has_body` says whether there still is one."""
    rows = IngestReject.objects.filter(project=project).defer("body")
    return rows.extra(select={"has_body": "body IS NOT NULL"}).order_by("-last_at", "-id")[:MOST_REASONS]
