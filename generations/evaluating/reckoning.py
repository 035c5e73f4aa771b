"""What an evaluation takes, reckoned before it begins: items, calls, and money where all prices are known."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from typing import Any, Final

from generations import pricing, repricing, verdicts
from generations.access import Grant, Scope
from generations.evaluating import answering
from generations.evaluating.asking import Asked, cases, count
from generations.evaluating.scoring import JUDGE_TOKENS
from generations.generating import BUILT_IN
from generations.records import GenerationRecord

SAMPLE: Final = 20
"""Cases whose length is taken for that of all."""
LETTERS: Final = 4
"""Letters of a token, about."""
ANSWER_TOKENS: Final = 300
"""What an answer is taken to be long where nothing bounds it."""


@dataclass(frozen=True, slots=True)
class Line:
    """The calls of one model. The cost is None where no price is known, and 0 for models that are built in."""

    model: str
    calls: int
    cost: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an evaluation will take, before it begins. `cost` is None where a price is not known: of `unknown`."""

    items: int
    calls: int
    cost: Decimal | None
    currency: str | None
    lines: tuple[Line, ...]
    unknown: tuple[str, ...]

    @property
    def cost_of_item(self) -> Decimal | None:
        """What one item costs, about."""
        return None if self.cost is None else self.cost / max(1, self.items)


def estimate(grant: Grant, asked: Asked) -> Estimate:
    """How many items and calls there will be, and what they cost at today's prices, about. Needs `read`."""
    grant.need(Scope.READ)
    items = count(grant, asked)
    some = list(islice((case for batch in cases(grant, asked) for case in batch), SAMPLE))
    per_item: list[tuple[str, int, int]] = []
    called = answering.versions(grant, asked.versions, asked.model)
    answer = ANSWER_TOKENS
    for version in called:
        template = len(verdicts.plain(version.row.template_messages or version.row.template))
        bound = version.row.settings.get("max_tokens") or version.row.settings.get("maxTokens")
        answer = bound if isinstance(bound, int) and bound > 0 else ANSWER_TOKENS
        asked_letters = template + _mean(len(verdicts.plain(case.input)) for case in some)
        per_item.append((version.model, math.ceil(asked_letters / LETTERS), answer))
    for evaluator in asked.evaluators:
        if evaluator.model is None:
            continue
        letters = _mean(len(verdicts.plain(case.input)) + len(verdicts.plain(case.expected)) for case in some)
        if evaluator.kind == "judge":
            said = answer * LETTERS if called else _mean(len(verdicts.plain(case.output)) for case in some)
            letters += said + len(evaluator.options["criterion"]) + 700
        tokens = JUDGE_TOKENS // 4 if evaluator.kind == "judge" else 1
        per_item += [(evaluator.model, math.ceil(letters / LETTERS), tokens)] * max(1, len(called))
    return _reckoned(grant, items, per_item)


# ------------------------------------------------------------------------------------------------------- how it is done
def _mean(values: Any) -> float:
    known = list(values)
    return sum(known) / len(known) if known else 0.0


def _reckoned(grant: Grant, items: int, per_item: Sequence[tuple[str, int, int]]) -> Estimate:
    prices = repricing.overrides_of(grant.project)
    sums: dict[str, Line] = {}
    for model, prompt, answer in per_item:
        cost, currency = _price(model, prompt, answer, prices)
        known = sums.get(model)
        whole = None if cost is None else cost * items
        if known is not None:
            whole = None if whole is None or known.cost is None else whole + known.cost
        sums[model] = Line(model, items + (known.calls if known else 0), whole, currency)
    unknown = tuple(line.model for line in sums.values() if line.cost is None)
    currencies = {line.currency for line in sums.values() if line.currency}
    cost = None
    if not unknown and len(currencies) <= 1:
        cost = sum((line.cost for line in sums.values() if line.cost is not None), Decimal(0))
    return Estimate(
        items,
        items * len(per_item),
        cost,
        next(iter(currencies), None) if len(currencies) == 1 else None,
        tuple(sums.values()),
        unknown,
    )


def _price(
    model: str, prompt: int, answer: int, prices: Sequence[pricing.Override]
) -> tuple[Decimal | None, str | None]:
    """What one call costs. A model that is built in costs nothing; one without a known price: None."""
    if model in BUILT_IN:
        return Decimal(0), None
    provider, _, name = model.partition("/")
    found = pricing.price(
        GenerationRecord(
            id="",
            type="chat",
            model_id=name or model,
            provider=provider,
            prompt_tokens=prompt,
            completion_tokens=answer,
            started_at=dt.datetime.now(dt.UTC),
        ),
        prices,
    )
    return (None, None) if found is None else (found.cost, found.currency)
