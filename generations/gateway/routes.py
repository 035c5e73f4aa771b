"""Which of a project's providers a call goes to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from generations import outages, providers
from generations.access import Grant
from generations.gateway.upstream import Upstream
from generations.providers import Provider

KNOWN_FOR: Final = 15.0
_KEYS: Final = {"anthropic": ("x-api-key", "{}"), "azure": ("api-key", "{}")}
"""How kinds of providers want to be told who calls, where it is not as a bearer."""
_MOST_KNOWN: Final = 1_000
_known: dict[int, tuple[float, list[Provider]]] = {}
"""Of each project, the one that was looked up longest ago first."""


class NoRoute(ValueError):
    """There is nobody whom this call could go to."""


@dataclass(frozen=True, slots=True)
class Route:
    """Who is asked, one after the other; `model` takes the place of the one that was named, where it is not empty."""

    upstreams: list[Upstream]
    model: str = ""


def route(grant: Grant, asked: Mapping[str, Any] | None, wanted: str | None, key: tuple[str, str] | None) -> Route:
    """Where a call goes. Raises NoRoute.

    One that brings the provider's own `key`, a header, goes to GATEWAY_UPSTREAM with it. Otherwise the provider is the
    one that is `wanted` by name; or whose name stands before a slash in the model's; or the one called `default`; or
    the first that is OpenAI's, or the first. Those named in its option `fallback` are asked after it.
    """
    if key:
        return Route([Upstream(_named(settings.GATEWAY_UPSTREAM), settings.GATEWAY_UPSTREAM, key)])
    known = {one.name: one for one in _providers(grant)}
    if not known:
        raise NoRoute(
            "This project has no provider to send calls to: add one in its settings, or send the provider's own key in"
            " the header Authorization, and this server's in the address, /gateway/KEY/v1."
        )
    model = asked.get("model") if asked else None
    head, slash, rest = model.partition("/") if isinstance(model, str) else ("", "", "")
    chosen, renamed = None, ""
    if wanted:
        chosen = known.get(wanted)
        if chosen is None:
            raise NoRoute(f"x-generations-provider: {wanted[:80]!r} is none of this project's: {', '.join(known)}.")
    elif slash and head in known:
        chosen, renamed = known[head], rest
    if chosen is None:
        openai = next((one for one in known.values() if one.kind == "openai"), None)
        chosen = known.get("default") or openai or next(iter(known.values()))
    fallback = chosen.options.get("fallback")
    names = [name for name in (fallback if isinstance(fallback, list) else []) if name in known]
    return Route([_upstream(one) for one in (chosen, *(known[name] for name in names))], renamed)


def _upstream(one: Provider) -> Upstream:
    name, form = _KEYS.get(one.kind, ("authorization", "Bearer {}"))
    base = one.endpoint
    if one.kind == "azure" and not urlsplit(base).path.strip("/"):
        base = f"{base}/openai/v1"  # where Azure takes calls as OpenAI does
    return Upstream(one.name, base, (name, form.format(one.key)))


def _providers(grant: Grant) -> list[Provider]:
    """The project's, looked up once in KNOWN_FOR seconds, and those of before where the database does not answer.
    Raises NoRoute where the keys of all cannot be read."""
    now = time.monotonic()
    known = _known.get(grant.project.pk)
    if known is not None and known[0] + KNOWN_FOR > now:
        return known[1]
    try:
        found = providers.opened(grant)
    except providers.Unreadable as error:
        raise NoRoute(str(error)) from None
    except outages.ERRORS:
        if known is None:
            raise
        return known[1]
    _known.pop(grant.project.pk, None)
    _known[grant.project.pk] = now, found
    if len(_known) > _MOST_KNOWN:
        _known.pop(next(iter(_known)), None)
    return found


def _named(address: str) -> str:
    """Who answers there: the kind of provider that is known to, or else the host."""
    place = urlsplit(address).netloc
    kinds = (kind for kind, base in providers.ENDPOINTS.items() if base and urlsplit(base).netloc == place)
    return next(kinds, urlsplit(address).hostname or "upstream")
