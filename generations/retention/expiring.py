"""Expires what the rules of a project say: text by whole months where all of it is due, else in short batches.

Where all text from before some moment is due, that is said first, and nobody is shown it from then on (`horizons`),
however long removing it takes. No lock is held for longer than a batch: a tenth of a second, after which its statement
is given up, and which the size of the next one is fitted to. Nor is one held while the disk is waited for: what a crash
takes back is found again, and when the job is said to be done all that it did is on disk.
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from django.db.models import Exists, F, Func, OuterRef, Q, QuerySet, TextField
from django.utils import timezone
from psycopg.errors import LockNotAvailable, QueryCanceled
from psycopg.pq import TransactionStatus

from generations import access, filters, horizons, jobs, partitions, recording
from generations.access import Grant, Scope
from generations.filters import BadFilter, sql
from generations.models import Generation, GenerationPayload, Job, Kept, Project, RetentionRule, Step, StepPayload
from generations.retention.removing import remove_files
from generations.retention.rules import Due, What, meanings, open_holds

MOST_HELD: Final = 0.1
"""The seconds that a batch may hold its locks."""
_MOST_WORKED: Final = 0.5 * MOST_HELD
"""Of which its statements may take so much: what is left is for the commit, and for whoever else has the processor."""
_MOST_WAITED: Final = 0.3 * MOST_HELD
"""The seconds that a commit may take lately where the lock is held until it is on disk."""
TRIES: Final = 20
PAUSE: Final = 0.5
"""How often emptying a month is tried where somebody reads or the disk is busy, and the seconds between."""
FIRST_BATCH: Final = 100
MOST_AT_ONCE: Final = 2_000
EVERY: Final = dt.timedelta(hours=20)
"""Between two runs of a project by themselves, at least."""
_PAYLOADS: Final[dict[str, type[GenerationPayload | StepPayload]]] = {
    Kept.GENERATIONS: GenerationPayload,
    Kept.STEPS: StepPayload,
}
_RECORDS: Final[dict[str, str]] = {Kept.GENERATIONS: "generation", Kept.STEPS: "step"}
_TEXT_TABLES: Final[dict[str, tuple[str, ...]]] = {
    Kept.GENERATIONS: ("generation_payload", "alternative", "generation_search"),
    Kept.STEPS: ("step_payload",),
}
_Key = tuple[dt.datetime, uuid.UUID]
Advance = Callable[[int], None]


@dataclass(slots=True)
class Report:
    """What was expired, or would be. `longest` is the longest that a batch held its locks, in seconds."""

    is_dry: bool
    lines: list[dict[str, Any]] = field(default_factory=list)
    months: list[dict[str, Any]] = field(default_factory=list)
    reach: dict[str, str] = field(default_factory=dict)
    done: int = 0
    longest: float = 0.0
    seconds: float = 0.0

    def document(self) -> dict[str, Any]:
        """The report as it is kept with its job: counts by rule, months that were emptied whole, how long it took."""
        return {
            "dry": self.is_dry,
            "rules": self.lines,
            "months": self.months,
            "reach": self.reach,
            "longestLock": round(self.longest, 3),
            "seconds": round(self.seconds, 3),
        }


# --------------------------------------------------------------------------------------------------------------- jobs
def start(grant: Grant, *, is_dry: bool) -> Job:
    """A job that expires what is due, or with `is_dry` only counts it. Needs the scope `admin`."""
    grant.need(Scope.ADMIN)
    return jobs.create(grant, Job.Kind.RETENTION, {"dry": is_dry})


def due() -> list[Job]:
    """A job for each project that has rules and has had no run lately. For the scheduler; safe in two places."""
    made = []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [0x47454E36])
        lately = Job.objects.filter(
            kind=Job.Kind.RETENTION, parameters__dry=False, created_at__gt=timezone.now() - EVERY
        )
        for project in Project.objects.filter(retention_rules__isnull=False).exclude(jobs__in=lately).distinct():
            made.append(start(access.of_system(project), is_dry=False))
    return made


def run(job_id: uuid.UUID | str) -> bool:
    """Do a job of `start`; False when another worker has it or it has ended."""
    return jobs.work(job_id, _run)


def _run(lease: jobs.Lease) -> None:
    report = plan(lease.job.project, is_dry=bool(lease.job.parameters["dry"]), advance=lease.advance)
    lease.finish(report.document())


def plan(project: Project, *, is_dry: bool, advance: Advance = lambda done: None) -> Report:
    """Expire what is due in a project, or with `is_dry` count it. Done again it finds what came since."""
    began = time.monotonic()
    now = timezone.now()
    report = Report(is_dry)
    try:
        whole = {kind: meanings(project.pk, kind, What.ALL, now) for kind in Kept.values}
        texts = {kind: meanings(project.pk, kind, What.TEXT, now) for kind in Kept.values}
        if not is_dry:
            _hide(project, {kind: _all_due_before(project.pk, kind, texts[kind]) for kind in Kept.values})
        # What is hidden has to be found by whoever removes it, also by a rule that asks what was said.
        with horizons.lifted():
            for kind in Kept.values:
                if not is_dry:
                    _empty_months(project, kind, texts[kind], now, report)
                for one in whole[kind]:
                    _expire(project, kind, one, report, advance)
                for one in texts[kind]:
                    _expire(project, kind, one, report, advance)
                    if one.before is not None and not one.is_empty:
                        report.reach[kind] = max(report.reach.get(kind, ""), one.before.isoformat())
    except BadFilter as error:
        raise jobs.Failed(f"A rule's filter is no longer possible; nothing more was expired. {error}") from error
    if not is_dry:
        # What comes from now on with a start of then is the next run's.
        _hide(project, dict.fromkeys(Kept.values))
    report.seconds = time.monotonic() - began
    return report


def _hide(project: Project, moments: Mapping[str, dt.datetime | None]) -> None:
    """Show nobody what was said before these moments. None shows all that is still there, as after a hold."""
    Project.objects.filter(pk=project.pk).update(
        **{f"{_RECORDS[kind]}_text_from": moment for kind, moment in moments.items()}
    )


def _all_due_before(project_pk: int, kind: str, texts: list[Due]) -> dt.datetime | None:
    """The moment before which every row of the project has to lose its text; None when there is none."""
    rules = [one for one in texts if not one.is_empty]
    if open_holds(project_pk, kind) or not any(not one.rule.filter for one in rules):
        return None
    moments = [one.before for one in rules if one.before is not None]
    return min(moments) if len(moments) == len(rules) else None


def expired_on(row: Generation | Step) -> dt.datetime | None:
    """When the text of this row, which has none left, was expired: the end of the first run that reached it."""
    kind = Kept.GENERATIONS if isinstance(row, Generation) else Kept.STEPS
    runs = Job.objects.filter(
        project_id=row.project_id, kind=Job.Kind.RETENTION, state=Job.State.DONE, parameters__dry=False
    )
    reached = runs.filter(**{f"result__reach__{kind}__gt": row.started_at.astimezone(dt.UTC).isoformat()})
    return reached.order_by("finished_at").values_list("finished_at", flat=True).first()


# ------------------------------------------------------------------------------------------------------------- batches
def _expire(project: Project, kind: str, one: Due, report: Report, advance: Advance) -> None:
    """What one rule says, and a line of the report on it."""
    count = 0
    if one.before is not None and not one.is_empty:
        rows = filters.narrow(kind, project.pk, one.condition).filter(started_at__lt=one.before)
        for month in _months(project, kind, rows):
            within = _in_month(rows, month)
            if one.rule.what == What.TEXT:
                within = within.filter(_has_text(project, kind, month))
            if report.is_dry:
                count += within.count()
                advance(report.done + count)
                continue
            for done, held in _batches(project, kind, one.rule, within):
                count += done
                report.longest = max(report.longest, held)
                advance(report.done + count)
    report.done += count
    report.lines.append(
        {
            "rule": str(one.rule),
            "kind": kind,
            "what": one.rule.what,
            "filter": one.rule.filter,
            "before": one.before.isoformat() if one.before else None,
            "count": count,
        }
    )


def _batches(project: Project, kind: str, rule: RetentionRule, rows: QuerySet[Any]) -> Iterator[tuple[int, float]]:
    """Expire rows from the oldest on; for each batch how many there were and how long it held its locks."""
    size = FIRST_BATCH
    last: _Key | None = None
    name = _RECORDS[kind]
    while True:
        ahead = rows if last is None else rows.filter(_beyond(last), started_at__gte=last[0])
        found = list(ahead.order_by("started_at", "uid").values_list("started_at", "uid", "public_id")[:size])
        if not found:
            return
        if rule.what == What.ALL:
            remove_files(project, name, [id for _, _, id in found])
        try:
            with transaction.atomic():
                _wait_for_no_disk()
                recording.hold(project)
                began = time.monotonic()
                with _hurried(began) if len(found) > 1 else nullcontext():
                    if rule.what == What.TEXT:
                        done = recording.forget_text(project, name, [(start, uid) for start, uid, _ in found])
                    else:
                        # Alone: what was made in a step has rules of its own.
                        done = recording.delete(project, name, [id for _, _, id in found], alone=True)
                worked = time.monotonic() - began
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled):
                raise
            size = max(1, len(found) // 4)
            continue
        last = (found[-1][0], found[-1][1])
        yield done, time.monotonic() - began
        # Half of what is allowed, for the next rows may be heavier. A slow disk makes each commit slow, however small.
        fitting = int(size * _MOST_WORKED / 2 / max(worked, 0.001))
        size = max(1, min(fitting, 2 * size, MOST_AT_ONCE))


def _wait_for_no_disk() -> None:
    """Let this transaction end, and what it locks be free, before what it did is on disk."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")


