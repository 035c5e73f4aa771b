"""The page that shows each component of the design system in every state: look at it before and after a change."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

from django.contrib.staticfiles import finders
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from generations.web.gate import to_login

COLOURS: Final = (
    *("bg", "bg-side", "bg-raised", "bg-sunk", "bg-hover", "line", "line-strong", "text", "quiet"),
    *("accent", "accent-fill", "accent-tint", "bad", "bad-tint", "good", "good-tint", "warn", "var"),
)


@require_safe
def components(request: HttpRequest) -> HttpResponse:
    """The design system on one page, for whoever is signed in."""
    if not request.user.is_authenticated:
        return to_login(request)
    return render(request, "components.html", {"colours": COLOURS, "icons": _icons()})


@cache
def _icons() -> list[str]:
    """The names of the icons in the sprite."""
    sprite = finders.find("generations/icons.svg")
    assert isinstance(sprite, str)
    return re.findall(r'<symbol id="([^"]+)"', Path(sprite).read_text())
