"""`log_llm_data`: the request to a vendor and its response, with what the application says beside them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from typing import Final

from generations import chunks
from generations.ingest import choices, files
from generations.ingest.gantry.forms import Event, fingerprint, id_of
from generations.ingest.gantry.values import application_name, attributes, is_duration, labels, short, version_number
from generations.ingest.gantry.vendors import ANSWERS, of_any_vendor, told_by
from generations.records import GenerationRecord, InvalidRecord, Json, revised

KNOWN_VENDORS: Final = ("openai", "chat")
"""Vendors in the address that say no more than that the call is in OpenAI's form."""
_RESENT: Final = dt.timedelta(minutes=5)
"""How long the same event without a response's id is held to be one that was sent again."""
_BESIDE: Final = ("latency", "latency_ms", "duration", "duration_ms", "time_to_first_token", "ttft")
"""Attributes of a response that say how long it took, in the units that files of calls have."""
_NEEDED: Final = frozenset({"id", "metadata", "attributes", "cleared"})
"""Fields of a record that are there in any case."""
_EXPECTED: Final = "an answer in which a vendor's text is found; kept as it came"
_READ: Final = frozenset(
    {
        "id", "object", "created", "created_at", "model", "choices", "usage", "system_fingerprint", "service_tier",
        "error", "type", "role", "content", "stop_reason", "stop_sequence", "output", "data", "status", "instructions",
        "incomplete_details",
    }
)  # fmt: skip
"""Parts of OpenAI's and Anthropic's responses that fields are made of; all others are kept as they came."""


def call(document: Json, *, sent_as: bytes, kind: str, vendor: str, now: dt.datetime) -> Event:
    """The event of `log_llm_data`, of which `sent_as` are the bytes that came.

    Raises InvalidRecord only without an object or an application.
    """
    if not isinstance(document, Mapping):
        raise InvalidRecord("event", document, "a JSON object")
    application = application_name(document.get("application"), "application")
    problems: list[InvalidRecord] = []
    print_ = fingerprint(vendor.encode() + sent_as)
    asked, answered = _bodies(document)
    sent = attributes(document, "request_attributes", problems)
    got = attributes(document, "response_attributes", problems)
    feedback = attributes(document, "feedback", problems)
    tags = attributes(document, "tags", problems)
    if isinstance(answered, list) and (pieces := chunks.of({"chunks": answered})) is not None:
        got.setdefault("chunk_times", list(pieces.times))
    record = _read(asked, answered, vendor, _durations(got), problems)
    record, problem = choices.chosen(record, document.get("selected_choice_index"))
    problems += [] if problem is None else [problem]
    number = version_number(tags, problems)
    said: dict[str, Json] = {"application": application, "event": print_[:40]}
    if tags:
        said["labels"] = tags
    if problems:
        said["problems"] = [str(problem) for problem in problems]
    session = document.get("session_id")
    response_id = record.response_id
    base, seen = _ids(application, response_id, print_, now)
    values = sent.get("prompt_values")
    record = revised(
        record,
        id=base,
        name=application,
        started_at=record.started_at or (now - dt.timedelta(seconds=record.latency or 0)),
        session_id=None if session in (None, "") else str(session),
        thread_id=None if session in (None, "") else str(session),
        user_id=record.user_id or short(sent, "user_id", "userId", "user"),
        environment=short(tags, "env", "environment"),
        variables=dict(values) if isinstance(values, Mapping) else None,
        prompt_name=application,
        prompt_version=number,
        tags=labels(tags),
        metadata={**(record.metadata or {}), **said},
        request_attributes={**(record.request_attributes or {}), **sent} or None,
        response_attributes={**(record.response_attributes or {}), **got} or None,
    )
    return Event(
        application=application,
        kind=kind,
        fingerprint=print_,
        key=response_id or record.session_id,
        call=record,
        seen=seen,
        feedback=feedback,
        said_at=now,
        version=number,
        problems=tuple(problems),
    )


def without(record: GenerationRecord, document: Mapping[str, Json], field: str, reason: str) -> GenerationRecord:
    """The record without the field that was refused; what was sent and what came are in its attributes."""
    name = re.split(r"[.\[]", field)[0]
    if name in GenerationRecord.__dataclass_fields__ and name not in _NEEDED:
        record = revised(record, **{name: None})
    said = record.metadata or {}
    metadata = {**said, "problems": [*said.get("problems", []), reason]}
    return revised(record, metadata=metadata, attributes=_as_it_came(document))


