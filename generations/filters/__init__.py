"""Questions about a list: one catalogue of fields, one condition tree, every way of asking and one SQL."""

from generations.filters.catalogue import catalogue, columns, field, fields, kinds, ordered, relations, rows, unfiltered
from generations.filters.compiling import narrow, q
from generations.filters.conditions import (
    And,
    BadFilter,
    Condition,
    Leaf,
    Not,
    Or,
    Relative,
    Scalar,
    Some,
    Value,
    both,
    leaves,
    together,
)
from generations.filters.documents import from_document, to_document
from generations.filters.fields import Catalogue, Field, Relation, clean_text, joined, nearest, split
from generations.filters.filtersets import CatalogueFilterSet, filterset, from_query
from generations.filters.kinds import OPERATORS, Kind
from generations.filters.queries import to_query
from generations.filters.sentences import sentence
from generations.filters.sources import has_terms

__all__ = [
    "OPERATORS",
    "And",
    "BadFilter",
    "Catalogue",
    "CatalogueFilterSet",
    "Condition",
    "Field",
    "Kind",
    "Leaf",
    "Not",
    "Or",
    "Relation",
    "Relative",
    "Scalar",
    "Some",
    "Value",
    "both",
    "catalogue",
    "clean_text",
    "columns",
    "field",
    "fields",
    "filterset",
    "from_document",
    "from_query",
    "has_terms",
    "joined",
    "kinds",
    "leaves",
    "narrow",
    "nearest",
    "ordered",
    "q",
    "relations",
    "rows",
    "sentence",
    "split",
    "to_document",
    "to_query",
    "together",
    "unfiltered",
]
