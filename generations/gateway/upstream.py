"""Whom a call is sent on to, and the connections to them: checked against what may be called, kept open, shared."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import httpx

from generations import providers
from generations.llm.egress import Egress

CONNECT_SECONDS: Final = 10.0
SILENT_SECONDS: Final = 600.0
"""How long an upstream may be silent: as long as OpenAI's own clients wait."""
LOOKED_UP: Final = 30.0
"""Seconds for which the checked address of a name is kept."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """One who answers. `key` takes the place of the caller's, unless it is None."""

    name: str
    base: str
    key: str | None = None


class _Checked(httpx.BaseTransport):
    """Connects to nothing else than may be called; a pool for each name, so that none shares another's certificate."""

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._pools: dict[str, httpx.HTTPTransport] = {}
        self._addresses: dict[tuple[str, int], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        port = request.url.port or (443 if request.url.scheme == "https" else 80)
        address = self._address(host, port)
        with self._lock:
            # Made once: each one reads the certificates that it trusts.
            if host not in self._pools:
                self._pools[host] = httpx.HTTPTransport(limits=_LIMITS)
            pool = self._pools[host]
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        return pool.handle_request(request)

    def _address(self, host: str, port: int) -> str:
        now = time.monotonic()
        known = self._addresses.get((host, port))
        if known is not None and known[0] > now:
            return known[1]
        address = self._egress.resolved_now(host, port)
        self._addresses[host, port] = now + LOOKED_UP, address
        return address


_LIMITS: Final = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=30)


@cache
def client() -> httpx.Client:
    """The connections of this process."""
    return httpx.Client(
        transport=_Checked(providers.egress()),
        timeout=httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS),
        trust_env=False,
        follow_redirects=False,
    )


def send(upstream: Upstream, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Any:
    """An answer of which the body is still to be read. Raises httpx.TransportError and LLMError."""
    url = f"{upstream.base.rstrip('/')}/{path}"
    if upstream.key is not None:
        headers = [*headers, ("authorization", f"Bearer {upstream.key}")]
    request = client().build_request(method, url, headers=headers, content=body)
    return client().send(request, stream=True)
