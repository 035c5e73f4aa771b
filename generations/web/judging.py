"""What a person adds to a generation on its page: scores, comments, tags, feedback, a place in a dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from generations import datasets, holds, identities, recording
from generations.access import Grant, Scope
from generations.models import Dataset, Score
from generations.records import FeedbackRecord, GenerationRecord, InvalidRecord, Record, ScoreRecord
from generations.retention import removing
from generations.web import answers, refused
from generations.web.frame import show
from generations.web.gate import is_part, page
from generations.web.generation import aside, found

Change = Callable[[HttpRequest, Grant, str], None]

PANELS: Final = {
    "scores": "generation/_scores.html",
    "comments": "generation/_comments.html",
    "tags": "generation/_tags.html",
    "feedback": "generation/_feedback.html",
    "datasets": "generation/_datasets.html",
}


class Refused(ValueError):
    """What was sent cannot be stored; the sentence says why."""


def _changed(request: HttpRequest, grant: Grant, id: str, panel: str, change: Change) -> HttpResponse:
    """Make a change; show its panel to htmx, lead anyone else back to the page."""
    found(grant, id)
    problem = None
    try:
        change(request, grant, id)
    except (Refused, InvalidRecord, datasets.BadDataset, datasets.NoSuchDataset) as error:
        problem = str(error)
    if not is_part(request):
        where = f"{reverse('web:generation', args=[grant.project.slug, id])}#{panel}"
        return redirect(where) if problem is None else refused.lead_back(request, panel, problem, where)
    bundle = found(grant, id)
    lost = {} if problem is None else {panel: refused.Refused(problem, request.POST)}
    context = {"generation": bundle.generation, "bundle": bundle, "refused": lost, **aside(request, grant, bundle)}
    status = 400 if lost else 200
    return show(request, grant, PANELS[panel], context, here="generations", part=PANELS[panel], status=status)


def _record(grant: Grant, record: Record) -> None:
    receipt = recording.record(grant.project, [record])[0]
    if receipt.state == "rejected":
        raise Refused(receipt.reason or "This could not be stored.")


def split(text: str) -> list[str]:
    """The words between commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


