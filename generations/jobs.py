"""Long work that survives its worker: one row a job, held by a lease that is renewed while it is worked on.

Whoever holds the lease may write; whoever lost it stops and leaves nothing. A job whose lease ran out, or whose
message was lost with a broker, is handed out again by `sweep`. All moments are the database's, so that workers on
several machines need not agree about the time.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from django.db import DatabaseError, connection, transaction
from django.db.models import Case, F, Q, TextField, Value, When
from django.db.models.functions import Coalesce, Concat, Now

from generations import access, outages
from generations.access import Grant, NotAllowed, Scope, audit
from generations.cleaning import clean_json
from generations.models import ExportSchedule, Job
from generations.models.accounts import new_uuid

LEASE: Final = dt.timedelta(seconds=30)
KEEP_EVERY: Final = 8.0
"""Seconds without a sign of progress after which the lease is renewed from beside the work."""
TELL_EVERY: Final = 0.5
"""Seconds between two writes of the progress, at least."""
LOOK_EVERY: Final = 1.0
"""Seconds between two looks whether a database that went away is there again."""
UNSENT_AFTER: Final = dt.timedelta(seconds=10)
RESEND_AFTER: Final = dt.timedelta(seconds=60)
SWEPT_AT_ONCE: Final = 100
_JUST_NOW: Final = (Now() - UNSENT_AFTER, Now() + UNSENT_AFTER)
_TOO_FAR: Final = 2
"""How many times its length a lease may lie ahead at most: one that lies further was given before the database's clock
went back, perhaps by a day, and holds nothing."""

ENDED_BADLY: Final = (Job.State.FAILED, Job.State.CANCELLED, Job.State.EXPIRED)
"""The states that a job may be begun again from."""
MADE_ANEW: Final = (Job.State.FAILED, Job.State.EXPIRED)
"""The states after which the same request makes a new job. What somebody cancelled stays so."""
SO_FAR: Final = "soFar"
"""Where the result of a job that is not done holds what attempts have noted."""
_STARTED_WITH: Final = {
    Job.Kind.EXPORT: Scope.READ,
    Job.Kind.REPRICE: Scope.ADMIN,
    Job.Kind.RETENTION: Scope.ADMIN,
    Job.Kind.ERASURE: Scope.ADMIN,
}
"""The scope that starting a job of a kind needs, where it is not `write`."""

log = logging.getLogger(__name__)

_stopping = threading.Event()


def stop_working() -> None:
    """Put back whatever this process works on, at the next sign of its progress. For a worker that is to end."""
    _stopping.set()


class Cancelled(Exception):
    """Someone asked for the job to stop."""


class Lost(Exception):
    """The lease ran out and the job is no longer this worker's."""


class Interrupted(Exception):
    """This worker is asked to end; another one, or its successor, begins the job anew."""


class Failed(Exception):
    """The job cannot be done, now or later; the sentence is shown to whoever started it."""


