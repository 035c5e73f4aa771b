"""How values are shown in the admin: documents indented and bounded, texts cut, unknowns as a dash."""

from __future__ import annotations

import json
from typing import Final

from django.utils.html import format_html
from django.utils.safestring import SafeString

from generations.records import Json

MOST: Final = 20_000
FITS: Final = 30
"""A box has room for so many lines: for any text with fewer characters."""
UNKNOWN: Final = "-"


def block(value: Json) -> str | SafeString:
    """A text or a JSON value as it is, its beginning only when it is long."""
    if value is None or value in ({}, [], ""):
        return UNKNOWN
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    if len(text) > MOST:
        text = f"{text[:MOST]}\n… {len(text) - MOST:,} more characters"
    # What may be higher than its box can be reached by the keyboard, so that it can be scrolled by it.
    return format_html('<pre tabindex="0">{}</pre>' if len(text) > FITS else "<pre>{}</pre>", text)


def line(value: str | None, limit: int = 80) -> str:
    """A text on one line, cut."""
    text = " ".join((value or "")[: limit * 4].split())
    return UNKNOWN if not text else text if len(text) <= limit else text[: limit - 1] + "…"
