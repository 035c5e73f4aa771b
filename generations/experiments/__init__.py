"""Experiments: what running an application over a dataset led to, item by item, and how several of them compare."""

from generations.experiments.comparing import (
    MOST_ITEMS,
    MOST_RUNS,
    SORTS,
    Comparison,
    Difference,
    Line,
    Outcome,
    Run,
    compare,
    lower_is_better,
)
from generations.experiments.keeping import NoSuchExperiment, add_item, create, delete, find

__all__ = [
    "MOST_ITEMS",
    "MOST_RUNS",
    "SORTS",
    "Comparison",
    "Difference",
    "Line",
    "NoSuchExperiment",
    "Outcome",
    "Run",
    "add_item",
    "compare",
    "create",
    "delete",
    "find",
    "lower_is_better",
]
