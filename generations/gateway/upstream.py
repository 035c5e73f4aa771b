"""Whom a call is sent on to, and the connections to them: checked against what may be called, kept open, shared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from generations import providers
from generations.llm import egress, transport

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 600.0
"""How long an upstream may be silent: as long as OpenAI's own clients wait."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One who answers. `key` is the header by which it knows who calls, in place of the caller's own."""

    name: str
    base: str
    key: tuple[str, str]


@cache
def client() -> httpx.Client:
    """The connections of this process."""
    import httpx  # a sixth of a second and 10 MB, paid by the first call and not by each start of the server

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30)
    return httpx.Client(
        transport=egress.transport_now(providers.egress(), limits=limits),
        timeout=httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS),
        trust_env=False,
        follow_redirects=False,
    )


def send(upstream: Upstream, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Any:
    """An answer of which the body is still to be read. Raises LLMError."""
    url = f"{upstream.base.rstrip('/')}/{path}"
    with transport.errors(upstream.base):
        request = client().build_request(method, url, headers=[*headers, upstream.key], content=body)
        return client().send(request, stream=True)
