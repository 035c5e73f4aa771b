"""Items made from what was recorded: generations, and steps with what happened in them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from generations import bundles
from generations.access import Grant, Scope
from generations.cleaning import clean_string
from generations.datasets.holding import NewItem, add_items, added_before, bounded
from generations.datasets.keeping import BadDataset, NoSuchDataset
from generations.models import DatasetItem, Generation, Step
from generations.records import Json

MAX_CHILDREN: Final = 10_000


def add_generations(
    grant: Grant,
    dataset_id: str,
    ids: Sequence[str],
    metadata: Mapping[str, Json] | None = None,
    *,
    going_on: int | None = None,
    once: uuid.UUID | None = None,
) -> list[DatasetItem]:
    """Add an item for each generation: what was sent as its input, what was answered as its expected output.

    A constant number of queries. Needs `write`. Raises NoSuchDataset, also for an id of no generation of the project.
    """
    grant.need(Scope.WRITE)
    wanted = _distinct(ids)
    # Asked before what they are made from, which may be gone since.
    if there := added_before(grant, dataset_id, once, len(wanted)):
        return there
    found = bundles.of_generations(
        grant.project,
        _rows(Generation, grant, "generation", wanted),
        alternatives=False,
        scores=False,
        feedback=False,
        attachments=False,
    )
    new = [_from_generation(bundle, metadata) for bundle in found]
    return add_items(grant, dataset_id, new, going_on=going_on, once=once)


def add_steps(
    grant: Grant,
    dataset_id: str,
    ids: Sequence[str],
    metadata: Mapping[str, Json] | None = None,
    *,
    going_on: int | None = None,
    once: uuid.UUID | None = None,
) -> list[DatasetItem]:
    """Add an item for each step: its input, its output as what is expected, and its children as intermediary steps.

    A constant number of queries. Needs `write`. Raises NoSuchDataset, also for an id of no step of the project.
    """
    grant.need(Scope.WRITE)
    wanted = _distinct(ids)
    # Asked before what they are made from, which may be gone since.
    if there := added_before(grant, dataset_id, once, len(wanted)):
        return there
    parents = _rows(Step, grant, "step", wanted)
    below_them = Step.objects.in_project(grant.project.pk).filter(parent_id__in=wanted)
    children = list(below_them.order_by("started_at", "uid")[: MAX_CHILDREN + 1])
    if len(children) > MAX_CHILDREN:
        raise BadDataset("ids", f"{len(wanted)} steps", f"steps with at most {MAX_CHILDREN} children together")
    both = list({row.uid: row for row in (*parents, *children)}.values())
    with_payload = bundles.of_steps(grant.project, both, scores=False, attachments=False, generations=False)
    found = {bundle.step.public_id: bundle for bundle in with_payload}
    below: dict[str, list[Json]] = {i: [] for i in wanted}
    for child in children:
        below[str(child.parent_id)].append(_intermediary(found[child.public_id]))
    return add_items(
        grant,
        dataset_id,
        [
            NewItem(
                input=_given(found[i].payload, "input"),
                expected_output=_given(found[i].payload, "output"),
                metadata=metadata,
                intermediary_steps=below[i] or None,
                step_id=i,
            )
            for i in wanted
        ],
        going_on=going_on,
        once=once,
    )


def _distinct(ids: Sequence[str]) -> list[str]:
    bounded(ids)
    return list(dict.fromkeys(clean_string(i) for i in ids))


def _rows(model: Any, grant: Grant, kind: str, wanted: Sequence[str]) -> list[Any]:
    """The rows of these ids, in this order. Raises NoSuchDataset for an id that the project has none of."""
    rows = {row.public_id: row for row in model.objects.by_ids(grant.project.pk, kind, wanted)}
    if kind == "generation" and (missing := [i for i in wanted if i not in rows]):
        # Those that gave way to others which tell of the same call are these.
        ways = bundles.gave_way(grant.project, missing)
        there = {row.public_id: row for row in model.objects.by_ids(grant.project.pk, kind, set(ways.values()))}
        rows |= {i: there[end] for i, end in ways.items() if end in there}
    missed = next((i for i in wanted if i not in rows), None)
    if missed is not None:
        raise NoSuchDataset(kind, missed, f"{kind}Ids")
    return [rows[i] for i in wanted]


def _from_generation(bundle: bundles.Bundle, metadata: Mapping[str, Json] | None) -> NewItem:
    payload = bundle.payload
    sent: dict[str, Json] = {}
    for name in ("messages", "prompt", "variables", "tools"):
        if (value := getattr(payload, name, None)) is not None:
            sent[name] = value
    answered = next(
        (
            value
            for name in ("message_completion", "completion", "output")
            if (value := getattr(payload, name, None)) is not None
        ),
        None,
    )
    asked = sent if "messages" in sent or "prompt" in sent else _given(payload, "input")
    return NewItem(
        input=asked,
        expected_output=answered,
        metadata=metadata,
        generation_id=bundle.generation.public_id,
        step_id=bundle.generation.step_id,
    )


def _given(payload: object, name: str) -> Json:
    """A part of a payload, or an empty object where it is not known: an item has some input."""
    value = getattr(payload, name, None)
    return {} if value is None and name == "input" else value


def _intermediary(bundle: bundles.StepBundle) -> dict[str, Json]:
    step = bundle.step
    return {
        "id": step.public_id,
        "type": step.type,
        "name": step.name,
        "input": getattr(bundle.payload, "input", None),
        "output": getattr(bundle.payload, "output", None),
        "metadata": step.metadata,
        "error": step.error,
    }
