"""Rows for tests, put straight into the tables: the least of a row that makes sense, and whatever a test says of it.

`recording` is the only writer of the product; this stands in for it where a test is about reading.
"""

import datetime as dt
import itertools
from collections.abc import Iterable
from typing import Any, TypeVar

from django.db.models import Model
from django.utils import timezone

from generations import identities, partitions
from generations.models import (
    Feedback,
    Generation,
    GenerationPayload,
    Participant,
    Project,
    Score,
    Step,
    Thread,
)

M = TypeVar("M", bound=Model)

_numbers = itertools.count(1)


def project(name: str = "Rows") -> Project:
    """A new project."""
    return Project.objects.create(name=name, slug=f"rows-{next(_numbers)}")


def generation(project: Project, **fields: Any) -> Generation:
    """A generation; `id` and every column may be given."""
    return generations(project, [fields])[0]


def generations(project: Project, many: Iterable[dict[str, Any]]) -> list[Generation]:
    """Several generations by one statement."""
    return _insert(Generation, [_event(project, "generation", _started(fields)) for fields in many])


def generation_payload(generation: Generation, **fields: Any) -> GenerationPayload:
    """The payload of a generation."""
    own = {"project_id": generation.project_id, "uid": generation.uid, "started_at": generation.started_at}
    return _insert(GenerationPayload, [{**own, **fields}])[0]


def step(project: Project, **fields: Any) -> Step:
    """A step."""
    return _insert(Step, [_event(project, "step", _started(fields))])[0]


def thread(project: Project, **fields: Any) -> Thread:
    """A thread."""
    fields = _started(fields)
    return _insert(Thread, [_event(project, "thread", {"last_activity_at": fields["started_at"], **fields})])[0]


def participant(project: Project, **fields: Any) -> Participant:
    """A participant; the identifier is the id unless another is given."""
    fields = _created({"id": identities.new_id(), **fields})
    fields = {"identifier": fields["id"], "last_seen_at": fields["created_at"], **fields}
    return _insert(Participant, [_event(project, "participant", fields)])[0]


def score(project: Project, on: Generation | Step | Thread | None = None, **fields: Any) -> Score:
    """A score, of `on` when that is given."""
    if on is not None:
        fields[f"{type(on).__name__.lower()}_id"] = on.public_id
    fields = _created({"name": "quality", **fields})
    return _insert(Score, [_event(project, "score", {"updated_at": fields["created_at"], **fields})])[0]


def feedback(generation: Generation, **fields: Any) -> Feedback:
    """Feedback on a generation, the latest unless it is said not to be."""
    fields = _created({"generation_id": generation.public_id, **fields})
    return _insert(Feedback, [_event(generation.project, "feedback", fields)])[0]


def _started(fields: dict[str, Any]) -> dict[str, Any]:
    moment = fields.get("started_at") or timezone.now()
    return _created({"started_at": moment, "created_at": moment, **fields})


def _created(fields: dict[str, Any]) -> dict[str, Any]:
    return {"created_at": fields.get("created_at") or timezone.now(), **fields}


def _event(project: Project, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
    id = fields.pop("id", None) or identities.new_id()
    own = {"project_id": project.pk, "uid": identities.uid(project.pk, kind, id), "public_id": id}
    if kind in ("generation", "step"):
        own["updated_at"] = fields["created_at"]
    return {**own, **fields}


def _insert(model: type[M], many: list[dict[str, Any]]) -> list[M]:
    if model._meta.db_table in partitions.PARTITIONED:
        _partitions({partitions.month_of(row["started_at"]) for row in many})
    return model._default_manager.bulk_create([model(**row) for row in many])


def _partitions(months: set[dt.date]) -> None:
    """Make what is missing. A test's rollback unmakes it again, so nobody may remember it."""
    now = partitions.month_of(timezone.now())
    near = {now, (now - dt.timedelta(days=1)).replace(day=1), partitions.next_month(now)}
    if months - near:
        partitions.forget()
        partitions.ensure(months - near)
        partitions.forget()
