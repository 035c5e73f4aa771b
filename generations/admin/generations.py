"""Generations in the admin: found by id and by narrow filters, tagged, scored, priced again and exported."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from generations import access, bundles, exporting, recording, tasks
from generations.access import Grant
from generations.admin.acting import grant_of
from generations.admin.events import EventAdmin, columns, every_field
from generations.admin.narrowing import SINCE, UNTIL, Failed, chosen, typed
from generations.admin.showing import UNKNOWN, block
from generations.models import Generation
from generations.records import InvalidRecord, ScoreRecord

MOST_AT_ONCE: Final = 1_000


def _bundle(row: Any) -> bundles.Bundle:
    """What belongs to the row of a page, read once for all of its fields."""
    if not hasattr(row, "bundle_of_page"):
        [row.bundle_of_page] = bundles.of_generations(row.project, [row], alternatives=False, attachments=False)
    found: bundles.Bundle = row.bundle_of_page
    return found


def _payload(name: str) -> Callable[[Generation], str | SafeString]:
    """A field of the page that shows a column of the payload."""

    @admin.display(description=name.replace("_", " "))
    def show(row: Generation) -> str | SafeString:
        payload = _bundle(row).payload
        return block(payload and getattr(payload, name))

    show.__name__ = f"{name}_block"
    return show


_PAYLOAD: Final[tuple[Any, ...]] = tuple(
    map(
        _payload,
        (
            "messages",
            "prompt",
            "input",
            "message_completion",
            "completion",
            "output",
            "variables",
            "tools",
            "error_detail",
            "cost_arithmetic",
        ),
    )
)


class TriageForm(ActionForm):
    """What is to be done to the selection, and with what."""

    tag = forms.CharField(required=False, max_length=200, label="Tag:")
    score_name = forms.CharField(required=False, max_length=200, label="Score:")
    score_value = forms.CharField(required=False, max_length=200, label="Value or label:")


class Refused(Exception):
    """What was typed beside the action does not suffice for it; the sentence says why."""


@admin.register(Generation)
class GenerationAdmin(EventAdmin):
    """Calls to models."""

    action_form = TriageForm
    actions = ("add_tag", "remove_tag", "score", "reprice", "export")
    narrowed_by = (
        SINCE,
        UNTIL,
        typed("model", "model.id"),
        typed("user", "metadata.userId"),
        typed("tag", "tags", "contains"),
        Failed,
    )
    not_listed = ("metadata", "parameters", "request_attributes", "response_attributes", "output_preview")
    list_display = (
        "own_id",
        "when",
        "model_id",
        "input_line",
        "error_line",
        "total_tokens",
        "cost_line",
        "latency",
        "tag_list",
        "user_id",
    )
    _shown_first = (
        "project",
        "public_id",
        "name",
        "type",
        "started_at",
        "model_id",
        "provider",
        "user_id",
        "thread_id",
        "step_id",
        "finish_reason",
        "error",
        "error_type",
    )
    _shown_apart = ("parameters", *_shown_first)
    fieldsets = (
        (None, {"fields": (*columns(Generation, *_shown_first), "tag_list", "scores_block", "feedback_block")}),
        ("What was said", {"fields": _PAYLOAD}),
        ("Settings and metadata", {"fields": ("parameters_block", "metadata_block")}),
        ("All else that is known", {"fields": tuple(every_field(Generation, *_shown_apart))}),
    )
    readonly_fields = (
        "tag_list",
        "scores_block",
        "feedback_block",
        "parameters_block",
        "metadata_block",
        *_PAYLOAD,
    )

    # ------------------------------------------------------------------------------------------------------- columns
    @admin.display(description="cost")
    def cost_line(self, row: Generation) -> str:
        """The cost in its currency."""
        return UNKNOWN if row.cost is None else f"{row.cost.normalize():f} {row.currency or ''}".strip()

    @admin.display(description="parameters")
    def parameters_block(self, row: Generation) -> str | SafeString:
        """The settings of the call."""
        return block(row.parameters)

    @admin.display(description="scores")
    def scores_block(self, row: Generation) -> str | SafeString:
        """What it was judged to be."""
        scores = _bundle(row).scores
        return block("\n".join(f"{s.name}: {s.label or s.value} ({s.type}, {s.author or 'unknown'})" for s in scores))

    @admin.display(description="feedback")
    def feedback_block(self, row: Generation) -> str | SafeString:
        """What its user said last."""
        said = _bundle(row).feedback
        return block(said and " ".join(str(part) for part in (said.rating, said.thumbs, said.comment) if part))

    # ------------------------------------------------------------------------------------------------------- actions
    @admin.action(description="Add the tag to them", permissions=["act"])
    def add_tag(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        """Put the typed tag on the selection."""
        self._do(request, queryset, partial(_retag, verb="added"))

    @admin.action(description="Remove the tag from them", permissions=["act"])
    def remove_tag(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        """Take the typed tag off the selection."""
        self._do(request, queryset, partial(_retag, verb="removed"))

    @admin.action(description="Give them the score", permissions=["act"])
    def score(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        """Judge the selection, by the typed name and value or label."""
        self._do(request, queryset, _score)

    @admin.action(description="Reckon their cost again", permissions=["act"])
    def reprice(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        """Price the selection by today's prices; costs that the application gave stay."""
        self._do(request, queryset, _reprice)

    @admin.action(description="Export them", permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Generation]) -> None:
        """Start a job that writes the selection to a file."""
        self._do(request, queryset, _export)

    def _do(self, request: HttpRequest, rows: QuerySet[Generation], act: Act) -> None:
        """Act on the ids of the selection in the name of whoever asks; say what came of it, or what was missing."""
        project = chosen(request)
        assert project is not None
        ids = list(rows.order_by().values_list("public_id", flat=True)[: MOST_AT_ONCE + 1])
        try:
            if len(ids) > MOST_AT_ONCE:
                raise Refused(f"At most {MOST_AT_ONCE:,} at once; narrow the list first.")
            with transaction.atomic():
                said = act(grant_of(request, project), ids, request.POST)
        except (Refused, InvalidRecord) as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            self.message_user(request, said, messages.SUCCESS)


