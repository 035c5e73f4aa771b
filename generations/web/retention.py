"""What is kept for how long: rules, holds, and the reports of what was expired and erased. And the page that erases."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from generations import filters, holds, tasks
from generations import retention as keeping
from generations.access import Grant, Scope
from generations.filters import BadFilter
from generations.models import Job, Kept, LegalHold, RetentionRule
from generations.web.frame import show
from generations.web.gate import page
from generations.web.listing import document_of, words

MOST_REPORTS: Final = 10
REPORTED: Final = (Job.Kind.RETENTION, Job.Kind.ERASURE)


@dataclass(frozen=True, slots=True)
class Shown:
    """A rule or a hold with what it is about in words."""

    row: RetentionRule | LegalHold
    sentence: str
    problem: str = ""
    is_first: bool = True
    """Whether no other of its kind comes before it."""
    is_idle: bool = False
    """Whether one before it leaves nothing to it."""


@page()
@require_safe
def retention(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The rules in the order in which they decide, the holds, and the last reports."""
    return _shown(request, grant)


@page(Scope.ADMIN)
@require_POST
def add_rule(request: HttpRequest, grant: Grant) -> HttpResponse:
    """A new rule, behind the others of its kind."""
    given = request.POST
    kind = given.get("kind", "")
    try:
        days = given.get("days", "").strip()
        if days and not (days.isascii() and days.isdigit() and len(days) <= 6):
            raise keeping.BadRule(f"days: {days[:40]!r} is not valid; expected a whole number, or nothing for ever")
        document = _document(kind, given.get("filter", ""))
        rule = keeping.add_rule(
            grant, kind=kind, what=given.get("what", ""), days=int(days) if days else None, document=document
        )
    except keeping.BadRule as error:
        return _shown(request, grant, problem=str(error))
    except BadFilter as error:
        return _shown(request, grant, problem=f"filter: {error}")
    said = f"Added: {keeping.named(rule)}."
    messages.success(request, f"{said} It is followed once a day; count first what it would expire.")
    return redirect("web:retention", slug=grant.project.slug)


