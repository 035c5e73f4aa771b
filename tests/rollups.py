"""What tests of rollups share: measures that rollups hold, and both readings of a question compared."""

from dataclasses import replace
from decimal import Decimal

import pytest

from generations import metrics
from generations.metrics import Measure, Query
from generations.models import Project

MEASURED = ("performance.latency", "performance.timeToFirstToken", "performance.tokensPerSecond", "usage.cost")
MEASURES = (
    Measure("calls", "count"),
    Measure("errors", "error_rate"),
    Measure("tokens", "sum", "usage.totalTokens"),
    Measure("mean", "avg", "usage.promptTokens"),
    Measure("reasoned", "count", "usage.reasoningTokens"),
    Measure("cost", "sum", "usage.cost"),
    Measure("mean cost", "avg", "usage.cost"),
    *(Measure(f"{share} of {path}", "percentile", path, share) for path in MEASURED for share in (0, 0.5, 0.95, 1)),
)
EXACT = tuple(one for one in MEASURES if one.path != "usage.cost")
"""Those whose parts may be taken away again and leave nothing behind."""


def both(project: Project, query: Query) -> metrics.Result:
    """What rollups answer, after it was compared with what the rows answer."""
    kept = metrics.aggregate(project, query)
    agreed(query, kept, metrics.aggregate(project, replace(query, exact=True)))
    return kept


def agreed(query: Query, kept: metrics.Result, exact: metrics.Result) -> None:
    """Assert that both results are the same: percentiles within 1 %, sums of floats but for their last digits."""
    assert exact.source == "rows"
    assert [row.key for row in kept.rows] == [row.key for row in exact.rows]
    for found, wanted in zip(kept.rows, exact.rows, strict=True):
        assert (found.count, found.unknown, found.currency) == (wanted.count, wanted.unknown, wanted.currency)
        for measure in query.measures:
            value, right = found.values[measure.name], wanted.values[measure.name]
            assert type(value) is type(right), (measure, value, right)
            if measure.percentile is not None and right is not None:
                assert isinstance(right, Decimal | float)
                assert value == pytest.approx(
                    right, rel=Decimal("0.010001") if isinstance(right, Decimal) else 0.010001
                )
            elif isinstance(right, float):
                assert value == pytest.approx(right, rel=1e-9)
            else:
                assert value == right
