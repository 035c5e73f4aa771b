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
from generations.experiments.keeping import (
    MAX_ITEMS,
    NewResult,
    NoSuchExperiment,
    add_item,
    add_items,
    create,
    delete,
    find,
)

__all__ = [
    "LEAST",
    "MAX_ITEMS",
    "MOST_ITEMS",
    "MOST_RUNS",
    "SORTS",
    "Comparison",
    "Difference",
    "Line",
    "NewResult",
    "NoSuchExperiment",
    "Outcome",
    "Run",
    "Verdict",
    "add_item",
    "add_items",
    "compare",
    "create",
    "delete",
    "find",
    "lower_is_better",
]
