"""Where a server may send requests on behalf of its users: configured hosts, and no address of the house itself.

A name is looked up once, all its addresses are checked, and the connection goes to one that was checked: a name that
points elsewhere a moment later gains nothing. Redirects are never followed.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from generations.llm.errors import ForbiddenHost, Unreachable

if TYPE_CHECKING:
    import httpx

LOOKED_UP: Final = 30.0
"""Seconds for which the checked address of a name is kept."""
_METADATA: Final = tuple(
    map(ipaddress.ip_network, ("169.254.0.0/16", "192.0.0.0/24", "fe80::/10", "fd00:ec2::254/128"))
)
"""Link-local addresses and those where clouds tell a machine its secrets: never called, whatever is allowed."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Egress:
    """What may be called. `hosts` are names or patterns (`*.example.com`), none: any. `private` are hosts and networks
    (`vllm.internal`, `10.1.0.0/16`) that may be called although their addresses are not public."""

    hosts: tuple[str, ...] = ()
    private: tuple[str, ...] = ()

    def check_host(self, host: str) -> None:
        """Raises ForbiddenHost when this name may not be called, whatever its addresses are."""
        name = host.rstrip(".").lower()
        if self.hosts and not _matches(name, (*self.hosts, *self.private)):
            raise ForbiddenHost(f"{host} is not among the hosts that may be called from here.")

    def check_address(self, host: str, address: str) -> None:
        """Raises ForbiddenHost when a request to `host` must not go to this address."""
        ip = _plain(ipaddress.ip_address(address.partition("%")[0]))
        if any(ip.version == network.version and ip in network for network in _METADATA):
            raise ForbiddenHost(
                f"{host} is at {ip}, an address of the machine itself or its cloud, which is never called."
            )
        if ip.is_multicast or ip.is_unspecified:
            raise ForbiddenHost(f"{host} is at {ip}, which is nobody's address.")
        if not ip.is_global and not self._is_allowed(host, ip):
            raise ForbiddenHost(
                f"{host} is at {ip}, an address of a private network; an operator may allow it with EGRESS_PRIVATE."
            )

    def _is_allowed(self, host: str, ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        networks, names = [], []
        for entry in self.private:
            try:
                networks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError:
                names.append(entry)
        if any(ip.version == network.version and ip in network for network in networks):
            return True
        return _matches(host.rstrip(".").lower(), names)

    async def resolved(self, host: str, port: int) -> str:
        """The address to connect to for `host`, all of them checked. Raises ForbiddenHost, Unreachable."""
        self.check_host(host)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as problem:
            raise Unreachable(f"There is no host {host}: {problem}") from problem
        return self._first(host, found)

    def resolved_now(self, host: str, port: int) -> str:
        """As `resolved`, for a thread that waits."""
        self.check_host(host)
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as problem:
            raise Unreachable(f"There is no host {host}: {problem}") from problem
        return self._first(host, found)

    def _first(self, host: str, found: Iterable[tuple[Any, ...]]) -> str:
        """The first address that a look-up found, all of them checked."""
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        if not addresses:
            raise Unreachable(f"There is no host {host}.")
        for address in addresses:
            self.check_address(host, address)
        return addresses[0]


def place(url: httpx.URL) -> tuple[str, int]:
    """Host and port that an address names."""
    return url.host, url.port or (443 if url.scheme == "https" else 80)


class Pools:
    """Connections to what `egress` allows: a pool for each name, so that several names at one address share neither a
    connection nor its certificate. Addresses that were checked are kept for LOOKED_UP seconds."""

    def __init__(self, egress: Egress, make: Callable[[], Any]) -> None:
        self.egress = egress
        self._make = make
        self._pools: dict[str, Any] = {}
        self._addresses: dict[tuple[str, int], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def known(self, host: str, port: int) -> str | None:
        """The address of a name, if it was checked a moment ago."""
        until, address = self._addresses.get((host, port), (0.0, None))
        return address if until > time.monotonic() else None

    def keep(self, host: str, port: int, address: str) -> str:
        """Note an address that was checked."""
        self._addresses[host, port] = time.monotonic() + LOOKED_UP, address
        return address

    def aimed(self, request: httpx.Request, host: str, address: str) -> Any:
        """The pool by which a request goes to an address that was checked; the request is made to go there."""
        # The name stays in the Host header and, for TLS, in what the certificate is checked against.
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)
        with self._lock:
            # Made once: each one reads the certificates that it trusts.
            if host not in self._pools:
                self._pools[host] = self._make()
            return self._pools[host]

    def every(self) -> list[Any]:
        """All that were made."""
        return list(self._pools.values())


def transport(egress: Egress, **options: Any) -> httpx.AsyncBaseTransport:
    """An httpx transport that connects to nothing else than `egress` allows."""
    import httpx

    class Checked(httpx.AsyncBaseTransport):
        pools = Pools(egress, lambda: httpx.AsyncHTTPTransport(**options))

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            host, port = place(request.url)
            address = self.pools.known(host, port)
            if address is None:
                address = self.pools.keep(host, port, await egress.resolved(host, port))
            pool = self.pools.aimed(request, host, address)
            answer: httpx.Response = await pool.handle_async_request(request)
            return answer

        async def aclose(self) -> None:
            for pool in self.pools.every():
                await pool.aclose()

    return Checked()


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns)


def _plain(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return inner or ip
    return ip
