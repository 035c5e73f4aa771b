"""What all tables of events have in common: their key, and the columns that they are made of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar, Self

from django.contrib.postgres.indexes import BrinIndex
from django.db import models

from generations import horizons
from generations.models.accounts import Project
from generations.querysets import EventManager


def identifier(**options: Any) -> models.TextField[Any, Any]:
    """A caller's id or another short text, compared byte by byte."""
    return models.TextField(db_collation="C", **options)


def optional() -> models.TextField[Any, Any]:
    """A short text that may be unknown."""
    return models.TextField(db_collation="C", null=True, blank=True)


def document() -> Any:
    """A JSON value that may be unknown."""
    return models.JSONField(null=True, blank=True)


def money() -> Any:
    """An amount that may be unknown, to a trillionth: one token of a cheap model costs 1e-8."""
    return models.DecimalField(max_digits=24, decimal_places=12, null=True, blank=True)


def changed(name: str) -> BrinIndex:
    """What was written since a moment. Rows lie in the order in which they were written, so a few bytes a page do."""
    return BrinIndex(fields=["updated_at"], name=name, autosummarize=True)


class Event(models.Model):
    """A row of an event table."""

    project = models.ForeignKey(Project, models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    uid = models.UUIDField(primary_key=True, editable=False)

    objects: ClassVar[Any] = EventManager()

    class Meta:
        abstract = True


class Told(Event):
    """An event whose row holds the beginnings of what was said."""

    kind: ClassVar[str]

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any]) -> Self:
        """The row as it was read, without the beginnings of a text that has expired."""
        row = super().from_db(db, field_names, values)
        read = row.__dict__
        if horizons.hides(read.get("project_id"), cls.kind, read.get("started_at")):
            for name in ("input_preview", "output_preview"):
                if name in read:
                    read[name] = None
        return row
