"""How the Gantry client is answered: `{"response": "ok", "data": ...}`, or an error after which it sends again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import orjson
from django.db import DataError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from generations import access, outages, recording
from generations.access import Grant, Scope
from generations.api import receive
from generations.api.answers import dumps
from generations.api.auth import key_of
from generations.api.errors import Refused
from generations.api.straight import straight
from generations.applications import NameTaken
from generations.compressing import compressed
from generations.datasets import BadDataset, NoSuchDataset
from generations.metrics import BadQuery, TooSlow
from generations.prompts import NoSuchPrompt
from generations.records import InvalidRecord, Json

KEY_HEADER: Final = "X-Gantry-Api-Key"
AGAIN: Final = 502
"""The one status after which the client sends again; at any other of 400 and above it drops its whole batch."""

log = logging.getLogger(__name__)

View = Callable[..., Any]


def ok(data: Json = None, **beside: Json) -> HttpResponse:
    """The client's envelope; `beside` stands next to `data`."""
    told: dict[str, Json] = {"response": "ok"}
    if data is not None:
        told["data"] = data
    return _json(told | beside, 200)


def refused(status: int, reason: str, headers: dict[str, str] | None = None) -> HttpResponse:
    """An error as the client shows it."""
    return _json({"response": "error", "error": reason}, status, headers)


def missing(kind: str, name: str) -> Refused:
    """The refusal for a name that nothing has."""
    return Refused(404, "not_found", f"There is no {kind} '{name[:200]}' in this project.")


def speaks(**methods: tuple[Scope, View]) -> Callable[..., HttpResponse]:
    """One address: a view and the scope it needs for each method. A view has (grant, request, ...) and gives `data`."""

    def answered(request: HttpRequest, **parts: str) -> HttpResponse:
        try:
            method = request.method or "GET"
            known = methods.get("GET" if method == "HEAD" else method)
            if known is None:
                raise Refused(405, "method", f"{method} is not a method of this address.", headers={"Allow": allowed})
            scope, view = known
            grant = grant_of(request).need(scope)
            made = view(grant, request, **parts)
            return compressed(request, made if isinstance(made, HttpResponse) else ok(made))
        except tuple(_STATUS) as error:
            status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
            return refused(status, str(error))
        except Refused as error:
            return refused(error.status, error.message, dict(error.headers or {}))
        except recording.Busy as error:
            return refused(AGAIN, str(error), {"Retry-After": str(error.retry_after)})
        except DataError as error:
            return refused(400, f"The database refuses a value: {str(error).splitlines()[0]}")
        except outages.ERRORS as error:
            outage = outages.of(error)
            if outage is None:
                raise
            log.error("%s: %s", outage.code, error)
            return refused(AGAIN, outage.sentence, {"Retry-After": str(outage.retry_after)})

    allowed = ", ".join(sorted(methods))
    return straight(csrf_exempt(wraps(answered)(answered)))


_STATUS: Final[dict[type[Exception], int]] = {
    access.NotAuthenticated: 401,
    access.NotAllowed: 403,
    NameTaken: 409,
    NoSuchDataset: 404,
    NoSuchPrompt: 404,
    InvalidRecord: 400,
    BadDataset: 400,
    BadQuery: 400,
    TooSlow: 503,
    UnreadablePostError: 400,
    RecursionError: 400,
}


def grant_of(request: HttpRequest) -> Grant:
    """The grant of the key in the client's own header, or in those that all doors read. Raises NotAuthenticated."""
    return access.by_key(request.headers.get(KEY_HEADER) or key_of(request))


def body(request: HttpRequest) -> dict[str, Json]:
    """The JSON object that was sent. Raises Refused."""
    try:
        read = orjson.loads(receive.body(request) or b"{}")
    except orjson.JSONDecodeError as error:
        raise Refused(400, "malformed_json", f"The body is not JSON: {error}.") from None
    if not isinstance(read, dict):
        raise Refused(400, "malformed_json", "The body has to be a JSON object.")
    return read


def _json(told: dict[str, Json], status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(dumps(told), status=status, content_type="application/json", headers=headers)
