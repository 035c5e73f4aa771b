"""Tokens and prices in, cost and its arithmetic out. What is unknown stays None: no price is ever guessed.

A project's own prices come before the public ones. Public prices come from the `genai-prices` package, which carries
them by provider, model and date and works without a network.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final

from generations import making, vendors
from generations.records import GenerationRecord, Json

MILLION: Final = Decimal(1_000_000)
_NOTHING: Final = Decimal(0)
GIVEN: Final = "given"
_PUBLIC: Final = "genai-prices "
_AGREED: Final = "override:"
"""What the source of a cost is, or begins with."""
WITHOUT_COMPLETION: Final = frozenset({"embedding", "rerank", "moderation"})
"""Types of call that have no completion to count: their input alone makes the cost."""
PROVIDERS: Final[Mapping[str, str]] = {
    "azure.ai.openai": "azure",
    "azure.ai.inference": "azure",
    "azure_openai": "azure",
    "aws.bedrock": "aws",
    "bedrock": "aws",
    "gcp.gemini": "google",
    "gcp.vertex_ai": "google",
    "gcp.gen_ai": "google",
    "gemini": "google",
    "googleai": "google",
    "vertex_ai": "google",
    "vertexai": "google",
    "mistral_ai": "mistral",
    "mistralai": "mistral",
    "x_ai": "x-ai",
    "xai": "x-ai",
    "openai.chat": "openai",
    "openai.responses": "openai",
    "togetherai": "together",
    "together_ai": "together",
    "fireworks_ai": "fireworks",
    "azure_ai": "azure",
    "cohere_chat": "cohere",
    "vertex_ai_beta": "google",
    "voyage": "voyageai",
}
"""Names that clients send, where the price list uses another."""
_SIMPLE: Final = {
    "input_mtok": "input",
    "cache_read_mtok": "cached input",
    "cache_write_mtok": "cache write",
    "output_mtok": "output",
}
_NOT_COUNTED: Final = frozenset({"web_searches_kcount", "storage_searches_kcount", "cache_write_1h_mtok"})
"""Prices of what a record does not tell apart: one-hour cache writes are reckoned as ordinary ones."""


@dataclass(frozen=True, slots=True)
class Override:
    """What a project pays per million tokens for models that match, in a period. None: not agreed."""

    id: str
    match: str
    provider: str = ""
    currency: str = "USD"
    input_price: Decimal | None = None
    cached_input_price: Decimal | None = None
    cache_write_price: Decimal | None = None
    output_price: Decimal | None = None
    valid_from: dt.datetime | None = None
    valid_to: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a call cost, where the price is from, and how it was reckoned."""

    cost: Decimal
    input_cost: Decimal | None
    output_cost: Decimal | None
    currency: str
    source: str
    arithmetic: dict[str, Json]


_price: Final = making.quick(Price).made


def price(
    record: GenerationRecord, overrides: Sequence[Override] = (), told: Mapping[str, Any] = MappingProxyType({})
) -> Price | None:
    """The cost of a call, or None when its tokens, its model or a price are not known.

    `prompt_tokens` are gross: cached and cache-writing tokens are taken out of them and priced by themselves. Its type,
    model_id and started_at are those that are `told` where they are. A model that was asked for by a name without a
    price, such as a deployment's or a router's, costs what the version does that answered. None, too, where the caller
    said a part of the cost, where it is from, or another currency: what was said is not replaced.
    """
    if is_given(record):
        return None
    counts = _counts(record, told.get("type", record.type))
    model, moment = told.get("model_id", record.model_id), told.get("started_at", record.started_at)
    if counts is None or not model or moment is None:
        return None
    for name in (model, record.model_version):
        if not name:
            continue
        chosen = applicable(overrides, name, record.provider or "", moment)
        if chosen is not None:
            return _in_its_currency(record, _agreed(chosen, counts))
        found = _public_model(name, (record.provider or "").lower())
        if found is not None:
            return _in_its_currency(record, _public(record, *found, moment, counts))
    return None


def is_known(model: str, provider: str, moment: dt.datetime, overrides: Sequence[Override] = ()) -> bool:
    """Whether there is a price for a model then, whatever classes of tokens it is for."""
    return applicable(overrides, model, provider, moment) is not None or (
        _public_model(model, provider.lower()) is not None
    )


