"""What every answer of the site says to the browser: what it may run, load and show, in which theme, what it took, and
when to try again."""

from __future__ import annotations

import logging
import secrets
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from django.db import DataError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views import defaults

from generations import outages, recording
from generations.web.gate import is_part
from generations.web.typed import typed

log = logging.getLogger(__name__)

POLICY: Final = "Content-Security-Policy"
AGAIN: Final = 5
"""Seconds after which a page that cannot be had now is asked for again by itself."""
THEME_COOKIE: Final = "theme"
THEMES: Final = ("light", "dark")

_DIRECTIVES: Final = (
    "default-src 'none'",
    "connect-src 'self'",
    "font-src 'self'",
    "img-src 'self' data:",
    "media-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)


class Nonce:
    """A number used once. Made when a template first asks for it; `is_used` tells whether one did."""

    def __init__(self) -> None:
        self._value = ""

    def __str__(self) -> str:
        self._value = self._value or secrets.token_urlsafe(16)
        return self._value

    @property
    def is_used(self) -> bool:
        """Whether the page carries it."""
        return bool(self._value)


def policy(nonce: Nonce) -> str:
    """The content security policy of a page.

    A page that carries the nonce may run and be styled by what carries it too, and by nothing else; any other page
    (Django's admin) by the site's own files, never by what is written into it.
    """
    source = f"'nonce-{nonce}'" if nonce.is_used else "'self'"
    return "; ".join((*_DIRECTIVES, f"script-src {source}", f"style-src {source}"))


class ContentSecurityPolicy:
    """Gives each request a `csp_nonce` and a `theme`, and each answer its policy, unless the view has set its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        nonce = Nonce()
        theme = request.COOKIES.get(THEME_COOKIE, "")
        setattr(request, "csp_nonce", nonce)  # noqa: B010  HttpRequest declares no such attribute
        setattr(request, "theme", theme if theme in THEMES else "")  # noqa: B010
        response = self.get_response(request)
        response.headers.setdefault(POLICY, policy(nonce))
        response.headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        if nonce.is_used:
            # The same address answers htmx with a part of the page: neither may be taken for the other.
            patch_vary_headers(response, ["HX-Request", "Cookie"])
            response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


class ServerTiming:
    """Tells with each page, in `Server-Timing`, the milliseconds that the database took and those of everything else.

    https://www.w3.org/TR/server-timing/
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        spent = _Spent()
        began = time.perf_counter()
        with connection.execute_wrapper(spent):
            response = self.get_response(request)
        if response.headers.get("Content-Type", "").startswith("text/html"):
            total = time.perf_counter() - began
            statements = f"{spent.statements} statement{'' if spent.statements == 1 else 's'}"
            response.headers["Server-Timing"] = ", ".join(
                (
                    f'db;dur={spent.seconds * 1000:.1f};desc="Database, {statements}"',
                    f'render;dur={(total - spent.seconds) * 1000:.1f};desc="Reading and rendering"',
                    f'total;dur={total * 1000:.1f};desc="In all"',
                )
            )
        return response


class _Spent:
    """Counts the statements of a request, and the seconds that the database took to answer them."""

    def __init__(self) -> None:
        self.statements = 0
        self.seconds = 0.0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.statements += 1
            self.seconds += time.perf_counter() - began


class TryAgain:
    """Answers 503 with `Retry-After` where a page or the admin cannot be had now: too many write, the database or the
    disk cannot serve. The other doors do so themselves, in their own form."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The answer to what will be over in a moment; None for anything else."""
        return _later(request, exception)


class RefuseValues:
    """Answers 400 where the database refuses a value that a page or the admin was sent, whatever no check before has
    found. REST, GraphQL and OTLP do so themselves, in their own form."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """The answer to a value that the database refuses; None for anything else."""
        if not isinstance(exception, DataError):
            return None
        reason = str(exception.__cause__ or exception).partition("\n")[0]
        is_read = request.method in ("GET", "HEAD")
        context = {"reason": reason, "typed": None if is_read else typed(request)}
        return render(request, "refused.html", context, status=400)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """What is answered to what nobody caught: in a middleware that opens the session, say, without a database."""
    exception = sys.exc_info()[1]
    return (None if exception is None else _later(request, exception)) or defaults.server_error(request)


def _later(request: HttpRequest, exception: BaseException) -> HttpResponse | None:
    passes = True
    if isinstance(exception, recording.Busy):
        reason, seconds = str(exception), exception.retry_after
    elif (outage := outages.of(exception)) is not None:
        log.error("%s: %s", outage.code, exception)
        reason, seconds = outage.sentence, outage.retry_after
        passes = outage in outages.PASSING
    else:
        return None
    context: dict[str, Any] = {"reason": reason, "again_in": 0, "typed": None}
    if request.method in ("GET", "HEAD"):
        context["again_in"] = AGAIN if passes and not is_part(request) else 0
    elif not isinstance(exception, OSError):
        # A body that could not be received is not asked for once more.
        context["typed"] = typed(request, is_known=False)
    answer = render(request, "503.html", context, status=503)
    answer.headers["Retry-After"] = str(seconds)
    if context["again_in"]:
        answer.headers["Refresh"] = str(AGAIN)
    # It is told above, and once is enough.
    answer._has_been_logged = True  # type: ignore[attr-defined]
    return answer
