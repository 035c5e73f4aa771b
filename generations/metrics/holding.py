"""What rollups hold of a bucket's generations, and the SQL that reckons it from rows or from smaller buckets."""

from __future__ import annotations

from typing import Final

from generations.metrics import histograms

SHARED: Final = ("model_id", "provider", "environment", "currency")
"""What all generations of a rollup have in common: columns to group and filter by."""
SUMMED: Final = (
    *("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "cache_write_tokens"),
    *("reasoning_tokens", "input_audio_tokens", "output_audio_tokens", "cost", "input_cost", "output_cost"),
    *("latency", "time_to_first_token", "tokens_per_second"),
)
"""Columns of numbers: their sum, and of how many generations they are known."""
SPREAD: Final = ("cost", "latency", "time_to_first_token", "tokens_per_second")
"""Those of which there is a histogram too."""


def columns() -> tuple[str, ...]:
    """The columns of a rollup that follow from its rows."""
    return (
        *("count", "errors", *SUMMED),
        *(f"{column}_known" for column in SUMMED),
        *(f"{column}_histogram" for column in SPREAD),
    )


def of_rows() -> str:
    """The SQL of `columns`, taken of generations."""
    return ", ".join(
        (
            *("count(*)", "count(error)"),
            *(f"sum({column})" for column in SUMMED),
            *(f"count({column})" for column in SUMMED),
            *(f"sum({histograms.adding(column)})" for column in SPREAD),
        )
    )


def of_rollups() -> str:
    """The SQL of `columns`, taken of rollups of smaller buckets."""
    return ", ".join(f"sum({column})" for column in columns())