@page(Scope.WRITE)
@require_POST
def scores(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """Add a score (`name`, `value` a number or a label, `comment`), or delete one of your own, `remove`."""
    return _changed(request, grant, id, "scores", _score)


def _score(request: HttpRequest, grant: Grant, id: str) -> None:
    given = request.POST
    if given.get("remove"):
        _remove_own(grant, id, given["remove"], "scores")
        return
    value, label = value_or_label(given.get("value", ""))
    if not given.get("name", "").strip() or (value is None and label is None):
        raise Refused("A score has a name, and a number or a label.")
    _record(
        grant,
        ScoreRecord(
            id=identities.new_id(),
            name=given["name"].strip(),
            type="HUMAN",
            value=value,
            label=label,
            comment=given.get("comment", "").strip() or None,
            author=grant.actor,
            generation_id=id,
        ),
    )


def _remove_own(grant: Grant, id: str, score: str, noun: str) -> None:
    mine = Score.objects.by_ids(grant.project.pk, "score", [score])
    if not mine.filter(generation_id=id, author=grant.actor).exists():
        raise Refused(f"You may delete {noun} of your own only.")
    try:
        removing.erase(grant, "score", score)
    except holds.Held as held:
        raise Refused(str(held)) from None


def value_or_label(text: str) -> tuple[float | None, str | None]:
    """What a person typed as a score: a number, or else a label; neither when there is nothing.

    `nan` and `inf` come back as the numbers that they are, which the writer refuses by name.
    """
    said = text.strip()
    try:
        return float(said.replace(",", ".")), None
    except ValueError:
        return None, said or None


@page(Scope.WRITE)
@require_POST
def comments(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """Add a `comment` for the team, or delete one of your own, `remove`.

    It is a score without a value, as where a review asks for a comment: every door has it, and feedback stays what the
    end user said.
    """
    return _changed(request, grant, id, "comments", _comment)


def _comment(request: HttpRequest, grant: Grant, id: str) -> None:
    given = request.POST
    if given.get("remove"):
        _remove_own(grant, id, given["remove"], "comments")
        return
    said = given.get("comment", "").strip()
    if not said:
        raise Refused("Write something to be read by others.")
    _record(
        grant,
        ScoreRecord(
            id=identities.new_id(),
            name="comment",
            type="HUMAN",
            value=None,
            label=None,
            comment=said,
            author=grant.actor,
            generation_id=id,
        ),
    )


@page(Scope.WRITE)
@require_POST
def tags(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """Add the tags between the commas of `add`, or remove the one in `remove`."""
    return _changed(request, grant, id, "tags", _tag)


def _tag(request: HttpRequest, grant: Grant, id: str) -> None:
    add, remove = split(request.POST.get("add", "")), request.POST.getlist("remove")
    if not add and not remove:
        raise Refused("Say which tags to add, by commas.")
    recording.retag(grant.project, "generation", [id], add=add, remove=remove)


@page(Scope.WRITE)
@require_POST
def feedback(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """Add feedback: `rating` 1 to 5, `thumbs` up or down, `categories` by commas, `comment`."""
    return _changed(request, grant, id, "feedback", _feedback)


def _feedback(request: HttpRequest, grant: Grant, id: str) -> None:
    given = request.POST
    rating = given.get("rating", "").strip()
    try:
        stars = float(rating) if rating else None
    except ValueError:
        raise Refused("The rating is a number from 1 to 5.") from None
    said = FeedbackRecord(
        id=identities.new_id(),
        generation_id=id,
        rating=stars,
        thumbs=given.get("thumbs") or None,
        comment=given.get("comment", "").strip() or None,
        categories=tuple(split(given.get("categories", ""))) or None,
        user_id=grant.actor,
    )
    if (said.rating, said.thumbs, said.comment, said.categories) == (None, None, None, None):
        raise Refused("Feedback is at least one of rating, thumbs, categories and comment.")
    _record(grant, said)


@page(Scope.WRITE)
@require_POST
def selected(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """Mark the answer `choice`, by its place among the alternatives, as the one that was taken; the audit keeps it."""
    bundle = found(grant, id)
    key = request.POST.get("choice", "")
    try:
        wanted = answers.choice(bundle, key)
    except LookupError as error:
        raise Http404("There is no such answer to this call.") from error
    cleared = frozenset({"selected_choice"}) if wanted is None else frozenset()
    recording.change(grant, GenerationRecord(id=id, selected_choice=wanted, cleared=cleared), bundle.record)
    response = redirect("web:generation", slug=grant.project.slug, id=id)
    response.headers["Location"] += f"?{urlencode({'answer': key})}#answers"
    return response


@page(Scope.WRITE)
@require_POST
def add_to_dataset(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """Add an item made from the generation to `dataset`, or to a new one of the name `new_dataset`."""
    return _changed(request, grant, id, "datasets", _collect)


def _collect(request: HttpRequest, grant: Grant, id: str) -> None:
    collect(request, grant, [id])


def collect(request: HttpRequest, grant: Grant, ids: list[str]) -> str:
    """Add these generations to the dataset that the form chose or named; returns its name."""
    dataset = chosen_dataset(request, grant)
    datasets.add_generations(grant, str(dataset.pk), ids)
    return dataset.name


def chosen_dataset(request: HttpRequest, grant: Grant) -> Dataset:
    """The `dataset` that a form chose, or that of the name `new_dataset`, made if need be. Raises Refused."""
    name = request.POST.get("new_dataset", "").strip()
    if name:
        return datasets.named(grant, name) or datasets.create(grant, name=name)
    existing = datasets.find(grant, request.POST.get("dataset", ""))
    if existing is None:
        raise Refused("Choose a dataset, or name a new one.")
    return existing
