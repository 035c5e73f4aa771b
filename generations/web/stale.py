"""Forms that were opened before somebody else changed what they change: told once, and not saved over in silence."""

from __future__ import annotations

import hashlib
from typing import Final

from django.http import HttpRequest

FIELD: Final = "as_of"
"""The hidden field that says what the form was filled with."""


class Stale(ValueError):
    """What a form changes is not as it was when the form was opened."""

    def __init__(self) -> None:
        super().__init__(
            "Somebody has changed it since you opened this page. What you wrote is kept here: open the page in another"
            " tab to see theirs, or save again to put yours in its place."
        )


def mark(*values: object) -> str:
    """A short word for what a form is filled with: the same for the same values."""
    return hashlib.sha256(repr(values).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def refuse(request: HttpRequest, now: str) -> None:
    """Raises Stale if the form that was sent was filled with something else than there is `now`."""
    if request.POST.get(FIELD, now) != now:
        raise Stale
