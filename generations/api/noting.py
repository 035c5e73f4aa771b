"""What came in by REST, and what was refused of it, noted for the project's page about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.http import HttpRequest

from generations import intake, trusting
from generations.access import Grant
from generations.api import receive
from generations.api.auth import TAKES_IN
from generations.api.errors import Refused

DOOR: Final = "rest"
_OF_THE_BODY: Final = (400, 413, 415, 422)


def took(request: HttpRequest, items: int = 1, refused: Sequence[intake.Refusal] = ()) -> None:
    """Note that so many items came, and which of them were refused. Nothing, where nothing was to come."""
    grant = request.META.get(TAKES_IN)
    if isinstance(grant, Grant):
        trusting.sure(grant.trust)
        agent = request.META.get("HTTP_USER_AGENT", "")
        if refused:
            intake.keep(grant.project, DOOR, refused, receive.taken(request), agent)
        intake.count(grant.project, DOOR, agent, items, len(refused))


def refused(request: HttpRequest, refusal: Refused) -> None:
    """Note a request that was refused as a whole, because of what it brought."""
    if refusal.status in _OF_THE_BODY:
        took(request, 1, [intake.Refusal(refusal.message, refusal.field)])