Typed = Mapping[str, str]
Act = Callable[[Grant, list[str], Typed], str]


def _retag(grant: Grant, ids: list[str], typed: Typed, *, verb: str) -> str:
    tag = typed.get("tag", "").strip()
    if not tag:
        raise Refused("Type the tag beside the action.")
    named = {"add": [tag]} if verb == "added" else {"remove": [tag]}
    changed = recording.retag(grant.project, "generation", ids, **named)
    if changed:
        access.audit(grant, "generation.tag", "generation", _subject(ids), {"rows": changed, verb: [tag], "ids": ids})
    return f"{_counted(changed)} changed; the tag '{tag}' was {verb}."


def _score(grant: Grant, ids: list[str], typed: Typed) -> str:
    name, given = typed.get("score_name", "").strip(), typed.get("score_value", "").strip()
    if not name or not given:
        raise Refused("Type the score's name, and its value or label, beside the action.")
    value = _number(given)
    label = given if value is None else None
    receipts = recording.record(
        grant.project,
        [
            ScoreRecord(name=name, type="HUMAN", value=value, label=label, author=grant.actor, generation_id=id)
            for id in ids
        ],
    )
    refused = next((receipt for receipt in receipts if receipt.state == "rejected"), None)
    if refused is not None:
        raise Refused(refused.reason or "This score cannot be stored.")
    said = {"name": name, "given": given, "rows": len(ids), "ids": ids}
    access.audit(grant, "score.create", "generation", _subject(ids), said)
    return f"{_counted(len(ids))} scored: {name} is {given}."


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _reprice(grant: Grant, ids: list[str], typed: Typed) -> str:
    changed = recording.reprice(grant.project, ids)
    access.audit(grant, "generation.reprice", "generation", _subject(ids), {"rows": changed, "ids": ids})
    return f"{_counted(changed)} cost something else now."


def _export(grant: Grant, ids: list[str], typed: Typed) -> str:
    job = exporting.start(grant, kind="generations", format="jsonl", condition_document={"id": {"$in": ids}})
    tasks.send(job)
    there = reverse("admin:generations_job_change", args=[job.pk])
    return format_html('An export of {} has begun: <a href="{}">see how far it is</a>.', _counted(len(ids)), there)


def _subject(ids: list[str]) -> str:
    return ids[0] if len(ids) == 1 else ""


def _counted(count: int) -> str:
    return "1 generation" if count == 1 else f"{count:,} generations"
