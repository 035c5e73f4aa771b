"""Requests to providers: JSON out, JSON or server-sent events in, patience with who is busy, and typed errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from generations.llm import egress as guarding
from generations.llm.egress import Egress
from generations.llm.errors import (
    Broken,
    ContextTooLong,
    InvalidCall,
    LLMError,
    ProviderFailed,
    RateLimited,
    Refused,
    TooSlow,
    UnknownModel,
    Unreachable,
    WrongKey,
)

if TYPE_CHECKING:
    import httpx

TIMEOUT: Final = 120.0
"""Seconds that a provider may be silent."""
CONNECT_TIMEOUT: Final = 10.0
ATTEMPTS: Final = 3
LONGEST_WAIT: Final = 60.0
"""A provider that asks for more patience than this is answered with an error instead."""
_TOO_LONG: Final = (
    "context_length_exceeded", "maximum context length", "context window", "context length", "prompt is too long",
    "too many tokens",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reach:
    """How a provider is called: silence that is borne (seconds), attempts, which hosts may be called at all, and how
    many seconds a provider may ask to wait."""

    timeout: float = TIMEOUT
    attempts: int = ATTEMPTS
    egress: Egress | None = None
    patience: float = LONGEST_WAIT


_clients: dict[tuple[int, Reach], httpx.AsyncClient] = {}


def client(reach: Reach) -> httpx.AsyncClient:
    """The connections of the running loop for this reach; made once, and anew after a fork."""
    key = (id(asyncio.get_running_loop()), reach)
    if key not in _clients:
        import httpx  # a sixth of a second, paid by the first call and not by the import

        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        _clients[key] = httpx.AsyncClient(
            timeout=httpx.Timeout(reach.timeout, connect=min(reach.timeout, CONNECT_TIMEOUT)),
            limits=limits,
            follow_redirects=False,
            transport=guarding.transport(reach.egress, limits=limits) if reach.egress else None,
            headers={"User-Agent": "generations-llm"},
        )
    return _clients[key]


async def get(url: str, headers: Mapping[str, str], reach: Reach) -> Any:
    """The JSON at an address. Raises LLMError."""
    with errors(url):
        response = await client(reach).get(url, headers=dict(headers))
    if response.status_code >= 300:
        raise error_of(response, url)
    try:
        return _read(response.content)
    except ValueError:
        raise Broken(f"{url} answered something other than JSON.", status=response.status_code) from None


async def post(url: str, headers: Mapping[str, str], body: Mapping[str, Any], reach: Reach) -> tuple[Any, list[Any]]:
    """The answer's JSON and no events; or None and the events of an answer that came as a stream. Raises LLMError."""
    for attempt in range(1, reach.attempts + 1):
        try:
            return await _once(url, headers, body, reach)
        except LLMError as problem:
            await _wait(problem, attempt, reach)
    raise AssertionError("unreachable")


async def _once(url: str, headers: Mapping[str, str], body: Mapping[str, Any], reach: Reach) -> tuple[Any, list[Any]]:
    async with _response(url, headers, body, reach) as response:
        if _is_stream(response):
            return None, [event async for event in _events(response)]
        raw = await response.aread()
    try:
        return _read(raw), []
    except ValueError:
        raise Broken(f"{url} answered something other than JSON.", status=response.status_code) from None


async def stream(url: str, headers: Mapping[str, str], body: Mapping[str, Any], reach: Reach) -> AsyncIterator[Any]:
    """The events of an answer as they come; one that comes whole is a single event.

    Tried again only before the first. Raises Broken when the stream ends without its end.
    """
    for attempt in range(1, reach.attempts + 1):
        has_begun = False
        try:
            async with _response(url, headers, body, reach) as response:
                if not _is_stream(response):
                    yield _read(await response.aread())
                    return
                async for event in _events(response):
                    has_begun = True
                    yield event
                return
        except LLMError as problem:
            if has_begun:
                raise
            await _wait(problem, attempt, reach)
        except ValueError as problem:
            raise Broken(f"{url} answered something other than JSON.") from problem


async def _wait(problem: LLMError, attempt: int, reach: Reach) -> None:
    """Wait before the next attempt, as long as the provider asks; raises `problem` when there is none."""
    from generations.client.connection import wait_before

    may_pass = isinstance(problem, RateLimited | Unreachable) or problem.status in (502, 503, 529)
    if not may_pass or attempt == reach.attempts or (problem.retry_after or 0) > reach.patience:
        raise problem
    await asyncio.sleep(wait_before(attempt, problem.retry_after))