def unread(event: Event, document: Mapping[str, Json], reason: str) -> GenerationRecord:
    """The event's call without anything that could be refused: what was sent and what came, as they are."""
    assert event.call is not None
    came = _as_it_came(document)
    return GenerationRecord(
        id=event.call.id,
        type="other",
        name=event.application,
        started_at=event.call.started_at,
        input=came["api_request"],
        output=came["api_response"],
        metadata={
            "application": event.application,
            "event": event.fingerprint[:40],
            "problems": [*(str(problem) for problem in event.problems), reason],
        },
    )


def _as_it_came(document: Mapping[str, Json]) -> dict[str, Json]:
    asked, answered = _bodies(document)
    return {"api_request": asked, "api_response": answered}


def _bodies(document: Mapping[str, Json]) -> tuple[Json, Json]:
    """The request to the vendor and its response, by the names that one of the client's versions has for them."""
    asked = document.get("api_request", document.get("open_ai_api_request", document.get("request")))
    answered = document.get("api_response", document.get("open_ai_api_response", document.get("response")))
    return asked, answered


def _durations(got: Mapping[str, Json]) -> dict[str, Json]:
    """How long the call took, by the names that files of calls have: as it was said, or as the stream's pieces tell."""
    said = {name: got[name] for name in _BESIDE if is_duration(got.get(name))}
    of_pieces = chunks.beside(got)
    if not said.keys().isdisjoint(_BESIDE[:4]):
        of_pieces.pop("latency", None)
    if not said.keys().isdisjoint(_BESIDE[4:]):
        of_pieces.pop("time_to_first_token", None)
    return {**of_pieces, **said}


def _read(
    asked: Json, answered: Json, vendor: str, beside: Mapping[str, Json], problems: list[InvalidRecord]
) -> GenerationRecord:
    pair = {"id": "-", "request": asked, "response": answered, **beside}
    try:
        record = files.read(pair).record
    except InvalidRecord as error:
        record = of_any_vendor(asked, answered, beside)
        # Another vendor's form is no mistake where its answer is found.
        of_another = error.field in ("line", "response") or (
            vendor not in KNOWN_VENDORS and (error.field or "").startswith("response.")
        )
        if not of_another or record.output is not None or _is_silent(record):
            problems.append(error if error.field != "line" else InvalidRecord("api_response", answered, _EXPECTED))
    else:
        record = _completed(record, asked, answered, problems)
    if vendor not in KNOWN_VENDORS:
        return revised(record, provider=vendor)
    if record.provider is None and vendor == "openai":
        return revised(record, provider="openai")
    return record


def _is_silent(record: GenerationRecord) -> bool:
    return all(getattr(record, name) is None for name in ANSWERS)


def _completed(
    record: GenerationRecord, asked: Json, answered: Json, problems: list[InvalidRecord]
) -> GenerationRecord:
    """The record of a call in a known form with what else its response says: an answer in another vendor's form to a
    request that looks like OpenAI's, or parts that no field is made for."""
    if _is_silent(record) and record.error is None:
        told = told_by(answered, is_chat=record.messages is not None)
        if ANSWERS.isdisjoint(told):
            problems.append(InvalidRecord("api_response", answered, _EXPECTED))
            return revised(record, output=answered)
        known = {name: getattr(record, name) for name in told}
        told = {name: value for name, value in told.items() if known[name] is None}
        return revised(record, **told, attributes={"api_request": asked, "api_response": answered})
    if isinstance(answered, Mapping) and (rest := {k: v for k, v in answered.items() if k not in _READ}):
        return revised(record, attributes={"api_response": rest})
    return record


def _ids(application: str, response_id: str | None, print_: str, now: dt.datetime) -> tuple[str, list[str]]:
    if response_id:
        return id_of(application, response_id), []
    # The same words may well be asked twice; only what comes again at once was sent again.
    slot = int(now.timestamp() // _RESENT.total_seconds())
    return id_of(application, f"{print_[:20]}-{slot}"), [id_of(application, f"{print_[:20]}-{slot - 1}")]
