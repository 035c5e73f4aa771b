"""What an export is asked for: checked once, kept with its job, read again by whoever makes and tells of the file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import QuerySet

from generations import filters
from generations.exporting import changes, collected, columns, rows, writers
from generations.exporting.columns import COLUMNS
from generations.exporting.writers import COMPRESSIONS, FORMATS, PACKED
from generations.filters.fields import nearest
from generations.models import Job, Project
from generations.records import Json

KINDS: Final = tuple(COLUMNS)


@dataclass(frozen=True, slots=True)
class Asked:
    """The parameters of an export. `version` is that of datasets whose items are wanted as they were; `since` leaves
    out what was neither recorded nor changed from then on."""

    kind: str
    format: str
    compression: str
    filter: dict[str, Json]
    fields: list[str] | None = None
    order: str | None = None
    version: int | None = None
    since: dt.datetime | None = None

    @classmethod
    def of(cls, job: Job) -> Asked:
        """What a job was asked for; an earlier version's format said its compression."""
        given = job.parameters
        format, compression = PACKED.get(given["format"], (given["format"], writers.usual(given["format"])))
        return cls(
            kind=given["kind"],
            format=format,
            compression=given.get("compression", compression),
            filter=given.get("filter") or {},
            fields=given.get("fields"),
            order=given.get("order"),
            version=given.get("version"),
            since=dt.datetime.fromisoformat(given["since"]) if given.get("since") else None,
        )

    def parameters(self) -> dict[str, Any]:
        """What `of` reads again."""
        return {
            "kind": self.kind,
            "format": self.format,
            "compression": self.compression,
            "filter": self.filter,
            "fields": self.fields,
            "order": self.order,
            **({"version": self.version} if self.version else {}),
            **({"since": self.since.isoformat()} if self.since else {}),
        }

    @property
    def condition(self) -> filters.Condition | None:
        """The filter. Raises BadFilter when it is one of an earlier version and no longer possible."""
        return filters.from_document(self.kind, self.filter)

    @property
    def sentence(self) -> str:
        """The filter in words."""
        try:
            condition = self.condition
        except filters.BadFilter:
            return "a filter of an earlier version"
        return filters.sentence(self.kind, condition) if condition else f"all {self.kind}"

    @property
    def ending(self) -> str:
        """The end of the file's name."""
        return writers.ending(self.format, self.compression)

    def rows(self, project: Project) -> QuerySet[Any]:
        """The rows that match. Raises BadFilter."""
        if self.version is not None:
            return collected.items_of(project.pk, self.condition, self.version)
        found = rows.SOURCES[self.kind].narrow(project.pk, self.condition)
        return found if self.since is None else changes.since(self.kind, project, found, self.since)


def checked(
    project: Project,
    *,
    kind: str,
    format: str,
    compression: str | None,
    condition_document: Json,
    fields: Sequence[str] | None,
    order: str | None,
    version: int | None = None,
) -> Asked:
    """What can be done, of what somebody asks for. Raises BadFilter for whatever a worker could not do."""
    if kind not in KINDS:
        raise filters.BadFilter("kind", kind, f"one of {', '.join(KINDS)}{nearest(str(kind), KINDS)}")
    if format in PACKED and compression in (None, PACKED[format][1]):
        format, compression = PACKED[format]
    if format not in FORMATS:
        raise filters.BadFilter("format", format, f"one of {', '.join(FORMATS)}{nearest(str(format), FORMATS)}")
    compression = writers.usual(format) if compression is None else compression
    if compression not in COMPRESSIONS:
        raise filters.BadFilter(
            "compression", compression, f"one of {', '.join(COMPRESSIONS)}{nearest(str(compression), COMPRESSIONS)}"
        )
    if version is not None and kind != "datasets":
        raise filters.BadFilter("version", version, f"none: {kind} have no versions")
    if fields is not None:
        columns.chosen(kind, fields)
    # Building the statement finds what reading the document alone cannot.
    rows.ordering(kind, order, project.pk)
    rows.SOURCES[kind].narrow(project.pk, filters.from_document(kind, condition_document or {}))
    return Asked(
        kind=kind,
        format=format,
        compression=compression,
        filter=condition_document or {},
        fields=None if fields is None else list(fields),
        order=order,
        version=version,
    )
