"""The addresses below /api/."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from generations.api import errors
from generations.api.auth import from_memory
from generations.api.door import door
from generations.api.straight import straight_with_key
from generations.compressing import compressed

_EMPTY: Final = (204, 304)
"""Answers that have no body."""
MOST_TAKERS: Final = 4
"""So many other addresses are named to who uses a method that an address does not know."""


def _polite(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """`view`, answering HEAD as GET, and a method it does not know in our form."""
    view = from_memory(view)

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        is_head = request.method == "HEAD"
        if is_head:
            request.method = "GET"
            # Ranges are defined for GET alone (RFC 9110, 14.2).
            request.META.pop("HTTP_RANGE", None)
        try:
            response = view(request, *args, **kwargs)
        except Http404:
            sentence = f"There is nothing at {request.path[:200]}; /api/docs lists the addresses."
            return errors.response(errors.Refused(404, "not_found", sentence))
        if isinstance(response, HttpResponseNotAllowed):
            allowed = response["Allow"]
            sentence = f"{request.method} is not a method of this address; it knows {allowed}.{_takers(request)}"
            return errors.response(errors.Refused(405, "method_not_allowed", sentence, headers={"Allow": allowed}))
        if response.status_code in _EMPTY:
            # Django names a type for no body too; a cache takes it for that of the body that it has.
            del response.headers["Content-Type"]
        response = compressed(request, response)
        return _head(response) if is_head else response

    return straight_with_key(csrf_exempt(answered))


def _takers(request: HttpRequest) -> str:
    """Where in the same room the method is known: a sentence for who looks for it."""
    room = request.path.strip("/").split("/")[1]
    there = [at for at, method in _methods() if method == request.method and f"{at}/".startswith(f"/api/{room}/")]
    return f" {request.method} is a method of {', '.join(there[:MOST_TAKERS])}." if there else ""


@cache
def _methods() -> list[tuple[str, str]]:
    """Each address with each of its methods, the shortest first, as the description has them."""
    paths = door.get_openapi_schema()["paths"]
    found = [(at, method.upper()) for at, methods in paths.items() for method in methods]
    return sorted(found, key=lambda one: (one[0].count("/"), one))


def _head(response: HttpResponseBase) -> HttpResponse:
    """`response` without its body, which has the length that it would have had."""
    head = HttpResponse(status=response.status_code, headers=response.headers)
    if isinstance(response, HttpResponse):
        head["Content-Length"] = str(len(response.content))
    response.close()
    return head


def _politely(patterns: list[URLResolver | URLPattern]) -> list[URLPattern]:
    made = [pattern for pattern in patterns if isinstance(pattern, URLPattern)]
    for pattern in made:
        # Ninja's own two pages answer every method.
        view = require_safe(pattern.callback) if (pattern.name or "").startswith("openapi") else pattern.callback
        pattern.callback = _polite(view)
    return made


_all, _app, _namespace = door.urls
_patterns: Final = _politely(_all)
ROOMS: Final = sorted({f"/api/{room}" for one in _patterns if (room := str(one.pattern).partition("/")[0])})
"""What the addresses begin with."""

urlpatterns = [path("api/", include((_patterns, _app), namespace=_namespace))]
