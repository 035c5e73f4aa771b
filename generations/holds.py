"""What legal holds keep: rows that are not deleted, whoever asks, until the hold is released."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from generations import filters
from generations.filters import Condition
from generations.models import Attachment, LegalHold, Score, Step

_PARTS: Final[dict[str, Any]] = {"attachment": Attachment, "score": Score}
"""Rows that belong to a generation, a step or a thread."""


class Held(Exception):
    """What a legal hold keeps was to be deleted."""

    def __init__(self, kind: str) -> None:
        beside = "what it belongs to" if kind in _PARTS else "something in it"
        super().__init__(f"A legal hold keeps this {kind}, or {beside}. Nothing was deleted; release it first.")


def refuse(project_pk: int, kind: str, ids: Sequence[str]) -> None:
    """Raise Held if a hold keeps any of these rows, what would go with them, or what they are scores and files of. One
    query where nothing is held."""
    found = open_holds(project_pk)
    if not found:
        return
    rows = _PARTS[kind].objects.by_ids(project_pk, kind, ids) if kind in _PARTS else None
    for one in (kind,) if rows is None else ("generation", "step", "thread"):
        known = ids if rows is None else [id for id in rows.values_list(f"{one}_id", flat=True) if id]
        if held_threads(project_pk, known) if one == "thread" else _is_held(project_pk, found, one, known):
            raise Held(kind)


def open_holds(project_pk: int) -> list[LegalHold]:
    """The holds of a project that are not released."""
    return list(LegalHold.objects.filter(project_id=project_pk, released_at=None))


def conditions(found: Sequence[LegalHold], kind: str) -> list[Condition | None]:
    """The conditions of those of the holds that are on a list; None is one on everything."""
    # A hold on everything is one on each list, whichever it was made for.
    return [filters.from_document(one.kind, one.filter) for one in found if one.kind == kind or not one.filter]


def held_threads(project_pk: int, ids: Sequence[str]) -> set[str]:
    """Those of these threads in which a hold keeps something: a step, or a generation of the thread or its steps."""
    found: set[str] = set()
    steps = Step.objects.in_project(project_pk).filter(thread_id__in=ids)
    there = open_holds(project_pk)
    for kind in ("generations", "steps"):
        for hold in conditions(there, kind):
            if hold is None:
                return set(ids)
            held = filters.narrow(kind, project_pk, hold)
            found.update(held.filter(thread_id__in=ids).values_list("thread_id", flat=True))
            if kind == "generations":
                made = steps.filter(public_id__in=held.filter(step_id__isnull=False).values("step_id"))
                found.update(made.values_list("thread_id", flat=True))
    return found


_WITH: Final = {
    "generation": {"generations": "public_id"},
    "step": {"steps": "public_id", "generations": "step_id"},
}
"""The lists in which a row that is deleted has rows, and what these know it by."""


def _is_held(project_pk: int, found: Sequence[LegalHold], kind: str, ids: Sequence[str]) -> bool:
    return any(
        hold is None or filters.narrow(name, project_pk, hold).filter(**{f"{column}__in": list(ids)}).exists()
        for name, column in _WITH.get(kind, {}).items()
        for hold in conditions(found, name)
    )
