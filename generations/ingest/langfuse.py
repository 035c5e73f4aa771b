"""Scores as Langfuse's clients send them: each on a span by its ids of OpenTelemetry, on a trace, or on a session; and
what they say of the files that they cut out of spans."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from generations.cleaning import MAX_ID, MAX_TEXT, clean_string
from generations.ingest import feedback, media
from generations.ingest.values import identifier, mapping, moment, number, one_of, text, whole
from generations.records import InvalidRecord, Json, ScoreRecord

TYPES: Final = ("NUMERIC", "BOOLEAN", "CATEGORICAL", "TEXT")
"""What a score's value is; where it is not said, a number or a text tells."""
_ABOUT: Final = ("configId", "queueId", "environment")
_OF: Final = ("traceId", "observationId")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to come: the digest of its bytes in hexadecimal, its type, its size in bytes, and whose it is."""

    sha256: str
    mime: str
    size: int
    trace_id: str
    span_id: str | None

    @property
    def media_id(self) -> str:
        """What the clients call it."""
        return media.media_id(self.sha256)


def upload(body: Json) -> Upload:
    """The file that is asked for an address for. Raises InvalidRecord, for the field by the name that it came by."""
    said = {name: value for name, value in mapping(body, "body").items() if value is not None}
    trace, span = said.get("traceId"), said.get("observationId")
    if trace is None:
        raise InvalidRecord("traceId", None, "the trace that the file is of; files of datasets are not taken here")
    for name, id in (("traceId", trace), ("observationId", span)):
        if isinstance(id, str) and len(id) > MAX_ID:
            raise InvalidRecord(name, id, f"an id of at most {MAX_ID} characters")
    mime = said.get("contentType")
    if not isinstance(mime, str) or not media.is_mime(mime):
        raise InvalidRecord("contentType", mime, "a type like image/png")
    size = whole(said.get("contentLength"), "contentLength")
    if size == 0:
        raise InvalidRecord("contentLength", size, "a number of bytes above zero")
    return Upload(
        sha256=digest(said.get("sha256Hash"), "sha256Hash"),
        mime=mime.lower(),
        size=size,
        trace_id=clean_string(identifier(trace, "traceId")),
        span_id=None if span is None else clean_string(identifier(span, "observationId")),
    )


def digest(said: Json, path: str) -> str:
    """A digest that came in base64, in hexadecimal. Raises InvalidRecord."""
    try:
        found = base64.b64decode(said, validate=True) if isinstance(said, str) else b""
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != hashlib.sha256().digest_size:
        raise InvalidRecord(path, said, "the SHA-256 of the bytes, in base64")
    return found.hex()


def score(body: Json, event_id: str | None = None, said_at: Json = None) -> ScoreRecord:
    """The score that a body describes. Raises InvalidRecord, for the field by the name that it came by.

    `step_id` and `generation_id` are those of the span. Of a score on a whole trace `step_id` is the trace's own id,
    until its root is known; `is_on_trace` tells it by its metadata. Without an id, the same words are the same score.
    """
    said = {_camel(name): value for name, value in mapping(body, "body").items() if value is not None}
    name = said.get("name")
    if not isinstance(name, str) or not name.strip():
        raise InvalidRecord("name", name, "the name of what is judged")
    ids = {
        n: clean_string(identifier(said[n], n)) for n in ("id", "traceId", "observationId", "sessionId") if n in said
    }
    trace, span, session = ids.get("traceId"), ids.get("observationId"), ids.get("sessionId")
    if trace is None and session is None:
        expected = "the trace that the score is on, or sessionId the session"
        raise InvalidRecord("observationId" if span else "traceId", span, expected)
    target = None if trace is None else f"{trace}-{span}" if span else trace
    about = {key: said[key] for key in _ABOUT if said.get(key) not in (None, "default")}
    about |= {n: ids[n] for n in _OF if trace is not None and n in ids}
    given = said.get("metadata")
    if given is not None:
        about |= given if isinstance(given, dict) else {"metadata": given}
    comment = said.get("comment")
    said_at = said.get("timestamp", said_at)
    return ScoreRecord(
        id=ids.get("id") or event_id or _digest(said),
        name=name[:MAX_TEXT],
        type="HUMAN" if feedback.is_users(name) else "CODE",
        **_value(said),
        comment=None if comment is None else text(comment, "comment"),
        generation_id=target if span else None,
        step_id=target,
        thread_id=session,
        metadata=about or None,
        created_at=None if said_at is None else moment(said_at, "timestamp"),
    )


def is_on_trace(metadata: Mapping[str, Json]) -> bool:
    """Whether a score with this metadata is on a whole trace."""
    return "traceId" in metadata and "observationId" not in metadata


def _camel(name: str) -> str:
    """A name as the interface has it; older clients write Python's."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _value(said: Mapping[str, Json]) -> dict[str, Any]:
    value, kind = said.get("value"), said.get("dataType")
    if value is None:
        raise InvalidRecord("value", None, "a number, or a text for a score that is a category")
    if kind is not None:
        one_of(TYPES)(kind, "dataType")
    if kind in ("CATEGORICAL", "TEXT") or (kind is None and isinstance(value, str)):
        return {"label": text(value, "value")}
    return {"value": number(value if not isinstance(value, bool) else int(value), "value")}


def _digest(said: Mapping[str, Json]) -> str:
    words = "\0".join(f"{name}={said[name]}" for name in sorted(said))
    return hashlib.blake2b(words.encode("utf-8", "replace"), digest_size=16).hexdigest()
