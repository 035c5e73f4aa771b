"""The short way to what programs send and ask one by one: past all that is there for people at pages.

Sessions, messages, the check of forms, the files of the site and the search for the view cost such a request a fifth of
its time, and it needs none of them: who asks is told by a key alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import Resolver404, ResolverMatch, resolve

View = TypeVar("View", bound=Callable[..., Any])
PATHS: Final = ("/api/", "/v1/", "/otlp/", "/otel/")
"""What the addresses of programs begin with."""
REMEMBERED: Final = 512
"""Addresses whose view a process remembers."""
KEYS: Final = ("HTTP_AUTHORIZATION", "HTTP_X_API_KEY")
_MARK: Final = "is_straight"
_WITH_KEY: Final = "is_straight_with_a_key"


def straight(view: View) -> View:
    """`view`, as one that needs nothing of a request but what was sent, and answers all errors itself."""
    setattr(view, _MARK, True)
    return view


def straight_with_key(view: View) -> View:
    """`view`, as one that needs nothing else of a request that brings a key; of others it asks who is signed in."""
    setattr(view, _WITH_KEY, True)
    return view


class Straight:
    """Calls such a view at once, and lets every other request pass."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        match = _match(request.path_info) if request.path_info.startswith(PATHS) else None
        if match is None or not (hasattr(match.func, _MARK) or any(name in request.META for name in KEYS)):
            return self.get_response(request)
        request.resolver_match = match
        response: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        if isinstance(response, HttpResponse):
            # What has no length ends with its connection, or comes in chunks.
            response.headers.setdefault("Content-Length", str(len(response.content)))
        return response


@lru_cache(REMEMBERED)
def _match(path: str) -> ResolverMatch | None:
    try:
        match = resolve(path)
    except Resolver404:
        return None
    return match if hasattr(match.func, _MARK) or hasattr(match.func, _WITH_KEY) else None
