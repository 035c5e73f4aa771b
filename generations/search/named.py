"""What an id that was pasted names: ids of generations, steps, threads, users, traces, spans and responses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q

from generations import identities
from generations.models import Generation, Participant, Step, Thread

MOST: Final = 10
_LONGEST: Final = 512


@dataclass(frozen=True, slots=True)
class Named:
    """A row that an id leads to. `kind` is generation, step, thread or participant; `by` which id of it was given."""

    kind: str
    id: str
    by: str
    title: str


def named(project_pk: int, text: str) -> list[Named]:
    """The rows of the project that this id names, at most MOST; none when the text is no id.

    Six look-ups by keys and indexes.
    """
    id = text.strip()
    if not id or len(id) > _LONGEST or "\0" in id or len(id.split()) != 1:
        return []
    found = [
        *(Named("generation", id, "id", one.model_id or "") for one in _of(Generation, "generation", project_pk, id)),
        *(Named("step", id, "id", one.name or one.type) for one in _of(Step, "step", project_pk, id)),
        *(Named("thread", id, "id", one.name or "") for one in _of(Thread, "thread", project_pk, id)),
        *(Named("participant", id, "id", one.identifier) for one in _of(Participant, "participant", project_pk, id)),
    ]
    # Trace ids are hex in lower case on the wire, and people paste them as their tool shows them.
    either = {id, id.lower()}
    traced = Q(trace_id__in=either) | Q(span_id__in=either)
    for step in Step.objects.in_project(project_pk).filter(traced).order_by("started_at")[:MOST]:
        by = "span" if step.span_id in either else "trace"
        found.append(Named("step", step.public_id, by, step.name or step.type))
    calls = Generation.objects.in_project(project_pk).filter(traced | Q(response_id=id))
    for call in calls.order_by("started_at")[:MOST]:
        by = "response" if call.response_id == id else "span" if call.span_id in either else "trace"
        found.append(Named("generation", call.public_id, by, call.model_id or ""))
    return list({(one.kind, one.id): one for one in reversed(found)}.values())[::-1][:MOST]


def _of(model: type[Generation | Step | Thread | Participant], kind: str, project_pk: int, id: str) -> list[Any]:
    return list(model.objects.in_project(project_pk).filter(uid=identities.uid(project_pk, kind, id)))
