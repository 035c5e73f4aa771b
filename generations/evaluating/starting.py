"""An evaluation begins: its experiments are made, and the job that fills them."""

from __future__ import annotations

import uuid
from dataclasses import replace

from django.db import transaction

from generations import experiments, jobs
from generations.access import Grant, Scope
from generations.evaluating import answering
from generations.evaluating.asking import Asked
from generations.evaluating.reckoning import estimate
from generations.experiments.keeping import MAX_NAME
from generations.identities import new_id
from generations.models import Job
from generations.records import InvalidRecord


def start(grant: Grant, asked: Asked, *, id: uuid.UUID | None = None) -> Job:
    """A job that does it, and an experiment for each version; the door sends the job to a worker. Needs `write`.

    Whoever gives an `id` has looked that there is no job of it, and lets nobody else begin one meanwhile.

    Raises InvalidRecord where the cost is to be bounded and a price is not known.
    """
    grant.need(Scope.WRITE)
    reckoned = estimate(grant, asked)
    if asked.max_cost is not None and reckoned.cost is None:
        unknown = ", ".join(reckoned.unknown) or "models with prices in several currencies"
        expected = f"no bound, because no price is known of {unknown}; give it one under Settings, or bound maxCalls"
        raise InvalidRecord("maxCost", str(asked.max_cost), expected)
    with transaction.atomic():
        made = []
        titles = [one.title for one in answering.versions(grant, asked.versions, asked.model)]
        for place, title in enumerate(titles or [asked.name]):
            if asked.of == "backfill":
                break
            name = asked.name if len(titles) < 2 else f"{asked.name}: {title}"[:MAX_NAME]
            row = experiments.create(
                grant,
                name=name,
                dataset_id=asked.dataset,
                prompt_version_id=asked.versions[place] if asked.versions else None,
                params={"evaluators": [one.name for one in asked.evaluators]},
            )
            made.append(str(row.pk))
        begun = replace(asked, experiments=tuple(made), mark=made[0] if made else new_id())
        job = jobs.create(grant, Job.Kind.EVALUATION, begun.parameters(), id=id)
        # The watermark of progress before a worker has counted anew.
        job.progress_total = reckoned.items
        job.save(update_fields=["progress_total"])
    return job
