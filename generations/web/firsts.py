"""What brings the first row into a room that is empty: a sentence, and calls to paste once a key is filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from generations.web.tables import SORTS


@dataclass(frozen=True, slots=True)
class First:
    """`here` is the name of the room's address, `says` what brings a first row, `calls` the template of the calls."""

    kind: str
    here: str
    title: str
    says: str
    calls: str = "components/first_rows.html"


_LISTS: Final = [
    First(one.kind, one.here, one.title, one.empty, "components/first_calls.html") for one in SORTS.values()
]
_ROOMS: Final = [
    First("datasets", "datasets", "Datasets", "Make the first dataset."),
    First("experiments", "experiments", "Experiments", "Store the results of a first run."),
    First("prompts", "prompts", "Prompts", "Keep the first version of a prompt."),
    First("evaluators", "evaluators", "Evaluators", "Make the first evaluator."),
]
FIRSTS: Final = {first.kind: first for first in (*_LISTS, *_ROOMS)}
"""By the kind of what there is none of."""
