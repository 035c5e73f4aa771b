"""Expires what the rules of a project say: text by whole months where all of it is due, else in short batches.

Where all text from before some moment is due, that is said first, and nobody is shown it from then on (`horizons`),
however long removing it takes. No lock is held for longer than a batch: a tenth of a second, after which its statement
is given up, and which the size of the next one is fitted to. Nor is one held while the disk is waited for: what a crash
takes back is found again, and when the job is said to be done all that it did is on disk.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import BigIntegerField, Exists, F, Func, OuterRef, Q, QuerySet, TextField
from django.utils import timezone
from psycopg.errors import QueryCanceled

from generations import access, filters, horizons, jobs, partitions, recording
from generations.access import Grant, Scope
from generations.at_once import Statement
from generations.filters import BadFilter, Condition, sql
from generations.filters.conditions import And, Not
from generations.models import Attachment, Generation, GenerationPayload, Job, Kept, Project, Step, StepPayload
from generations.recording import Part
from generations.retention import emptying
from generations.retention.emptying import moment
from generations.retention.removing import files_of_text, remove_files, remove_files_of_text
from generations.retention.reporting import Report
from generations.retention.rules import Due, What, all_due_before, is_overtaken, meanings

FIRST_BATCH: Final = 100
MOST_AT_ONCE: Final = 8_000
EVERY: Final = dt.timedelta(hours=20)
"""Between two runs of a project by themselves, at least."""
CLOCKS: Final = dt.timedelta(minutes=1)
"""By how much the clocks of the machines may differ."""
_PAYLOADS: Final[dict[str, type[GenerationPayload | StepPayload]]] = {
    Kept.GENERATIONS: GenerationPayload,
    Kept.STEPS: StepPayload,
}
_RECORDS: Final[dict[str, str]] = {Kept.GENERATIONS: "generation", Kept.STEPS: "step"}
Advance = Callable[[int], None]
Noted = Callable[[Due, int], Sequence[Statement]]


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
        now = timezone.now()
        # One that was made later than now says that the clock was ahead then.
        lately = Job.objects.filter(
            kind=Job.Kind.RETENTION, parameters__dry=False, created_at__range=(now - EVERY, now + CLOCKS)
        )
        for project in Project.objects.filter(retention_rules__isnull=False).exclude(jobs__in=lately).distinct():
            made.append(start(access.of_system(project), is_dry=False))
    return made


def run(job_id: uuid.UUID | str) -> bool:
    """Do a job of `start`; False when another worker has it or it has ended."""
    return jobs.work(job_id, _run)


def _run(lease: jobs.Lease) -> None:
    report = Report(bool(lease.job.parameters["dry"]))
    if not report.is_dry:
        report.job, report.earlier = lease.job.pk, lease.earlier
        report.files, report.months = report.earlier.get("files", 0), report.earlier.get("months", [])
        report.longest = report.earlier.get("longest", 0.0)
        lease.remember(dict(report.earlier))
    _plan(lease.job.project, report, lease.advance)
    lease.finish(report.document())


def plan(project: Project, *, is_dry: bool, advance: Advance = lambda done: None) -> Report:
    """Expire what is due in a project, or with `is_dry` count it. Done again it finds what came since.

    A hold that is added meanwhile is kept to from then on, and a rule that is removed expires nothing more.
    """
    return _plan(project, Report(is_dry), advance)


def _plan(project: Project, report: Report, advance: Advance) -> Report:
    now = timezone.now()
    try:
        # What is hidden has to be found by whoever removes it, also by a rule that asks what was said.
        with horizons.lifted():
            while not _is_expired(project, now, report, advance):
                continue
    except BadFilter as error:
        raise jobs.Failed(f"A rule's filter is no longer possible; nothing more was expired. {error}") from error
    if not report.is_dry:
        # What comes from now on with a start of then is the next run's.
        _hide(project, dict.fromkeys(Kept.values))
    report.seconds = report.elapsed
    return report


def _is_expired(project: Project, now: dt.datetime, report: Report, advance: Advance) -> bool:
    """Expire what is due as the rules and holds are now; False when others came meanwhile, before all was done."""
    whole = {kind: meanings(project.pk, kind, What.ALL, now) for kind in Kept.values}
    texts = {kind: meanings(project.pk, kind, What.TEXT, now) for kind in Kept.values}
    if not report.is_dry:
        _hide(project, {kind: all_due_before(project.pk, kind, texts[kind]) for kind in Kept.values})
    try:
        for kind in Kept.values:
            if not report.is_dry:
                _empty(project, kind, whole[kind], texts[kind], now, report)
            for one in (*whole[kind], *texts[kind]):
                _expire(project, kind, _beside(kind, whole[kind], one) if report.is_dry else one, report, advance)
            reaches = [one.before.isoformat() for one in texts[kind] if one.before is not None and not one.is_empty]
            if reaches:
                report.reach[kind] = max(reaches)
    except DatabaseError as error:
        if not is_overtaken(error):
            raise
        return False
    return True


def _empty(
    project: Project, kind: str, whole: Sequence[Due], texts: Sequence[Due], now: dt.datetime, report: Report
) -> None:
    """Empty the months in which all text is due. Rows of which nothing leads to that afterwards, without a preview or a
    file, are counted with their rules before, as they would be one by one."""
    unseen: list[tuple[Due, int]] = []

    def noted(month: dt.date, count: int) -> list[Statement]:
        unseen[:] = _unseen(project, kind, whole, texts, month)
        said = [statement for one, number in unseen for statement in report.noted(one, number=number)]
        return said + report.noted_month(_month(kind, month, count))

    for month in emptying.empty_months(project, kind, list(texts), now, noted):
        report.longest = max(report.longest, month.seconds)
        if month.count is not None:
            report.months.append(_month(kind, month.month, month.count))
            for one, number in unseen:
                report.line(one)["count"] += number


def _month(kind: str, month: dt.date, count: int) -> dict[str, Any]:
    return {"kind": kind, "month": f"{month:%Y%m}", "count": count}


def _unseen(
    project: Project, kind: str, whole: Sequence[Due], texts: Sequence[Due], month: dt.date
) -> list[tuple[Due, int]]:
    """How many rows of a month lose text by each rule and have neither a preview of it nor files that were inside."""
    found = []
    files = files_of_text(project, _RECORDS[kind])
    own = _payloads(project, kind).filter(uid=OuterRef("uid"), started_at=OuterRef("started_at"))
    for one in texts:
        rule = _beside(kind, whole, one)
        if one.before is not None and not one.is_empty:
            rows = _in_month(filters.narrow(kind, project.pk, rule.condition), month).filter(started_at__lt=one.before)
            hidden = rows.filter(~_has(Part.PREVIEWS, project, kind, files)).filter(Exists(own))
            if number := hidden.count():
                found.append((one, number))
    return found


def _beside(kind: str, whole: Sequence[Due], text: Due) -> Due:
    """What a rule says of text, without the rows that go whole by others: those are gone by the time a run comes to
    text."""
    if text.rule.what == What.ALL:
        return text
    stays = [
        Not(_all_of([one.condition, filters.from_document(kind, {"timestamp": {"$lt": one.before.isoformat()}})]))
        for one in whole
        if one.before is not None and not one.is_empty
    ]
    return replace(text, condition=_all_of([text.condition, *stays])) if stays else text


def _all_of(parts: Sequence[Condition | None]) -> Condition:
    return And(tuple(one for one in parts if one is not None))


def _hide(project: Project, moments: Mapping[str, dt.datetime | None]) -> None:
    """Show nobody what was said before these moments. None shows all that is still there, as after a hold."""
    Project.objects.filter(pk=project.pk).update(
        **{f"{_RECORDS[kind]}_text_from": moment for kind, moment in moments.items()}
    )


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
    line = report.line(one)
    if one.before is None or one.is_empty:
        return
    rows = filters.narrow(kind, project.pk, one.condition).filter(started_at__lt=one.before)
    name = _RECORDS[kind]
    files = _files(project, name, one.rule.what)
    has_files = files.filter(**{f"{name}_id__isnull": False}).exists()
    for month in _months(project, kind, one.before):
        part = _due_of(project, kind, one, month)
        within = _in_month(rows, month).filter(_has(part, project, kind, files if has_files else None))
        if report.is_dry:
            line["count"] += within.count()
            if has_files:
                report.files += files.filter(**{f"{name}_id__in": within.values("public_id")}).count()
            advance(report.done)
            continue
        for batch in _batches(project, kind, one, part, within, report.noted, has_files=has_files):
            line["count"] += batch.rows
            report.files += batch.files
            report.longest = max(report.longest, batch.held)
            advance(report.done)


@dataclass(frozen=True, slots=True)
class _Batch:
    """What was expired at once: rows and files, and the seconds that locks were held for that."""

    rows: int
    files: int
    held: float


def _batches(
    project: Project, kind: str, one: Due, part: Part, rows: QuerySet[Any], noted: Noted, *, has_files: bool
) -> Iterator[_Batch]:
    """Expire a part of rows from the oldest on."""
    size = FIRST_BATCH
    last: recording.Row | None = None
    name = _RECORDS[kind]
    files = 0
    without: set[str] = set()
    while True:
        ahead = rows if last is None else rows.filter(_beyond(last), started_at__gte=last[0])
        ordered = ahead.order_by("started_at", "uid").annotate(page=_PAGE)
        placed = list(ordered.values_list("started_at", "uid", "public_id", "page")[:size])
        if not placed:
            return
        found = [(start, uid, id) for start, uid, id, _ in placed]
        ids = [id for _, _, id in found]
        if part is Part.ALL:
            files = remove_files(project, name, ids, one.standing)
        elif has_files:
            gone = remove_files_of_text(project, name, ids, one.standing)
            files += len(gone)
            without.update(gone)
        within = emptying.MOST_WORKED if len(found) > 1 else None
        turns = [found] if part is Part.ALL else _turns(found, [page for *_, page in placed])
        seconds = 0.0
        try:
            for turn in turns:
                # Alone: what was made in a step has rules of its own.
                done = recording.forget(
                    project,
                    name,
                    turn,
                    part=part,
                    within=within,
                    provided=one.standing,
                    noted=noted(one, files),
                    without_files=[uid for _, uid, id in turn if id in without],
                )
                seconds += done.seconds
                yield _Batch(done.number, files, done.seconds)
                files = 0
        except OperationalError as error:
            if not isinstance(error.__cause__, QueryCanceled):
                raise
            size = max(1, len(found) // 4)
            continue
        last = found[-1]
        # Half of what is allowed, for the next rows may be heavier; of several turns, the last has half of the rows.
        fitting = int(size * emptying.MOST_WORKED / max(seconds, 0.001) / (2 if len(turns) == 1 else 1))
        size = max(1, min(fitting, 2 * size, MOST_AT_ONCE))


_PAGE: Final = Func(template="(ctid::text::point)[0]::int8", output_field=BigIntegerField())
"""The page of its table that a row stands on."""


def _turns(rows: Sequence[recording.Row], pages: Sequence[int]) -> list[list[recording.Row]]:
    """These rows in the order in which their text is to be cleared, each turn a transaction: of the rows of a page one,
    and then as many as before.

    A row that is written again without its text leaves its page where that is full, and each of its indexes is told,
    which costs five times as much. What a page's rows were before it gets rid of after a turn: it has room for those
    of the next.
    """
    turns: list[list[recording.Row]] = []
    before: Counter[int] = Counter()
    for row, page in zip(rows, pages, strict=True):
        turn = before[page].bit_length()
        before[page] += 1
        if turn == len(turns):
            turns.append([])
        turns[turn].append(row)
    return turns


def _beyond(key: recording.Row) -> Q:
    row = Func(F("started_at"), F("uid"), template="(%(expressions)s)", output_field=TextField())
    other = Func(*map(sql.Param, key[:2]), template="(%(expressions)s)", output_field=TextField())
    return sql.compare(row, ">", other)


def _months(project: Project, kind: str, before: dt.datetime) -> Iterator[dt.date]:
    """The months in which a project has rows from before a moment, one by one from the oldest on."""
    rows = filters.rows(kind, project.pk).filter(started_at__lt=before)
    oldest = rows.order_by("started_at", "uid").values_list("started_at", flat=True)
    start = oldest.first()
    while start is not None:
        month = partitions.month_of(start)
        yield month
        start = oldest.filter(started_at__gte=moment(partitions.next_month(month))).first()


def _in_month(rows: QuerySet[Any], month: dt.date) -> QuerySet[Any]:
    return rows.filter(started_at__gte=moment(month), started_at__lt=moment(partitions.next_month(month)))


def _due_of(project: Project, kind: str, one: Due, month: dt.date) -> Part:
    """What is to be forgotten of the rows of a month: of text no more than the previews where all payloads are gone."""
    if one.rule.what == What.ALL:
        return Part.ALL
    return Part.TEXT if _in_month(_payloads(project, kind), month).exists() else Part.PREVIEWS


def _files(project: Project, name: str, what: str) -> QuerySet[Attachment]:
    """The files that go with generations or steps, or with their text alone."""
    if what == What.TEXT:
        return files_of_text(project, name)
    files: QuerySet[Attachment] = Attachment.objects.in_project(project.pk).exclude(storage_key=None)
    return files


def _has(part: Part, project: Project, kind: str, files: QuerySet[Attachment] | None) -> Q:
    """A row that has this part, or of these files some that were inside of what was said in it."""
    if part is Part.ALL:
        return Q()
    shown = Q(input_preview__isnull=False) | Q(output_preview__isnull=False)
    if files is not None:
        shown |= Q(Exists(files.filter(**{f"{_RECORDS[kind]}_id": OuterRef("public_id")})))
    if part is Part.PREVIEWS:
        return shown
    own = _payloads(project, kind).filter(uid=OuterRef("uid"), started_at=OuterRef("started_at"))
    return shown | Q(Exists(own))


def _payloads(project: Project, kind: str) -> QuerySet[Any]:
    rows: QuerySet[Any] = _PAYLOADS[kind].objects.in_project(project.pk)
    return rows
