"""Evaluators, and what they say: of prompt versions over a dataset, of what was stored, of what comes in."""

from generations.evaluating.asking import MOST_EVALUATORS, MOST_ITEMS, MOST_VERSIONS, OF, Asked, Tried, asked, preview
from generations.evaluating.keeping import (
    MAX_NAME,
    NoSuchEvaluator,
    archive,
    change,
    create,
    every,
    find,
    trigger,
)
from generations.evaluating.online import look, seconds_behind
from generations.evaluating.reckoning import Estimate, estimate
from generations.evaluating.running import run
from generations.evaluating.scoring import Finding
from generations.evaluating.starting import start

__all__ = [
    "MAX_NAME",
    "MOST_EVALUATORS",
    "MOST_ITEMS",
    "MOST_VERSIONS",
    "OF",
    "Asked",
    "Estimate",
    "Finding",
    "NoSuchEvaluator",
    "Tried",
    "archive",
    "asked",
    "change",
    "create",
    "estimate",
    "every",
    "find",
    "look",
    "preview",
    "run",
    "seconds_behind",
    "start",
    "trigger",
]
