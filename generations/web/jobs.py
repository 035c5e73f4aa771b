"""Long work of every kind: how far it is, what came of it, and the buttons that stop it or begin it again."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.db.models import prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from generations import exporting, filters, jobs, tasks
from generations.access import Grant, Scope
from generations.filters import BadFilter
from generations.importing import refusals as refused
from generations.models import Job
from generations.web.exports import OPEN
from generations.web.filtering import plain_address
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import listing

MOST_REFUSALS: Final = 100
_TITLES: Final = {
    Job.Kind.EXPORT: "Export",
    Job.Kind.IMPORT: "Import",
    Job.Kind.BULK: "All that match",
    Job.Kind.REPRICE: "Prices",
    Job.Kind.EVALUATION: "Evaluation",
    Job.Kind.RETENTION: "Retention",
    Job.Kind.ERASURE: "Erasure",
}
_UNSHOWN: Final = ("bytes", "place")
_CHANGES: Final = {"tag": "tag with {}", "untag": "remove the tags {}", "score": "score {}", "delete": "delete"}


@dataclass(frozen=True, slots=True)
class Row:
    """A job as pages show it. `numbers` are what came of it by name; `links` lead to what it made."""

    job: Job
    title: str
    actor: str
    sentence: str
    is_open: bool
    is_stopping: bool
    percent: int | None
    may_cancel: bool
    may_retry: bool
    numbers: list[tuple[str, int]] = field(default_factory=list)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    further: int = 0
    refused: str = ""
    """Where all refusals are to be downloaded."""
    links: list[tuple[str, str]] = field(default_factory=list)


def shown(job: Job, grant: Grant) -> Row:
    """A job as pages show it to who may read it; what they may not do with it is not offered."""
    slug, is_stopping = grant.project.slug, job.state in OPEN and job.cancel_requested_at is not None
    total = job.progress_total
    # What a run of rules noted is by their numbers.
    is_told = job.state in jobs.ENDED_BADLY and job.kind != Job.Kind.RETENTION
    result = (jobs.so_far(job) if is_told else {}) or job.result
    numbers = [(_words(name), value) for name, value in result.items() if type(value) is int and name not in _UNSHOWN]
    given = result.get("refusals")
    refusals = given[:MOST_REFUSALS] if isinstance(given, list) else []
    return Row(
        job=job,
        title=_TITLES.get(Job.Kind(job.kind), job.kind),
        actor=_actor(job),
        sentence=_sentence(job),
        is_open=job.state in OPEN,
        is_stopping=is_stopping,
        percent=min(100, job.progress_done * 100 // total) if total else None,
        may_cancel=job.state in OPEN and not is_stopping and jobs.may_cancel(grant, job),
        may_retry=jobs.may_retry(grant, job),
        numbers=numbers,
        refusals=refusals,
        further=max(0, result.get("refused", 0) - len(refusals)) if refusals else 0,
        refused=f"/api/imports/{job.pk}/refused?project={slug}" if refused.has_file(job) else "",
        links=_links(job, slug),
    )


def _actor(job: Job) -> str:
    if job.created_by is not None:
        return job.created_by.get_username()
    return "the product itself" if job.created_by_key is None else f"key {job.created_by_key.name}"


def _words(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name)


def _sentence(job: Job) -> str:
    asked = job.parameters
    match job.kind:
        case Job.Kind.EXPORT:
            return f"{exporting.Asked.of(job).sentence} as {asked.get('format', '')}"
        case Job.Kind.IMPORT:
            where = f"the dataset {asked.get('name', '')}" if "dataset" in asked else "generations"
            return f"{asked.get('fileName', 'a file')} into {where}"
        case Job.Kind.BULK if asked.get("do") in _CHANGES:
            rows = _filtered(str(asked.get("kind", "generations")), asked.get("filter"))
            return f"{_CHANGES[asked['do']].format(_given(asked))}: {rows}"
        case Job.Kind.BULK:
            what = "the dataset" if asked.get("do") == "dataset" else "the queue" if asked.get("do") == "review" else ""
            where = f" into {what} {asked.get('name', '')}" if what else ""
            return f"{_filtered(str(asked.get('kind', 'generations')), asked.get('filter'))}{where}"
        case Job.Kind.REPRICE:
            counted = "count what today's prices would change" if asked.get("dry") else "reckon costs again"
            return f"{counted}: {_filtered('generations', asked.get('filter'))}"
        case Job.Kind.RETENTION:
            return "count what is due" if asked.get("dry") else "expire what is due"
        case Job.Kind.ERASURE:
            return f"the user {asked.get('participant', '')}"
    return str(asked.get("name", ""))


def _given(asked: dict[str, Any]) -> str:
    """What rows are tagged or scored with."""
    return score_in_words(asked["score"]) if asked["do"] == "score" else ", ".join(map(str, asked.get("tags", ())))


def score_in_words(score: dict[str, Any]) -> str:
    """A score that was asked for in bulk: its name, and its number or label."""
    return f"{score['name']} {score['label'] if score['value'] is None else format(score['value'], 'g')}"


def _filtered(kind: str, document: Any) -> str:
    try:
        condition = filters.from_document(kind, document or {})
    except BadFilter:
        return f"{kind} by a filter of an earlier version"
    return filters.sentence(kind, condition) if condition else f"all {kind}"


def _links(job: Job, slug: str) -> list[tuple[str, str]]:
    asked = job.parameters
    if job.kind == Job.Kind.EVALUATION:
        made = asked.get("evaluation", {}).get("experiments", [])
        if len(made) > 1:
            together = urlencode([("id", id) for id in made])
            return [("Compare them", f"{reverse('web:experiments-compare', args=[slug])}?{together}")]
        return [("Open the experiment", reverse("web:experiment", args=[slug, id])) for id in made]
    if isinstance(asked.get("queue"), str):
        return [("Open the queue", reverse("web:queue", args=[slug, asked["queue"]]))]
    if isinstance(asked.get("dataset"), str):
        return [("Open the dataset", reverse("web:dataset", args=[slug, asked["dataset"]]))]
    if job.kind == Job.Kind.IMPORT:
        return [("Open the generations", reverse("web:generations", args=[slug]))]
    if job.kind == Job.Kind.EXPORT:
        return [("Open the export", reverse("web:export", args=[slug, job.pk]))]
    if job.kind in (Job.Kind.RETENTION, Job.Kind.ERASURE):
        return [("Read the report", f"{reverse('web:retention', args=[slug])}#reports")]
    return []


@page()
@require_safe
def job_list(request: HttpRequest, grant: Grant) -> HttpResponse:
    """All jobs of the project, the newest first; `?kind=` and `?state=` narrow them, as any filter of jobs does."""
    plain = plain_address(request, "jobs")
    if plain is not None:
        return redirect(plain)
    made = listing(request, grant, "jobs")
    prefetch_related_objects(list(made.rows), "created_by", "created_by_key")
    context = {
        "listing": made,
        "rows": [shown(job, grant) for job in made.rows],
        "kinds": Job.Kind.values,
        "states": Job.State.values,
        "kind": request.GET.get("kind", ""),
        "state": request.GET.get("state", ""),
    }
    return show(request, grant, "jobs/page.html", context, here="jobs", status=made.status)


@page()
@require_safe
def job(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """One job, which asks for itself again while it is worked on, and its report when it is done."""
    context = {"row": shown(_found(grant, id), grant)}
    return show(request, grant, "jobs/job.html", context, here="jobs", part="jobs/_job.html")


@page()
@require_POST
def cancel(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Stop a job: at once when it waits, soon when it is worked on."""
    if jobs.cancel(grant, id) is None:
        raise Http404("There is no such job in this project.")
    return redirect("web:job", slug=grant.project.slug, id=id)


@page()
@require_POST
def retry(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Begin again what failed, was cancelled or has expired, as a new job."""
    try:
        with transaction.atomic():
            again = jobs.retry(grant, id)
            if again is None:
                raise Http404("There is no such job in this project.")
            tasks.send(again)
    except jobs.Failed as error:
        messages.error(request, str(error))
        return redirect("web:job", slug=grant.project.slug, id=id)
    return redirect("web:job", slug=grant.project.slug, id=again.pk)


def lead_to(request: HttpRequest, grant: Grant, made: Job) -> HttpResponse:
    """Send a new job to a worker, and whoever started it to where it is watched."""
    tasks.send(made)
    return redirect("web:job", slug=grant.project.slug, id=made.pk)


def _found(grant: Grant, id: uuid.UUID) -> Job:
    found = jobs.find(grant.need(Scope.READ), id)
    if found is None:
        raise Http404("There is no such job in this project.")
    return found
