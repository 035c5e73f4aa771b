"""Evaluators: their list, one of them with its options, its trigger and what it said last, and a new one by kind."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from django.contrib import messages
from django.db.models import Avg, Count
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from generations import evaluating, filters, generating, reading, verdicts
from generations.access import Grant, Scope
from generations.evaluating import NoSuchEvaluator
from generations.filters import BadFilter
from generations.models import Evaluator, Score
from generations.records import InvalidRecord, Json
from generations.verdicts import Kind, Option
from generations.web import stale
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import document_of, words

LAST: Final = 20
"""Scores that the page of an evaluator shows."""
FROM: Final = 1_000
"""The last scores from which its mean is told."""


@dataclass(frozen=True, slots=True)
class Field:
    """An option in a form, with what stands in it."""

    option: Option
    value: str

    @property
    def is_on(self) -> bool:
        """Whether a box is ticked."""
        return self.value == "true"


@dataclass(frozen=True, slots=True)
class Shown:
    """An evaluator as the list shows it."""

    row: Evaluator
    kind: Kind
    sentence: str
    behind: float | None


@page()
@require_safe
def evaluator_list(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The project's evaluators by name: those in use, or with `?archived=1` those that are put away."""
    is_archived = bool(request.GET.get("archived"))
    context = {
        "rows": [_shown(row) for row in evaluating.every(grant, is_archived=is_archived)],
        "kinds": verdicts.KINDS.values(),
        "is_archived": is_archived,
        "server": f"{request.scheme}://{request.get_host()}",
    }
    return show(request, grant, "evaluators/page.html", context, here="evaluators")


