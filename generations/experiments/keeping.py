"""Experiments: what running an application over a dataset led to, item by item. Scores name an item by its id."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from generations import identities, recording, records
from generations.access import Grant, Scope, audit
from generations.cleaning import MAX_ID, clean_json, clean_string
from generations.identities import is_uuid
from generations.ingest import rest
from generations.models import Dataset, DatasetItem, Experiment, ExperimentItem
from generations.records import InvalidRecord, Json, ScoreRecord

MAX_NAME = 200
MAX_ITEMS = 1_000
MAX_VALUE = 8 << 20


@dataclass(frozen=True, slots=True)
class NewResult:
    """A result to be added: the item that was run, what ran it, what was given and came back.

    `scores` are documents of scores as REST takes them, without what they are on.
    """

    dataset_item_id: str | None = None
    run_id: str | None = None
    generation_id: str | None = None
    input: Json = None
    output: Json = None
    scores: Sequence[Json] = ()


class NoSuchExperiment(LookupError):
    """The project has no experiment, dataset or item of this id, which `field` named."""

    def __init__(self, kind: str, id: str, field: str = "id") -> None:
        self.field = field
        self.value = id[:80]
        super().__init__(f"There is no {kind} '{id[:80]}' in this project.")


def create(
    grant: Grant,
    *,
    name: str,
    dataset_id: str | None = None,
    prompt_version_id: str | None = None,
    params: Json = None,
    id: uuid.UUID | None = None,
) -> Experiment:
    """A new experiment, on a dataset or on none, perhaps of an id that nothing has. Needs `write`.

    Raises InvalidRecord, NoSuchExperiment.
    """
    grant.need(Scope.WRITE)
    clean = clean_string(name).strip()
    if not clean or len(clean) > MAX_NAME:
        raise InvalidRecord("name", name, f"a text of 1 to {MAX_NAME} characters")
    dataset = None
    if dataset_id is not None:
        dataset = Dataset.objects.filter(project=grant.project, pk=_key("dataset", dataset_id, "datasetId")).first()
        if dataset is None:
            raise NoSuchExperiment("dataset", dataset_id, "datasetId")
    with transaction.atomic():
        made = Experiment(
            project=grant.project,
            dataset=dataset,
            name=clean,
            prompt_version_id=_id("promptVersionId", prompt_version_id),
            params=clean_json("params", params, MAX_VALUE),
            created_by=grant.user,
        )
        made.pk = id or made.pk
        made.save(force_insert=True)
        audit(grant, "experiment.create", "experiment", str(made.pk), {"name": clean})
    return made


def find(grant: Grant, experiment_id: str) -> Experiment | None:
    """The project's experiment of this id, with its dataset, or None. Needs `read`."""
    grant.need(Scope.READ)
    if not is_uuid(experiment_id):
        return None
    rows = Experiment.objects.select_related("dataset").filter(project=grant.project)
    return rows.filter(pk=uuid.UUID(experiment_id)).first()


def delete(grant: Grant, experiment_id: str) -> Experiment:
    """Delete an experiment with its results; what was recorded of its runs stays. Needs `write`.

    Returns the row as it was, with its id. Raises NoSuchExperiment.
    """
    grant.need(Scope.WRITE)
    with transaction.atomic():
        found = find(grant, experiment_id)
        if found is None:
            raise NoSuchExperiment("experiment", experiment_id)
        key = found.pk
        audit(grant, "experiment.delete", "experiment", str(key), {"name": found.name})
        found.delete()
        found.pk = key
    return found


def add_item(grant: Grant, experiment_id: str, **said: Any) -> ExperimentItem:
    """One result of an experiment, said as in NewResult. Needs `write`."""
    return add_items(grant, experiment_id, [NewResult(**said)])[0]


