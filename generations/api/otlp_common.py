"""What the spans of a trace have in common: the thread, user and tags that one of them names hold for others too."""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generations.api.otlp_stored import SHARED
from generations.ingest.otlp import spans
from generations.ingest.otlp.spans import Told, made_told
from generations.models import Generation, Project, Step, StepPayload
from generations.records import GenerationRecord, Record, StepRecord, fill, revised

Said = Mapping[str, Any]
"""Of SHARED, what is said; tags as a tuple."""
Left = tuple[str, dt.datetime, dt.datetime]
"""A thread that a row was lent and now leaves, and when the row began and ended."""


@dataclass(slots=True)
class _Place:
    """Where a span stands in its trace, and what it says by itself."""

    trace_id: str
    parent_id: str | None
    began: dt.datetime | None
    own: Said


def share(
    project: Project, told: Sequence[Told], stored: Sequence[dict[str, Any]], *, are_new: bool = False
) -> tuple[list[Told], list[Record], list[Left]]:
    """The spans with what holds for them, the stored rows for which something else holds than was known, and what left.

    `are_new` says that nobody else has the spans' records yet: these are changed then, and not copied.

    Where a trace has several threads, users or sets of tags, what the nearest span above says goes before what the
    first one to begin says. Only of such traces it is asked what stored spans said by themselves, and what they have
    of others: that may have been lent to them before the span came that they have it from.
    """
    new = {one.step.id for one in told}
    rows = [row for row in stored if row["public_id"] not in new]
    places = {
        row["public_id"]: _Place(row["trace_id"], row["parent_id"], row["started_at"], _of_row(row)) for row in rows
    }
    for one in told:
        step = one.step
        places[step.id] = _Place(one.span.trace_id, step.parent_id, step.started_at, _own(one))
    common, several = _common(places.values())
    if several:
        if rows:
            _correct(project, places, [row for row in rows if row["trace_id"] in several])
        in_time = sorted(places.items(), key=lambda one: (_moment(one[1].began), one[0]))
        common, _ = _common(place for _, place in in_time)

    def held(id: str) -> Said:
        place = places[id]
        if place.trace_id in several:
            return {**common[place.trace_id], **_above(id, places), **place.own}
        return common[place.trace_id]

    late: dict[str, dict[str, Any]] = {}
    left: list[Left] = []
    for row in rows:
        has = _of_row(row)
        said = {n: v for n, v in held(row["public_id"]).items() if has.get(n) != v}
        if said:
            # Without its times a row would make its thread look active now.
            late[row["public_id"]] = said | {"started_at": row["started_at"], "ended_at": row["ended_at"]}
            if has.get("thread_id") and "thread_id" in said:
                left.append((has["thread_id"], row["started_at"], row["ended_at"] or row["started_at"]))
    return [_shared(one, held(one.step.id), are_new) for one in told], _records(project, late), left


def _moment(time: dt.datetime | None) -> float:
    return math.inf if time is None else time.timestamp()


def _of_row(row: Said) -> dict[str, Any]:
    return {n: tuple(v) if n == "tags" else v for n in SHARED if (v := row[n])}


def _own(one: Told) -> Said:
    """What a span says by itself, whatever was lent to it since."""
    return one.own if one.own is not None else {n: v for n in SHARED if (v := getattr(one.step, n))}


def _common(places: Iterable[_Place]) -> tuple[dict[str, dict[str, Any]], Collection[str]]:
    """What the first of these says of each thing, by trace; and the traces in which others say something else."""
    common: dict[str, dict[str, Any]] = defaultdict(dict)
    several: set[str] = set()
    for place in places:
        said = common[place.trace_id]
        for name, value in place.own.items():
            if said.setdefault(name, value) != value:
                several.add(place.trace_id)
    return common, several


def _correct(project: Project, places: dict[str, _Place], rows: Sequence[dict[str, Any]]) -> None:
    """Leave to stored rows what they said by themselves, going by their attributes.

    What no span is known to have said stays theirs: it was given in other ways, or the attributes have expired.
    """
    by_uid = dict(
        Step.objects.in_project(project.pk)
        .by_ids(project.pk, "step", [row["public_id"] for row in rows])
        .values_list("uid", "public_id")
    )
    kept = StepPayload.objects.in_project(project.pk).filter(uid__in=by_uid).values_list("uid", "attributes")
    said = {by_uid[uid]: spans.said_by_itself(attributes) for uid, attributes in kept if attributes}
    stored = {row["public_id"] for row in rows}
    claimed: set[tuple[str, str, Any]] = set()
    for id, place in places.items():
        own = said.get(id, {}) if id in stored else place.own
        claimed |= {(place.trace_id, name, value) for name, value in own.items()}
    for id in stored:
        place, own = places[id], said.get(id, {})
        given = {n: v for n, v in place.own.items() if (place.trace_id, n, v) not in claimed}
        place.own = {**own, **given}


def _above(id: str, places: Mapping[str, _Place]) -> dict[str, Any]:
    """What the nearest spans above one say, each thing by the nearest that says it."""
    found: dict[str, Any] = {}
    seen = {id}
    parent = places[id].parent_id
    while parent is not None and parent in places and parent not in seen:
        seen.add(parent)
        found = {**places[parent].own, **found}
        parent = places[parent].parent_id
    return found


def _shared(one: Told, held: Said, is_new: bool) -> Told:
    step, generation = one.step, one.generation
    said = {n: v for n, v in held.items() if getattr(step, n) != v}
    if not said:
        return one
    own = _own(one)
    if is_new:
        fill(step, **said)
        if generation is not None:
            fill(generation, **said)
    else:
        step, generation = revised(step, **said), generation and revised(generation, **said)
    said_once = (one.scores, one.thread, one.has_files, own, one.is_fetched, one.has_begun)
    return made_told(one.span, step, generation, *said_once)


def _records(project: Project, late: Mapping[str, dict[str, Any]]) -> list[Record]:
    if not late:
        return []
    records: list[Record] = [StepRecord(id=id, **said) for id, said in late.items()]
    there = Generation.objects.in_project(project.pk).by_ids(project.pk, "generation", late)
    return records + [GenerationRecord(id=id, **late[id]) for id in there.values_list("public_id", flat=True)]
