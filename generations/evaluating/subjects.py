"""What is evaluated: items of a dataset with what is expected of them, and generations as they were logged."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

from generations import bundles, datasets, filters, reading
from generations.access import Grant
from generations.bundles import Bundle
from generations.exporting import rows
from generations.models import Dataset, DatasetItem, Generation, Project, Step
from generations.records import Json

AT_ONCE: Final = 32
"""Cases that are answered, scored and stored together: what a killed worker may have to pay for again."""
JUDGED_BY: Final = "evaluator"
"""The metadata that marks the calls of judges, which are not evaluated themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One input with what was expected of it and what came of it. `problem` says why there is no output.

    `asked` is what the model was sent, as text. `key` tells it apart from the others of its evaluation.
    """

    key: str
    input: Json
    expected: Json = None
    output: Json = None
    problem: str | None = None
    asked: str = ""
    dataset_item: uuid.UUID | None = None
    generation_id: str | None = None


def of_dataset(
    grant: Grant, dataset: Dataset, version: int | None, split: str, most: int | None, *, stored: bool
) -> Iterator[list[Case]]:
    """The items of a version in the order in which they were made; with what is stored as their output, or without."""
    found = items_of(dataset, version, split).order_by("created_at", "id")
    keys = list(found.values_list("pk", flat=True)[:most])
    for first in range(0, len(keys), AT_ONCE):
        some = DatasetItem.objects.in_bulk(keys[first : first + AT_ONCE])
        batch = [some[key] for key in keys[first : first + AT_ONCE] if key in some]
        outputs = _stored(grant.project, batch) if stored else {}
        yield [_of_item(item, outputs.get(item.pk), stored=stored) for item in batch]


def items_of(dataset: Dataset, version: int | None, split: str) -> QuerySet[DatasetItem]:
    """The items of a version of a dataset, of one part of it where one is named."""
    found = datasets.items(dataset, version)
    return found.filter(split=split) if split else found


def logged(project: Project, document: Json) -> QuerySet[Generation]:
    """The generations that match a filter document, without the calls of judges. Raises BadFilter."""
    condition = filters.from_document("generations", document or {})
    found: QuerySet[Generation] = filters.narrow("generations", project.pk, condition)
    return found.exclude(metadata__has_key=JUDGED_BY)


@contextmanager
def keys_of_logged(project: Project, document: Json) -> Iterator[rows.Keys]:
    """The keys of these generations, the newest first, as they are now."""
    with rows.keys("generations", project, logged(project, document), None) as keys:
        yield keys


def of_keys(project: Project, batch: Sequence[rows.Key]) -> list[Case]:
    """The generations of these keys, in their order; those that are gone are left out."""
    starts = [key[1] for key in batch]
    found = Generation.objects.in_project(project.pk).filter(
        uid__in=[key[0] for key in batch], started_at__gte=min(starts), started_at__lte=max(starts)
    )
    by_uid = {row.uid: row for row in found}
    return of_rows(project, [by_uid[key[0]] for key in batch if key[0] in by_uid])


def of_rows(project: Project, generations: Sequence[Generation]) -> list[Case]:
    """These generations; what is expected of one is what an item of a dataset that was made from it says."""
    made = bundles.of_generations(
        project, generations, alternatives=False, scores=False, feedback=False, attachments=False
    )
    ids = [row.public_id for row in generations]
    items = DatasetItem.objects.filter(dataset__project=project, generation_id__in=ids, removed_in=None)
    expected = {
        item.generation_id: item
        for item in items.exclude(expected_output=None).order_by("created_at").defer("intermediary_steps")
    }
    return [_of_generation(bundle, expected.get(bundle.generation.public_id)) for bundle in made]


def _of_generation(bundle: Bundle, item: DatasetItem | None) -> Case:
    record, row = bundle.record, bundle.generation
    output = record.message_completion if record.message_completion is not None else record.completion
    output = record.output if output is None else output
    problem = None
    if row.error is not None:
        problem = f"The call failed: {row.error[:300]}"
    elif output is None:
        problem = "No answer was recorded, or its text has expired."
    asked = record.prompt if record.prompt is not None else texts_of(record.messages) or reading.text_of(record.input)
    return Case(
        key=row.public_id,
        input=record.messages if record.messages is not None else record.prompt or record.input,
        expected=None if item is None else item.expected_output,
        output=output,
        problem=problem,
        asked=asked,
        dataset_item=None if item is None else item.pk,
        generation_id=row.public_id,
    )


def texts_of(messages: Json) -> str:
    """What messages say, one below the other."""
    return "\n".join(map(reading.message_text, messages)) if isinstance(messages, list) else ""


def _of_item(item: DatasetItem, output: Json, *, stored: bool) -> Case:
    problem = None
    if stored and output is None:
        problem = "Nothing is stored as its output: it is not from a generation or step, and metadata.output is absent."
    return Case(
        key=str(item.pk),
        input=item.input,
        expected=item.expected_output,
        output=output,
        problem=problem,
        asked=reading.text_of(item.input),
        dataset_item=item.pk,
        generation_id=item.generation_id if stored else None,
    )


def _stored(project: Project, items: Sequence[DatasetItem]) -> dict[uuid.UUID, Json]:
    """What items have as their output: what their metadata says, or else what they were made from gave back."""
    found: dict[uuid.UUID, Json] = {}
    wanted: dict[str, list[DatasetItem]] = {"generation": [], "step": []}
    for item in items:
        if isinstance(item.metadata, Mapping) and item.metadata.get("output") is not None:
            found[item.pk] = item.metadata["output"]
        elif item.generation_id:
            wanted["generation"].append(item)
        elif item.step_id:
            wanted["step"].append(item)
    if wanted["generation"]:
        ids = {str(item.generation_id) for item in wanted["generation"]}
        rows_: Any = Generation.objects.by_ids(project.pk, "generation", ids)
        outputs = {case.key: case.output for case in of_rows(project, list(rows_))}
        found |= {item.pk: outputs.get(str(item.generation_id)) for item in wanted["generation"]}
    if wanted["step"]:
        steps = list(Step.objects.by_ids(project.pk, "step", {str(item.step_id) for item in wanted["step"]}))
        made = bundles.of_steps(project, steps, scores=False, attachments=False, generations=False)
        given = {one.step.public_id: getattr(one.payload, "output", None) for one in made}
        found |= {item.pk: given.get(str(item.step_id)) for item in wanted["step"]}
    return found