class Lease:
    """The right of one worker to do one job, and what it says of its progress."""

    def __init__(self, job: Job, holder: str) -> None:
        self.job = job
        self.done = 0
        self.total: int | None = None
        self._holder = holder
        self._renewed = time.monotonic()
        self._stop = threading.Event()
        self._taken_away: Cancelled | Lost | None = None

    def advance(self, done: int, total: int | None = None) -> None:
        """Say how far the work is. Writes at most twice a second; cheap to call for every batch.

        Raises Cancelled, Interrupted or Lost when the work is to stop.
        """
        self.done = done
        self.total = self.total if total is None else total
        self.check()
        if time.monotonic() - self._renewed >= TELL_EVERY:
            self.renew()

    def check(self) -> None:
        """Stop where `advance` would, of what is known already: for where nothing can be written, and for each row."""
        if self._taken_away is not None:
            raise self._taken_away
        if _stopping.is_set():
            raise Interrupted

    def renew(self) -> None:
        """Hold the lease for a while longer and write the progress; raises Cancelled or Lost instead."""
        self._change(leased_until=Now() + LEASE, progress_done=self.done, progress_total=self.total)

    def remember(self, done: dict[str, Any]) -> None:
        """Note what is done by now, in the transaction that does it; another attempt finds it in `earlier`.

        Raises Lost: what another worker does is not to be done here.
        """
        if not self._held().update(result={SO_FAR: done}):
            raise Lost

    @property
    def earlier(self) -> dict[str, Any]:
        """What an attempt before this one noted last; nothing in a first one."""
        return so_far(self.job)

    def finish(self, result: dict[str, Any], *, expires_at: dt.datetime | None = None) -> None:
        """The job is done and `result` is what came of it. Raises Cancelled or Lost when it is not to be."""
        self._change(
            state=Job.State.DONE,
            result=result,
            progress_done=self.done,
            progress_total=self.done if self.total is None else self.total,
            expires_at=expires_at,
            **_ENDED,
        )

    def end(self, state: str, error: str = "") -> None:
        """Leave the job in a final state other than done; nothing happens when the lease is lost."""
        self._held().update(state=state, error=error, progress_done=self.done, **_ENDED)

    def note(self, error: Exception) -> None:
        """Keep why this attempt ends, as far as that is known and can be written: it is told if the job is given up.

        Where the database went away it is waited for, as long as the lease lasts, and the lease given back: nothing is
        to be waited for by the next attempt once it is there again.
        """
        if (outage := outages.of(error)) is None:
            return
        told: dict[str, Any] = {"error": outage.sentence}
        if not (is_away := outage in outages.AWAY):
            with suppress(DatabaseError):
                self._held().update(**told)
        until = self._renewed + LEASE.total_seconds()
        while is_away:
            try:
                self._held().update(**told, leased_until=Now())
                return
            except DatabaseError:
                connection.close()
                is_away = time.monotonic() < until and not _stopping.wait(LOOK_EVERY)

    def put_back(self) -> None:
        """Leave the job as if this attempt had not been: `sweep` sends it to a worker at its next turn."""
        self._held().update(
            state=Job.State.QUEUED, attempts=F("attempts") - 1, leased_by="", leased_until=Now(), progress_done=0
        )

    def _held(self) -> Any:
        return Job.objects.filter(pk=self.job.pk, state=Job.State.RUNNING, leased_by=self._holder)

    def _change(self, **values: Any) -> None:
        if not self._held().filter(cancel_requested_at=None).update(**values):
            raise Cancelled if self._held().exists() else Lost
        self._renewed = time.monotonic()

    def _keep(self) -> None:
        """Renew beside a statement that takes long. Opens a connection only when the work has been silent."""
        try:
            while not self._stop.wait(KEEP_EVERY / 4):
                if time.monotonic() - self._renewed < KEEP_EVERY:
                    continue
                try:
                    self.renew()
                except (Cancelled, Lost) as reason:
                    self._taken_away = reason
                    return
                except DatabaseError:
                    # A server that restarts: the next turn finds it again, or the lease runs out.
                    log.warning("The lease of job %s could not be renewed", self.job.pk, exc_info=True)
                    connection.close()
        finally:
            connection.close()


_ENDED: Final[dict[str, Any]] = {"finished_at": Now(), "leased_until": None, "leased_by": ""}


_GIVEN_UP: Final = Case(
    When(error="", then=Value("Given up: the worker stopped in the middle of every attempt. Its log says why.")),
    default=Concat(
        Value("Given up after several attempts. The last one found: "), F("error"), output_field=TextField()
    ),
    output_field=TextField(),
)


def work(job_id: uuid.UUID | str, do: Callable[[Lease], None]) -> bool:
    """Take the job's lease, `do` the work and leave the job in its final state; False when it is not free to take.

    `do` calls `lease.advance` now and then and `lease.finish` at its end. Any exception other than those of this
    module goes on to the caller: the lease then runs out, and `sweep` hands the job to another attempt.
    """
    lease = take(job_id)
    if lease is None:
        return False
    keeper = threading.Thread(target=lease._keep, name=f"lease of {job_id}", daemon=True)
    keeper.start()
    try:
        do(lease)
    except Cancelled:
        lease.end(Job.State.CANCELLED)
    except Interrupted:
        lease.put_back()
    except Failed as failure:
        lease.end(Job.State.FAILED, str(failure))
    except outages.ERRORS as error:
        lease.note(error)
        raise
    except Lost:
        log.warning("Job %s was taken over by another worker; this one stops", job_id)
    finally:
        lease._stop.set()
        keeper.join()
    return True


