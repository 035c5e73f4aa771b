"""A call that went through the gateway: what was asked, what came back byte by byte, and when, as one record."""

from __future__ import annotations

import datetime as dt
import gzip
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from generations.ingest import files
from generations.ingest.otlp.shapes import Span
from generations.ingest.otlp.spans import Told
from generations.records import Alternative, GenerationRecord, InvalidRecord, Json, StepRecord, revised

SHAPES: Final[Mapping[str, str]] = {
    "chat/completions": "chat",
    "completions": "completion",
    "embeddings": "embedding",
    "responses": "chat",
    "messages": "chat",
}
"""Addresses whose calls are recorded, by what stands behind `/v1/`, and the type of generation that each makes."""
ABOUT: Final[Mapping[str, str]] = {
    "x-generations-user": "user",
    "x-generations-thread": "thread",
    "x-generations-session": "session",
    "x-generations-tags": "tags",
    "x-generations-metadata": "metadata",
    "x-generations-prompt": "prompt",
    "x-generations-name": "name",
    "x-generations-environment": "environment",
    "x-generations-release": "release",
}
"""Headers by which an application says what its call is about; none of them is sent on."""
STREAM: Final = "text/event-stream"
SCOPE: Final = "generations.gateway"
"""What tells of a call here that belongs to a trace."""
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt before the one that was answered: where it went, and what came of it."""

    provider: str
    status: int | None
    error: str


@dataclass(slots=True)
class Passed:
    """What passed through. Moments are seconds since 1970; `ended` is None when nobody saw the end."""

    id: str
    path: str
    provider: str | None
    started: float
    request: bytes
    about: Mapping[str, str] = field(default_factory=dict)
    status: int | None = None
    content_type: str = ""
    encoding: str = ""
    body: bytes = b""
    first: float | None = None
    last: float | None = None
    ended: float | None = None
    error: str | None = None
    error_type: str | None = None
    tried: Sequence[Tried] = ()
    above: str | None = None
    """The step that the call was made in, as a `traceparent` header named it; `id` is then a span of that trace."""


def span_above(traceparent: str) -> str | None:
    """The id of the step in which a call was made, by its `traceparent` header; None where that says none.

    https://www.w3.org/TR/trace-context/#traceparent-header
    """
    said = _TRACEPARENT.fullmatch(traceparent.strip())
    return None if said is None or traceparent.lower().startswith("ff") else f"{said[1]}-{said[2]}"


def told(passed: Passed, made: GenerationRecord) -> Told:
    """A call that was made in a trace, as a span of it would be told."""
    trace, _, own = passed.id.partition("-")
    shared: dict[str, Any] = {"trace_id": trace, "span_id": own}
    said = {name: getattr(made, name) for name in ("thread_id", "user_id", "environment", "release", "error")}
    # By these names a span says them, and who reads the step later finds them.
    named = {"gen_ai.conversation.id": made.thread_id, "user.id": made.user_id, "tag.tags": made.tags}
    attributes: dict[str, Json] = {"scope": SCOPE}
    attributes |= {name: list(value) if isinstance(value, tuple) else value for name, value in named.items() if value}
    step = StepRecord(
        id=passed.id,
        type=made.type if made.type == "embedding" else "llm",
        name=made.name or " ".join(filter(None, (made.type, made.model_id))),
        parent_id=passed.above,
        started_at=made.started_at,
        ended_at=made.ended_at,
        tags=made.tags,
        attributes=attributes,
        **shared,
        **{name: value for name, value in said.items() if value is not None},
    )
    span = Span(trace, own, (passed.above or "").partition("-")[2] or None, step.name or "", 0, 0, {}, scope=SCOPE)
    scope: dict[str, Json] = {**(made.attributes or {}), "scope": SCOPE}
    return Told(span, step, revised(made, name=step.name, step_id=passed.id, attributes=scope, **shared))


def record(passed: Passed) -> GenerationRecord:
    """The generation that this was. Whatever is in the bodies, there is one."""
    problems: list[str] = []
    asked = _json(passed.request)
    answered = _answer(passed, problems)
    about = _about(passed.about, problems)
    ended = passed.ended or passed.last or passed.first
    latency = None if ended is None else max(0.0, ended - passed.started)
    beside: dict[str, Json] = {"status_code": passed.status, "latency": latency}
    if passed.first is not None and STREAM in passed.content_type:
        beside["time_to_first_token"] = max(0.0, passed.first - passed.started)
    error = passed.error or (None if passed.ended else "Nobody saw the end of the answer: the server was stopped.")
    if error:
        beside["error"] = {"message": error, "type": passed.error_type or "interrupted"}
    cut: str | None = None
    if isinstance(answered, str):
        cut, answered = answered, None
        problems.append("response: no JSON; its text is the output")
    said = {"request": asked if isinstance(asked, Mapping) else {"body": asked}, "response": answered, **beside}
    try:
        made = files.read({k: v for k, v in said.items() if v is not None}).record
    except InvalidRecord as problem:
        problems.append(str(problem))
        made = _plain(passed, asked, answered, latency, error)
    started = dt.datetime.fromtimestamp(passed.started, dt.UTC)
    metadata: dict[str, Json] = {**(made.metadata or {}), **about.pop("metadata", {})}
    if problems:
        metadata["problems"] = problems
    return revised(
        made,
        id=passed.id,
        started_at=started,
        ended_at=None if latency is None else started + dt.timedelta(seconds=latency),
        provider=passed.provider or made.provider,
        metadata=metadata or None,
        output=made.output if cut is None else cut,
        alternatives=_all(made, passed.tried, passed.provider),
        **about,
    )


def _plain(passed: Passed, asked: Json, answered: Json, latency: float | None, error: str | None) -> GenerationRecord:
    """A call whose bodies are in no form that is known: both as they are."""
    status = passed.status
    failed = error or (f"HTTP status {status}" if status is not None and status >= 400 else None)
    model = asked.get("model") if isinstance(asked, Mapping) else None
    return GenerationRecord(
        id=passed.id,
        type=SHAPES.get(passed.path, "other"),
        model_id=model if isinstance(model, str) else None,
        input=asked,
        output=answered,
        error=failed,
        error_type=f"http_{status}" if failed and status is not None and status >= 400 else None,
        latency=latency,
    )


def _answer(passed: Passed, problems: list[str]) -> Json:
    body = passed.body
    try:
        if passed.encoding in ("gzip", "x-gzip"):
            body = gzip.decompress(body)
        elif passed.encoding == "deflate":
            body = zlib.decompress(body)
    except (OSError, EOFError, zlib.error):
        problems.append(f"response: {passed.encoding} that breaks off")
    if STREAM not in passed.content_type:
        return _json(body) if body else None
    chunks = events(body)
    if not chunks:
        return None
    failed = next((c for c in chunks if isinstance(c, Mapping) and c.get("error") and not c.get("choices")), None)
    return [c for c in chunks if c is not failed] or failed


def events(body: bytes) -> list[Json]:
    """The JSON of a stream's events, in order; what is none, and the mark of the end, is left out."""
    found: list[Json] = []
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        data = b"\n".join(line[5:].strip() for line in block.split(b"\n") if line.startswith(b"data:"))
        if not data or data == b"[DONE]":
            continue
        try:
            found.append(orjson.loads(data))
        except orjson.JSONDecodeError:
            continue
    return found


