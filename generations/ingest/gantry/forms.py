"""What an event is once it is understood, and the ids that it may have."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from generations.ingest.gantry.values import digest
from generations.records import GenerationRecord, InvalidRecord, Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that was logged.

    `call` has the id that the event gets unless another event has it already; None when only feedback came. `key` is
    what later feedback names, `seen` the ids under which the same event may have been stored before.
    """

    application: str
    kind: str
    fingerprint: str
    key: str | None = None
    call: GenerationRecord | None = None
    seen: Sequence[str] = ()
    feedback: Mapping[str, Json] = field(default_factory=dict)
    said_at: dt.datetime | None = None
    version: int | None = None
    problems: Sequence[InvalidRecord] = ()


def id_of(application: str, key: str) -> str:
    """The id of the generation that a join key, or the id of a response, stands for in an application."""
    whole = f"{application}:{key}"
    return whole if len(whole.encode("utf-8", "replace")) <= 400 else f"gantry:{digest(whole)}"


def fingerprint(sent: bytes) -> str:
    """The bytes of an event, in 32 characters: an event that is sent again has the same."""
    return digest(sent)
