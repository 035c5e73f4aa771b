"""All that match a filter, put somewhere by a job: into a dataset, or into a review queue."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from django.db import transaction

from generations import datasets, filters, jobs, reviewing
from generations.access import Grant, Scope
from generations.exporting import rows
from generations.filters import BadFilter
from generations.models import Dataset, DatasetItem, Generation, Job, Project, Step
from generations.records import Json

KINDS: Final = ("generations", "steps")
AT_ONCE: Final = 500
"""Rows that are read and put together."""
_ROWS: Final[dict[str, tuple[Any, str]]] = {
    "generations": (Generation, "generation"),
    "steps": (Step, "step"),
}


def into_dataset(
    grant: Grant, dataset_id: str, *, kind: str, document: Json, order: str | None = None, id: uuid.UUID | None = None
) -> Job:
    """A job that adds an item for each generation or step that matches, but for those that the dataset has already.

    `document` is a filter in its document form, `id` the job's. Needs `write`. Raises BadFilter, NoSuchDataset.
    """
    grant.need(Scope.WRITE)
    dataset = datasets.find(grant, dataset_id)
    if dataset is None:
        raise datasets.NoSuchDataset("dataset", dataset_id)
    where: dict[str, Json] = {"do": "dataset", "dataset": str(dataset.pk), "name": dataset.name}
    return _started(grant, where, kind, document, order, id)


def filling(grant: Grant, job_id: str) -> Job | None:
    """The project's job of this id, if it is one that fills a dataset. Needs `read`."""
    job = jobs.find(grant, job_id, Job.Kind.BULK)
    return None if job is None or job.parameters.get("do") != "dataset" else job


def into_queue(grant: Grant, queue_id: str, *, kind: str, document: Json, order: str | None = None) -> Job:
    """A job that puts each generation or step that matches into a review queue, but for those that it has already.

    Needs `write`. Raises BadFilter, NoSuchQueue.
    """
    grant.need(Scope.WRITE)
    queue = reviewing.find(grant, queue_id)
    if queue is None:
        raise reviewing.NoSuchQueue(f"There is no review queue '{queue_id[:80]}' in this project.")
    return _started(grant, {"do": "review", "queue": str(queue.pk), "name": queue.name}, kind, document, order)


def run(job_id: uuid.UUID | str) -> bool:
    """Do a job of this module, if it is free to be done; False when another worker has it or it has ended."""
    return jobs.work(job_id, _gather)


def _started(
    grant: Grant, where: dict[str, Json], kind: str, document: Json, order: str | None, id: uuid.UUID | None = None
) -> Job:
    if kind not in KINDS:
        raise BadFilter("kind", kind, f"one of {', '.join(KINDS)}")
    # Building the statement finds what reading the document alone cannot.
    rows.ordering(kind, order, grant.project.pk)
    rows.SOURCES[kind].narrow(grant.project.pk, filters.from_document(kind, document or {}))
    asked: dict[str, Json] = {**where, "kind": kind, "filter": document or {}, "order": order}
    return jobs.create(grant, Job.Kind.BULK, asked, id=id)


def _gather(lease: jobs.Lease) -> None:
    asked, project = lease.job.parameters, lease.job.project
    done, added = 0, lease.earlier.get("added", 0)
    try:
        put = _PLACES[asked["do"]](lease)
        condition = filters.from_document(asked["kind"], asked["filter"])
        matching = rows.SOURCES[asked["kind"]].narrow(project.pk, condition)
        with rows.keys(asked["kind"], project, matching, asked["order"]) as keys:
            lease.advance(0, keys.count())
            for batch in keys.batches(AT_ONCE):
                # An attempt after this one counts what came and goes on with its version.
                with transaction.atomic():
                    made, version = put(_ids(project, asked["kind"], batch))
                    added += made
                    lease.remember({"added": added, "version": version})
                done += len(batch)
                lease.advance(done)
    except BadFilter as error:
        raise jobs.Failed(f"The filter is no longer possible. {error}") from error
    except datasets.NoSuchDataset:
        raise jobs.Failed("The dataset was deleted meanwhile.") from None
    except reviewing.NoSuchQueue:
        raise jobs.Failed("The review queue was deleted meanwhile.") from None
    except (datasets.BadDataset, reviewing.BadQueue) as error:
        raise jobs.Failed(f"{error} {added:,} were added before.") from error
    lease.finish({"matched": done, "added": added})


def _ids(project: Project, kind: str, batch: Sequence[rows.Key]) -> list[str]:
    """The callers' ids of these rows in their order."""
    model, _ = _ROWS[kind]
    starts = [key[1] for key in batch]
    found = model.objects.in_project(project.pk).filter(
        uid__in=[key[0] for key in batch], started_at__gte=min(starts), started_at__lte=max(starts)
    )
    named = dict(found.values_list("uid", "public_id"))
    return [named[key[0]] for key in batch if key[0] in named]


_Put = Callable[[list[str]], tuple[int, int | None]]
"""Puts rows somewhere: how many came, and the version that they are in, where there are versions."""


def _dataset(lease: jobs.Lease) -> _Put:
    """Adds rows to the dataset, as one version as long as nobody else changes it."""
    asked, grant = lease.job.parameters, jobs.grant_of(lease.job)
    add = datasets.add_generations if asked["kind"] == "generations" else datasets.add_steps
    column = f"{_ROWS[asked['kind']][1]}_id"
    version: int | None = lease.earlier.get("version")

    def put(ids: list[str]) -> tuple[int, int | None]:
        nonlocal version
        # Of two jobs that fill it at once, the second sees what the first has added.
        Dataset.objects.select_for_update().filter(pk=asked["dataset"]).first()
        there = DatasetItem.objects.filter(dataset=asked["dataset"], removed_in=None, **{f"{column}__in": ids})
        known = set(there.values_list(column, flat=True))
        new = [id for id in ids if id not in known]
        made = add(grant, asked["dataset"], new, going_on=version) if new else []
        version = made[0].added_in if made else version
        return len(made), version

    return put


def _queue(lease: jobs.Lease) -> _Put:
    asked, grant = lease.job.parameters, jobs.grant_of(lease.job)
    return lambda ids: (reviewing.add(grant, asked["queue"], _ROWS[asked["kind"]][1], ids), None)


_PLACES: Final[dict[str, Callable[[jobs.Lease], _Put]]] = {
    "dataset": _dataset,
    "review": _queue,
}
