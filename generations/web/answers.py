"""The answers to one call: each as a card, and tabs where there are several to choose from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest

from generations import reading
from generations.bundles import Bundle
from generations.records import Json
from generations.web import blocks, conversation
from generations.web.conversation import Card, Reading
from generations.web.markup import Budget

MOST: Final = 20
INSTEAD: Final = frozenset({"choice", "beam", "scored"})
"""Kinds of alternatives among which the answer is one; the others came before or after it."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """A tab among the answers."""

    key: str
    title: str
    is_open: bool
    is_selected: bool
    address: str

    @property
    def may_be_selected(self) -> bool:
        """Whether it is the one that is shown, and another one is marked."""
        return self.is_open and not self.is_selected


def card(value: Json, place: str, budget: Budget, how: Reading) -> Card:
    """An answer as a card, whatever it is: a message, a text, or anything else."""
    unmarked = Reading(is_raw=how.is_raw)
    if isinstance(value, Mapping) and {"role", "content", "parts", "tool_calls"} & set(value):
        return conversation.message(value, place, budget, unmarked, role="assistant", is_answer=True)
    title, icon = conversation.ROLES["assistant"]
    made = Card("assistant", title, icon, "answer", place, is_answer=True)
    block = conversation.value_block(place, value, budget, unmarked, rendered=True)
    made.blocks.append(block)
    made.size = block.size
    return made


def alternatives(request: HttpRequest, bundle: Bundle) -> list[Alternative]:
    """The answers to choose from, numbered from 1: none when there is only one.

    The answer is the first of them, unless it was recorded among the others once more.
    """
    others = bundle.alternatives[: MOST - 1]
    if not others:
        return []
    answer = reading.output_text(bundle.record)
    same = next((str(other.index) for other in others if answer and reading.message_text(other.content) == answer), "")
    kinds = {str(other.index): other.kind for other in others}
    if not same:
        first = others[0].kind
        kinds = {"": first if first in INSTEAD else "answer"} | kinds
    asked, chosen = request.GET.get("answer", ""), str(bundle.generation.selected_choice)
    opened = asked if asked in kinds else same
    selected = chosen if chosen in kinds else same
    return [
        Alternative(
            key,
            "Answer" if kind == "answer" else f"{kind.capitalize()} {number}",
            key == opened,
            key == selected,
            f"?{blocks.address(request, answer=key)}#answers",
        )
        for number, (key, kind) in enumerate(kinds.items(), 1 if same or kinds.get("") in INSTEAD else 0)
    ]


def choice(bundle: Bundle, key: str) -> int | None:
    """What is stored when the answer of the tab `key` is the one taken; raises LookupError where there is none.

    The answer itself is 0 where no alternative has that place, and else what is selected when nothing is said.
    """
    places = {other.index for other in bundle.alternatives}
    if key == "":
        return None if 0 in places else 0
    if not (key.isascii() and key.isdigit() and len(key) < 9 and int(key) in places):
        raise LookupError(key)
    return int(key)
