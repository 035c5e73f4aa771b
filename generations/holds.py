"""What legal holds keep: rows that are neither deleted nor emptied, whoever asks, until the hold is released.

Who deletes shares a lock until the end of the transaction, which who adds a hold takes alone, before the writers' lock
of the project: what is deleted was deleted before the hold was there, and nothing of it is, or the hold keeps it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db import connection

from generations import filters
from generations.at_once import Statement
from generations.filters import Condition
from generations.models import Attachment, LegalHold, Score, Step

_LOCK: Final = 0x47454E38  # the first half of the lock of what decides in a project; the second is the project
_PARTS: Final[dict[str, Any]] = {"attachment": Attachment, "score": Score}
"""Rows that belong to a generation, a step or a thread."""
_SHOWN: Final = 100


class Held(Exception):
    """What a legal hold keeps was to be deleted, or emptied."""

    def __init__(self, hold: LegalHold, kind: str, *, is_emptied: bool = False) -> None:
        self.hold = hold
        what = f"this {kind}, or {'what it belongs to' if kind in _PARTS else 'something in it'}"
        done = "emptied" if is_emptied else "deleted"
        if kind == "participant":
            what, done = "something of this participant's", "erased"
        keeps = f"keeps {what}. Nothing was {done}; release it first."
        self.unnamed = f"A legal hold {keeps}"
        """The same without its reason, which is nothing for who may only send."""
        super().__init__(f'The legal hold "{hold.reason[:_SHOWN]}" {keeps}')


# ---------------------------------------------------------------------------------------------------------- who decides
def shared(project_pk: int) -> Statement:
    """What lets nobody add a hold, or remove a rule, before the end of the transaction."""
    return "SELECT pg_advisory_xact_lock_shared(%s, %s)", (_LOCK, project_pk % 2**31)


def alone(project_pk: int) -> Statement:
    """What waits until nobody deletes by the holds and rules that there are, and lets nobody until the transaction
    ends."""
    return "SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, project_pk % 2**31)


def refuse(project_pk: int, kind: str, ids: Sequence[str]) -> None:
    """Raise Held if a hold keeps any of these rows, what would go with them, or what they are scores and files of.

    For a transaction that deletes them, before it takes the writers' lock: none is added until it ends. Two queries
    where nothing is held.
    """
    with connection.cursor() as cursor:
        cursor.execute(*shared(project_pk))
    for hold in keeping(project_pk, kind, ids):
        raise Held(hold, kind)


# ------------------------------------------------------------------------------------------------------- what they keep
def open_holds(project_pk: int) -> list[LegalHold]:
    """The holds of a project that are not released."""
    return list(LegalHold.objects.filter(project_id=project_pk, released_at=None))


def conditions(found: Sequence[LegalHold], kind: str) -> list[Condition | None]:
    """The conditions of those of the holds that are on a list; None is one on everything."""
    # A hold on everything is one on each list, whichever it was made for.
    return [filters.from_document(one.kind, one.filter) for one in found if one.kind == kind or not one.filter]


def keeping(project_pk: int, kind: str, ids: Sequence[str]) -> Iterator[LegalHold]:
    """The holds that keep any of these rows, what would go with them, or what they are scores and files of."""
    found = open_holds(project_pk)
    if found and kind in _PARTS:
        rows = _PARTS[kind].objects.by_ids(project_pk, kind, ids)
        named = {one: [id for id in rows.values_list(f"{one}_id", flat=True) if id] for one in _WITH}
    else:
        named = {kind: list(ids)} if kind in _WITH else {}
    for hold in found:
        if any(_kept_by(project_pk, hold, one, some) for one, some in named.items() if some):
            yield hold


def kept(project_pk: int, kind: str, ids: Sequence[str]) -> dict[str, LegalHold]:
    """Those of these generations, steps or threads that a hold keeps, or something in them, each with one that does."""
    found: dict[str, LegalHold] = {}
    for hold in open_holds(project_pk):
        found = dict.fromkeys(_kept_by(project_pk, hold, kind, ids), hold) | found
    return found


_WITH: Final = {
    "generation": {"generations": "public_id"},
    "step": {"steps": "public_id", "generations": "step_id"},
    "thread": {"steps": "thread_id", "generations": "thread_id"},
}
"""The lists in which a row that is deleted has rows, and what these know it by."""


def _kept_by(project_pk: int, hold: LegalHold, kind: str, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for name, column in _WITH[kind].items():
        for condition in conditions([hold], name):
            if condition is None:
                return set(ids)
            rows = filters.narrow(name, project_pk, condition)
            found.update(rows.filter(**{f"{column}__in": list(ids)}).values_list(column, flat=True))
            if (kind, name) == ("thread", "generations"):
                steps = Step.objects.in_project(project_pk).filter(thread_id__in=list(ids))
                made = steps.filter(public_id__in=rows.filter(step_id__isnull=False).values("step_id"))
                found.update(id for id in made.values_list("thread_id", flat=True) if id)
    return found
