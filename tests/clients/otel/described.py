"""What is said of an instrumentation that is run: what it is asked to tell of, and what it does not tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Json = Any
Fields = dict[str, Any]

SAID: Final[Fields] = {
    "threadId": "chat-1",
    "sessionId": "chat-1",
    "userId": "ada",
    "tags": ["geography"],
    "metadata": {"plan": "pro"},
}
"""What the page's programs say of their call, by the means of their library."""
PLACE: Final[Fields] = {"environment": "staging", "release": "1.4"}
"""Where the page's variables say that a program runs."""
ON_THE_ROOT: Final = {**SAID, "sessionId": None, "metadata": {}}
"""What of it holds for a call below when only the root says it."""
PAGE: Final = "page"
"""The name of the page's own calls, beside those of programs/calls.py and calls.mjs."""


@dataclass(frozen=True)
class Library:
    """One instrumentation in one version: a section of the page, or a program of ours with that section's variables.

    `launcher` is the program of the environment that starts Python, where that is not Python itself. `untold` names, by
    case (`*`: all), fields that the library does not tell, which have to be unknown then, or tells otherwise than the
    wire, with what has to be there.
    """

    name: str
    section: str
    environment: str
    tree: Json
    about: Fields = field(default_factory=lambda: SAID)
    cases: tuple[str, ...] = ()
    program: str | None = None
    launcher: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    place: Fields = field(default_factory=lambda: PLACE)
    untold: Mapping[str, Fields] = field(default_factory=dict)

    def wanted(self, case: str, fields: Fields) -> Fields:
        """The fields of a call as far as this library tells them."""
        changes = {name: value for named in ("*", case) for name, value in self.untold.get(named, {}).items()}
        return fields | {name: fields[value[1:]] if _is_name(value) else value for name, value in changes.items()}


def _is_name(value: Json) -> bool:
    return isinstance(value, str) and value.startswith("=")
