"""Requests to the server: one connection pool, patience with a server that is busy or away, and typed errors."""

from __future__ import annotations

import datetime as dt
import email.utils
import gzip
import json
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from generations.client import documents
from generations.client.errors import GenerationsError, NotFound, Unreachable

if TYPE_CHECKING:
    import httpx

COMPRESS_FROM: Final = 1024
FIRST_WAIT: Final = 0.5
LONGEST_WAIT: Final = 30.0
LONGEST_ASKED_WAIT: Final = 120.0
"""A server that asks for more patience than this is answered with an error instead."""


class Connection:
    """The way to one server with one key. May be used from several threads and after a fork."""

    def __init__(self, url: str, key: str, *, timeout: float, attempts: int) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._timeout = timeout
        self._attempts = attempts
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._process = os.getpid()

    def send(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        body: bytes | None = None,
        content_type: str = "application/json",
        is_repeatable: bool = True,
    ) -> Any:
        """The answer's JSON; None where it has none. Tried again while the server is busy or away.

        A request that is not repeatable is not tried again once it may have arrived. Raises GenerationsError.
        """
        if document is not None:
            body = documents.encode(document)
        for attempt in range(1, self._attempts + 1):
            try:
                return self.once(method, path, body, content_type)
            except GenerationsError as problem:
                arrived = (isinstance(problem, Unreachable) and problem.was_sent) or problem.status in (502, 504)
                is_last = attempt == self._attempts or not problem.is_temporary or (arrived and not is_repeatable)
                if is_last or (problem.retry_after or 0) > LONGEST_ASKED_WAIT:
                    raise
                time.sleep(wait_before(attempt, problem.retry_after))
        raise AssertionError("unreachable")

    def once(self, method: str, path: str, body: bytes | None, content_type: str = "application/json") -> Any:
        """The answer's JSON at the first attempt, or GenerationsError."""
        headers = {}
        if body is not None:
            headers["Content-Type"] = content_type
            if len(body) >= COMPRESS_FROM:
                body = gzip.compress(body, compresslevel=5, mtime=0)
                headers["Content-Encoding"] = "gzip"
        with _errors(self.url):
            response = self._pool().request(method, self.url + path, content=body, headers=headers)
        if response.is_error:
            raise error_of(response)
        if not response.content:
            return None
        try:
            return response.json()
        except ValueError:
            raise GenerationsError(
                f"{self.url}{path} answered something other than JSON; is GENERATIONS_URL the address of the server?",
                status=response.status_code,
            ) from None

    @contextmanager
    def stream(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx.Response]:
        """A response whose body is still to be read. Raises GenerationsError, also while it is read."""
        with _errors(self.url), self._pool().stream("GET", url, headers=dict(headers)) as response:
            if response.is_error:
                response.read()
                raise error_of(response)
            yield response

    def close(self) -> None:
        """Give the connections back."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None and self._process == os.getpid():
            client.close()

    def after_fork(self) -> None:
        """Leave the connections to the parent: two processes on one socket would read each other's answers."""
        self._lock = threading.Lock()
        self._client = None

    def _pool(self) -> httpx.Client:
        with self._lock:
            if self._client is None:
                import httpx  # a sixth of a second, paid by the first request and not by the import

                self._process = os.getpid()
                self._client = httpx.Client(
                    headers={"Authorization": f"Bearer {self._key}", "User-Agent": "generations-python"},
                    timeout=httpx.Timeout(self._timeout, connect=min(self._timeout, 5.0)),
                    follow_redirects=False,
                )
            return self._client


@contextmanager
def _errors(url: str) -> Iterator[None]:
    import httpx

    try:
        yield
    except httpx.TransportError as problem:
        never_left = isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
        why = str(problem) or type(problem).__name__
        raise Unreachable(f"No answer from {url}: {why}", was_sent=not never_left) from problem
    except httpx.InvalidURL as problem:
        raise GenerationsError(f"{url} is not an address: {problem}") from problem


def error_of(response: httpx.Response) -> GenerationsError:
    """The typed error of an answer with a status of 400 or more, in the server's own words where it has some."""
    message, code, field = f"HTTP status {response.status_code}", None, None
    try:
        told = response.json()
    except ValueError:
        told = None
    if isinstance(told, dict):
        told = told["error"] if isinstance(told.get("error"), dict) else told
        message = str(told.get("message") or told.get("detail") or told.get("error") or message)
        code = _text(told.get("code") or told.get("type"))
        field = _text(told.get("field"))
    # Any web server answers 404; only ours says that it is the id that is not known.
    kind = NotFound if response.status_code == 404 and code == "not_found" else GenerationsError
    return kind(message, status=response.status_code, code=code, field=field, retry_after=retry_after(response.headers))


def _text(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else json.dumps(value)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """
    > Retry-After = HTTP-date / delay-seconds (RFC 9110, 10.2.3)
    """
    asked = headers.get("retry-after")
    if asked is None:
        return None
    try:
        return max(float(asked), 0.0)
    except ValueError:
        pass
    try:
        until = email.utils.parsedate_to_datetime(asked)
    except ValueError:
        return None
    return max((until - dt.datetime.now(dt.UTC)).total_seconds(), 0.0)


def wait_before(attempt: int, asked: float | None = None) -> float:
    """Seconds before the next attempt: twice as long each time, scattered so that many clients do not come at once."""
    longest: float = min(FIRST_WAIT * 2 ** min(attempt - 1, 16), LONGEST_WAIT)
    scattered = longest * random.uniform(0.5, 1.0)  # noqa: S311 - nobody gains by guessing it
    return scattered if asked is None else max(asked, 0.0) + scattered * 0.1