def _about(headers: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if user := headers.get("user"):
        said["user_id"] = user
    if thread := headers.get("thread"):
        said["thread_id"] = thread
    if session := headers.get("session"):
        said |= {"session_id": session, "thread_id": thread or session}
    if tags := headers.get("tags"):
        said["tags"] = tuple(tag.strip() for tag in tags.split(",") if tag.strip())
    if metadata := headers.get("metadata"):
        found = _json(metadata.encode())
        if isinstance(found, dict):
            said["metadata"] = found
        else:
            said["metadata"] = {}
            problems.append(f"x-generations-metadata: {metadata[:80]!r} is no JSON object")
    if prompt := headers.get("prompt"):
        name, _, version = prompt.rpartition(":")
        if name and version.isdecimal() and len(version) < 10:
            said |= {"prompt_name": name, "prompt_version": int(version)}
        else:
            said["prompt_name"] = prompt
    for name in ("name", "environment", "release"):
        if value := headers.get(name):
            said[name] = value
    return said


def _all(made: GenerationRecord, tried: Sequence[Tried], answered: str | None) -> tuple[Alternative, ...] | None:
    """The other choices, and behind them the attempts that came before the answer: a `retry` where who answered had
    been asked before, a `fallback` where another one had been."""
    others = made.alternatives or ()
    if not tried:
        return made.alternatives
    kinds = [
        Alternative(
            index=len(others) + n,
            kind="retry" if one.provider == answered else "fallback",
            content={"provider": one.provider, "status": one.status, "error": one.error},
        )
        for n, one in enumerate(tried)
    ]
    return (*others, *kinds)


def _json(body: bytes) -> Json:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")
