"""`log`: inputs and outputs of any application, and feedback on earlier ones by their join key."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from generations.ingest.gantry.forms import Event, id_of
from generations.ingest.gantry.values import application_name, attributes, digest, labels, moment, short
from generations.records import GenerationRecord, InvalidRecord, Json


def custom(document: Json, *, now: dt.datetime) -> Event:
    """An event of `log`: inputs and outputs, feedback on earlier ones, or both. Raises InvalidRecord otherwise."""
    if not isinstance(document, Mapping):
        raise InvalidRecord("event", document, "a JSON object")
    metadata = document.get("metadata")
    about: Mapping[str, Json] = metadata if isinstance(metadata, Mapping) else {}
    application = application_name(about.get("func_name"), "metadata.func_name")
    problems: list[InvalidRecord] = []
    tags = attributes(document, "tags", problems)
    feedback = attributes(document, "feedback", problems)
    event_id = document.get("event_id")
    print_ = event_id if isinstance(event_id, str) and event_id else digest(repr(document))
    joined = document.get("feedback_id")
    key = str(joined) if isinstance(joined, str | int) and joined != "" else None
    when = moment(document.get("timestamp"), now, problems)
    if "inputs" not in document and "outputs" not in document:
        if not feedback:
            raise InvalidRecord("event", sorted(document)[:8], "inputs with outputs, or feedback")
        if key is None:
            raise InvalidRecord("feedback_id", joined, "the join key of what the feedback is about")
        return Event(
            application=application,
            kind="Custom",
            fingerprint=print_,
            key=key,
            feedback=feedback,
            said_at=when,
            problems=tuple(problems),
        )
    version = about.get("version")
    said: dict[str, Json] = {"application": application, "event": print_[:40]}
    for part, value in (("labels", tags), ("batch_id", document.get("batch_id")), ("version", version)):
        if value:
            said[part] = value
    if problems:
        said["problems"] = [str(problem) for problem in problems]
    record = GenerationRecord(
        id=id_of(application, key or print_),
        type="other",
        name=application,
        started_at=when,
        release=None if version is None else str(version),
        environment=short(tags, "env", "environment"),
        request_id=key,
        input=document.get("inputs"),
        output=document.get("outputs"),
        output_type="json",
        tags=labels(tags),
        metadata=said,
    )
    return Event(
        application=application,
        kind="Custom",
        fingerprint=print_,
        key=key,
        call=record,
        feedback=feedback,
        said_at=when,
        problems=tuple(problems),
    )
