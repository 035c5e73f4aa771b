"""What is kept for how long, and how one person's records are taken out of everything."""

from generations.retention.erasing import COUNTED, DELIVERED, NoSuchParticipant, erase, hold_of, is_erasable
from generations.retention.erasing import run as run_erasure
from generations.retention.expiring import due, expired_on, plan, start
from generations.retention.expiring import run as run_retention
from generations.retention.foretelling import foretell
from generations.retention.gone import PROJECT_GONE, SINCE, forget_files
from generations.retention.intakes import forget_intake, forget_refused_bodies
from generations.retention.rules import (
    BadRule,
    add_hold,
    add_rule,
    holds,
    move_up,
    named,
    release_hold,
    remove_rule,
    rules,
)
from generations.retention.unnamed import forget_unnamed

__all__ = [
    "COUNTED",
    "DELIVERED",
    "PROJECT_GONE",
    "SINCE",
    "BadRule",
    "NoSuchParticipant",
    "add_hold",
    "add_rule",
    "due",
    "erase",
    "expired_on",
    "foretell",
    "forget_files",
    "forget_intake",
    "forget_refused_bodies",
    "forget_unnamed",
    "hold_of",
    "holds",
    "is_erasable",
    "move_up",
    "named",
    "plan",
    "release_hold",
    "remove_rule",
    "rules",
    "run_erasure",
    "run_retention",
    "start",
]
