"""Rows that were fetched together, and the fields of types that read straight from them.

A relation is fetched when it is first asked for, for all rows of its batch at once: the number of queries depends on
the fields that are selected, never on the number of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

import strawberry
from django.db import models
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

from generations import bundles
from generations.access import Grant

M = TypeVar("M", bound=models.Model)
T = TypeVar("T")
R = TypeVar("R", bound=Callable[..., Any])


@dataclass
class Batch(Generic[M]):
    """Rows of one table that one query brought, with everything that was fetched for them since."""

    grant: Grant
    rows: Sequence[M]
    _loaded: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def project_pk(self) -> int:
        """The project that all rows belong to."""
        return self.grant.project.pk

    @cached_property
    def by_id(self) -> dict[str, M]:
        """The rows by the ids that callers know them by."""
        return {str(getattr(row, "public_id", row.pk)): row for row in self.rows}

    def once(self, key: Hashable, load: Callable[[], T]) -> T:
        """What `load` returns, called once for each `key`."""
        if key not in self._loaded:
            self._loaded[key] = load()
        found: T = self._loaded[key]
        return found


def found(grant: Grant, model: Any, kind: str, show: Any, id: str) -> Any:
    """The project's row of this id as `show` shows it, or the generation that this gave way to; None when there is
    none."""
    rows = list(model.objects.by_ids(grant.project.pk, kind, [id]))
    if not rows and kind == "generation" and (standing := bundles.stands_for(grant.project, id)) is not None:
        rows = list(model.objects.by_ids(grant.project.pk, kind, [standing]))
    return show(row=rows[0], batch=Batch(grant, rows)) if rows else None


class Column(StrawberryField):
    """A field that is an attribute of its type's `row`. Half the cost of a resolver, and one line to declare."""

    def get_result(self, source: Any, info: Info | None, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """The attribute of the row."""
        return getattr(source.row, self.metadata["column"])


class Part(StrawberryField):
    """A field that shows the same row as another type: `model` of a generation."""

    def get_result(self, source: Any, info: Info | None, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """The other type's view of the row."""
        return self.metadata["part"](row=source.row, batch=source.batch)


def column(name: str, description: str) -> Any:
    """A field of a type with a `row`, read from the row's attribute `name`."""
    made = Column(description=description, metadata={"column": name})
    made.init = False
    return made


def part(view: type, description: str) -> Any:
    """A field of a type with a `row` and a `batch`, shown as `view`, which has both too."""
    made = Part(description=description, metadata={"part": view})
    made.init = False
    return made


def resolved(description: str) -> Callable[[R], R]:
    """A field that its method answers. Strawberry's own decorator, which would hide the method's types."""
    decorator: Any = strawberry.field(description=description)
    return decorator  # type: ignore[no-any-return]
