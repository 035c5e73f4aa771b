"""A prompt: one of its versions as it is, and the way to all others."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from generations import prompts, reading
from generations.access import Grant
from generations.models import PromptVersion
from generations.web import markup
from generations.web.frame import show
from generations.web.gate import page
from generations.web.markup import Budget, Shown

ROOM: Final = 90_000
"""The bytes of HTML that a version's messages have together."""
MESSAGES: Final = 100
VERSIONS: Final = 200


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a template as the page shows it."""

    role: str
    shown: Shown


@page()
@require_safe
def prompt(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """A prompt in its newest version, or in that of `?version=`, a number."""
    row = prompts.found(grant, str(id))
    if row is None:
        raise Http404("There is no such prompt in this project.")
    versions = prompts.versions(grant, row)
    asked = request.GET.get("version", "")
    chosen = next((one for one in versions if not asked or str(one.version) == asked), None)
    if asked and chosen is None:
        raise Http404(f"The prompt {row.name} has no version {asked[:20]}.")
    context: dict[str, Any] = {
        "prompt": row,
        "versions": versions[:VERSIONS],
        "version": chosen,
        "messages": [] if chosen is None else _messages(chosen),
        "is_cut": chosen is not None and len(chosen.template_messages or []) > MESSAGES,
        "blocks": [] if chosen is None else _blocks(chosen),
        "weights": {part["version"]: part["rollout"] for part in row.rollout},
    }
    return show(request, grant, "prompts/prompt.html", context, here="prompts")


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
