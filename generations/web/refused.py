"""Forms that were refused: what is wrong and what was typed, for the page that shows the form again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect

from generations.web.gate import is_part
from generations.web.typed import OPENED_BY

KEY: Final = "refused"
"""What a session keeps it under, from the refusal to the next page."""
MOST: Final = 400_000
"""The most characters of what was typed that a session keeps, as an address has them; all that an item may be."""
NOT_TYPED: Final = ("csrfmiddlewaretoken", OPENED_BY, "next", "query")


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that was not taken: `problem` begins with the name of the field that is at fault, if one is."""

    problem: str
    given: QueryDict


Forms = Mapping[str, Refused]
"""Refused forms of a page by their names: what templates have as `refused`."""


def lead_back(request: HttpRequest, form: str, problem: object, where: str) -> HttpResponse:
    """Lead back to the page `where` the form stands, which shows once what was typed into it and why it was refused."""
    given = request.POST.copy()
    for name in NOT_TYPED:
        given.pop(name, None)
    typed = given.urlencode()
    request.session[KEY] = {"form": form, "problem": str(problem), "given": typed if len(typed) <= MOST else ""}
    return redirect(where)


def taken(request: HttpRequest) -> Forms:
    """What this person was led back with, told once; by whole pages alone, because parts have no such form."""
    kept: dict[str, Any] | None = None if is_part(request) else request.session.pop(KEY, None)
    return {} if kept is None else {kept["form"]: Refused(kept["problem"], QueryDict(kept["given"]))}
