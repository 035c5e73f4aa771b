"""Celery's door: each task calls one verb and returns. All are safe to run twice, and lost messages are sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from celery import shared_task
from django.utils import timezone

from generations import exporting, jobs, partitions, retention
from generations.models import Job

RUNNERS: Final[dict[str, Callable[[str], object]]] = {Job.Kind.EXPORT: exporting.run}
"""Who does the jobs of a kind. A runner takes the lease itself, with `jobs.work`."""


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
    """Every few seconds: hand out again what killed workers and lost messages left, delete what has expired."""
    for job_id in jobs.sweep():
        run_job.delay(job_id)
    exporting.expire()


@shared_task(ignore_result=True)
def tidy() -> None:
    """Every few minutes: partitions for the months ahead, refused bodies that are old enough to go."""
    partitions.ensure_ahead(timezone.now())
    retention.forget_refused_bodies()
