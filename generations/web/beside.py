"""Two calls side by side: what is known of both, and what is different in what was sent and what came back. Bounded."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from generations import bundles, filters, metrics, reading
from generations.access import Grant
from generations.bundles import Bundle
from generations.metrics.answering import run
from generations.models import Generation
from generations.prompts import differing
from generations.prompts.differing import Part
from generations.records import Json
from generations.web import listing, markup
from generations.web.frame import show
from generations.web.gate import page
from generations.web.generation import document, found

ROOM: Final = 100_000
"""The bytes of HTML that all that is different takes, at most; no part takes more than half of what is left."""
LINE: Final = 60
"""The bytes of HTML around a line, at most."""
MOST_LINES: Final = 1_000
BEFORE: Final = dt.timedelta(days=7)
"""How far back from a call the last that went well is looked for."""
PATIENCE: Final = 2.0
"""Seconds that looking for it may take."""


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of both calls, shown in the `form` of a text, a moment, seconds, a number or money. `differs` where
    both are known and may say what made the difference."""

    name: str
    form: str
    here: object
    there: object
    differs: bool


@page()
@require_safe
def compare(request: HttpRequest, grant: Grant, id: str) -> HttpResponse:
    """A generation beside the one of the id `with`, or beside the last of its kind before it that went well."""
    here = found(grant, id, scores=False, feedback=False)
    asked = request.GET.get("with", "").strip()
    problem, other = "", asked
    if not asked:
        try:
            other = last_good(grant, here.generation) or ""
        except metrics.TooSlow:
            problem = "The last one that went well was not found in time."
    there = _other(grant, other) if other else None
    if asked and there is None:
        problem = f"There is no generation with the id {asked[:100]} in this project."
    field, value = kind_of(here.generation)
    context: dict[str, Any] = {
        "generation": here.generation,
        "other": there.generation if there else None,
        "asked": asked,
        "problem": problem,
        "field": field,
        "label": filters.catalogue("generations").field(field).sentence,
        "value": value,
        "days": BEFORE.days,
        "tail": listing.tail(request),
        "is_expired": here.payload is None or (there is not None and there.payload is None),
    }
    if there is not None:
        parts = _parts(there, here)
        context |= {
            "facts": _facts(here.generation, there.generation),
            "parts": _bounded([part for part in parts if not part.is_same]),
            "same": [part.name for part in parts if part.is_same],
        }
    return show(request, grant, "generation/compare.html", context, here="generations")


def kind_of(row: Generation) -> tuple[str, str | None]:
    """What calls are like this one by: the path of a field of the catalogue, and its value."""
    if row.prompt_name:
        return "promptVersion.name", row.prompt_name
    return ("name", row.name) if row.name else ("model.id", row.model_id)


_COLUMNS: Final = {"promptVersion.name": "prompt_name", "name": "name", "model.id": "model_id"}


def last_good(grant: Grant, row: Generation) -> str | None:
    """The id of the last call of the same kind before this one, and not more than BEFORE, that went well.

    One statement. Raises metrics.TooSlow.
    """
    field, value = kind_of(row)
    found = run(
        f"SELECT public_id FROM generation WHERE project_id = {grant.project.pk:d} AND error IS NULL"  # noqa: S608
        f" AND {_COLUMNS[field]} = %(value)s AND started_at < %(before)s AND started_at >= %(since)s"
        " ORDER BY started_at DESC, uid DESC LIMIT 1",
        {"value": value, "before": row.started_at, "since": row.started_at - BEFORE},
        PATIENCE,
    )[1]
    return found[0][0] if found else None


def _other(grant: Grant, id: str) -> Bundle | None:
    return None if "\0" in id else bundles.generation(grant.project, id, scores=False, feedback=False)


# ----------------------------------------------------------------------------------------------- what is known of both
def _facts(here: Generation, there: Generation) -> list[Fact]:
    """What is known of one of them at least: first what may have made the difference, then what it came to."""
    said = [(name, "text", read(here), read(there)) for name, read in _WHAT.items()]
    came = [(name, form, getattr(here, column), getattr(there, column)) for name, (form, column) in _NUMBERS.items()]
    return [
        Fact(name, form, one, other, form == "text" and None not in (one, other) and one != other)
        for name, form, one, other in (*said, *came)
        if one is not None or other is not None
    ]


def _prompt(row: Generation) -> str | None:
    if not row.prompt_name:
        return None
    return row.prompt_name if row.prompt_version is None else f"{row.prompt_name}, version {row.prompt_version}"


_WHAT: Final[dict[str, Callable[[Generation], str | None]]] = {
    "Error": lambda row: None if row.error is None else row.error_type or "Error",
    "Finish reason": lambda row: row.finish_reason,
    "Model": lambda row: row.model_id,
    "Model that answered": lambda row: row.model_version,
    "Provider": lambda row: row.provider,
    "Prompt": _prompt,
    "Release": lambda row: row.release,
    "Environment": lambda row: row.environment,
    "User": lambda row: row.user_id,
}
_NUMBERS: Final = {
    "When": ("moment", "started_at"),
    "Duration": ("seconds", "latency"),
    "First token": ("seconds", "time_to_first_token"),
    "Input tokens": ("number", "prompt_tokens"),
    "Output tokens": ("number", "completion_tokens"),
    "Cost": ("money", "cost"),
}
"""How each is shown, and the column that holds it."""


# ----------------------------------------------------------------------------------------------- what was said in both
def _parts(old: Bundle, new: Bundle) -> list[Part]:
    """The parts of two calls, what is the same too; those that neither has are left out."""
    before, after = _read(document(old)), _read(document(new))
    return [
        differing.part(name, before[name], after[name], most=MOST_LINES)
        for name in after
        if before[name] or after[name]
    ]


def _read(said: Mapping[str, Json]) -> dict[str, list[str]]:
    messages, sent = said.get("messages"), said.get("prompt", said.get("input"))
    answer = said.get("messageCompletion", said.get("completion", said.get("output")))
    return {
        "Error": differing.text_lines(str(said.get("error") or "")),
        "Settings": differing.json_lines(said.get("parameters")),
        "Tools": differing.json_lines(said.get("tools")),
        "Variables": differing.json_lines(said.get("variables")),
        "Sent": differing.message_lines(messages) if isinstance(messages, list) else _told(sent),
        "Answer": differing.message_lines([answer]) if isinstance(answer, dict) else _told(answer),
        "Metadata": differing.json_lines(said.get("metadata")),
    }


def _told(value: Json) -> list[str]:
    return differing.text_lines(value if isinstance(value, str) else reading.text_of(value) if value else "")


def _bounded(parts: list[Part]) -> list[Part]:
    """The parts with as many of their lines as a page has room for."""
    left = ROOM
    shown = []
    for part in parts:
        room = left // 2
        lines: list[tuple[str, str]] = []
        for kind, text in part.lines:
            weight = LINE + markup.weight(escape(text))
            if weight > room:
                lines.append(("gap", f"{len(part.lines) - len(lines)} more lines have no room on this page"))
                break
            room -= weight
            lines.append((kind, text))
        left -= left // 2 - room
        shown.append(replace(part, lines=lines))
    return shown
