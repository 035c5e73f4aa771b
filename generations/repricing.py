"""What a project pays for models: its own prices, and what today's prices would make of calls recorded before."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from generations import bundles, filters, jobs, metrics, paging, pricing, recording
from generations.access import Grant, Scope, audit
from generations.cleaning import clean_string
from generations.filters import BadFilter
from generations.metrics import Dimension, Measure, Query
from generations.models import Job, PriceOverride, Project
from generations.records import Json

PRICES: Final = ("input_price", "cached_input_price", "cache_write_price", "output_price")
BATCH: Final = 200
MODELS: Final = 1_000
PATIENCE: Final = 1.0
"""How many models are looked at for those without a price, and for how many seconds."""
COUNTED: Final = 10_000_000
_MOST: Final = Decimal(10) ** 9


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A model and who serves it, its calls since a moment, and how many of them have no cost.

    `has_price`: there is a price today, so that what is missing is tokens, or a reckoning since the price was set.
    """

    model: str
    provider: str
    calls: int
    without: int
    has_price: bool


class BadPrice(ValueError):
    """A price that cannot be: names the field and what would be right."""


def add(
    grant: Grant,
    *,
    match: str,
    provider: str = "",
    currency: str = "USD",
    prices: dict[str, str],
    valid_from: dt.datetime | None = None,
    valid_to: dt.datetime | None = None,
) -> PriceOverride:
    """What models that match cost from now on, per million tokens; `prices` are texts by PRICES. Needs `admin`.

    Calls recorded before are reckoned again by `start`. Raises BadPrice.
    """
    grant.need(Scope.ADMIN)
    name, whose, code = clean_string(match).strip(), clean_string(provider).strip(), pricing.currency_of(currency)
    if not 1 <= len(name) <= 200 or len(whose) > 100:
        raise BadPrice("match: expected the id of a model, with * for any characters, of 1 to 200 characters")
    if code is None:
        raise BadPrice(f"currency: {currency[:20]!r} is not valid; expected a code of three letters, such as USD")
    if valid_from is not None and valid_to is not None and valid_to <= valid_from:
        raise BadPrice("valid_to: expected a day after the first one")
    amounts = {field: _amount(field, prices.get(field, "")) for field in PRICES}
    if all(amount is None for amount in amounts.values()):
        raise BadPrice("input_price: give at least one price, for a million tokens")
    with transaction.atomic():
        made = PriceOverride.objects.create(
            project=grant.project,
            match=name,
            provider=whose,
            currency=code,
            valid_from=valid_from,
            valid_to=valid_to,
            **amounts,
        )
        audit(grant, "price.create", "price", str(made.pk), {"match": name, "currency": code})
    return made


def remove(grant: Grant, price_id: uuid.UUID) -> bool:
    """Remove a price; False when the project has no such one. Needs `admin`."""
    grant.need(Scope.ADMIN)
    with transaction.atomic():
        found = PriceOverride.objects.filter(project=grant.project, pk=price_id).first()
        if found is None:
            return False
        audit(grant, "price.delete", "price", str(found.pk), {"match": found.match})
        found.delete()
    return True


def unpriced(grant: Grant, since: dt.datetime, most: int = 50) -> tuple[list[Unpriced], bool]:
    """Models with calls since then that have no cost: the `most` with the most of them, those without a price first;
    and whether there may be more.

    One aggregation over what rollups hold, of MODELS models at most. Raises metrics.TooSlow.
    """
    asked = Query(
        condition=filters.from_document("generations", {"timestamp": {"$gte": since}}),
        dimensions=tuple(Dimension(path, path) for path in ("model.id", "model.provider", "usage.currency")),
        measures=(Measure("count", "count"), Measure("cost", "sum", "usage.cost")),
        order=(("count", True),),
        limit=MODELS,
    )
    told = metrics.aggregate(grant.project, asked, timeout=PATIENCE)
    counts: dict[tuple[str, str], list[int]] = {}
    for row in told.rows:
        if row.key["model.id"]:
            own = counts.setdefault((str(row.key["model.id"]), str(row.key["model.provider"] or "")), [0, 0])
            own[0] += row.count
            own[1] += row.unknown["cost"]
    ranked = sorted((one for one in counts.items() if one[1][1]), key=lambda one: (-one[1][1], one[0]))
    overrides, now = overrides_of(grant.project), timezone.now()
    found = [
        Unpriced(model, provider, calls, without, pricing.is_known(model, provider, now, overrides))
        for (model, provider), (calls, without) in ranked[:most]
    ]
    return sorted(found, key=lambda one: one.has_price), told.more or len(ranked) > most