@contextmanager
def _hurried(began: float) -> Iterator[None]:
    """Let a transaction be given up whose statements together take longer than they may."""

    def hurry(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        # Once a statement was given up, the next one takes back what was done, and is the only one that can be sent.
        if connection.connection.info.transaction_status != TransactionStatus.INERROR:
            left = max(1, int(1000 * (began + _MOST_WORKED - time.monotonic())))
            # In one message: to come and go twice takes time in which others wait.
            done = execute(f"SET LOCAL statement_timeout = {left}; {sql}", params, many, context)
            context["cursor"].cursor.nextset()
            return done
        return execute(sql, params, many, context)

    with connection.execute_wrapper(hurry):
        yield
    if connection.savepoint_ids:
        # Inside of another transaction, which goes on.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")


def _beyond(key: _Key) -> Q:
    row = Func(F("started_at"), F("uid"), template="(%(expressions)s)", output_field=TextField())
    other = Func(*map(sql.Param, key), template="(%(expressions)s)", output_field=TextField())
    return sql.compare(row, ">", other)


def _months(project: Project, kind: str, rows: QuerySet[Any]) -> Iterator[dt.date]:
    """The months from the oldest of these rows' list to their bound, one by one, without those that have no rows."""
    oldest = filters.rows(kind, project.pk).order_by("started_at", "uid").values_list("started_at", flat=True)
    start = oldest.first()
    while start is not None:
        month = partitions.month_of(start)
        yield month
        start = oldest.filter(started_at__gte=_moment(partitions.next_month(month))).first()


def _in_month(rows: QuerySet[Any], month: dt.date) -> QuerySet[Any]:
    return rows.filter(started_at__gte=_moment(month), started_at__lt=_moment(partitions.next_month(month)))


def _has_text(project: Project, kind: str, month: dt.date) -> Q:
    """A row with a preview or a payload. Where a month's payloads are all gone, none is looked for row by row."""
    shown = Q(input_preview__isnull=False) | Q(output_preview__isnull=False)
    payloads: QuerySet[Any] = _PAYLOADS[kind].objects.in_project(project.pk)
    if not _in_month(payloads, month).exists():
        return shown
    return shown | Q(Exists(payloads.filter(uid=OuterRef("uid"), started_at=OuterRef("started_at"))))


def _moment(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time.min, dt.UTC)


# ------------------------------------------------------------------------------------------------------- whole months
def _empty_months(project: Project, kind: str, texts: list[Due], now: dt.datetime, report: Report) -> None:
    """Empty the partitions of text in which everything is due, in every project that has rows there.

    Emptied and not dropped: a late record of that month finds its partition, and disk space is free at once all the
    same.
    """
    for name, end in _partitions(_TEXT_TABLES[kind][0]):
        if not _is_all_due(project.pk, kind, texts, end):
            continue
        there = _holders(name)
        if project.pk not in there or not _are_all_due(there, kind, now, end):
            continue
        counts = {pk: _count(name, pk) for pk in there}
        # One after the other, so that each is locked for no longer than it takes itself; the payloads last, for by
        # them the next run sees what this one did not come to.
        for table in reversed(_TEXT_TABLES[kind]):
            is_last = table == _TEXT_TABLES[kind][0]
            told = counts if is_last else {}
            held = _tried(name.replace(_TEXT_TABLES[kind][0], table), kind, end, now, told)
            if held is None:
                break
            report.longest = max(report.longest, held)
            if is_last:
                report.months.append({"kind": kind, "month": name[-6:], "count": counts[project.pk]})


class _StillKept(Exception):
    """Something in a partition is to stay."""


def _tried(table: str, kind: str, end: dt.datetime, now: dt.datetime, counts: dict[int, int]) -> float | None:
    """Empty a partition; the audit of each project in `counts` tells it. Returns how long it was locked.

    None, and nothing done, when some project keeps something there, or when nobody could be sure not to wait: somebody
    reads for long, or the disk is busy. The batches go on without it, or the next run does.
    """
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE)
        # Files are only given back once that is on disk, and until then the partition is locked.
        if commit_takes() <= _MOST_WAITED:
            try:
                return _emptied(table, kind, end, now, counts)
            except _StillKept:
                return None
            except OperationalError as error:
                if not isinstance(error.__cause__, (LockNotAvailable, QueryCanceled)):
                    raise
    return None


