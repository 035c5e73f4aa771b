"""What people build, as rows of an export: items of datasets, results of experiments, versions of prompts, and tags."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q, QuerySet

from generations import bundles, filters
from generations.ingest import rest
from generations.ingest.values import iso
from generations.models import DatasetItem, ExperimentItem, Project, Prompt, PromptVersion, Score, Tag
from generations.records import Json

Key = tuple[Any, ...]
"""What a row is fetched by again, its moment second."""
Documents = Iterable[tuple[uuid.UUID | int, dict[str, Json]]]


def items_of(project_pk: int, condition: filters.Condition | None, version: int | None = None) -> QuerySet[DatasetItem]:
    """The items of datasets as they are now, unless a version is named: those that were removed belong to versions
    before."""
    found = DatasetItem.objects.filter(dataset__in=filters.narrow("datasets", project_pk, condition))
    if version is None:
        return found.filter(removed_in=None)
    return found.filter(Q(removed_in=None) | Q(removed_in__gt=version), added_in__lte=version)


def items(project: Project, batch: Sequence[Key]) -> Documents:
    """Items of datasets, each with the name of its dataset."""
    rows = DatasetItem.objects.select_related("dataset").filter(dataset__project=project)
    return ((row.pk, _item(row)) for row in rows.filter(pk__in=[key[0] for key in batch]))


def _item(row: DatasetItem) -> dict[str, Json]:
    return _known(
        id=str(row.pk),
        datasetId=str(row.dataset_id),
        datasetName=row.dataset.name,
        input=row.input,
        expectedOutput=row.expected_output,
        metadata=row.metadata,
        intermediarySteps=row.intermediary_steps,
        generationId=row.generation_id,
        stepId=row.step_id,
        split=row.split or None,
        createdAt=iso(row.created_at),
    )


def results_of(project_pk: int, condition: filters.Condition | None) -> QuerySet[ExperimentItem]:
    """The results of experiments."""
    return ExperimentItem.objects.filter(experiment__in=filters.narrow("experiments", project_pk, condition))


def results(project: Project, batch: Sequence[Key]) -> Documents:
    """Results of experiments, each with what is known of its experiment and its scores, the oldest first."""
    rows = ExperimentItem.objects.select_related("experiment").filter(experiment__project=project)
    ids = [key[0] for key in batch]
    said = (
        Score.objects.in_project(project.pk).filter(experiment_item_id__in=map(str, ids)).order_by("created_at", "uid")
    )
    scores = bundles.grouped(said, lambda score: score.experiment_item_id or "")
    return ((row.pk, _result(row, scores.get(str(row.pk), []))) for row in rows.filter(pk__in=ids))


def _result(row: ExperimentItem, scores: Iterable[Score]) -> dict[str, Json]:
    run = row.experiment
    return _known(
        id=str(row.pk),
        experimentId=str(run.pk),
        experimentName=run.name,
        datasetId=None if run.dataset_id is None else str(run.dataset_id),
        promptVersionId=run.prompt_version_id,
        params=run.params,
        datasetItemId=None if row.dataset_item_id is None else str(row.dataset_item_id),
        runId=row.run_id,
        generationId=row.generation_id,
        input=row.input,
        output=row.output,
        scores=[rest.score_document(bundles.score_record(score)) for score in scores] or None,
        createdAt=iso(row.created_at),
    )


def versions_of(project_pk: int, condition: filters.Condition | None) -> QuerySet[PromptVersion]:
    """The versions of prompts, without drafts."""
    prompts = filters.narrow("prompts", project_pk, condition).filter(deleted_at=None)
    rows: QuerySet[PromptVersion] = PromptVersion.objects.in_project(project_pk)
    return rows.filter(prompt_uid__in=prompts.order_by().values("pk"), version__gte=0)


def versions(project: Project, batch: Sequence[Key]) -> Documents:
    """Versions of prompts, each with the name of its prompt and the labels that are on it."""
    rows = list(PromptVersion.objects.in_project(project.pk).filter(uid__in=[key[0] for key in batch]))
    names = dict(Prompt.objects.filter(pk__in={row.prompt_uid for row in rows}).values_list("pk", "name"))
    return ((row.uid, _version(row, names.get(row.prompt_uid, ""))) for row in rows)


def _version(row: PromptVersion, name: str) -> dict[str, Json]:
    return _known(
        id=row.public_id,
        promptId=str(row.prompt_uid),
        name=name,
        version=row.version,
        labels=row.labels,
        messages=row.template_messages,
        template=row.template,
        inputs=row.inputs,
        inputDefaults=row.input_defaults,
        model=row.model_id,
        provider=row.provider,
        settings=row.settings,
        tools=row.tools,
        description=row.description or None,
        createdAt=iso(row.created_at),
    )


def tags(project: Project, batch: Sequence[Key]) -> Documents:
    """Tags, by their names."""
    rows = Tag.objects.filter(project=project, pk__in=[key[0] for key in batch])
    return ((row.pk, _tag(row)) for row in rows)


def _tag(row: Tag) -> dict[str, Json]:
    return _known(
        name=row.name, colour=row.colour or None, description=row.description or None, createdAt=iso(row.created_at)
    )


def _known(**values: Json) -> dict[str, Json]:
    return {name: value for name, value in values.items() if value is not None}
