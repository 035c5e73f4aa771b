"""`/v1/...`: who calls, whom it goes to, and the answer as it comes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, Final

import orjson
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from generations import access, outages, presence
from generations.access import Grant, NotAllowed, NotAuthenticated, Scope
from generations.gateway import journal, routes, upstream
from generations.gateway.journal import Journal
from generations.gateway.upstream import Answer, Gone, Upstream
from generations.ingest.gateway import ABOUT, SHAPES, Tried, span_above
from generations.llm.errors import Cancelled, LLMError, TooSlow

KNOWN_FOR: Final = 30.0
"""Seconds for which a key is not looked up again; as long as that one that was revoked still passes."""
STALE_FOR: Final = 3_600.0
"""Seconds for which it still passes when the database does not answer: the gateway does not stand and fall with it."""
MOST_KNOWN: Final = 10_000
AGAIN: Final = frozenset({408, 409, 429, 500, 502, 503, 504})
"""Answers after which another attempt is made, where there is one."""
LONGEST_WAIT: Final = 5.0
LEFT: Final = 499
"""The status of answers that nobody was there for any more, as nginx counts them."""
GONE: Final = "The client went away."
_HOP: Final = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
        "upgrade", "host", "content-length", "accept-encoding", "cookie", "forwarded", "x-forwarded-for",
        "x-forwarded-proto", "x-forwarded-host", "x-real-ip",
    }
)  # fmt: skip
_KEYS: Final = ("authorization", "x-api-key", "api-key")
"""Headers in which callers send a key: OpenAI's, Anthropic's and Azure's."""

log = logging.getLogger(__name__)
_streams: Final = threading.BoundedSemaphore(settings.GATEWAY_STREAMS)
_known: dict[str, tuple[float, Grant]] = {}


class _Refused(Exception):
    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


@csrf_exempt
def forward(request: HttpRequest, path: str, key: str = "", deployment: str = "") -> HttpResponseBase:
    """Send a call on and answer it byte for byte. `key` is ours, in the address, beside the provider's; `deployment`
    is the model where the call was made as to Azure, and goes on as to OpenAI."""
    if not _streams.acquire(blocking=False):
        sentence = "More calls are under way than this server passes on at once."
        return refused(503, "overloaded", sentence, {"Retry-After": "1"})
    try:
        return _forward(request, path.strip("/"), key, deployment)
    except _Refused as error:
        _streams.release()
        return refused(error.status, error.kind, str(error))
    except outages.ERRORS as error:
        _streams.release()
        outage = outages.of(error)
        if outage is None:
            raise
        return refused(503, outage.code, outage.sentence, {"Retry-After": str(outage.retry_after)})
    except BaseException:
        _streams.release()
        raise


def _forward(request: HttpRequest, path: str, key: str, deployment: str) -> HttpResponseBase:
    grant, theirs = _grant(request, key)
    if deployment and theirs is not None:
        theirs = "authorization", f"Bearer {_token(*theirs)}"
    try:
        body = request.body
    except UnreadablePostError:
        raise _Refused(400, "invalid_request_error", "The body broke off before its end.") from None
    asked = _object(body) if path in SHAPES and request.method == "POST" else None
    if asked is not None and deployment and "model" not in asked:
        asked["model"] = deployment
        body = orjson.dumps(asked)
    about = {name: request.headers[header] for header, name in ABOUT.items() if header in request.headers}
    wanted = request.headers.get("x-generations-provider")
    try:
        route = routes.route(grant, asked, wanted, theirs)
    except routes.NoRoute as error:
        raise _Refused(400, "invalid_request_error", str(error)) from None
    # The database is not needed until all is over: its connections are few.
    journal.give_back()
    kept: Journal | None = None
    if asked is not None:
        agent = request.headers.get("User-Agent", "")
        above = span_above(request.headers.get("traceparent", ""))
        kept = Journal(grant.project.pk, path, route.upstreams[0].name, about, agent, body, above)
    headers = [
        (name, value)
        for name, value in request.headers.items()
        if (low := name.lower()) not in _HOP and low not in _KEYS and not low.startswith("x-generations-")
    ]
    headers.append(("accept-encoding", "identity"))
    # What stands there in calls to Azure is the version of its interface.
    query = "" if deployment else request.META.get("QUERY_STRING", "")
    sent = orjson.dumps({**asked, "model": route.model}) if asked is not None and route.model else body
    address = f"{path}?{query}" if query else path
    watch = presence.watch()
    try:
        return _answered(request, route.upstreams, address, headers, sent, kept, watch)
    except Gone:
        if kept is not None:
            kept.end(GONE, Cancelled.kind)
        raise _Refused(LEFT, "cancelled", GONE) from None
    except BaseException:
        if kept is not None:
            kept.end("The server failed.")
        raise
    finally:
        if watch is not None:
            watch.close()


