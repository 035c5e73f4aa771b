"""Review: queues of generations and steps that people judge, one at a time, and how far they agree."""

from generations.reviewing.agreeing import Agreement, agreement
from generations.reviewing.queues import (
    KINDS,
    MOST_ITEMS,
    BadQueue,
    Criterion,
    NoSuchQueue,
    add,
    create,
    criteria_of,
    delete,
    find,
    parsed,
    update,
    written,
)
from generations.reviewing.turns import HELD_FOR, Turn, release, save, skip, take, undo

__all__ = [
    "HELD_FOR",
    "KINDS",
    "MOST_ITEMS",
    "Agreement",
    "BadQueue",
    "Criterion",
    "NoSuchQueue",
    "Turn",
    "add",
    "agreement",
    "create",
    "criteria_of",
    "delete",
    "find",
    "parsed",
    "release",
    "save",
    "skip",
    "take",
    "undo",
    "update",
    "written",
]
