"""Makes records ready before their project is locked: cleaned, completed and as rows, as they stand if they are new.

Most of what comes is new, and whoever holds the lock makes the others wait. What turns out to be known, or was changed
meanwhile, is made anew under the lock as if nothing had been made ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import attrgetter
from typing import Any, Final

from django.utils import timezone

from generations import cleaning, pricing, records
from generations.models import Project
from generations.recording import merging, storing, tying
from generations.recording.merging import Merged
from generations.recording.tables import TABLES, Keys
from generations.records import GenerationRecord, InvalidRecord, Record, StepRecord

MOST_PROJECTS: Final = 1_000
_HANGING: Final[Mapping[type[Record], Callable[[Any], Any]]] = {
    GenerationRecord: attrgetter("scores", "attachments", "feedback"),
    StepRecord: attrgetter("scores", "attachments"),
}
"""What reads all that hangs on a record."""
_prices: Final[dict[int, list[pricing.Override]]] = {}
"""A project's own prices, as they were when last a transaction read them: rows are good if they are still the same."""


@dataclass(slots=True)
class Ready:
    """What was made ready: by where the records are in memory, for as long as this holds them."""

    tidy: dict[int, tuple[Record, Record]] = field(default_factory=dict)
    """Records as they were given, and as they are to be stored."""
    rows: dict[int, tuple[Merged, list[pricing.Override]]] = field(default_factory=dict)
    """Rows of the latter, and the prices that they were reckoned with."""
    packed: cleaning.Packed = field(default_factory=dict)
    keys: dict[tuple[str, str], str] = field(default_factory=dict)

    def row(self, record: Record, prices: Sequence[pricing.Override]) -> Merged | None:
        """The row of a record as it is to be stored, if that was made ready and these are the prices."""
        made = self.rows.get(id(record))
        return None if made is None or made[1] != prices else made[0]


def ready(project: Project, items: Iterable[Record]) -> Ready:
    """Make ready what can be: steps and generations with nothing that hangs on them, whose values can be stored."""
    now, made = timezone.now(), Ready()
    keys, prices = Keys(project.pk, made.packed), _prices.get(project.pk, [])
    every = [*items]
    for kind, hanging in _HANGING.items():
        given = [item for item in every if type(item) is kind]
        if any(map(any, map(hanging, given))):
            given = [item for item in given if not any(hanging(item))]
        if not given:
            continue
        read = cleaning.columns(given)
        clean = cleaning.clean_alike(given, now=now, packed=made.packed, read=read)
        sound = [tidy for tidy in clean if not isinstance(tidy, InvalidRecord)]
        tied = tying.tied(project, sound)
        rows = merging.as_new(tied, prices, now)
        is_unchanged = [*map(id, tied)] == [*map(id, given)]
        storing.fill_rows(TABLES[records.KINDS[kind]], keys, rows, read if is_unchanged else None)
        if len(sound) < len(given):
            given = [item for item, tidy in zip(given, clean, strict=True) if not isinstance(tidy, InvalidRecord)]
        made.tidy.update(zip(map(id, given), zip(given, tied, strict=True), strict=True))
        made.rows.update(zip(map(id, tied), zip(rows, repeat(prices), strict=False), strict=True))
    made.keys = dict(keys)
    return made


def united(some: Iterable[Ready]) -> Ready:
    """All of it as one."""
    whole = Ready()
    for one in some:
        whole.tidy |= one.tidy
        whole.rows |= one.rows
        whole.packed |= one.packed
        whole.keys |= one.keys
    return whole


def remember(project: int, prices: list[pricing.Override]) -> None:
    """Reckon with these prices from now on."""
    if _prices.get(project) != prices:
        if len(_prices) >= MOST_PROJECTS:
            _prices.clear()
        _prices[project] = prices
