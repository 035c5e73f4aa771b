"""One aggregation for every door: numbers of a project's rows by field, by calendar unit in a zone, or by both.

`aggregate` answers a `Query`, `documents` a MongoDB-style pipeline. Both take one statement, within a bounded time:
over the rows, or over rollups and those rows that they do not cover.
"""

from generations.metrics.answering import TIMEOUT, aggregate
from generations.metrics.faceting import Facet, facets
from generations.metrics.pipelines import MAX_DOCUMENTS, STAGES, Documents, documents
from generations.metrics.query import (
    FUNCTIONS,
    MAX_LIMIT,
    UNITS,
    BadQuery,
    Bucket,
    Dimension,
    Measure,
    Query,
    Result,
    Row,
    TooSlow,
    Value,
)

__all__ = [
    "FUNCTIONS",
    "MAX_DOCUMENTS",
    "MAX_LIMIT",
    "STAGES",
    "TIMEOUT",
    "UNITS",
    "BadQuery",
    "Bucket",
    "Dimension",
    "Documents",
    "Facet",
    "Measure",
    "Query",
    "Result",
    "Row",
    "TooSlow",
    "Value",
    "aggregate",
    "documents",
    "facets",
]
