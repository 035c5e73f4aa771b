"""Celery's door: each task calls one verb and returns. All are safe to run twice, and lost messages are sent again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from celery import shared_task, signals
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from generations import bulk, evaluating, exporting, jobs, partitions, repricing, retention, rollups, search
from generations.importing import uploads, working
from generations.models import Job

RUNNERS: Final[dict[str, Callable[[str], object]]] = {
    Job.Kind.BULK: bulk.run,
    Job.Kind.EVALUATION: evaluating.run,
    Job.Kind.EXPORT: exporting.run,
    Job.Kind.IMPORT: working.run,
    Job.Kind.REPRICE: repricing.run,
    Job.Kind.RETENTION: retention.run_retention,
    Job.Kind.ERASURE: retention.run_erasure,
}
"""Who does the jobs of a kind. A runner takes the lease itself, with `jobs.work`."""

EXTRACTING: Final = 20.0
"""The seconds after which a worker that extracts turns to what else is waiting."""

_compacting, _extracting = threading.Lock(), threading.Lock()
# Both rest while writes come in fast: a second one in this process would work in the rests of the first.

log = logging.getLogger(__name__)


@signals.worker_shutting_down.connect
def _put_back(**_: object) -> None:
    # An export may take minutes, and who stops a worker waits for seconds.
    jobs.stop_working()


def send(job: Job) -> None:
    """Hand a job to a worker, after the commit of the transaction that made it.

    When the queue cannot be reached the job waits: `sweep` sends it again.
    """
    transaction.on_commit(lambda: _sent(job))


def _sent(job: Job) -> None:
    try:
        run_job.delay(str(job.pk))
    except OperationalError as error:
        log.warning("The queue cannot be reached, job %s waits for the sweeper: %s", job.pk, error)


@shared_task(acks_late=True, ignore_result=True)
def run_job(job_id: str) -> None:
    """Do a job, unless it is done, cancelled or another worker's."""
    kind = Job.objects.filter(pk=job_id).values_list("kind", flat=True).first()
    if kind is None:
        return
    runner = RUNNERS.get(kind)
    if runner is None:
        jobs.refuse(job_id, f"No worker here knows how to do '{kind}'.")
        return
    runner(job_id)


@shared_task(ignore_result=True)
def sweep() -> None:
    """Every few seconds: hand out again what killed workers and lost messages left, begin the exports whose time has
    come, delete what has expired."""
    for job_id in jobs.sweep():
        run_job.delay(job_id)
    for job in exporting.schedules.due():
        send(job)
    # Last: a storage far away may fail.
    exporting.expire()


@shared_task(ignore_result=True)
def compact() -> None:
    """Every few seconds: make anew the rollups of hours that changed. A long backlog gives other tasks their turn."""
    if _compacting.acquire(blocking=False):
        try:
            rollups.compact(seconds=20)
        finally:
            _compacting.release()


@shared_task(ignore_result=True)
def tidy() -> None:
    """Every few minutes: partitions for the months ahead; refused bodies and half-written files that are old go, and
    notes of what is gone once they are told."""
    partitions.ensure_ahead(timezone.now())
    retention.forget_refused_bodies()
    retention.forget_intake()
    exporting.forget_unfinished()
    exporting.forget_told()
    uploads.forget_uploads()


@shared_task(ignore_result=True)
def index_text() -> None:
    """Every few seconds: extract for searching what was recorded since."""
    if _extracting.acquire(blocking=False):
        try:
            search.fill(EXTRACTING)
        finally:
            _extracting.release()


@shared_task(ignore_result=True)
def score_new() -> None:
    """Every few seconds: what is new is scored by the evaluators that are to."""
    evaluating.look()


@shared_task(ignore_result=True)
def retain() -> None:
    """Every hour: a job for each project whose rules have not been followed for most of a day; what the index of
    extracts still has of texts that are gone is forgotten; files of some projects that no row names go."""
    for job in retention.due():
        send(job)
    search.renew()
    # Last: a storage far away may take its time.
    retention.forget_unnamed()
