"""What a legal hold keeps is not emptied, at whatever door: a field that has something keeps something. Used by
`recording` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from generations import holds, records
from generations.holds import Held
from generations.recording.merging import Merged
from generations.records import Record

_OF_A_CHOICE: Final = frozenset({"selected_choice", "finish_reason", "logprobs"})
"""What changes with the answer that is selected; each of the answers keeps its own."""
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {}, ())


class Emptied(Exception):
    """Records would empty what holds keep; nothing was written."""

    def __init__(self, held: Mapping[tuple[str, str, str], Held]) -> None:
        super().__init__(*held.values())
        self._held = held
        """By kind, id and field."""

    def by(self, item: Record) -> Held | None:
        """Why this record is refused, where it or something in it is one of them."""
        inside = (*getattr(item, "scores", ()), *getattr(item, "attachments", ()), getattr(item, "feedback", None))
        said = [(records.KINDS[type(one)], str(one.id), one.cleared) for one in (item, *inside) if one is not None]
        keys = [(kind, id, name) for kind, id, cleared in said for name in cleared]
        return next((self._held[key] for key in keys if key in self._held), None)


def refuse(project: int, told: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Sequence[Merged]]) -> None:
    """Raise Emptied where what is `told` takes something from rows that a hold keeps. For whoever holds the project's
    lock; no query unless something is emptied."""
    held: dict[tuple[str, str, str], Held] = {}
    for kind, some in rows.items():
        for row in some:
            if row.is_changed and (names := _emptied(row, told[kind][row.id].cleared)):
                for hold in holds.keeping(project, kind, [row.id]):
                    held |= {(kind, row.id, name): Held(hold, kind, is_emptied=True) for name in names}
    if held:
        raise Emptied(held)


def _emptied(row: Merged, cleared: frozenset[str]) -> list[str]:
    """The fields that had something and have nothing any more."""
    if row.known is None or not cleared:
        return []
    before, now = row.known.record, row.record
    fields = cleared - _OF_A_CHOICE
    return [name for name in fields if getattr(before, name) not in _NOTHING and getattr(now, name) in _NOTHING]
