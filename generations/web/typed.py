"""What was typed into a form that nothing was done with, for the page that says why and can send it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest

OPENED_BY: Final = "opened_by"
"""The field in which a script says who was signed in when the page of the form was made (`tokens.js`)."""
_OURS: Final = (OPENED_BY, "csrfmiddlewaretoken")


@dataclass(frozen=True, slots=True)
class Field:
    """What was sent under a name, as a text to be read or as one of the others."""

    name: str
    value: str
    is_text: bool


@dataclass(frozen=True, slots=True)
class Typed:
    """The fields of a form in the order in which they were sent: of several of one name the place says which is which.

    `has_files` where files came along, which no page can put into a form; `has_secrets` where a password or a key did,
    which is never sent back.
    """

    address: str
    fields: list[Field]
    has_files: bool
    has_secrets: bool


def typed(request: HttpRequest, *, is_known: bool = True) -> Typed:
    """What the request sent, but the token: whoever is signed in now sends it in their own name, if they do.

    Who that is cannot be asked where `is_known` is false; who opened the form is then told as the form has it.
    """
    sent = [name for name in request.POST if name not in _OURS]
    fields = [
        Field(name, str(value), is_text=len(str(value).split()) > 1)
        for name in sent
        for value in request.POST.getlist(name)
        if not _is_secret(name)
    ]
    sender = (request.user.get_username() if is_known else "") or request.POST.get(OPENED_BY, "")
    if sender:
        fields.append(Field(OPENED_BY, sender, is_text=False))
    has_secrets = any(_is_secret(name) and request.POST[name] for name in sent)
    return Typed(request.get_full_path(), fields, has_files=bool(request.FILES), has_secrets=has_secrets)


def _is_secret(name: str) -> bool:
    return name == "key" or "password" in name


def opened_by_another(request: HttpRequest) -> str | None:
    """The name of who was signed in when the form was opened, if somebody else is by now."""
    if request.method != "POST" or not request.user.is_authenticated:
        return None
    name = request.POST.get(OPENED_BY, "")
    return name if name and name != request.user.get_username() else None
