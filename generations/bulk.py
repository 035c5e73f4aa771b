"""One thing done to many rows of a list: to those that were named, at once, or to all that match a filter, as a job.

A job goes through the list page by page, newest first, and can be stopped between two pages. It notes how far it came
with each page, so that an attempt after one that broke off goes on there and counts the whole job. Doing it again
changes nothing: tags are there already, items are in the dataset already, what was deleted is gone.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import transaction

from generations import access, datasets, filters, gathering, holds, jobs, paging, recording, reviewing
from generations.access import Grant, Scope
from generations.filters import Condition, Not
from generations.models import DatasetItem, Generation, Job, Project, Step, Thread
from generations.records import InvalidRecord, Json, ScoreRecord, revised
from generations.retention.removing import empty_threads, remove, remove_threads

ACTIONS: Final = {
    "generations": ("tag", "untag", "score", "dataset", "review", "delete"),
    "steps": ("tag", "untag", "score", "dataset", "review", "delete"),
    "threads": ("tag", "untag", "score", "delete"),
}
"""What can be done to the rows of each list. Users are erased by `retention`, each by a job with a report."""
NEEDED: Final = {
    "tag": Scope.WRITE,
    "untag": Scope.WRITE,
    "score": Scope.WRITE,
    "dataset": Scope.WRITE,
    "review": Scope.WRITE,
    "delete": Scope.ADMIN,
}
LONG: Final = frozenset({("threads", "delete")})
"""What is a job even for the rows that were named: nobody knows how much is in a thread."""
AT_ONCE: Final = {"tag": 500, "untag": 500, "score": 500, "delete": 100}
"""So many rows a job changes in one transaction."""
COUNTED: Final = 1_000_000
_NOUNS: Final = {"generations": "generation", "steps": "step", "threads": "thread"}


class BadBulk(ValueError):
    """What cannot be done in bulk; the sentence says why."""


def check(grant: Grant, kind: str, action: str, values: Mapping[str, Json]) -> None:
    """Raise BadBulk unless this can be done to rows of the list, and NotAllowed unless this grant may.

    `values` are `tags`, a list, for tag and untag; `score`, as of `scored`, for score; `dataset`, its id, for dataset;
    and `queue` for review.
    """
    if action not in ACTIONS.get(kind, ()):
        known = ", ".join((*ACTIONS.get(kind, ()), "export"))
        raise BadBulk(f"Say what to do: {known}.")
    grant.need(NEEDED[action])
    if action in ("tag", "untag"):
        tags = values.get("tags")
        if not isinstance(tags, list) or not tags:
            raise BadBulk(f"Say which tags to {'add' if action == 'tag' else 'remove'}, by commas.")
    if action == "score":
        _score(grant, values)
    if action == "dataset" and datasets.find(grant, str(values.get("dataset"))) is None:
        raise BadBulk("Choose a dataset, or name a new one.")
    if action == "review" and reviewing.find(grant, str(values.get("queue"))) is None:
        raise BadBulk("Choose a review queue; make one under Review if there is none.")


def apply(grant: Grant, kind: str, action: str, ids: Sequence[str], values: Mapping[str, Json]) -> int:
    """Do it to the rows of these ids; returns how many changed. Raises as `check`, and InvalidRecord for a bad tag."""
    check(grant, kind, action, values)
    if action == "dataset":
        return _collect(grant, kind, ids, str(values["dataset"]))
    if action == "review":
        return reviewing.add(grant, str(values["queue"]), _NOUNS[kind], ids)
    if action == "score":
        return _judge(grant, kind, ids, values)
    if action == "delete":
        return _delete(grant.project, kind, ids)
    tags = [str(tag) for tag in values.get("tags") or []]
    change = {"add": tags} if action == "tag" else {"remove": tags}
    return recording.retag(grant.project, _NOUNS[kind], ids, **change)


def act(grant: Grant, kind: str, action: str, ids: Sequence[str], values: Mapping[str, Json]) -> int:
    """Do it to the rows that somebody selected, which the audit keeps; returns and raises as `apply`."""
    changed = apply(grant, kind, action, ids, values)
    if changed and action in AT_ONCE:
        noun = _NOUNS[kind]
        named = ids[0] if len(ids) == 1 else ""
        access.audit(grant, f"{noun}.{action}", noun, named, {"rows": changed, "ids": list(ids), **values})
    return changed


def _delete(project: Project, kind: str, ids: Sequence[str]) -> int:
    if kind != "threads":
        _kept(project, kind)
    with _free(project, kind, ids) as free:
        return remove_threads(project, free) if kind == "threads" else remove(project, _NOUNS[kind], free)[0]


@contextmanager
def _free(project: Project, kind: str, ids: Sequence[str]) -> Iterator[list[str]]:
    """Of these rows those that no legal hold keeps, for whoever deletes them; one that is added then is a BadBulk."""
    held = holds.kept(project.pk, _NOUNS[kind], ids)
    try:
        yield [id for id in ids if id not in held]
    except holds.Held as refused:
        raise BadBulk(str(refused)) from refused


def _kept(project: Project, kind: str) -> Condition | None:
    """What rows have that no legal hold keeps; None when there is no hold, or when holds are on what is in the rows."""
    kept = holds.conditions(holds.open_holds(project.pk), kind)
    if None in kept:
        raise BadBulk("A legal hold keeps everything in this list. Nothing was deleted.")
    if kind == "threads":
        return None
    return filters.both(*(Not(hold) for hold in kept if hold is not None))


def _score(grant: Grant, values: Mapping[str, Json]) -> ScoreRecord:
    """The score that `values` ask for, on nothing yet. Raises BadBulk."""
    asked = values.get("score")
    said = dict(asked) if isinstance(asked, Mapping) else {}
    name, value, label, comment, batch = (said.get(key) for key in ("name", "value", "label", "comment", "batch"))
    if not isinstance(name, str) or not name.strip() or (value is None and not label) or not isinstance(batch, str):
        raise BadBulk("A score has a name, and a number or a label.")
    return ScoreRecord(
        id=batch, name=name.strip(), type="HUMAN", value=value, label=label, comment=comment or None, author=grant.actor
    )


def _judge(grant: Grant, kind: str, ids: Sequence[str], values: Mapping[str, Json]) -> int:
    """Give each row the score, under an id made of the batch and the row: the same again is the same score."""
    score, noun = _score(grant, values), _NOUNS[kind]
    given = [
        revised(score, **{"id": f"{score.id}-{row.uid.hex}", f"{noun}_id": row.public_id})
        for row in _rows(grant.project, kind, ids)
    ]
    receipts = recording.record(grant.project, given) if given else []
    refused = next((receipt.reason for receipt in receipts if receipt.state == "rejected"), None)
    if refused is not None:
        raise BadBulk(refused)
    return len(receipts)


def _rows(project: Project, kind: str, ids: Sequence[str]) -> list[Any]:
    model: Any = {"generations": Generation, "steps": Step, "threads": Thread}[kind]
    return list(model.objects.by_ids(project.pk, _NOUNS[kind], list(ids)))


def _collect(grant: Grant, kind: str, ids: Sequence[str], dataset: str) -> int:
    column = f"{_NOUNS[kind]}_id"
    there = DatasetItem.objects.filter(dataset_id=dataset, removed_in=None, **{f"{column}__in": list(ids)})
    known = set(there.values_list(column, flat=True))
    new = [row.public_id for row in _rows(grant.project, kind, [id for id in ids if id not in known])]
    if ids and not new and not known:
        raise datasets.NoSuchDataset(_NOUNS[kind], ids[0])
    if new:
        (datasets.add_generations if kind == "generations" else datasets.add_steps)(grant, dataset, new)
    return len(new)


# --------------------------------------------------------------------------------------------------------------- jobs
def start(
    grant: Grant, kind: str, action: str, document: Json, values: Mapping[str, Json], order: str | None = None
) -> Job:
    """A job that will do it to all rows that match a filter document; the door sends it after the commit. A dataset and
    a queue get them in `order`.

    Raises as `check`, and BadFilter.
    """
    check(grant, kind, action, values)
    filters.narrow(kind, grant.project.pk, filters.from_document(kind, document or {}))
    if action == "dataset":
        return gathering.into_dataset(grant, str(values["dataset"]), kind=kind, document=document, order=order)
    if action == "review":
        return gathering.into_queue(grant, str(values["queue"]), kind=kind, document=document, order=order)
    parameters = {"do": action, "kind": kind, "filter": document or {}, **values}
    return jobs.create(grant, Job.Kind.BULK, parameters)


def run(job_id: uuid.UUID | str) -> bool:
    """Do a job of `start`, or of `gathering`; False when another worker has it or it has ended."""
    do = Job.objects.filter(pk=job_id).values_list("parameters__do", flat=True).first()
    return jobs.work(job_id, _run) if do in AT_ONCE else gathering.run(job_id)


def _run(lease: jobs.Lease) -> None:
    asked, project = lease.job.parameters, lease.job.project
    kind, action = str(asked["kind"]), str(asked["do"])
    done: dict[str, Any] = {"matched": 0, "changed": 0, "after": None, "isOver": False, **lease.earlier}
    try:
        grant = jobs.grant_of(lease.job)
        check(grant, kind, action, asked)
        condition = filters.from_document(kind, asked["filter"])
        if action == "delete":
            condition = filters.both(condition, _kept(project, kind))
        after = done["after"]
        lease.advance(
            done["matched"], lease.job.progress_total or paging.count(kind, project.pk, condition, cap=COUNTED).value
        )
        while not done["isOver"]:
            page = paging.page(kind, project.pk, condition, after=after, limit=AT_ONCE[action])
            ids, after = [row.public_id for row in page.rows], page.next
            if (kind, action) in LONG:
                # What is in threads may be too much for one transaction.
                with _free(project, kind, ids) as free:
                    empty_threads(project, free)
            with transaction.atomic():
                done["changed"] += apply(grant, kind, action, ids, asked) if ids else 0
                done |= {"matched": done["matched"] + len(ids), "isOver": after is None}
                # Rows that were deleted are not found again, and with other holds it is a list of other cursors.
                done["after"] = None if (kind != "threads" and action == "delete") else after
                lease.remember(done)
            lease.advance(done["matched"], max(done["matched"], lease.total or 0))
    except (BadBulk, filters.BadFilter, InvalidRecord) as error:
        raise jobs.Failed(str(error)) from error
    except access.NotAllowed as error:
        # Some actions need more than others, and who begins a job again may have fewer rights than who began it first.
        raise jobs.Failed("Who started this may no longer do it.") from error
    lease.finish({name: done[name] for name in ("matched", "changed")})