def _answered(
    request: HttpRequest,
    upstreams: list[Upstream],
    address: str,
    headers: list[tuple[str, str]],
    body: bytes,
    kept: Journal | None,
    watch: presence.Watch | None,
) -> HttpResponseBase:
    attempts = [one for one in upstreams for _ in range(_retries(request) + 1)]
    for n, one in enumerate(attempts):
        is_last = n == len(attempts) - 1
        try:
            answer = upstream.send(one, request.method or "GET", address, headers, body, watch)
            if answer.status_code not in AGAIN or is_last:
                return _passed(answer, kept, one)
            with closing(answer):
                told = answer.read()
        except LLMError as error:
            reason = f"{one.name} cannot be reached: {error}"
            if not is_last:
                _try_again(kept, watch, Tried(one.name, None, reason), n)
                continue
            if kept is not None:
                kept.head(502, "", "", one.name)
                kept.end(reason, error.kind)
            _streams.release()
            return refused(504 if isinstance(error, TooSlow) else 502, "upstream_unreachable", reason)
        reason = told[:2_000].decode("utf-8", "replace")[:500] or f"HTTP status {answer.status_code}"
        _try_again(kept, watch, Tried(one.name, answer.status_code, reason), n, answer.headers.get("retry-after"))
    raise AssertionError("There is always an attempt.")


def _passed(answer: Answer, kept: Journal | None, one: Upstream) -> HttpResponseBase:
    kind = answer.headers.get("content-type", "")
    if kept is not None:
        kept.head(answer.status_code, kind, answer.headers.get("content-encoding", ""), one.name)
    response = StreamingHttpResponse(_Pieces(answer, kept), status=answer.status_code)
    del response["Content-Type"]
    for name, value in answer.headers.items():
        if (low := name.lower()) not in _HOP or low == "content-length":
            response[name] = value
    # nginx would otherwise keep the pieces of a stream back until a few KB of them are there.
    response["X-Accel-Buffering"] = "no"
    if kept is not None:
        response["X-Generations-Id"] = kept.id
    return response


class _Pieces:
    """The answer as it comes; whatever ends it, it is recorded and the upstream is let go."""

    def __init__(self, answer: Answer, kept: Journal | None) -> None:
        self._answer, self._kept = answer, kept
        self._pieces = answer.pieces()
        self._is_over = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            piece = next(self._pieces, None)
        except LLMError as error:
            self._end(f"The upstream broke off: {error}", error.kind)
            # Whoever reads has to see that something is missing: no orderly end.
            raise ConnectionResetError("The upstream broke off.") from None
        if piece is None:
            self._end()
            raise StopIteration
        if self._kept is not None:
            self._kept.data(piece)
        return piece

    def close(self) -> None:
        """The end, also of an answer that nobody wanted to read to the end."""
        self._end(GONE, Cancelled.kind)

    def _end(self, error: str | None = None, kind: str | None = None) -> None:
        if self._is_over:
            return
        self._is_over = True
        try:
            self._answer.close()
        finally:
            if self._kept is not None:
                self._kept.end(error, kind)
            _streams.release()


def _try_again(
    kept: Journal | None, watch: presence.Watch | None, one: Tried, n: int, asked: str | None = None
) -> None:
    if kept is not None:
        kept.tried(one)
    try:
        wait = float(asked) if asked else 0.2 * 2**n
    except ValueError:
        wait = 0.2 * 2**n
    time.sleep(min(LONGEST_WAIT, max(0.0, wait)))
    if watch is not None and not watch.is_there():
        raise Gone


def _retries(request: HttpRequest) -> int:
    said = request.headers.get("x-generations-retries", "0")
    return min(5, int(said)) if said.isdecimal() and len(said) < 4 else 0


# ---------------------------------------------------------------------------------------------------------- who calls
def _grant(request: HttpRequest, key: str) -> tuple[Grant, tuple[str, str] | None]:
    """The project's grant, and the header with the provider's own key where the call brings one."""
    brought = [(name, value) for name in _KEYS if (value := request.headers.get(name, "").strip())]
    theirs = brought[0] if brought and _token(*brought[0]) else None
    ours = key or request.headers.get("x-generations-key", "")
    if not ours and theirs is not None:
        ours, theirs = _token(*theirs), None
    if not ours:
        sentence = "No API key: send this server's as the API key, or in the address as /gateway/KEY/v1."
        raise _Refused(401, "invalid_api_key", sentence)
    now = time.monotonic()
    known = _known.get(ours)
    if known is None or known[0] + KNOWN_FOR < now:
        try:
            grant = access.by_key(ours)
        except NotAuthenticated as error:
            _known.pop(ours, None)
            raise _Refused(401, "invalid_api_key", str(error)) from None
        except outages.ERRORS:
            if known is None or known[0] + STALE_FOR < now:
                raise
            grant = known[1]
            log.warning("The database does not answer; a key that was good before passes.")
        else:
            if len(_known) > MOST_KNOWN:
                _known.clear()
            _known[ours] = now, grant
    else:
        grant = known[1]
    try:
        return grant.need(Scope.INGEST), theirs
    except NotAllowed as error:
        raise _Refused(403, "insufficient_permissions", str(error)) from None


def _token(name: str, value: str) -> str:
    """The key in a header."""
    if name != "authorization":
        return value
    return value[7:].strip() if value.lower().startswith("bearer ") else ""


def _object(body: bytes) -> dict[str, Any]:
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _Refused(400, "invalid_request_error", f"The body is not JSON: {error}.") from None
    if not isinstance(read, dict):
        raise _Refused(400, "invalid_request_error", "The body has to be a JSON object.")
    return read


def refused(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """An error in the form that the callers' libraries read."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    told = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return HttpResponse(orjson.dumps(told), status=status, content_type="application/json", headers=headers)


def begin() -> None:
    """Record what a process that was killed left behind; called once by a server that answers."""
    if journal.folder().is_dir():
        journal.start()