def take(job_id: uuid.UUID | str) -> Lease | None:
    """The lease of a job that waits, or whose worker is gone; None when it is held, ended or to be cancelled."""
    holder = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(6)}"
    free = Q(state=Job.State.QUEUED) | Q(_is_over(LEASE), state=Job.State.RUNNING)
    jobs = Job.objects.filter(free, pk=job_id, attempts__lt=F("max_attempts"), cancel_requested_at=None)
    # One conditional statement: of two workers with the same message, one finds the row changed.
    taken = jobs.update(
        state=Job.State.RUNNING,
        attempts=F("attempts") + 1,
        leased_by=holder,
        leased_until=Now() + LEASE,
        started_at=Coalesce("started_at", Now()),
        progress_done=0,
        error="",
    )
    if not taken:
        return None
    return Lease(Job.objects.select_related("project").get(pk=job_id), holder)


def so_far(job: Job) -> dict[str, Any]:
    """What attempts at a job noted that they have done, up to its end; nothing of one that is done."""
    noted: dict[str, Any] = job.result.get(SO_FAR, {})
    return noted


def refuse(job_id: uuid.UUID | str, reason: str) -> None:
    """Fail a job that nobody has taken, with a sentence for whoever started it."""
    Job.objects.filter(pk=job_id, state=Job.State.QUEUED).update(state=Job.State.FAILED, error=reason, **_ENDED)


def create(
    grant: Grant,
    kind: Job.Kind,
    parameters: dict[str, Any],
    *,
    schedule: ExportSchedule | None = None,
    id: uuid.UUID | None = None,
) -> Job:
    """A new job that waits for a worker, with its audit entry. The door sends it to one after the commit.

    Of several requests for a job of one `id`, of which the project is a part, the first makes it. Raises InvalidRecord.
    """
    parameters = clean_json("parameters", parameters, 64 << 20)
    with transaction.atomic():
        job, is_new = Job.objects.select_related("project").get_or_create(
            pk=id or new_uuid(),
            defaults={
                "project": grant.project,
                "kind": kind,
                "parameters": parameters,
                "schedule": schedule,
                "created_by": grant.user,
                "created_by_key": grant.key,
            },
        )
        if is_new:
            audit(grant, f"{kind.value}.start", "job", str(job.pk), parameters)
    return job


def grant_of(job: Job, scope: Scope = Scope.WRITE) -> Grant:
    """In whose name a job is worked on: whoever started it, with what they may do now.

    Raises Failed when that is less than `scope`: they may have fewer rights than when they started it.
    """
    try:
        return access.of_maker(job.project, job.created_by, job.created_by_key).need(scope)
    except (NotAllowed, access.NotAuthenticated, access.NoSuchProject) as error:
        raise Failed("Who started this may no longer do it.") from error


def find(grant: Grant, job_id: uuid.UUID | str, kind: Job.Kind | None = None) -> Job | None:
    """The project's job of this id; None where there is none, or the text is no id at all. Needs `read`."""
    grant.need(Scope.READ)
    try:
        number = job_id if isinstance(job_id, uuid.UUID) else uuid.UUID(job_id)
    except ValueError:
        return None
    jobs = Job.objects.filter(project=grant.project, pk=number)
    return (jobs if kind is None else jobs.filter(kind=kind)).select_related("project").first()


def repeated(grant: Grant, kind: Job.Kind, id: uuid.UUID) -> tuple[Job | None, uuid.UUID]:
    """The job that was made for a request of this id, and the id; no job, and the id of a new one, if it came to
    nothing: who sends a request twice is told of one job, but not for ever of one that failed."""
    while (job := find(grant, id, kind)) is not None and job.state in MADE_ANEW:
        id = uuid.uuid5(id, "again")
    return job, id