@page(Scope.ADMIN)
@require_POST
def remove_rule(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Take a rule away."""
    rule = keeping.remove_rule(grant, id)
    if rule is None:
        raise Http404("There is no such rule in this project.")
    messages.success(request, f"Removed: {keeping.named(rule)}.")
    return redirect("web:retention", slug=grant.project.slug)


@page(Scope.ADMIN)
@require_POST
def move_rule(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Let a rule decide before the one above it."""
    rule = keeping.move_up(grant, id)
    if rule is None:
        raise Http404("There is no such rule in this project.")
    messages.success(request, f"Decides earlier now: {keeping.named(rule)}.")
    return redirect("web:retention", slug=grant.project.slug)


@page(Scope.ADMIN)
@require_POST
def add_hold(request: HttpRequest, grant: Grant) -> HttpResponse:
    """A new hold."""
    kind = request.POST.get("kind", "")
    try:
        document = _document(kind, request.POST.get("filter", ""))
        keeping.add_hold(grant, reason=request.POST.get("reason", ""), kind=kind, document=document)
    except keeping.BadRule as error:
        return _shown(request, grant, hold_problem=str(error))
    except BadFilter as error:
        return _shown(request, grant, hold_problem=f"filter: {error}")
    messages.success(request, "Held: nothing of it is expired or erased until the hold is released.")
    return redirect("web:retention", slug=grant.project.slug)


@page(Scope.ADMIN)
@require_POST
def release_hold(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Release a hold."""
    if keeping.release_hold(grant, id) is None:
        raise Http404("There is no such hold in this project.")
    messages.success(request, "The hold is released.")
    return redirect("web:retention", slug=grant.project.slug)


@page(Scope.ADMIN)
@require_POST
def run(request: HttpRequest, grant: Grant) -> HttpResponse:
    """Follow the rules now, or count what they would expire."""
    is_dry = request.POST.get("how") != "expire"
    with transaction.atomic():
        tasks.send(keeping.start(grant, is_dry=is_dry))
    messages.success(request, "Counting." if is_dry else "Expiring what is due.")
    return redirect("web:retention", slug=grant.project.slug)


@page(Scope.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def erase(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """Erase a participant, once their id was typed to confirm it."""
    if not keeping.is_erasable(grant.project, id):
        raise Http404("Nothing in this project is this participant's.")
    problem = ""
    if request.method == "POST":
        try:
            if request.POST.get("confirm", "").strip() != id:
                raise keeping.BadRule("confirm: expected the participant's id, exactly as it stands above")
            with transaction.atomic():
                tasks.send(keeping.erase(grant, id))
        except (keeping.BadRule, keeping.NoSuchParticipant, holds.Held) as error:
            problem = str(error)
        else:
            messages.success(request, "Being erased. The report is below when it is done.")
            return redirect("web:retention", slug=grant.project.slug)
    foretold = keeping.foretell(grant.project, id)
    context = {"participant": id, "problem": problem, "counted": keeping.COUNTED, "foretold": foretold}
    return show(request, grant, "participants/erase.html", context, here="users", status=400 if problem else 200)


def _shown(request: HttpRequest, grant: Grant, *, problem: str = "", hold_problem: str = "") -> HttpResponse:
    reports = Job.objects.filter(project=grant.project, kind__in=REPORTED).order_by("-created_at", "-id")
    shown = [(job, _lines(job)) for job in reports[:MOST_REPORTS]]
    context: dict[str, Any] = {
        "tab": "retention",
        "rules": _ruled(keeping.rules(grant)),
        "holds": [_said(hold, hold.kind, hold.filter) for hold in keeping.holds(grant)],
        "kinds": Kept.choices,
        "whats": RetentionRule.What.choices,
        "reports": shown,
        "is_at_work": any(job.state in (Job.State.QUEUED, Job.State.RUNNING) for job, _ in shown),
        "problem": problem,
        "hold_problem": hold_problem,
        "given": request.POST,
    }
    status = 400 if problem or hold_problem else 200
    return show(request, grant, "settings/retention.html", context, here="settings", status=status)


def _ruled(rules: Sequence[RetentionRule]) -> list[Shown]:
    before: dict[tuple[str, str], list[RetentionRule]] = defaultdict(list)
    made = []
    for rule in rules:
        earlier = before[rule.kind, rule.what]
        is_idle = any(not one.filter for one in earlier)
        made.append(replace(_said(rule, rule.kind, rule.filter), is_first=not earlier, is_idle=is_idle))
        earlier.append(rule)
    return made


def _said(row: RetentionRule | LegalHold, kind: str, document: dict[str, Any]) -> Shown:
    return Shown(row, *_words(kind, document))


def _words(kind: str, document: dict[str, Any]) -> tuple[str, str]:
    """A filter in words, empty for none, and what is wrong with it."""
    try:
        condition = filters.from_document(kind, document)
    except BadFilter as error:
        return "a filter of an earlier version", str(error)
    return (words(kind, condition) if condition else ""), ""


def _lines(job: Job) -> list[tuple[dict[str, Any], str]]:
    """What a run of the rules did by each, and what that rule is about in words, unless its name says so, which it does
    not in reports of earlier versions; empty for all that was left."""
    lines = (job.result or {}).get("rules", [])
    return [(line, "" if " where " in line["rule"] else _words(line["kind"], line["filter"])[0]) for line in lines]


def _document(kind: str, text: str) -> dict[str, Any]:
    """The filter that the form holds: a list's address, or the part of it behind the question mark."""
    if kind not in Kept.values:
        raise keeping.BadRule(f"kind: {kind[:40]!r} is not valid; expected one of {', '.join(Kept.values)}")
    return document_of(kind, text)
