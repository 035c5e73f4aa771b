"""Pages of other origins that send spans from the browser: let in where OTLP_ORIGINS names them, and nowhere else.

A page brings a key in a header, so a browser asks first whether it may (https://fetch.spec.whatwg.org/#cors-preflight-fetch).
No cookie opens these addresses, so that what is let in is a key that the page has anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers

View = Callable[[HttpRequest], HttpResponseBase]
REMEMBERED_SECONDS: Final = 7_200
"""How long a browser need not ask again; more than this none of them remembers."""


def for_pages(view: View) -> View:
    """`view`, which answers pages of the origins in OTLP_ORIGINS too, and what their browsers ask before."""

    @wraps(view)
    def answered(request: HttpRequest) -> HttpResponseBase:
        origin = request.META.get("HTTP_ORIGIN")
        if origin is None or not settings.OTLP_ORIGINS:
            return view(request)
        is_let_in = origin in settings.OTLP_ORIGINS
        response = _let_in(request) if is_let_in and _is_asked_first(request) else view(request)
        patch_vary_headers(response, ["Origin"])
        if is_let_in:
            response["Access-Control-Allow-Origin"] = origin
            # Without this a page is not told when to try again.
            response["Access-Control-Expose-Headers"] = "Retry-After"
        return response

    return answered


def _is_asked_first(request: HttpRequest) -> bool:
    return request.method == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in request.META


def _let_in(request: HttpRequest) -> HttpResponse:
    """Whatever headers an exporter is told to send: those that are not read here do nothing."""
    response = HttpResponse(status=204)
    response["Access-Control-Allow-Methods"] = "POST"
    response["Access-Control-Allow-Headers"] = request.META.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
    response["Access-Control-Max-Age"] = str(REMEMBERED_SECONDS)
    return response