def cancel(grant: Grant, job_id: uuid.UUID | str) -> Job | None:
    """Stop a job: at once when it waits, within a second or so when it is worked on. None when there is no such job.

    Whoever started a job may cancel it; anyone else needs the scope `write`, and `admin` for what only an administrator
    starts. A job that has ended stays as it is.
    """
    job = find(grant, job_id)
    if job is None:
        return None
    if not may_cancel(grant, job):
        scope = cancelled_with(Job.Kind(job.kind)).value
        raise NotAllowed(f"Only who started this job, or a key or role with the scope '{scope}', may cancel it.")
    with transaction.atomic():
        waiting = Job.objects.filter(pk=job.pk, state=Job.State.QUEUED)
        running = Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, cancel_requested_at=None)
        changed = waiting.update(state=Job.State.CANCELLED, cancel_requested_at=Now(), **_ENDED)
        # In this order: a job that a worker takes in between is found running.
        changed = changed or running.update(cancel_requested_at=Now())
        if changed:
            audit(grant, f"{job.kind}.cancel", "job", str(job.pk))
    job.refresh_from_db()
    return job


def may_cancel(grant: Grant, job: Job) -> bool:
    """Whether `cancel` would take this job of the grant's project."""
    is_own = (grant.user is not None and job.created_by_id == grant.user.pk) or (
        grant.key is not None and job.created_by_key_id == grant.key.pk
    )
    return is_own or grant.may(cancelled_with(Job.Kind(job.kind)))


def cancelled_with(kind: Job.Kind) -> Scope:
    """The scope that cancelling somebody else's job of a kind needs."""
    return Scope.ADMIN if _STARTED_WITH.get(kind) == Scope.ADMIN else Scope.WRITE


def retry(grant: Grant, job_id: uuid.UUID | str) -> Job | None:
    """A new job that asks for the same as one that failed, was cancelled or has expired; None when there is none.

    The old one stays as a record; the door sends the new one to a worker after the commit. Exports need the scope
    `read`, what an administrator starts, runs of schedules too, needs `admin`, everything else `write`. Raises
    NotAllowed, and Failed with a sentence when the job has not ended or has done what it was for.
    """
    job = find(grant, job_id)
    if job is None:
        return None
    grant.need(_begun_again_with(job))
    if job.state not in ENDED_BADLY:
        raise Failed(
            f"This job is {job.state}: only those that failed, were cancelled or have expired are begun again."
        )
    return create(grant, Job.Kind(job.kind), job.parameters)


def may_retry(grant: Grant, job: Job) -> bool:
    """Whether `retry` would take this job of the grant's project."""
    return job.state in ENDED_BADLY and grant.may(_begun_again_with(job))


def _begun_again_with(job: Job) -> Scope:
    is_run = "destination" in job.parameters
    return Scope.ADMIN if is_run else _STARTED_WITH.get(Job.Kind(job.kind), Scope.WRITE)


def sweep() -> list[str]:
    """Put right what killed workers and lost messages left; returns the ids of the jobs to send to a worker now.

    Four statements on a partial index, however many jobs have ended. Safe to run twice and in two places.
    """
    with transaction.atomic():
        abandoned = Job.objects.filter(_is_over(LEASE), state=Job.State.RUNNING)
        abandoned.filter(cancel_requested_at__isnull=False).update(state=Job.State.CANCELLED, **_ENDED)
        abandoned.filter(attempts__gte=F("max_attempts")).update(state=Job.State.FAILED, error=_GIVEN_UP, **_ENDED)
        abandoned.update(state=Job.State.QUEUED, leased_by="")
        # For a job that waits, `leased_until` is the moment up to which its message may be on its way.
        unsent = _is_over(RESEND_AFTER) | Q(~Q(created_at__range=_JUST_NOW), leased_until=None)
        due = Job.objects.select_for_update(skip_locked=True).filter(unsent, state=Job.State.QUEUED)
        ids = list(due.order_by("created_at").values_list("pk", flat=True)[:SWEPT_AT_ONCE])
        Job.objects.filter(pk__in=ids).update(leased_until=Now() + RESEND_AFTER)
    return [str(job_id) for job_id in ids]


def _is_over(length: dt.timedelta) -> Q:
    """Whether what was to last for so long is over: its end has come, or lies further ahead than it can."""
    return Q(leased_until__lt=Now()) | Q(leased_until__gt=Now() + _TOO_FAR * length)
