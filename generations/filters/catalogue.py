"""The one catalogue: which lists there are, and what can be asked about each."""

from __future__ import annotations

from typing import Any

from django.db import models

from generations.filters.conditions import BadFilter
from generations.filters.fields import Catalogue, Field, Relation, nearest
from generations.filters.lists import CATALOGUES


def catalogue(kind: str) -> Catalogue:
    """Everything that can be asked about the list; raises BadFilter when there is no such list."""
    found = CATALOGUES.get(kind)
    if found is None:
        raise BadFilter("list", kind, f"one of {', '.join(CATALOGUES)}{nearest(str(kind), CATALOGUES)}")
    return found


def kinds() -> list[str]:
    """The names of all lists."""
    return list(CATALOGUES)


def field(kind: str, path: str) -> Field:
    """The field of a list by its path, an alias, or a dynamic path (`metadata.plan`); raises BadFilter otherwise."""
    return catalogue(kind).field(path)


def ordered(kind: str, order: str) -> Field:
    """The field that an order like `-usage.cost` names; raises BadFilter where rows cannot be ordered by it."""
    try:
        found = field(kind, order.removeprefix("-"))
    except BadFilter as error:
        raise BadFilter("order", order, error.expected) from None
    if not found.sortable:
        names = ", ".join(one.path for one in fields(kind) if one.sortable)
        raise BadFilter("order", order, f"a field that can be ordered by: {names}")
    return found


def fields(kind: str) -> list[Field]:
    """All fields of a list in the order of their declaration; dynamic ones stand for what is behind them."""
    return list(catalogue(kind).fields)


def relations(kind: str) -> list[Relation]:
    """The relations of a list that `Some` can ask about."""
    return list(catalogue(kind).relations)


def columns(kind: str) -> frozenset[str]:
    """The attributes of the list's model that some field reads."""
    return frozenset(column for one in catalogue(kind).fields for column in one.columns)


def unfiltered(kind: str) -> dict[str, str]:
    """The attributes of the list's model that no field reads, each with the reason. The project is not among them:
    every question is asked inside one."""
    return dict(catalogue(kind).unfiltered)


def rows(kind: str, project_pk: int) -> models.QuerySet[Any]:
    """All rows of the list in the project, in no order."""
    found: models.QuerySet[Any] = catalogue(kind).model._default_manager.filter(project_id=project_pk).order_by()
    return found