def start(grant: Grant, *, is_dry: bool, document: Json = None) -> Job:
    """A job that reckons the cost of generations that match anew, or with `is_dry` counts what that would change.

    Costs that callers gave stay. Needs `admin`. Raises BadFilter.
    """
    grant.need(Scope.ADMIN)
    filters.narrow("generations", grant.project.pk, filters.from_document("generations", document or {}))
    return jobs.create(grant, Job.Kind.REPRICE, {"dry": is_dry, "filter": document or {}})


def run(job_id: uuid.UUID | str) -> bool:
    """Do a job of `start`; False when another worker has it or it has ended."""
    return jobs.work(job_id, _run)


def _run(lease: jobs.Lease) -> None:
    project, asked = lease.job.project, lease.job.parameters
    # An attempt after one that broke off goes on where that one was, and counts the whole job.
    fresh: dict[str, Any] = {"looked at": 0, "changed": 0, "before": {}, "after": {}, "cursor": None, "isOver": False}
    done = fresh | lease.earlier
    try:
        condition = filters.from_document("generations", asked["filter"])
        lease.advance(
            done["looked at"],
            lease.job.progress_total or paging.count("generations", project.pk, condition, cap=COUNTED).value,
        )
        overrides = overrides_of(project)
        cursor = done["cursor"]
        while not done["isOver"]:
            page = paging.page("generations", project.pk, condition, after=cursor, limit=BATCH)
            differing, cursor = _differing(project, page.rows, overrides), page.next
            for row, price in differing:
                if row.cost is not None:
                    _add(done["before"], row.currency or "USD", row.cost)
                if price is not None:
                    _add(done["after"], price.currency, price.cost)
            with transaction.atomic():
                ids = [row.public_id for row, _ in differing]
                done["changed"] += recording.reprice(project, ids) if ids and not asked["dry"] else len(ids)
                done |= {"looked at": done["looked at"] + len(page.rows), "cursor": cursor, "isOver": cursor is None}
                lease.remember(done)
            lease.advance(done["looked at"], max(done["looked at"], lease.total or 0))
    except BadFilter as error:
        raise jobs.Failed(f"The filter is no longer possible. {error}") from error
    lease.finish({name: done[name] for name in ("looked at", "changed", "before", "after")})


def _add(sums: dict[str, str], currency: str, amount: Decimal) -> None:
    """Add to the sum of a currency; sums are texts, as JSON has them without loss."""
    sums[currency] = str(Decimal(sums.get(currency, "0")) + amount)


def _differing(
    project: Project, rows: list[Any], overrides: list[pricing.Override]
) -> list[tuple[Any, pricing.Price | None]]:
    """Of these calls, those whose cost is another today, with that price."""
    found = []
    for bundle in bundles.of_generations(
        project, rows, payload=False, alternatives=False, scores=False, feedback=False, attachments=False
    ):
        row = bundle.generation
        if pricing.is_given(row):
            continue
        price = pricing.price(bundle.record, overrides)
        today = (None, None, None) if price is None else (price.cost, price.currency, price.source)
        if today != (row.cost, row.currency, row.cost_source):
            found.append((row, price))
    return found


def overrides_of(project: Project) -> list[pricing.Override]:
    """The prices that the project has of its own."""
    rows = PriceOverride.objects.filter(project=project)
    return [
        pricing.Override(
            id=str(row.pk),
            match=row.match,
            provider=row.provider,
            currency=row.currency,
            **{field: getattr(row, field) for field in PRICES},
            valid_from=row.valid_from,
            valid_to=row.valid_to,
        )
        for row in rows
    ]


def _amount(field: str, text: str) -> Decimal | None:
    said = text.strip().replace(",", ".")
    if not said:
        return None
    try:
        amount = Decimal(said)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or not 0 <= amount < _MOST:
        raise BadPrice(f"{field}: {text[:40]!r} is not valid; expected an amount for a million tokens, 0 or more")
    return amount
