"""Pages of other origins that send spans from the browser: let in where OTLP_ORIGINS names them, and nowhere else.

A page brings a key in a header, so a browser asks first whether it may (https://fetch.spec.whatwg.org/#cors-preflight-fetch).
No cookie opens these addresses, so that what is let in is a key that the page has anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final, TypeVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

View = Callable[[HttpRequest], HttpResponseBase]
R = TypeVar("R", bound=HttpResponseBase)
REMEMBERED_SECONDS: Final = 7_200
"""How long a browser need not ask again; more than this none of them remembers."""


def for_pages(view: View) -> View:
    """`view`, which answers pages of the origins in OTLP_ORIGINS too, and what their browsers ask before."""

    @wraps(view)
    def answered(request: HttpRequest) -> HttpResponseBase:
        is_let_in = request.META.get("HTTP_ORIGIN") in settings.OTLP_ORIGINS
        return told(request.META, _let_in(request) if is_let_in and _is_asked_first(request) else view(request))

    return answered


def told(meta: Mapping[str, Any], response: R) -> R:
    """`response`, which the page that asks may read if it is of such an origin; `meta` are the request's."""
    origin = meta.get("HTTP_ORIGIN")
    if origin is None or not settings.OTLP_ORIGINS:
        return response
    patch_vary_headers(response, ["Origin"])
    if origin in settings.OTLP_ORIGINS:
        response["Access-Control-Allow-Origin"] = origin
        # Without this a page is not told when to try again.
        response["Access-Control-Expose-Headers"] = "Retry-After"
    return response


def _is_asked_first(request: HttpRequest) -> bool:
    return request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META


def _let_in(request: HttpRequest) -> HttpResponse:
    """Whatever headers an exporter is told to send: those that are not read here do nothing."""
    response = HttpResponse(status=204)
    response["Access-Control-Allow-Methods"] = "POST"
    response["Access-Control-Allow-Headers"] = request.META.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
    response["Access-Control-Max-Age"] = str(REMEMBERED_SECONDS)
    return response
