"""Experiments: what running an application over a dataset led to, item by item, and how several of them compare."""

from generations.experiments.comparing import (
    LEAST,
    MOST_ITEMS,
    MOST_RUNS,
    SORTS,
    Comparison,
    Difference,
    Line,
    Outcome,
    Run,
    Verdict,
    compare,
    lower_is_better,
)
from generations.experiments.keeping import NoSuchExperiment, add_item, create, delete, find

__all__ = [
    "LEAST",
    "MOST_ITEMS",
    "MOST_RUNS",
    "SORTS",
    "Comparison",
    "Difference",
    "Line",
    "NoSuchExperiment",
    "Outcome",
    "Run",
    "Verdict",
    "add_item",
    "compare",
    "create",
    "delete",
    "find",
    "lower_is_better",
]
