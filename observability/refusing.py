"""What is refused before the view of a door is asked, each in the form of the door that the address belongs to: whoever
is to come again, a body that is too large, and an address that there is not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt

from generations.api import errors, files, langfuse, otlp, otlp_browsers, urls
from generations.api.gantry import envelope
from generations.api.prometheus import door_of
from generations.api.straight import straight
from generations.gateway import views as gateway
from generations.graphql import view as graphql
from generations.literal import views as literal
from generations.web.missing import page_not_found
from generations.web.typed import typed
from observability.masking import masked

_THERE: Final[Mapping[str, str]] = {
    "otlp": "Spans are sent to /v1/traces and log records to /v1/logs; both may have /otlp in front.",
    "gateway": "Calls are sent to /v1/chat/completions and the like, which may have /gateway/KEY in front.",
    "gantry": "Only what Gantry's client asks for is there; everything else is below /api, and described at /api/docs.",
    "langfuse": "There are ingestion, scores, media and projects; spans are sent to /api/public/otel/v1/traces.",
    "literal": "There are /api/graphql, /api/my-project, /api/export/dataset and /api/upload/file.",
    "graphql": "There is /graphql/.",
    "rest": f"There are {', '.join(urls.ROOMS)}; /api/docs describes them.",
}
"""By door, what is there instead."""
_PROGRAMS: Final = "Programs send generations to /api/generations, spans to /v1/traces, and queries to /graphql/."
FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
LATER: Final = 503
_EVENTS: Final = ("/api/v1/logging/", "/api/v1/ingest/raw", "/api/v1/chat/completions", "/api/v1/completions")
_ROOMS: Final = ["public", *(room.rpartition("/")[2] for room in urls.ROOMS)]
_PUBLIC: Final = ("ingestion", "media", "projects", "scores")
_VERSION: Final = re.compile(r"^/api/v\d+(?=/|$)")
_SLASHES: Final = re.compile("/{2,}")


def refusal(
    meta: Mapping[str, Any], status: int, code: str, sentence: str, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    """The answer to a request of which no more than its `meta` (a WSGI environment) is known."""
    door, named = door_of(meta.get("PATH_INFO", "")), dict(headers or {})
    if door == "otlp":
        kind = otlp.PROTOBUF if "protobuf" in meta.get("CONTENT_TYPE", "") else otlp.JSON
        return otlp_browsers.told(meta, otlp.refusal(kind, status, sentence, named))
    if door == "gantry":
        # Whatever it is told otherwise, the client does not send again.
        return envelope.refused(envelope.AGAIN if status == LATER else status, sentence, named)
    if door == "langfuse":
        return langfuse.refused(status, sentence, named)
    if door == "gateway":
        return gateway.refused(status, code, sentence, named)
    if door == "files":
        return files.refused(status, sentence, named)
    if door == "literal":
        return literal.refused(status, sentence, named)
    if door == "graphql":
        return graphql.refused(status, sentence, named)
    return errors.response(errors.Refused(status, code, sentence, headers=named))


def busy(meta: Mapping[str, Any], sentence: str) -> HttpResponse:
    """The answer to who is to come again in a second."""
    return refusal(meta, LATER, "busy", sentence, {"Retry-After": "1"})


def too_large(meta: Mapping[str, Any], sentence: str) -> HttpResponse | None:
    """The answer to a body that is too large; None where the view sees that by the length, and tells the project."""
    path = meta.get("PATH_INFO", "")
    if door_of(path) == "otlp" or path.startswith(_EVENTS):
        return None
    return refusal(meta, 413, "too_large", sentence, {"Connection": "close"})


@straight
@csrf_exempt
def unknown_address(request: HttpRequest) -> HttpResponse:
    """404 for an address below a door's that is none, with those that are."""
    path = request.path
    meant = _nearest(path)
    instead = _THERE[door_of(path)] if meant is None else f"Perhaps it is {masked(meant[:200])}."
    return refusal(request.META, 404, "not_found", f"There is nothing at {masked(path[:200])}. {instead}")


def no_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form that was not made here; a program that sent something to an address of pages is told where to."""
    if (request.content_type or FORMS[0]).lower() in FORMS:
        return render(request, "403_csrf.html", {"typed": typed(request)}, status=403)
    sentence = f"{request.path[:200]} is an address for people. {_PROGRAMS}"
    return refusal(request.META, 403, "not_allowed", sentence)


def unread(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400 for a request that Django refused before anybody read it: a host that is not ours, too many parameters."""
    told = errors.suspicious(exception)
    if door_of(request.path_info) != "page" or (request.content_type or FORMS[0]).lower() not in FORMS:
        return refusal(request.META, told.status, told.code, told.message)
    return render(request, "400.html", {"reason": told.message}, status=told.status)


def no_page(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404 for an address of pages that is none; a program that asks with a key is told where to."""
    if "x-api-key" in request.headers or request.headers.get("Authorization", "").startswith("Bearer "):
        return refusal(request.META, 404, "not_found", f"There is nothing at {request.path[:200]}. {_PROGRAMS}")
    return page_not_found(request, exception)


def _nearest(path: str) -> str | None:
    """The address that was meant, if it is there: without slashes too many or a version, or with the name that is
    nearest to one of ours behind /api or /api/public; None if none is near."""
    tidy = "/" + _SLASHES.sub("/", path).strip("/")
    plain = _VERSION.sub("/api", tidy)
    tried = [tidy, plain]
    pieces = plain.split("/")
    if pieces[1] == "api" and len(pieces) > 2:
        known = _PUBLIC if (place := 3 if pieces[2] == "public" and len(pieces) > 3 else 2) == 3 else _ROOMS
        for name in difflib.get_close_matches(pieces[place][:100].lower().replace("_", "-"), known, n=1, cutoff=0.7):
            tried.append("/".join([*pieces[:place], name, *pieces[place + 1 :]]))
    return next((one for one in tried if one != path and _is_there(one)), None)


def _is_there(path: str) -> bool:
    try:
        return resolve(path).func is not unknown_address
    except Resolver404:
        return False
