"""An answer whose texts are objects as Python shows them, which say what the answer called."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import Any, Final

from generations.ingest.otlp import items, messages, values
from generations.records import Json

_LONGEST: Final = 20_000
"""Characters of a text that is read."""
_MOST: Final = 20
"""Texts of one answer that are read: Python takes a second for a million characters."""
_MOST_CHARACTERS: Final = 100_000
"""Characters of them together."""


def answer(given: Json) -> Json:
    """The message with the calls of tools that its texts show; one without such texts as it is."""
    content = given.get("content") if isinstance(given, dict) else None
    texts = [content] if isinstance(content, str) else content
    if not isinstance(texts, list):
        return given
    made: list[dict[str, Json]] = []
    is_shown = False
    read = characters = 0
    for one in texts:
        text = one.get("text") if isinstance(one, dict) else one
        shown = None
        if isinstance(text, str) and len(text) <= _LONGEST and text.endswith(_ENDS):
            read, characters = read + 1, characters + len(text)
            shown = _shown(text) if read <= _MOST and characters <= _MOST_CHARACTERS else None
        if shown is not None and (items.is_item(shown) or shown.get("tool_calls")):
            is_shown = True
            made += messages.message(shown)
        else:
            made.append({"role": "assistant", "content": one if isinstance(one, str) else [one]})
    return {**given, "content": None, **messages.joined(made)} if is_shown else given


_ENDS: Final = ("}", ")")


@lru_cache(maxsize=64)
def _shown(text: str) -> dict[str, Any] | None:
    """The dictionary that Python shows so, or what the class was given whose object it shows; None for any other text.

    Nobody may change it.
    """
    try:
        tree = ast.parse(text, mode="eval").body
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.keywords:
            shown: object = {named.arg: ast.literal_eval(named.value) for named in tree.keywords if named.arg}
        else:
            shown = ast.literal_eval(tree) if isinstance(tree, ast.Dict) else None
        found = values.plain(shown)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