@page(Scope.WRITE)
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, grant: Grant, kind: str) -> HttpResponse:
    """A new evaluator of a kind."""
    known, problem = _kind(kind), ""
    if request.method == "POST":
        try:
            row = evaluating.create(grant, kind=kind, **_posted(known, request.POST))
        except InvalidRecord as error:
            problem = str(error)
        else:
            messages.success(request, f"{row.name} is there.")
            return redirect("web:evaluator", slug=grant.project.slug, id=row.pk)
    context = {
        "kind": known,
        "fields": _fields(known, {}, request.POST if problem else None),
        "given": request.POST if problem else {},
        "models": generating.models(grant),
        "problem": problem,
    }
    return show(request, grant, "evaluators/new.html", context, here="evaluators", status=400 if problem else 200)


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def evaluator(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """One evaluator; a post changes it."""
    row, problem = _found(grant, id), ""
    known = _kind(row.kind)
    if request.method == "POST":
        try:
            stale.refuse(request, _mark(row))
            evaluating.change(grant, id, **_posted(known, request.POST))
        except (InvalidRecord, stale.Stale) as error:
            problem = str(error)
        else:
            messages.success(request, "It is changed. Scores that it gave stay as they are.")
            return redirect("web:evaluator", slug=grant.project.slug, id=id)
    return _one(request, grant, row, problem=problem)


@page(Scope.WRITE)
@require_POST
def trigger(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Score a share of new generations from now on, or end that."""
    row = _found(grant, id)
    try:
        stale.refuse(request, _mark(row))
        share = _share(request.POST.get("share", ""))
        evaluating.trigger(grant, id, share=share, document=document_of("generations", request.POST.get("filter", "")))
    except (InvalidRecord, stale.Stale) as error:
        return _one(request, grant, row, trigger_problem=str(error))
    except BadFilter as error:
        return _one(request, grant, row, trigger_problem=f"filter: {error}")
    messages.success(
        request, f"It scores {share:g} % of what comes in." if share else "It scores nothing new any more."
    )
    return redirect("web:evaluator", slug=grant.project.slug, id=id)


@page(Scope.WRITE)
@require_POST
def archive(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Put an evaluator away, or bring it back."""
    is_archived = request.POST.get("how") != "restore"
    try:
        evaluating.archive(grant, id, is_archived=is_archived)
    except NoSuchEvaluator as error:
        raise Http404(str(error)) from error
    messages.success(request, "It is put away." if is_archived else "It is in use again.")
    return redirect("web:evaluators", slug=grant.project.slug)


def _mark(row: Evaluator) -> str:
    return stale.mark(row.name, row.score_name, row.options, row.share, row.filter)


def _one(
    request: HttpRequest, grant: Grant, row: Evaluator, *, problem: str = "", trigger_problem: str = ""
) -> HttpResponse:
    known = _kind(row.kind)
    mine = Score.objects.in_project(grant.project.pk).filter(name=row.score_name, metadata__evaluator=str(row.pk))
    last = list(mine.order_by("-created_at", "-uid")[:LAST])
    recent = mine.filter(uid__in=mine.order_by("-created_at", "-uid").values("uid")[:FROM])
    said = recent.aggregate(count=Count("uid"), scored=Count("value"), mean=Avg("value"))
    shown = _shown(row)
    context = {
        "shown": shown,
        "row": row,
        "as_of": _mark(row),
        "kind": known,
        "fields": _fields(known, row.options, request.POST if problem else None),
        "given": request.POST if problem else {"name": row.name, "score_name": row.score_name},
        "trigger_given": request.POST if trigger_problem else {},
        "models": generating.models(grant),
        "may_trigger": not known.needs_expected or bool(row.options.get("text")),
        "filter": "" if trigger_problem else _address(row),
        "last": last,
        "said": said,
        "unscored": said["count"] - said["scored"],
        "problem": problem,
        "trigger_problem": trigger_problem,
    }
    status = 400 if problem or trigger_problem else 200
    return show(request, grant, "evaluators/evaluator.html", context, here="evaluators", status=status)


def _shown(row: Evaluator) -> Shown:
    sentence = ""
    if row.share:
        try:
            condition = filters.from_document("generations", row.filter)
            sentence = words("generations", condition) if condition else ""
        except BadFilter as error:
            sentence = str(error)
    behind = evaluating.seconds_behind(row)
    return Shown(row, verdicts.KINDS[row.kind], sentence, behind)


def _address(row: Evaluator) -> str:
    """The filter as an address has it, which is how people edit it."""
    try:
        condition = filters.from_document("generations", row.filter)
    except BadFilter:
        return ""
    pairs = filters.to_query(condition)
    query = QueryDict(mutable=True)
    for name, value in pairs or ():
        query.appendlist(name, value)
    return query.urlencode()


def _found(grant: Grant, id: uuid.UUID) -> Evaluator:
    row = evaluating.find(grant, id)
    if row is None:
        raise Http404("There is no such evaluator in this project.")
    return row


def _kind(name: str) -> Kind:
    if name not in verdicts.KINDS:
        raise Http404("There is no such kind of evaluator.")
    return verdicts.KINDS[name]


def _fields(kind: Kind, options: Mapping[str, Json], posted: QueryDict | None) -> list[Field]:
    made = []
    for option in kind.options:
        value = options.get(option.name, None if option.input == "lines" else option.default)
        text = posted.get(option.name, "") if posted is not None else _text(value)
        made.append(Field(option, text))
    return made


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else ""
    if isinstance(value, dict | list):
        return reading.indented(value)
    return f"{value:g}" if isinstance(value, float) else value if isinstance(value, str) else ""


def _posted(kind: Kind, data: QueryDict) -> dict[str, Any]:
    """What the form says. Raises InvalidRecord for what is no number or no JSON."""
    options: dict[str, Json] = {}
    for option in kind.options:
        text = data.get(option.name, "").replace("\r\n", "\n")
        if option.input == "tick":
            options[option.name] = text == "true"
        elif not text.strip():
            continue
        elif option.input == "number":
            options[option.name] = _number(f"options.{option.name}", text, option.expected)
        elif option.name == "schema":
            options[option.name] = _json(text, option.expected)
        else:
            options[option.name] = text
    name = data.get("name", "")
    return {"name": name, "score_name": data.get("score_name", "").strip() or name, "options": options}


def _number(field: str, text: str, expected: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        raise InvalidRecord(field, text, expected) from None


def _json(text: str, expected: str) -> Json:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRecord("options.schema", text, f"{expected} ({error})") from error


def _share(text: str) -> float:
    return _number("share", text or "0", "percent, from 0 to 100")