@asynccontextmanager
async def _response(
    url: str, headers: Mapping[str, str], body: Mapping[str, Any], reach: Reach
) -> AsyncIterator[httpx.Response]:
    try:
        content = json.dumps(body, allow_nan=False, ensure_ascii=False).encode("utf-8", "replace")
    except (TypeError, ValueError, RecursionError) as problem:
        raise InvalidCall(f"The call cannot be written as JSON: {problem}") from problem
    with errors(url):
        async with client(reach).stream(
            "POST", url, headers={"Content-Type": "application/json", **headers}, content=content
        ) as response:
            if response.status_code >= 300:
                await response.aread()
                raise error_of(response, url)
            yield response


def _read(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError, also for one that is nested too deep."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _is_stream(response: httpx.Response) -> bool:
    return str(response.headers.get("content-type", "")).startswith("text/event-stream")


async def _events(response: httpx.Response) -> AsyncIterator[Any]:
    """
    > data-only server-sent events, the stream terminated by a `data: [DONE]` message (OpenAI)
    > the `message_stop` event ends the stream (Anthropic)
    """
    is_ended = False
    async for line in response.aiter_lines():
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            is_ended = True
            continue
        try:
            event = _read(data)
        except ValueError:
            raise Broken("The stream holds something that is no JSON.") from None
        if isinstance(event, dict):
            if event.get("type") == "message_stop":
                is_ended = True
            told = event.get("error")
            if told and not event.get("choices"):
                raise _told(told, None, None)
            if any(isinstance(c, dict) and c.get("finish_reason") for c in event.get("choices") or ()):
                is_ended = True  # some servers leave out [DONE]; what matters is that the answer is whole
        yield event
    if not is_ended:
        raise Broken("The stream was cut: it ended before the answer did.")


@contextmanager
def errors(url: str) -> Iterator[None]:
    """Whatever a connection may raise, as this library's errors."""
    import httpx

    host = url.split("?", 1)[0]
    try:
        yield
    except httpx.TimeoutException as problem:
        if isinstance(problem, httpx.ConnectTimeout | httpx.PoolTimeout):
            raise Unreachable(f"No connection to {host} in time.") from problem
        raise TooSlow(f"{host} was silent for too long.") from problem
    except httpx.ConnectError as problem:
        raise Unreachable(f"No connection to {host}: {str(problem) or 'it was refused'}") from problem
    except httpx.TransportError as problem:
        why = str(problem) or type(problem).__name__
        raise Broken(f"The connection to {host} was lost: {why}") from problem
    except httpx.InvalidURL as problem:
        raise InvalidCall(f"endpoint: {url!r} is not an address: {problem}") from problem


def error_of(response: httpx.Response, url: str) -> LLMError:
    """The typed error of an answer that is none, in the provider's own words where it has some."""
    from generations.client.connection import retry_after

    status = response.status_code
    if 300 <= status < 400:
        where = response.headers.get("location", "elsewhere")[:200]
        return Refused(f"{url.split('?', 1)[0]} sends on to {where}; redirects are not followed.", status=status)
    try:
        told = _read(response.content)
    except ValueError:
        told = None
    asked = retry_after(response.headers)
    if isinstance(told, dict):
        return _told(told.get("error") or told.get("detail") or told, status, asked)
    if isinstance(told, list) and told and isinstance(told[0], dict):
        return _told(told[0].get("error") or told[0], status, asked)
    return _told(response.text[:500] or f"HTTP status {status}", status, asked)


def _told(told: Any, status: int | None, asked: float | None) -> LLMError:
    code = ""
    message = told
    if isinstance(told, dict):
        code = f"{told.get('code') or ''} {told.get('type') or ''}".lower()
        message = told.get("message") or told.get("detail") or told
        if status is None and isinstance(told.get("code"), int):
            status = told["code"]
    text = str(message)[:2000]
    said = f"{code} {text}".lower()
    kind = _kind(status, said)
    return kind(text, status=status, retry_after=asked)


def _kind(status: int | None, said: str) -> type[LLMError]:
    if any(words in said for words in _TOO_LONG):
        return ContextTooLong
    if status == 429 or "rate_limit" in said:
        return RateLimited
    if status in (401, 403) or "authentication_error" in said or "invalid_api_key" in said:
        return WrongKey
    if status == 404 or "model_not_found" in said or "deploymentnotfound" in said:
        return UnknownModel
    if status in (408, 504):
        return TooSlow
    if status is None or status >= 500:
        return ProviderFailed
    return Refused
