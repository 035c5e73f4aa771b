"""Experiments: what running an application over a dataset led to, item by item. Scores name an item by its id."""

from __future__ import annotations

import uuid

from django.db import transaction

from generations.access import Grant, Scope, audit
from generations.cleaning import MAX_ID, clean_json, clean_string
from generations.models import Dataset, DatasetItem, Experiment, ExperimentItem
from generations.records import InvalidRecord, Json, is_uuid

MAX_NAME = 200
MAX_VALUE = 8 << 20


class NoSuchExperiment(LookupError):
    """The project has no experiment, dataset or item of this id."""


def create(
    grant: Grant,
    *,
    name: str,
    dataset_id: str | None = None,
    prompt_version_id: str | None = None,
    params: Json = None,
) -> Experiment:
    """A new experiment, on a dataset or on none. Needs `write`. Raises InvalidRecord, NoSuchExperiment."""
    grant.need(Scope.WRITE)
    clean = clean_string(name).strip()
    if not clean or len(clean) > MAX_NAME:
        raise InvalidRecord("name", name, f"a text of 1 to {MAX_NAME} characters")
    dataset = None
    if dataset_id is not None:
        dataset = Dataset.objects.filter(project=grant.project, pk=_key("dataset", dataset_id)).first()
        if dataset is None:
            raise NoSuchExperiment(f"There is no dataset '{dataset_id[:80]}' in this project.")
    with transaction.atomic():
        made = Experiment.objects.create(
            project=grant.project,
            dataset=dataset,
            name=clean,
            prompt_version_id=None if prompt_version_id is None else prompt_version_id[:MAX_ID],
            params=clean_json("params", params, MAX_VALUE),
            created_by=grant.user,
        )
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
            raise NoSuchExperiment(f"There is no experiment '{experiment_id[:80]}' in this project.")
        key = found.pk
        audit(grant, "experiment.delete", "experiment", str(key), {"name": found.name})
        found.delete()
        found.pk = key
    return found


def add_item(
    grant: Grant,
    experiment_id: str,
    *,
    dataset_item_id: str | None = None,
    run_id: str | None = None,
    generation_id: str | None = None,
    input: Json = None,
    output: Json = None,
) -> ExperimentItem:
    """One result of an experiment. The run that made it may not have come yet. Needs `write`."""
    grant.need(Scope.WRITE)
    experiment = Experiment.objects.filter(project=grant.project, pk=_key("experiment", experiment_id)).first()
    if experiment is None:
        raise NoSuchExperiment(f"There is no experiment '{experiment_id[:80]}' in this project.")
    item = None
    if dataset_item_id is not None:
        key = _key("dataset item", dataset_item_id)
        item = DatasetItem.objects.filter(dataset__project=grant.project, pk=key).first()
        if item is None:
            raise NoSuchExperiment(f"There is no dataset item '{dataset_item_id[:80]}' in this project.")
    return ExperimentItem.objects.create(
        experiment=experiment,
        dataset_item=item,
        run_id=None if run_id is None else clean_string(run_id)[:MAX_ID],
        generation_id=None if generation_id is None else clean_string(generation_id)[:MAX_ID],
        input=clean_json("input", input, MAX_VALUE),
        output=clean_json("output", output, MAX_VALUE),
    )


def _key(kind: str, id: str) -> uuid.UUID:
    if not is_uuid(id):
        raise NoSuchExperiment(f"There is no {kind} '{id[:80]}' in this project.")
    return uuid.UUID(id)
