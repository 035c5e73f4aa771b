"""Evaluations over REST: reckoned, tried on one item, begun, watched, cancelled, and what came of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router

from generations import evaluating, tasks
from generations.access import Grant, Scope
from generations.api import plain, receive, repeats, watching
from generations.api.answers import answer
from generations.api.auth import grant_of
from generations.api.describing import listed, page_of, ref, sent
from generations.api.operations import AGAIN, operation
from generations.evaluating import Asked, Finding, Tried
from generations.models import Job
from generations.records import Json

router = Router()
TAG: Final = "Evaluations"
_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "array", "items": {"type": "string", "minLength": 1}}
_BOUND: Final = {"type": "integer", "minimum": 1}
_ASKED: Final = sent(
    ("evaluators",),
    name={**_TEXT, "maxLength": evaluating.MAX_NAME},
    of={
        "type": "string",
        "enum": list(evaluating.OF),
        "description": "versions: what prompt versions answer to a dataset. dataset: its stored answers. generations:"
        " what was logged, as an experiment. backfill: the same, each scored once by one evaluator, without an"
        " experiment. Told from what else is said when absent.",
    },
    versions={**_TEXTS, "description": "The ids of one or two prompt versions.", "maxItems": evaluating.MOST_VERSIONS},
    dataset={**_TEXT, "description": "The id of a dataset."},
    datasetVersion={**_BOUND, "description": "The newest when absent."},
    split={**_TEXT, "description": "Only the items of this part."},
    filter={"type": "object", "description": "Of logged generations: a filter document."},
    evaluators={**_TEXTS, "description": "Ids or names.", "minItems": 1, "maxItems": evaluating.MOST_EVALUATORS},
    model={**_TEXT, "description": "The model that is called in the place of the versions' own."},
    maxItems={**_BOUND, "maximum": evaluating.MOST_ITEMS},
    maxCalls={**_BOUND, "description": "Calls to models, those of judges among them."},
    maxCost={
        "type": ["string", "number", "null"],
        "exclusiveMinimum": 0,
        "description": "Money; only where every price is known.",
    },
)
_EXAMPLE: Final = {"evaluators": ["exact"], "of": "generations", "filter": {"model.id": "gpt-4"}, "maxItems": 1000}


@router.get(
    "",
    **operation("List evaluations", tag=TAG, scope=Scope.READ, ok={200: page_of(ref("Evaluation"))}, query=plain.QUERY),
)
def list_evaluations(request: HttpRequest) -> HttpResponse:
    """The newest first."""
    rows = Job.objects.filter(project=grant_of(request).project, kind=Job.Kind.EVALUATION)
    return plain.page(request, rows, plain.each(document))


@router.post(
    "",
    **operation(
        "Evaluate",
        tag=TAG,
        scope=Scope.WRITE,
        sent=_ASKED,
        example=_EXAMPLE,
        ok={202: ref("Evaluation")},
        headers=[AGAIN],
        refuses=(409,),
    ),
)
def start_evaluation(request: HttpRequest) -> HttpResponse:
    """A job that a worker does; `Location` is where to watch it. `experiments` are there at once and fill."""
    grant, said = grant_of(request), receive.mapping(request, limit=receive.MAX_QUESTION)
    with repeats.claimed(request, grant):
        job, id = repeats.job_of(request, grant, Job.Kind.EVALUATION)
        if job is None:
            with transaction.atomic():
                job = evaluating.start(grant, evaluating.asked(grant, said), id=id)
                tasks.send(job)
    return answer(document(job), status=202, headers={"Location": f"/api/evaluations/{job.pk}"})


@router.post(
    "/estimate",
    **operation(
        "Reckon an evaluation", tag=TAG, scope=Scope.READ, sent=_ASKED, example=_EXAMPLE, ok={200: ref("Estimate")}
    ),
)
def estimate_evaluation(request: HttpRequest) -> HttpResponse:
    """Items, calls, and about what they cost at today's prices; null where a price is not known. Nothing is called."""
    grant, asked = _asked(request)
    made = evaluating.estimate(grant, asked)
    lines: list[Json] = [
        {"model": one.model, "calls": one.calls, "cost": _money(one.cost), "currency": one.currency}
        for one in made.lines
    ]
    return answer(
        {
            "items": made.items,
            "calls": made.calls,
            "cost": _money(made.cost),
            "currency": made.currency,
            "models": lines,
            "unknownPrices": list(made.unknown),
        }
    )


@router.post(
    "/preview",
    **operation(
        "Try an evaluation",
        tag=TAG,
        scope=Scope.WRITE,
        sent=_ASKED,
        example=_EXAMPLE,
        ok={200: listed(ref("Tried"))},
        refuses=(429, 502),
    ),
)
def preview_evaluation(request: HttpRequest) -> HttpResponse:
    """The first item, answered by each version and scored; of all that only the calls to models are kept."""
    grant, asked = _asked(request)
    return answer({"data": [_tried(one) for one in evaluating.preview(grant, asked)]})


def document(job: Job) -> dict[str, Json]:
    """An evaluation as JSON."""
    asked = Asked.of_job(job)
    return {
        **watching.standing(job),
        "name": asked.name,
        "of": asked.of,
        "versions": list(asked.versions),
        "dataset": asked.dataset,
        "datasetVersion": asked.dataset_version,
        "split": asked.split or None,
        "filter": asked.filter,
        "evaluators": [
            {"id": one.id, "name": one.name, "kind": one.kind, "scoreName": one.score_name} for one in asked.evaluators
        ],
        "model": asked.model,
        "maxItems": asked.max_items,
        "maxCalls": asked.max_calls,
        "maxCost": _money(asked.max_cost),
        "experiments": list(asked.experiments),
        "result": _result(job.result) if job.result else None,
    }


watching.add(
    router,
    Job.Kind.EVALUATION,
    document,
    tag=TAG,
    watch="Its state and progress; `result` once it is done. `GET /api/experiments/compare` says who won.",
    stays="What was scored stays.",
)


def _result(said: dict[str, Any]) -> Json:
    cost = said["cost"]
    return {
        **{name: said[name] for name in ("items", "scored", "unscored", "calls", "currency", "refusals")},
        "cost": None if cost is None else float(cost),
        "stopped": said["stopped"] or None,
    }


def _tried(one: Tried) -> Json:
    return {
        "title": one.title,
        "input": one.case.input,
        "expected": one.case.expected,
        "output": one.case.output,
        "problem": one.case.problem,
        "generationId": one.case.generation_id,
        "scores": [_finding(finding) for finding in one.findings],
    }


def _finding(one: Finding) -> Json:
    return {
        "evaluator": one.evaluator.id,
        "name": one.evaluator.score_name,
        "value": one.value,
        "comment": one.comment,
        "generationId": one.call,
    }


def _asked(request: HttpRequest) -> tuple[Grant, Asked]:
    grant = grant_of(request)
    return grant, evaluating.asked(grant, receive.mapping(request, limit=receive.MAX_QUESTION))


def _money(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