def add_items(
    grant: Grant, experiment_id: str, results: Sequence[NewResult], *, once: uuid.UUID | None = None
) -> list[ExperimentItem]:
    """Results of an experiment with their scores, all or none of them. The runs that made them may not have come yet.

    Of `once` their ids are made: those that were added with the same are given again. Needs `write`. Raises
    InvalidRecord, NoSuchExperiment.
    """
    grant.need(Scope.WRITE)
    if len(results) > MAX_ITEMS:
        raise InvalidRecord("items", len(results), f"at most {MAX_ITEMS} results at once")
    experiment = Experiment.objects.filter(project=grant.project, pk=_key("experiment", experiment_id)).first()
    if experiment is None:
        raise NoSuchExperiment("experiment", experiment_id)
    ids = [] if once is None else [uuid.uuid5(once, str(n)) for n in range(len(results))]
    if there := experiment.items.in_bulk(ids):
        # Some may have been erased since.
        return [there[id] for id in ids if id in there]
    tried = _dataset_items(
        grant,
        {
            one.dataset_item_id: f"items[{n}].datasetItemId"
            for n, one in reversed([*enumerate(results)])
            if one.dataset_item_id is not None
        },
    )
    rows = [_row(experiment, n, one, tried.get(one.dataset_item_id or "")) for n, one in enumerate(results)]
    for id, row in zip(ids, rows, strict=False):
        row.pk = id
    scores = [said for n, (one, row) in enumerate(zip(results, rows, strict=True)) for said in _scores(n, one, row)]
    with transaction.atomic():
        ExperimentItem.objects.bulk_create(rows)
        for receipt in recording.record(grant.project, [score for _, score in scores]) if scores else ():
            if receipt.state == "rejected":
                path, _ = scores[receipt.index]
                refused = rest.translated(receipt.refusal(), rest.SCORE)
                raise refused.at(path if receipt.error is None else f"{path}.{refused.field}")
    return rows


def _dataset_items(grant: Grant, ids: Mapping[str, str]) -> dict[str, DatasetItem]:
    """The items of these ids, each with the field that names it."""
    keys = {id: _key("dataset item", id, field) for id, field in ids.items()}
    there = DatasetItem.objects.filter(dataset__project=grant.project).in_bulk(keys.values()) if keys else {}
    missing = next((id for id, key in keys.items() if key not in there), None)
    if missing is not None:
        raise NoSuchExperiment("dataset item", missing, ids[missing])
    return {id: there[key] for id, key in keys.items()}


def _row(experiment: Experiment, place: int, said: NewResult, item: DatasetItem | None) -> ExperimentItem:
    path = f"items[{place}]"
    return ExperimentItem(
        experiment=experiment,
        dataset_item=item,
        run_id=_id(f"{path}.runId", said.run_id),
        generation_id=_id(f"{path}.generationId", said.generation_id),
        input=clean_json(f"{path}.input", said.input, MAX_VALUE),
        output=clean_json(f"{path}.output", said.output, MAX_VALUE),
    )


def _id(field: str, said: str | None) -> str | None:
    """The id of what was or will be recorded, which cannot have a longer one."""
    tidy = None if said is None else clean_string(said)
    if tidy is not None and len(tidy) > MAX_ID:
        raise InvalidRecord(field, said, f"at most {MAX_ID} characters, got {len(tidy)}")
    return tidy


def _scores(place: int, said: NewResult, row: ExperimentItem) -> Iterator[tuple[str, ScoreRecord]]:
    """What is said of a result, as a model's judgement where nobody is named; each with its path."""
    for n, given in enumerate(said.scores):
        path = f"items[{place}].scores[{n}]"
        if not isinstance(given, Mapping):
            raise InvalidRecord(path, given, "an object with a name and a value")
        about = {"type": "AI", **given, "experimentItemId": str(row.pk)}
        if said.generation_id:
            about["generationId"] = said.generation_id
        yield path, records.revised(rest.score(about, path=path), id=given.get("id") or identities.new_id())


def _key(kind: str, id: str, field: str = "id") -> uuid.UUID:
    if not is_uuid(id):
        raise NoSuchExperiment(kind, id, field)
    return uuid.UUID(id)
