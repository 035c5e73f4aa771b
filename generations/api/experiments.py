"""Experiments over REST: made with or without their results, listed, read with their numbers, compared."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router

from generations import experiments
from generations.access import Grant, Scope
from generations.api import lists, plain, receive, repeats
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import closed, listed, page_of, ref, sent
from generations.api.errors import not_found
from generations.api.operations import AGAIN, PROJECT, of_list, operation
from generations.experiments import Difference, NewResult, Run
from generations.filters import BadFilter
from generations.ingest.values import iso
from generations.intervals import Interval
from generations.models import Experiment, ExperimentItem
from generations.records import InvalidRecord, Json

router = Router()
TAG: Final = "Experiments"
_MAYBE: Final = {"type": ["string", "null"]}
ITEM: Final = sent(
    datasetItemId={"type": "string"},
    runId={"type": "string"},
    generationId={"type": "string"},
    input={},
    output={},
    scores={"type": "array", "items": ref("NestedScoreSent")},
)
_NAMES: Final = ("datasetItemId", "runId", "generationId", "input", "output", "scores")


@router.get(
    "",
    **operation(
        "List experiments",
        tag=TAG,
        scope=Scope.READ,
        ok={200: page_of(ref("Experiment"))},
        query=of_list("experiments"),
    ),
)
def list_experiments(request: HttpRequest) -> HttpResponse:
    """The newest first, unless ordered otherwise; narrowed by its fields."""
    return lists.answered(request, grant_of(request), "experiments", lists.each(document))


@router.post(
    "",
    **operation(
        "Make an experiment",
        tag=TAG,
        scope=Scope.WRITE,
        sent=closed(
            ("name",),
            name={"type": "string", "minLength": 1, "maxLength": 200},
            datasetId=_MAYBE,
            promptVersionId=_MAYBE,
            params={},
            items={"type": "array", "items": ITEM, "maxItems": experiments.MAX_ITEMS},
        ),
        example={
            "name": "gpt-4o, short prompt",
            "items": [{"input": "Two and two?", "output": "Four.", "scores": [{"name": "correct", "value": 1}]}],
        },
        ok={201: ref("Experiment")},
        headers=[AGAIN],
        refuses=(409,),
    ),
)
def make_experiment(request: HttpRequest) -> HttpResponse:
    """On a dataset or on none, with its first results or without any. All of it is made, or nothing."""
    grant = grant_of(request)
    asked = receive.named(receive.mapping(request), ("name", "datasetId", "promptVersionId", "params", "items"))
    name = asked.get("name", "")
    if not isinstance(name, str):
        raise InvalidRecord("name", name, "a text")
    id = repeats.key_of(request, grant.project.pk)
    with repeats.claimed(request, grant):
        made = None if id is None else experiments.find(grant, str(id))
        if made is None:
            with transaction.atomic():
                made = experiments.create(
                    grant,
                    name=name,
                    dataset_id=_text("datasetId", asked),
                    prompt_version_id=_text("promptVersionId", asked),
                    params=asked.get("params"),
                    id=id,
                )
                experiments.add_items(grant, str(made.pk), _results(asked.get("items", [])))
    return answer(document(made), status=201, headers={"Location": f"/api/experiments/{made.pk}"})


@router.get(
    "/compare",
    **operation(
        "Compare experiments",
        tag=TAG,
        scope=Scope.READ,
        ok={
            200: closed(
                ("data", "winners"),
                data={"type": "array", "items": ref("ExperimentNumbers")},
                winners={"type": "array", "items": ref("Winner")},
            )
        },
        query=[
            {
                "name": "id",
                "in": "query",
                "required": True,
                "description": "Two to four of them; the first is what the others are measured by.",
                "schema": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 4},
            },
            PROJECT,
        ],
    ),
)
def compare_experiments(request: HttpRequest) -> HttpResponse:
    """Means with their 95 % confidence intervals, and differences from the first over the items that both ran. Winners
    tell who is ahead in each measure, and whether that is more than chance.
    """
    ids = list(dict.fromkeys(request.GET.getlist("id")))
    if not 2 <= len(ids) <= experiments.MOST_RUNS:
        raise BadFilter("id", ", ".join(ids), f"the ids of 2 to {experiments.MOST_RUNS} experiments")
    grant = grant_of(request)
    comparison = experiments.compare(grant, [_experiment(grant, id) for id in ids])
    return answer(
        {
            "data": [_numbers(run) for run in comparison.runs],
            "winners": [
                {
                    "name": one.name,
                    "ahead": str(comparison.runs[one.ahead].experiment.pk),
                    "behind": str(comparison.runs[one.behind].experiment.pk),
                    "isWon": one.is_won,
                    "difference": _difference(one.difference),
                }
                for one in comparison.verdicts()
            ],
        }
    )


@router.get(
    "/{id}",
    **operation("Get an experiment", tag=TAG, scope=Scope.READ, ok={200: ref("ExperimentNumbers")}, query=[PROJECT]),
)
def get_experiment(request: HttpRequest, id: str) -> HttpResponse:
    """With the mean of each score, of cost and of latency."""
    grant = grant_of(request)
    return answer(_numbers(experiments.compare(grant, [_experiment(grant, id)]).runs[0]))


@router.delete("/{id}", **operation("Delete an experiment", tag=TAG, scope=Scope.WRITE, ok={204: None}))
def delete_experiment(request: HttpRequest, id: str) -> HttpResponse:
    """With its results; what was recorded of its runs stays."""
    experiments.delete(grant_of(request), id)
    return HttpResponse(status=204)


@router.get(
    "/{id}/items",
    **operation(
        "List an experiment's results",
        tag=TAG,
        scope=Scope.READ,
        ok={200: page_of(ref("ExperimentItem"))},
        query=plain.QUERY,
    ),
)
def list_experiment_items(request: HttpRequest, id: str) -> HttpResponse:
    """The newest first."""
    return plain.page(request, _experiment(grant_of(request), id).items.all(), plain.each(item_document))


@router.post(
    "/{id}/items",
    **operation(
        "Add results to an experiment",
        tag=TAG,
        scope=Scope.WRITE,
        sent=closed(("items",), items={"type": "array", "items": ITEM, "maxItems": experiments.MAX_ITEMS}),
        example={"items": [{"input": "Two and two?", "output": "Four.", "scores": [{"name": "correct", "value": 1}]}]},
        ok={201: listed(ref("ExperimentItem"))},
        headers=[AGAIN],
        refuses=(409,),
    ),
)
def add_experiment_items(request: HttpRequest, id: str) -> HttpResponse:
    """Results with their scores, all or none of them. The runs that made them may not have come yet."""
    grant = grant_of(request)
    asked = receive.named(receive.mapping(request), ("items",))
    results, once = _results(asked.get("items")), repeats.key_of(request, grant.project.pk)
    with repeats.claimed(request, grant):
        made = experiments.add_items(grant, id, results, once=once)
    return answer({"data": [item_document(row) for row in made]}, status=201)


def document(row: Experiment) -> dict[str, Json]:
    """An experiment as JSON."""
    return {
        "id": str(row.pk),
        "name": row.name,
        "datasetId": None if row.dataset_id is None else str(row.dataset_id),
        "promptVersionId": row.prompt_version_id,
        "params": row.params,
        "createdAt": iso(row.created_at),
    }


def item_document(row: ExperimentItem) -> Json:
    """A result as JSON."""
    return {
        "id": str(row.pk),
        "experimentId": str(row.experiment_id),
        "datasetItemId": None if row.dataset_item_id is None else str(row.dataset_item_id),
        "runId": row.run_id,
        "generationId": row.generation_id,
        "input": row.input,
        "output": row.output,
        "createdAt": iso(row.created_at),
    }


def _numbers(run: Run) -> Json:
    return {
        **document(run.experiment),
        "count": run.count,
        "failed": run.failed,
        "currency": run.currency,
        "totalCost": run.total_cost,
        "means": {name: _interval(interval) for name, interval in run.means.items()},
        "differences": {name: _difference(one) for name, one in run.differences.items()},
    }


def _difference(one: Difference) -> Json:
    return {**_interval(one.interval), "wins": one.wins, "losses": one.losses, "ties": one.ties}


def _interval(one: Interval) -> dict[str, Any]:
    return {"count": one.count, "mean": one.mean, "low": one.low, "high": one.high}


def _results(items: Json) -> list[NewResult]:
    if not isinstance(items, list) or len(items) > experiments.MAX_ITEMS:
        raise InvalidRecord("items", items, f"a list of at most {experiments.MAX_ITEMS} results")
    results = []
    for n, item in enumerate(items):
        if not isinstance(item, dict):
            raise InvalidRecord(f"items[{n}]", item, "an object")
        receive.named(item, _NAMES, f"items[{n}].")
        scores = item.get("scores") or []
        if not isinstance(scores, list):
            raise InvalidRecord(f"items[{n}].scores", scores, "a list")
        results.append(
            NewResult(
                dataset_item_id=_text("datasetItemId", item, f"items[{n}]."),
                run_id=_text("runId", item, f"items[{n}]."),
                generation_id=_text("generationId", item, f"items[{n}]."),
                input=item.get("input"),
                output=item.get("output"),
                scores=scores,
            )
        )
    return results


def _experiment(grant: Grant, id: str) -> Experiment:
    found = experiments.find(grant, id)
    if found is None:
        raise not_found("experiment", id)
    return found


def _text(name: str, asked: dict[str, Json], path: str = "") -> str | None:
    value = asked.get(name)
    if not isinstance(value, str | None):
        raise InvalidRecord(path + name, value, "a text")
    return value
