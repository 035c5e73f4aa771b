"""Tokens and prices in, cost and arithmetic out; what is unknown stays unknown."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot

from generations import pricing, vendors
from generations.pricing import Override
from generations.records import GenerationRecord

NOW = dt.datetime(2026, 3, 4, tzinfo=dt.UTC)


def call(**fields: Any) -> GenerationRecord:
    known: dict[str, Any] = {"model_id": "gpt-4", "provider": "openai", "prompt_tokens": 1000, "completion_tokens": 100}
    return GenerationRecord(id="g", started_at=NOW, **{**known, **fields})


def test_a_known_model_is_priced_with_its_arithmetic() -> None:
    price = pricing.price(call())

    assert price is not None
    assert (price.cost, price.input_cost, price.output_cost, price.currency) == (
        Decimal("0.036"),
        Decimal("0.03"),
        Decimal("0.006"),
        "USD",
    )
    assert price.source.startswith("genai-prices ")
    assert price.arithmetic["lines"] == [
        {"class": "input", "tokens": 1000, "perMillion": "30", "cost": "0.03"},
        {"class": "output", "tokens": 100, "perMillion": "60", "cost": "0.006"},
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {"model_id": None},
        {"model_id": "nobody-knows-this"},
        {"model_id": "llama-3", "provider": "our-own-cluster-of-nobody"},
        {"provider": "anthropic"},
        {"prompt_tokens": None},
        {"completion_tokens": None},
        {"cached_tokens": 2000},
        {"model_id": "x" * 10_000},
    ],
)
def test_what_does_not_suffice_for_a_price_has_none(fields: dict[str, Any]) -> None:
    assert pricing.price(call(**fields)) is None


@pytest.mark.parametrize(
    ("model", "provider", "tokens"),
    [
        ("gpt-4o-mini", "openai", 1000),
        ("claude-3-5-sonnet-20241022", "anthropic", 300_000),
        ("gemini-2.0-flash", "google", 1000),
        ("gemini-2.5-pro", "google", 199_999),
        ("gemini-2.5-pro", "google", 200_001),
        ("claude-sonnet-4-5", "anthropic", 250_000),
    ],
)
def test_public_prices_agree_with_the_price_list(model: str, provider: str, tokens: int) -> None:
    priced = pricing.price(call(model_id=model, provider=provider, prompt_tokens=tokens, cached_tokens=400))

    usage = Usage(input_tokens=tokens, cache_read_tokens=400, output_tokens=100)
    listed = calc_price(usage, model_ref=model, provider_id=provider, genai_request_timestamp=NOW)
    assert priced is not None
    assert priced.cost == listed.total_price


@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_every_model_of_the_price_list_costs_what_the_list_says_around_each_of_its_tiers(beside: int) -> None:
    counts: dict[str, int] = {"cached_tokens": 400, "cache_write_tokens": 100}
    wrong, tiers = [], 0
    for provider in get_snapshot().providers:
        for model in provider.models:
            prices = model.get_prices(NOW)
            starts = {tier.start for value in vars(prices).values() for tier in getattr(value, "tiers", ())}
            tiers += len(starts)
            for tokens in {start + beside for start in starts} or {1000}:
                sent = call(model_id=model.id, provider=provider.id, prompt_tokens=tokens, **counts)
                priced = pricing.price(sent)
                if (
                    priced is None
                    or priced.arithmetic["provider"] != provider.id
                    or priced.arithmetic["model"] != model.id
                ):
                    continue  # it has no price for some class, or answers to the name of another
                usage = Usage(input_tokens=tokens, cache_read_tokens=400, cache_write_tokens=100, output_tokens=100)
                listed = model.calc_price(usage, provider, genai_request_timestamp=NOW)
                if priced.cost != listed.total_price:
                    wrong.append((provider.id, model.id, tokens, priced.cost, listed.total_price))

    assert tiers > 100
    assert wrong == []


def test_audio_tokens_are_priced_by_the_price_list_itself() -> None:
    fields = {"model_id": "gpt-4o-audio-preview", "input_audio_tokens": 500, "output_audio_tokens": 50}

    priced = pricing.price(call(**fields))

    usage = Usage(input_tokens=1000, output_tokens=100, input_audio_tokens=500, output_audio_tokens=50)
    listed = calc_price(usage, model_ref="gpt-4o-audio-preview", provider_id="openai", genai_request_timestamp=NOW)
    assert priced is not None
    assert priced.cost == listed.total_price


def test_the_names_that_clients_send_for_providers_are_known() -> None:
    priced = pricing.price(call(model_id="gemini-2.0-flash", provider="gcp.gemini"))

    assert priced is not None
    assert priced.arithmetic["provider"] == "google"


def test_a_model_that_is_named_after_its_provider_is_that_provider_s() -> None:
    plain, named = (pricing.price(call(model_id=f"{start}gpt-4o-mini", provider="openai")) for start in ("", "openai/"))

    assert plain is not None
    assert named == plain


def test_a_model_without_a_price_costs_what_the_version_does_that_answered() -> None:
    known = pricing.price(call(model_id="gpt-4o-2024-08-06"))
    deployed = call(model_id="our-deployment", model_version="gpt-4o-2024-08-06")
    agreed = Override(id="1", match="gpt-4o-*", input_price=Decimal(1), output_price=Decimal(2))
    alias = Override(id="2", match="our-*", input_price=Decimal(3))

    assert pricing.price(deployed) == known is not None
    assert pricing.price(call(model_version="gpt-4o-2024-08-06")) == pricing.price(call())
    assert (pricing.price(deployed, [agreed]) or pytest.fail()).source == "override:1"
    # What is agreed of the name that was asked for says that its output has no price: another one would be a guess.
    assert pricing.price(deployed, [agreed, alias]) is None
    assert pricing.price(call(model_id="our-deployment", model_version="our-own")) is None


def test_an_embedding_needs_no_completion() -> None:
    priced = pricing.price(call(type="embedding", model_id="text-embedding-3-small", completion_tokens=None))

    assert priced is not None
    assert priced.cost == Decimal("0.00002")


def test_an_embedding_pays_for_no_completion_even_if_one_is_counted() -> None:
    override = Override("7", "m", input_price=Decimal(10), output_price=Decimal(20))

    priced = pricing.price(call(type="embedding", model_id="m"), [override])

    assert priced is not None
    assert priced.cost == Decimal("0.01")


def test_the_price_of_the_day_is_taken() -> None:
    early = Override("1", "m", input_price=Decimal(1), output_price=Decimal(1), valid_to=NOW)
    late = Override("2", "m", input_price=Decimal(2), output_price=Decimal(2), valid_from=NOW)

    before = pricing.applicable([early, late], "m", "", NOW - dt.timedelta(seconds=1))
    after = pricing.applicable([early, late], "m", "", NOW)

    assert (before, after) == (early, late)
    assert pricing.applicable([early], "m", "", NOW) is None


def test_the_day_that_is_told_of_a_call_goes_before_the_one_it_says() -> None:
    early = Override("1", "gpt-4", input_price=Decimal(1), output_price=Decimal(1), valid_to=NOW)

    priced = pricing.price(call(), [early], {"started_at": NOW - dt.timedelta(seconds=1)})

    assert priced is not None
    assert priced.source == "override:1"


def test_the_closest_override_wins() -> None:
    any_model = Override("1", "*")
    family = Override("2", "gpt-*")
    exact = Override("3", "gpt-4")
    elsewhere = Override("4", "gpt-4", provider="azure")

    assert pricing.applicable([any_model, family, exact, elsewhere], "GPT-4", "openai", NOW) == exact
    assert pricing.applicable([any_model, family, exact, elsewhere], "gpt-4", "Azure", NOW) == elsewhere
    assert pricing.applicable([any_model, family], "gpt-5", "", NOW) == family
    assert pricing.applicable([family], "claude", "", NOW) is None


def test_an_override_prices_each_class_and_falls_back_to_input() -> None:
    override = Override(
        "7", "gpt-4", currency="EUR", input_price=Decimal(10), cached_input_price=Decimal(1), output_price=Decimal(20)
    )

    priced = pricing.price(call(cached_tokens=400, cache_write_tokens=100), [override])

    assert priced is not None
    assert priced.cost == (500 * Decimal(10) + 400 * Decimal(1) + 100 * Decimal(10) + 100 * Decimal(20)) / 1_000_000
    assert (priced.currency, priced.source) == ("EUR", "override:7")


def test_what_is_read_from_the_cache_may_cost_nothing() -> None:
    override = Override("7", "m", input_price=Decimal(10), cached_input_price=Decimal(0), output_price=Decimal(20))

    priced = pricing.price(call(model_id="m", cached_tokens=1000, completion_tokens=0), [override])

    assert priced is not None
    assert priced.cost == 0


def test_an_override_without_a_price_for_a_class_in_use_gives_none() -> None:
    assert pricing.price(call(), [Override("7", "gpt-4", input_price=Decimal(10))]) is None


@pytest.mark.parametrize(
    ("name", "provider", "model", "priced"),
    [
        ("openai/gpt-4o", "openai", "gpt-4o", "openai"),
        ("gpt-4o", "openai", "gpt-4o", "openai"),
        ("anthropic/claude-3-5-sonnet-20240620", "anthropic", "claude-3-5-sonnet-20240620", "anthropic"),
        ("gemini/gemini-1.5-pro", "gemini", "gemini-1.5-pro", "google"),
        ("vertex_ai/claude-3-5-sonnet@20240620", "vertex_ai", "claude-3-5-sonnet@20240620", "google"),
        ("bedrock/us-east-1/anthropic.claude-3-sonnet-20240229-v1:0", "bedrock", None, "aws"),
        ("mistral/mistral-large-latest", "mistral", "mistral-large-latest", "mistral"),
        ("groq/llama-3.3-70b-versatile", "groq", "llama-3.3-70b-versatile", "groq"),
        ("azure/gpt-4o", "azure", "gpt-4o", "azure"),
        ("together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo", "together_ai", None, "together"),
        ("openrouter/openai/gpt-4o", "openrouter", "openai/gpt-4o", "openrouter"),
        ("xai/grok-3", "xai", "grok-3", "x-ai"),
        ("ollama/gpt-4o", "ollama", "gpt-4o", None),
        ("ollama/deepseek-r1", "ollama", "deepseek-r1", None),
        # Publishers on Hugging Face, what LiteLLM calls every server with OpenAI's interface, and what anybody serves.
        ("meta-llama/Llama-3-8B", None, None, None),
        ("mistralai/Mistral-7B-Instruct-v0.2", None, None, None),
        ("openai/gpt-oss-20b", None, None, None),
        ("gpt-oss-20b", None, None, "any"),
        ("openai/my-own-7b", None, None, None),
        ("Groq/Llama-3-Groq-8B-Tool-Use", None, None, None),
        ("gemini/", None, None, None),
    ],
)
def test_who_serves_a_model_is_read_from_its_name_where_that_says_so(
    name: str, provider: str | None, model: str | None, priced: str | None
) -> None:
    told = pricing.price(call(model_id=name, provider=None))

    assert vendors.provider_of(name) == provider
    assert vendors.split(name)[1] == (model or name if provider is None else model or name.partition("/")[2])
    if priced != "any":
        assert (told and told.arithmetic["provider"]) == priced
    if provider is not None:
        # Nor does a gateway that names itself know better.
        assert pricing.price(call(model_id=name, provider="litellm")) == told
        assert pricing.price(call(model_id=name, provider=provider)) == told


def test_who_is_told_to_have_answered_goes_before_what_a_name_says() -> None:
    told = pricing.price(call(model_id="openai/gpt-4o", provider="openrouter"))

    assert told is not None and (told.arithmetic["provider"], told.arithmetic["model"]) == (
        "openrouter",
        "openai/gpt-4o",
    )
    assert pricing.price(call(model_id="anthropic/claude-3-5-sonnet-20240620", provider="openai")) is None
