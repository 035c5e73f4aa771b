"""Prompts: their list, one in a version of it, a new version, labels, and two versions compared."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from django.contrib import messages
from django.db import transaction
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from generations import filling, metrics, prompts, reading
from generations.access import Grant, Scope
from generations.intervals import Interval
from generations.models import Generation, Prompt, PromptVersion
from generations.prompts import Numbers
from generations.records import InvalidRecord
from generations.web import markup, refused, stale
from generations.web.frame import show
from generations.web.gate import page
from generations.web.markup import Budget, Shown
from generations.web.stretches import stretch
from generations.web.versions import MESSAGES, ROLES, fields, json_of, list_of, object_of, written

ROOM: Final = 90_000
"""The bytes of HTML that a version's messages have together."""
VERSIONS: Final = 200
DAYS: Final = (1, 7, 30, 90)
SHORT: Final = 160
"""Characters of an input's variables that stand in one line."""
USED: Final = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a template as the page shows it."""

    role: str
    shown: Shown


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of two versions: each one's interval, and whether the difference is more than chance and good."""

    name: str
    form: str
    old: Interval | None
    new: Interval | None
    is_better: bool | None


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def prompt_list(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The project's prompts, the newest first; makes one of the `name` that is posted."""
    if request.method == "POST":
        grant.need(Scope.WRITE)
        try:
            made = prompts.get_or_create(grant, request.POST.get("name", ""), request.POST.get("description", ""))
        except InvalidRecord as error:
            return refused.lead_back(request, "prompt", error, request.path)
        return redirect("web:prompt", slug=grant.project.slug, id=made.pk)
    rows = stretch(request, Prompt.objects.filter(project=grant.project, deleted_at=None))
    keys = [row.pk for row in rows]
    versions = PromptVersion.objects.in_project(grant.project.pk).filter(prompt_uid__in=keys, version__gte=0)
    counts = dict(versions.order_by().values_list("prompt_uid").annotate(count=Count("uid")))
    used = Generation.objects.in_project(grant.project.pk).filter(
        prompt_name__in=[row.name for row in rows], started_at__gte=timezone.now() - USED
    )
    calls = dict(used.order_by().values_list("prompt_name").annotate(count=Count("uid")))
    labels = prompts.labels_of(grant, keys)
    context = {
        "rows": rows,
        "shown": [(row, counts.get(row.pk, 0), labels.get(row.pk, {}).items(), calls.get(row.name, 0)) for row in rows],
        "server": f"{request.scheme}://{request.get_host()}",
    }
    return show(request, grant, "prompts/page.html", context, here="prompts")


@page()
@require_safe
def prompt(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """A prompt in its newest version, or in that of `?version=`, a number."""
    row = _found(grant, id)
    versions = prompts.versions(grant, row)
    asked = request.GET.get("version", "")
    chosen = next((one for one in versions if not asked or str(one.version) == asked), None)
    if asked and chosen is None:
        raise Http404(f"The prompt {row.name} has no version {asked[:20]}.")
    context: dict[str, Any] = {
        "prompt": row,
        "versions": versions[:VERSIONS],
        "version": chosen,
        "said": [] if chosen is None else _messages(chosen),
        "is_cut": chosen is not None and len(chosen.template_messages or []) > MESSAGES,
        "blocks": [] if chosen is None else _blocks(chosen),
        "weights": {part["version"]: part["rollout"] for part in row.rollout},
        "labels": (labels := prompts.labels_of(grant, [row.pk]).get(row.pk, {})),
        "others": [one for one in versions[:VERSIONS] if one is not chosen],
        "server": f"{request.scheme}://{request.get_host()}",
        "as_of": _mark(labels),
        "refused": refused.taken(request),
    }
    context |= _labelled(context["refused"], labels, chosen)
    return show(request, grant, "prompts/prompt.html", context, here="prompts")


def _mark(labels: Mapping[str, int]) -> str:
    return stale.mark(sorted(labels.items()))


def _labelled(lost: refused.Forms, labels: Mapping[str, int], chosen: PromptVersion | None) -> dict[str, Any]:
    """The fields of the labels that there are, and of a new one: as they were typed where that was refused."""
    if "labels" not in lost:
        return {"label_fields": list(labels.items()), "new_label": ("", chosen.version if chosen else "")}
    given = lost["labels"].given
    typed = list(zip(given.getlist("label"), given.getlist("version"), strict=False)) or [("", "")]
    return {"label_fields": typed[:-1], "new_label": typed[-1]}


@page()
@require_safe
def named(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The page of the prompt `name`, in its `version`: what a generation knows of what made it.

    Applications name prompts that are kept elsewhere: those lead to the calls that name them.
    """
    row = prompts.named(grant, request.GET.get("name", ""))
    if row is None:
        messages.info(request, "This project keeps no prompt of this name: these are the calls that name it.")
        naming = {f"promptVersion.{part}": request.GET.get(part, "") for part in ("name", "version")}
        asked = urlencode({field: value for field, value in naming.items() if value})
        return redirect(f"{reverse('web:generations', args=[grant.project.slug])}?{asked}")
    asked = urlencode({"version": request.GET["version"]}) if request.GET.get("version") else ""
    return redirect(f"{reverse('web:prompt', args=[grant.project.slug, row.pk])}?{asked}".removesuffix("?"))


@page(Scope.WRITE)
@require_POST
def labels(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Move labels: `label` by `label` to the `version` beside it, nothing takes one away; all of them or none."""
    row = _found(grant, id)
    given = request.POST
    wanted: dict[str, int | None] = {}
    try:
        for label, number in zip(given.getlist("label"), given.getlist("version"), strict=False):
            if label.strip():
                number = number.strip()
                if number and not (number.isascii() and number.isdigit() and len(number) < 10):
                    raise InvalidRecord("version", number, "the number of a version, or nothing")
                wanted[label.strip().lower()] = int(number) if number else None
        stale.refuse(request, _mark(prompts.labels_of(grant, [row.pk]).get(row.pk, {})))
        prompts.move(grant, row, wanted)
    except (InvalidRecord, prompts.NoSuchPrompt, stale.Stale) as error:
        return refused.lead_back(request, "labels", error, reverse("web:prompt", args=[grant.project.slug, id]))
    messages.success(request, "The labels are where you put them.")
    return redirect("web:prompt", slug=grant.project.slug, id=id)


@page(Scope.WRITE)
@require_http_methods(["GET", "HEAD", "POST"])
def new_version(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """A form that begins with the newest version, or with `?version=`; makes a version of what is posted."""
    row = _found(grant, id)
    asked = request.GET.get("version", "")
    versions = prompts.versions(grant, row)
    base = next((one for one in versions if not asked or str(one.version) == asked), None)
    problem, given = "", request.POST
    if request.method == "POST":
        try:
            with transaction.atomic():
                made = prompts.add_version(
                    grant,
                    row,
                    template_messages=written(given, base),
                    settings=object_of("settings", given.get("settings", "")),
                    tools=list_of("tools", given.get("tools", "")),
                    input_defaults=object_of("defaults", given.get("defaults", "")),
                    model_id=given.get("model", "").strip() or None,
                    provider=given.get("provider", "").strip() or None,
                    description=given.get("description", ""),
                )
                if label := given.get("label", "").strip().lower():
                    prompts.move(grant, row, {label: made.version})
        except InvalidRecord as error:
            problem = str(error)
        else:
            messages.success(request, f"Version {made.version} is there.")
            return redirect(f"{request.path.removesuffix('new/')}?version={made.version}")
    begun = fields(base)
    if problem:
        begun = list(zip(given.getlist("role"), given.getlist("content"), strict=False))
    context = {
        "prompt": row,
        "base": base,
        "fields": begun,
        "roles": ROLES,
        "model": given.get("model", "") if problem else (base.model_id or "" if base else ""),
        "provider": given.get("provider", "") if problem else (base.provider or "" if base else ""),
        "parts": [
            (name, title, given.get(name, "") if problem else json_of(getattr(base, column, None)))
            for name, title, column in (
                ("settings", "Settings, a JSON object", "settings"),
                ("tools", "Tools, a JSON list", "tools"),
                ("defaults", "Default values of variables, a JSON object", "input_defaults"),
            )
        ],
        "problem": problem,
        "given": given,
    }
    return show(request, grant, "prompts/new.html", context, here="prompts", status=400 if problem else 200)


@page()
@require_safe
def compare(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """Version `old` beside version `new`: what differs in them, what they led to in `days`, and on which inputs."""
    row = _found(grant, id)
    versions = prompts.versions(grant, row)
    by_number = {str(one.version): one for one in versions}
    new = by_number.get(request.GET.get("new", "")) or (versions[0] if versions else None)
    old = by_number.get(request.GET.get("old", "")) or (versions[1] if len(versions) > 1 else None)
    if old is None or new is None:
        raise Http404(f"The prompt {row.name} has no two versions to compare yet.")
    asked = request.GET.get("days", "")
    days = int(asked) if asked in {str(n) for n in DAYS} else 30
    end = timezone.now()
    start = end - dt.timedelta(days=days)
    context: dict[str, Any] = {
        "prompt": row,
        "versions": versions[:VERSIONS],
        "old": old,
        "new": new,
        "both": (old, new),
        "days": days,
        "choices": DAYS,
        "parts": prompts.differences(old, new),
        "problem": "",
    }
    try:
        told = prompts.numbers(grant, row, [old.version, new.version], start, end)
        before, after = told[old.version], told[new.version]
        names = sorted({*before.scores, *after.scores})
        by = request.GET.get("by", "")
        measures = _measures(before, after, names)
        # Where nothing is asked for: a score in which one version is better, or else any.
        decided = {one.name for one in measures if one.is_better is not None}
        if by not in (*prompts.MEASURES, *names):
            by = next((name for name in names if _of(name) in decided), (names or ["latency"])[0])
        given = prompts.apart(grant, row, old.version, new.version, start, end, by=by)
        context |= {
            "before": before,
            "after": after,
            "measures": measures,
            "by": by,
            "by_form": {"cost": "money", "latency": "seconds", "ttft": "seconds"}.get(by, "number"),
            "bys": [*names, *prompts.MEASURES],
            "apart": [(one, _said(one.text)) for one in given if one.difference],
            "is_equal": bool(given),
        }
    except metrics.TooSlow as error:
        context["problem"] = str(error)
    return show(request, grant, "prompts/compare.html", context, here="prompts")


def _measures(before: Numbers, after: Numbers, names: list[str]) -> list[Measure]:
    """What is known of either version. Less of cost, latency, tokens and errors is better, more of all else."""
    made = []
    rows: list[tuple[str, str, Interval | None, Interval | None, bool]] = [
        (name, form, before.means.get(key), after.means.get(key), True)
        for key, name, form in (
            ("cost", "Cost", "money"),
            ("latency", "Latency", "seconds"),
            ("ttft", "Time to first token", "seconds"),
            ("tokens", "Tokens", "number"),
        )
    ]
    rows += [
        ("Errors", "share", before.errors, after.errors, True),
        ("Feedback: thumbs up", "share", before.thumbs, after.thumbs, False),
        ("Feedback: rating", "number", before.rating, after.rating, False),
    ]
    shares = before.shares | after.shares
    rows += [
        (_of(name), "share" if name in shares else "number", before.scores.get(name), after.scores.get(name), False)
        for name in names
    ]
    for name, form, old, new, lower in rows:
        if old is None and new is None:
            continue
        is_better = None
        if old and new and old.low is not None and new.low is not None:
            apart = new.low > (old.high or 0) or (new.high or 0) < old.low
            is_better = (new.mean < old.mean) is lower if apart else None
        if name == "Cost" and before.currency != after.currency and old and new:
            is_better = None
        made.append(Measure(name, form, old, new, is_better))
    return made


def _of(score: str) -> str:
    return f"Score: {score}"


def _said(text: str) -> str:
    """An input as a person reads it; the text of one that was cut."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text[:600]
    if isinstance(value, dict) and "content" in value:
        return reading.message_text(value)[:600]
    if isinstance(value, dict) and all(isinstance(one, str | int | float | None) for one in value.values()):
        # Variables: those that are short stand in a line.
        pairs = [f"{name}: {filling.text_of(one)}" for name, one in value.items()]
        return (" · ".join(pairs) if sum(map(len, pairs)) < SHORT else "\n".join(pairs))[:600]
    return (value if isinstance(value, str) else markup.pretty(value))[:600]


# ------------------------------------------------------------------------------------------------------- what is shown
def _found(grant: Grant, id: uuid.UUID) -> Prompt:
    row = prompts.found(grant, str(id))
    if row is None:
        raise Http404("There is no such prompt in this project.")
    return row


def _messages(version: PromptVersion) -> list[Message]:
    """The messages of a template; a template of text is one without a role."""
    given = version.template_messages
    budget, made = Budget(ROOM), []
    for one in [{"role": "", "content": version.template or ""}] if given is None else given[:MESSAGES]:
        content = one.get("content") if isinstance(one, Mapping) else one
        text = content if isinstance(content, str) else reading.text_of(content) if content else markup.pretty(one)
        shown = markup.plain(text, max(200, budget.left // 2))
        budget.spend(shown.html)
        made.append(Message(str(one.get("role") or "") if isinstance(one, Mapping) else "", shown))
    return made


def _blocks(version: PromptVersion) -> list[tuple[str, str]]:
    """What else makes the version, as text."""
    parts = {"Settings": version.settings, "Tools": version.tools, "Default values": version.input_defaults}
    return [(name, markup.pretty(value)[:10_000]) for name, value in parts.items() if value]