def commit_takes() -> float:
    """The seconds that it takes just now until something small is on disk."""
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_logical_emit_message(true, 'generations', '')")
    return time.monotonic() - began


def _emptied(table: str, kind: str, end: dt.datetime, now: dt.datetime, counts: dict[int, int]) -> float:
    """The same at once, or an exception that says why not."""
    with transaction.atomic(), connection.cursor() as cursor:
        for project in Project.objects.filter(pk__in=counts):
            month = {"month": table[-6:], "list": kind, "count": counts[project.pk]}
            access.audit(access.of_system(project), "retention.empty", "month", "", month)
        _wait_for_no_disk()
        # Who waits for this lock lets nobody past: half of the time is for waiting.
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{int(500 * MOST_HELD)}ms"])
        cursor.execute(f'LOCK TABLE "{table}" IN ACCESS EXCLUSIVE MODE')
        began = time.monotonic()
        with _hurried(began):
            # Looked at behind the lock: rules, holds and rows are those of this moment.
            if not _are_all_due(_holders(table), kind, now, end):
                raise _StillKept
            cursor.execute(f'TRUNCATE "{table}"')
    return time.monotonic() - began


def _are_all_due(projects: list[int], kind: str, now: dt.datetime, end: dt.datetime) -> bool:
    return all(_is_all_due(pk, kind, meanings(pk, kind, What.TEXT, now), end) for pk in projects)


def _is_all_due(project_pk: int, kind: str, texts: list[Due], end: dt.datetime) -> bool:
    """Whether every row of the project that began before `end` has to lose its text."""
    before = _all_due_before(project_pk, kind, texts)
    return before is not None and before >= end


def _partitions(table: str) -> list[tuple[str, dt.datetime]]:
    """The partitions of a table and the moments that they end before."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid"
            " WHERE inhparent = %s::regclass ORDER BY relname",
            [table],
        )
        names = [str(row[0]) for row in cursor.fetchall()]
    months = [(name, dt.datetime.strptime(name[-6:], "%Y%m").replace(tzinfo=dt.UTC).date()) for name in names]
    return [(name, _moment(partitions.next_month(month))) for name, month in months]


def _count(table: str, project_pk: int) -> int:
    """How many rows of a project there are in a partition; read off its key."""
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT count(*) FROM "{table}" WHERE project_id = %s', [project_pk])  # noqa: S608
        return int(cursor.fetchone()[0])


def _holders(table: str) -> list[int]:
    return partitions.holders(table, list(Project.objects.values_list("pk", flat=True)))