def _in_its_currency(record: GenerationRecord, found: Price | None) -> Price | None:
    """The price, unless the caller said another currency."""
    is_another = found is not None and record.currency is not None and record.currency != found.currency
    return None if is_another and not is_reckoned(record) else found


def is_reckoned(record: Any) -> bool:
    """Whether the cost of a call, a record or a row, is one that `price` told: by where its price is from."""
    return record.cost_source is not None and record.cost_source.startswith((_PUBLIC, _AGREED))


def is_given(record: Any) -> bool:
    """Whether the caller said what it cost, a part of that, or where it is from."""
    said = (record.cost, record.input_cost, record.output_cost, record.cost_source)
    return said.count(None) < len(said) and not is_reckoned(record)


def _agreed(chosen: Override, counts: dict[str, int]) -> Price | None:
    prices = {
        "input": chosen.input_price,
        "cached input": chosen.input_price if chosen.cached_input_price is None else chosen.cached_input_price,
        "cache write": chosen.input_price if chosen.cache_write_price is None else chosen.cache_write_price,
        "output": chosen.output_price,
    }
    return _reckon(counts, prices, chosen.currency, f"{_AGREED}{chosen.id}", {"match": chosen.match})


def currency_of(text: str) -> str | None:
    """The code of a currency, in capitals; None where the text is no code of three letters."""
    code = text.strip()
    return code.upper() if len(code) == 3 and code.isascii() and code.isalpha() else None


def applicable(overrides: Sequence[Override], model: str, provider: str, moment: dt.datetime) -> Override | None:
    """The override that holds: the closest match first (exact, then the longest pattern), then the latest period."""
    if not overrides:
        return None
    fitting = [
        o
        for o in overrides
        if fnmatchcase(model.lower(), o.match.lower())
        and (not o.provider or o.provider.lower() == provider.lower())
        and (o.valid_from is None or o.valid_from <= moment)
        and (o.valid_to is None or moment < o.valid_to)
    ]
    earliest = dt.datetime.min.replace(tzinfo=dt.UTC)
    return max(
        fitting,
        key=lambda o: ("*" not in o.match, len(o.match), bool(o.provider), o.valid_from or earliest),
        default=None,
    )


def _counts(record: GenerationRecord, kind: str | None) -> dict[str, int] | None:
    """Tokens by price class, or None when they do not suffice for a price."""
    if record.prompt_tokens is None:
        return None
    if record.completion_tokens is None and kind not in WITHOUT_COMPLETION:
        return None
    cached, written = record.cached_tokens or 0, record.cache_write_tokens or 0
    fresh = record.prompt_tokens - cached - written
    if fresh < 0:
        return None
    answered = 0 if kind in WITHOUT_COMPLETION else record.completion_tokens or 0
    return {"input": fresh, "cached input": cached, "cache write": written, "output": answered}


def _reckon(
    counts: Mapping[str, int],
    prices: Mapping[str, Decimal | None],
    currency: str,
    source: str,
    origin: dict[str, Json],
) -> Price | None:
    """Tokens times prices, line by line; None when a class that has tokens has no price."""
    lines: list[Json] = []
    asked = answered = _NOTHING
    for name, tokens in counts.items():
        if not tokens:
            continue
        per_million = prices.get(name)
        if per_million is None:
            return None
        amount = tokens * per_million / MILLION
        if name == "output":
            answered += amount
        else:
            asked += amount
        lines.append({"class": name, "tokens": tokens, "perMillion": str(per_million), "cost": _plain(amount)})
    arithmetic = {**origin, "currency": currency, "lines": lines}
    return _price(asked + answered, asked, answered, currency, source, arithmetic)


def _plain(amount: Decimal) -> str:
    """All digits of an amount, which it mostly has without being asked to."""
    text = str(amount)
    return f"{amount:f}" if "E" in text else text


