"""What the shop's people keep beside its calls: prompts, datasets, experiments, an evaluator, a queue of answers."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import transaction

from generations import datasets, evaluating, experiments, prompts, recording, reviewing
from generations.access import Grant
from generations.datasets import NewItem
from generations.demo.conversations import ENGLISH
from generations.demo.shop import SHOP, SYSTEM, TOOLS
from generations.demo.week import PROMPTS
from generations.models import DatasetItem
from generations.records import Json, Record, ScoreRecord

SUPPORT: Final = "support-answer"
QUESTIONS: Final = "Questions of customers"
COMPLAINTS: Final = "Answers that customers disliked"
_CHANGES: Final = ("Where it began.", "Never guesses an order's state, promises no refund.", "Builds on help articles.")
_SLOTS: Final[Mapping[str, str]] = {
    "first": "Ada",
    "order": "FH-48213",
    "product": "Larch 3",
    "sku": "LA3",
    "size": "M",
    "price": "1290",
    "city": "Ghent",
    "carrier": "DPD",
    "days": "3",
    "date": "2026-06-02",
}
_OTHERS: Final[Sequence[tuple[str, int, str, list[Json]]]] = (
    (
        "sort-ticket",
        4,
        "Reads an e-mail and says what it is about, as JSON.",
        [
            {
                "role": "system",
                "content": f"Sort the ticket of a customer of {SHOP}. Answer with JSON by the schema only.",
            },
            {"role": "user", "content": "{{ticket}}"},
        ],
    ),
    (
        "product-copy",
        2,
        "Two sentences about a product, in three wordings to choose from.",
        [
            {"role": "system", "content": f"You write for {SHOP}. Tone: {{{{tone}}}}. No superlatives."},
            {"role": "user", "content": "Describe the {{product}} in two sentences. Facts: {{facts}}"},
        ],
    ),
)


@dataclass(frozen=True, slots=True)
class _Run:
    """An experiment: the prompt's version that answered, how often well, and how long it took to say so."""

    name: str
    version: int
    helpful: float
    spread: float


_RUNS: Final = (_Run("Version 12", 12, 0.71, 0.16), _Run("Version 13, with help articles", 13, 0.84, 0.1))


def prompted(grant: Grant, start: dt.datetime, days: int) -> None:
    """Keep the prompts of the week that begins at `start` and has so many `days`, unless they are there. Needs `write`.

    It is done before the calls are recorded, so that each of them is tied to its version.
    """
    if prompts.named(grant, SUPPORT) is not None:
        return
    with transaction.atomic():
        _support_prompt(grant, start, dt.timedelta(days=days))
        for name, number, description, messages in _OTHERS:
            prompt = prompts.get_or_create(grant, name, description)
            prompts.add_version(
                grant, prompt, template_messages=messages, id=f"{name}@{number}", first=number, created_at=start
            )
            prompts.move(grant, prompt, {"production": number})


def furnish(grant: Grant, disliked: Sequence[str]) -> None:
    """Put something into the rooms for datasets, experiments, evaluators and review, unless it is there.

    `disliked` are the ids of calls with a thumb down. Needs `write`. Raises ValueError where the project has something
    else of one of these names.
    """
    if datasets.named(grant, QUESTIONS) is not None:
        return
    with transaction.atomic():
        _experiments(grant, _questions(grant))
        evaluating.create(
            grant, name="Names a day", kind="regex", options={"pattern": r"\d{4}-\d\d-\d\d|today|tomorrow|days?"}
        )
        if disliked:
            _complaints(grant, disliked)


def _support_prompt(grant: Grant, start: dt.datetime, length: dt.timedelta) -> None:
    prompt = prompts.get_or_create(grant, SUPPORT, "How Fern talks to customers.")
    for (share, number), change in zip(PROMPTS, _CHANGES, strict=True):
        text = SYSTEM[number].replace("{", "{{").replace("}", "}}")
        prompts.add_version(
            grant,
            prompt,
            template_messages=[{"role": "system", "content": text}],
            settings={"temperature": 0.3, "top_p": 0.95, "max_tokens": 600},
            tools=TOOLS,
            description=change,
            model_id="gpt-4o",
            provider="openai",
            id=f"{SUPPORT}@{number}",
            first=number,
            created_at=start + share * length,
        )
    prompts.move(grant, prompt, {"production": PROMPTS[-1][1], "fallback": PROMPTS[-2][1]})
    prompts.roll_out(grant, prompt, [{"version": PROMPTS[-1][1], "rollout": 100}])


def _questions(grant: Grant) -> list[DatasetItem]:
    """A dataset of the first question of each conversation with the answer that the shop is happy with."""
    made = datasets.create(grant, name=QUESTIONS, description="One of each topic; colleagues wrote what to answer.")
    new = [
        NewItem(
            input={"question": script.turns[0].asks[0].format_map(_SLOTS)},
            expected_output=script.turns[0].answers[0].format_map(_SLOTS),
            metadata={"topic": script.topic},
            split="hard" if script.topic == "complaint" else "usual",
        )
        for script in ENGLISH
    ]
    return datasets.add_items(grant, str(made.pk), new)


def _experiments(grant: Grant, items: Sequence[DatasetItem]) -> None:
    """Two versions of the prompt over the same questions, each answer judged."""
    records: list[Record] = []
    for place, run in enumerate(_RUNS):
        chance = random.Random(run.version)  # noqa: S311 - believable, not secret
        made = experiments.create(
            grant,
            name=run.name,
            dataset_id=str(items[0].dataset_id),
            prompt_version_id=f"{SUPPORT}@{run.version}",
            params={"model": "gpt-4o", "temperature": 0.3},
        )
        for item, script in zip(items, ENGLISH, strict=True):
            answers = script.turns[0].answers
            answer = answers[place % len(answers)].format_map(_SLOTS)
            row = experiments.add_item(
                grant, str(made.pk), dataset_item_id=str(item.pk), input=item.input, output=answer
            )
            helpful = min(1.0, max(0.0, chance.gauss(run.helpful, run.spread)))
            judged: dict[str, Any] = {"type": "AI", "author": "judge/gpt-4.1-mini", "experiment_item_id": str(row.pk)}
            records.append(ScoreRecord(name="helpfulness", value=round(helpful, 2), **judged))
    recording.record(grant.project, records)


def _complaints(grant: Grant, ids: Sequence[str]) -> None:
    """Calls with a thumb down: a dataset that every new prompt has to do better on, and a queue to say why."""
    about = "What was asked where the answer got a thumb down: a new prompt has to do better on these."
    made = datasets.create(grant, name=COMPLAINTS, description=about)
    datasets.add_generations(grant, str(made.pk), ids)
    queue = reviewing.create(
        grant,
        name="Thumbs down, this week",
        criteria=reviewing.parsed("helpful: number 1-5\ntone: category kind, neutral, rude\nwhy: comment"),
        description="What went wrong, and what to change.",
    )
    reviewing.add(grant, str(queue.pk), "generation", ids)
