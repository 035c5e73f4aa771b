"""Spans and log events with plain values, whichever encoding they came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from generations import making
from generations.records import Json

ERROR: Final = 2
"""The status of a span that failed; 0 was never set, 1 is well."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened within a span. `time` is nanoseconds since 1970, 0 when it was not said."""

    name: str
    time: int
    attributes: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Span:
    """A span with plain values. Ids are lower-case hex, times nanoseconds since 1970 (0: not said).

    `dropped` counts attributes, and `dropped_events` events, that its SDK had no room for.
    """

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start: int
    end: int
    attributes: dict[str, Json]
    events: tuple[Event, ...] = ()
    links: tuple[dict[str, Json], ...] = ()
    status: int = 0
    message: str = ""
    dropped: int = 0
    resource: Mapping[str, Json] = field(default_factory=dict)
    scope: str = ""
    dropped_events: int = 0

    @property
    def id(self) -> str:
        """The id of the span's step and generation, as it stands within a `traceparent` header."""
        return f"{self.trace_id}-{self.span_id}"


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A log record with plain values; `trace_id` and `span_id` are None where it stands by itself."""

    name: str
    time: int
    trace_id: str | None
    span_id: str | None
    body: Json
    attributes: dict[str, Json]
    resource: Mapping[str, Json] = field(default_factory=dict)
    scope: str = ""


made_span: Final = making.quick(Span).made
"""A span, sooner than by its class."""