def _public(
    record: GenerationRecord, provider: Any, model: Any, moment: dt.datetime, counts: dict[str, int]
) -> Price | None:
    prices = model.get_prices(moment)
    origin: dict[str, Json] = {"model": model.id, "provider": provider.id}
    source = _source()
    has_audio = record.input_audio_tokens or record.output_audio_tokens
    simple = None if has_audio else _simple_prices(prices, record.prompt_tokens or 0)
    if simple is not None:
        # A read from the cache without a price of its own is billed as any other input.
        simple = {"cached input": simple["input"], "cache write": simple["input"], **simple}
        return _reckon(counts, simple, "USD", source, origin)
    from genai_prices import Usage

    usage = Usage(
        input_tokens=record.prompt_tokens,
        cache_read_tokens=record.cached_tokens,
        cache_write_tokens=record.cache_write_tokens,
        output_tokens=record.completion_tokens or 0,
        input_audio_tokens=record.input_audio_tokens,
        output_audio_tokens=record.output_audio_tokens,
    )
    try:
        reckoned = model.calc_price(usage, provider, genai_request_timestamp=moment)
    except ValueError:  # counts that contradict each other, as audio beyond the input
        return None
    return Price(
        cost=reckoned.total_price,
        input_cost=reckoned.input_price,
        output_cost=reckoned.output_price,
        currency="USD",
        source=source,
        arithmetic={**origin, "currency": "USD", "prices": str(prices)},
    )


@cache
def _source() -> str:
    return f"{_PUBLIC}{version('genai-prices')}"


@lru_cache(maxsize=4096)
def _public_model(model: str, provider: str) -> tuple[Any, Any] | None:
    """The price list's provider and model for the names that a client sent; None when it does not know them."""
    from genai_prices.data_snapshot import get_snapshot

    if len(model) > 200:
        return None
    known = PROVIDERS.get(provider, provider) or None
    tried: tuple[str | None, ...] = (known, None) if known else (None,)
    said, bare = vendors.split(model)
    if provider and model.startswith(f"{provider}/"):
        model = model[len(provider) + 1 :]  # as LiteLLM and Genkit name a provider's model
        if provider in vendors.IN_FRONT and not (known and _is_provider(known)):
            return None  # its prices are not known, and another's are not its
    elif said is not None and bare != model and not (known and _is_provider(known)):
        # Of who is told nothing is known here, but of who is named: nobody else is asked.
        model, tried = bare, (PROVIDERS.get(said, said),)
    for candidate in tried:
        try:
            return get_snapshot().find_provider_model(model, None, candidate, None)
        except LookupError:
            if candidate is not None and _is_provider(candidate):
                # The price list knows who answered but not the model: another provider's price would be a guess.
                return None
    return None


def known_models() -> dict[str, str]:
    """The models of the public price list, and who serves each."""
    from genai_prices.data_snapshot import get_snapshot

    return {model.id: provider.id for provider in reversed(get_snapshot().providers) for model in provider.models}


@lru_cache(maxsize=1024)
def _is_provider(name: str) -> bool:
    from genai_prices.data_snapshot import get_snapshot

    return any(provider.id == name for provider in get_snapshot().providers)


def _simple_prices(prices: Any, input_tokens: int) -> dict[str, Decimal] | None:
    """The prices by class; None when the call may have been billed in units that the record does not count.

    Tiers are cliffs: beyond a tier's start every token costs the tier's price, decided by the whole input.
    """
    found = _by_class(_Same(prices))
    if found is None:
        return None
    simple: dict[str, Decimal] = {}
    for name, value in found.items():
        if not isinstance(value, Decimal):
            reached = [tier.price for tier in value.tiers if input_tokens > tier.start]
            value = reached[-1] if reached else value.base
        simple[name] = value
    return simple


class _Same:
    """A price list as what it is in memory, where the lists are but cannot be told apart sooner."""

    def __init__(self, prices: Any) -> None:
        self.prices = prices

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.prices is other.prices

    def __hash__(self) -> int:
        return id(self.prices)


@lru_cache(maxsize=4096)
def _by_class(same: _Same) -> dict[str, Any] | None:
    """The prices and tiers of a list by class; None likewise."""
    found: dict[str, Any] = {}
    for key, value in vars(same.prices).items():
        if value is None or key.startswith("_"):
            continue
        if key in _SIMPLE:
            found[_SIMPLE[key]] = value
        elif key not in _NOT_COUNTED and not any(unit in key for unit in ("audio", "image", "video", "document")):
            return None
    return found if "input" in found else None
