"""What was typed into a form that nothing was done with, for the page that says why and can send it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest

OPENED_BY: Final = "opened_by"
"""The field in which a script says who was signed in when the page of the form was made (`tokens.js`)."""
_OURS: Final = (OPENED_BY, "csrfmiddlewaretoken")


@dataclass(frozen=True, slots=True)
class Typed:
    """The fields of a form as they were sent: texts to be read, and the others.

    `has_files` where files came along, which no page can put into a form.
    """

    address: str
    texts: list[tuple[str, str]]
    others: list[tuple[str, str]]
    has_files: bool


def typed(request: HttpRequest) -> Typed:
    """What the request sent, but the token: whoever is signed in now sends it in their own name, if they do."""
    fields = [(name, str(value)) for name, values in request.POST.lists() if name not in _OURS for value in values]
    texts = [field for field in fields if len(field[1].split()) > 1]
    others = [field for field in fields if field not in texts]
    sender = request.user.get_username() or request.POST.get(OPENED_BY, "")
    if sender:
        others.append((OPENED_BY, sender))
    return Typed(request.get_full_path(), texts, others, has_files=bool(request.FILES))


def opened_by_another(request: HttpRequest) -> str | None:
    """The name of who was signed in when the form was opened, if somebody else is by now."""
    if request.method != "POST" or not request.user.is_authenticated:
        return None
    name = request.POST.get(OPENED_BY, "")
    return name if name and name != request.user.get_username() else None
