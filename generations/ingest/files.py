"""A line of a file of calls, recognised by its shape: request / response pairs, batch results, our own documents.

What stands beside a pair (thread, tags, time, user, latency, ...) becomes fields of the record; a name that means
nothing here is kept in the metadata. A call without an id gets one from its content: importing twice merges.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from generations import moments
from generations.ingest import anthropic, choices, openai, rest, streams
from generations.ingest.usage import Fields
from generations.records import GENERATION_TYPES, GenerationRecord, InvalidRecord, Json, revised

SHAPES: Final[Mapping[str, str]] = {
    "openai.chat": "OpenAI chat completion",
    "openai.completion": "OpenAI text completion",
    "openai.responses": "OpenAI response",
    "openai.embeddings": "OpenAI embeddings",
    "anthropic.messages": "Anthropic message",
    "generation": "generation as it is exported here",
}
"""What a line may hold, in words."""

EXPECTED: Final = (
    "a request beside its response or error, a line of an OpenAI or Anthropic batch's results, "
    "or a generation as it is exported here"
)

RequestOf = Callable[[str], Mapping[str, Json] | None]
"""Finds the request body that a batch result's `custom_id` stands for; None when it is not known."""

_BESIDE: Final[Mapping[str, str]] = {
    "id": "id",
    "generation_id": "id",
    "name": "name",
    "provider": "provider",
    "thread": "thread_id",
    "thread_id": "thread_id",
    "conversation_id": "thread_id",
    "session": "session_id",
    "session_id": "session_id",
    "user": "user_id",
    "user_id": "user_id",
    "step_id": "step_id",
    "request_id": "request_id",
    "trace_id": "trace_id",
    "span_id": "span_id",
    "environment": "environment",
    "release": "release",
    "prompt_name": "prompt_name",
}
"""Names of short texts beside a pair; spelt in camelCase they mean the same."""
_TIMES: Final = ("time", "timestamp", "started_at", "start_time", "created_at", "created", "date")
_LATENCIES: Final = {"latency": 1.0, "duration": 1.0, "latency_ms": 0.001, "duration_ms": 0.001}
_STRUCTURE: Final = frozenset(
    {
        "request", "response", "error", "custom_id", "result", "method", "url", "body", "status_code", "api_request",
        "api_response", "selected_choice_index",
    }
)  # fmt: skip
_ANSWERS: Final = frozenset({"choices", "content", "output", "data", "error", "type", "object", "status"})
"""Of a response that is in a form that is read there is at least one of these."""
_ATTRIBUTES: Final = ("request_attributes", "response_attributes")


@dataclass(frozen=True, slots=True)
class Call:
    """A line as it was understood: the name of its shape in `SHAPES`, and its record."""

    shape: str
    record: GenerationRecord


def no_requests(custom_id: str) -> None:
    """The answer of whoever has no file of requests."""


def read(document: Json, request_of: RequestOf = no_requests) -> Call:
    """The call that a line holds. Raises InvalidRecord naming what is not as it should be."""
    if not isinstance(document, Mapping):
        raise InvalidRecord("line", document, "a JSON object on each line")
    if "custom_id" in document and isinstance(document.get("result"), Mapping):
        return _anthropic_result(document, request_of)
    if "custom_id" in document and ("response" in document or "error" in document):
        return _openai_result(document, request_of)
    if "custom_id" in document and "body" in document:
        raise InvalidRecord("line", "a batch's request", "the batch's results (its requests go to --requests)")
    if not {"request", "response", "api_request", "api_response"}.isdisjoint(document):
        return _pair(document)
    if document.get("object") in ("chat.completion", "text_completion") or document.get("type") == "message":
        return _pair({"response": document})
    if any(name in document for name in ("id", "model", "timestamp")):
        return _own(document)
    raise InvalidRecord("line", list(document)[:8], EXPECTED)


def request_of_line(document: Json) -> tuple[str, Mapping[str, Json]]:
    """The `custom_id` and the body of a line of a batch's requests (OpenAI calls it `body`, Anthropic `params`)."""
    if isinstance(document, Mapping) and isinstance(document.get("custom_id"), str):
        body = document.get("body", document.get("params"))
        if isinstance(body, Mapping):
            return document["custom_id"], body
    raise InvalidRecord("requests", document, "a line of a batch's requests: custom_id with body or params")


# ---------------------------------------------------------------------------------------------------------- shapes
def _pair(document: Mapping[str, Json]) -> Call:
    request = _unwrapped(document.get("request", document.get("api_request")), "request")
    response = document.get("response", document.get("api_response"))
    if isinstance(response, list):
        response = streams.response(response)
    status = document.get("status_code")
    if isinstance(response, Mapping) and "body" in response and not {"choices", "content", "output"} & set(response):
        status = response.get("status_code", status)
        response = response["body"]
    return _call(request, response, document.get("error"), status, document)


def _openai_result(document: Mapping[str, Json], request_of: RequestOf) -> Call:
    """
    > custom_id: a developer-provided per-request id that will be used to match outputs to inputs.
    > response: status_code, request_id, body. error: for requests that failed with a non-HTTP error.
    https://platform.openai.com/docs/api-reference/batch/request-output
    """
    custom = _custom_id(document)
    answer = document.get("response")
    if answer is not None and not isinstance(answer, Mapping):
        raise InvalidRecord("response", answer, "an object with status_code and body")
    answer = answer or {}
    request = _unwrapped(document.get("request"), "request") or request_of(custom) or {}
    beside = {**document, "metadata": {"custom_id": custom, **_object(document.get("metadata"), "metadata")}}
    if isinstance(answer.get("request_id"), str):
        beside.setdefault("request_id", answer["request_id"])
    body = answer.get("body", answer if "choices" in answer else None)
    return _call(request, body, document.get("error"), answer.get("status_code"), beside)


def _anthropic_result(document: Mapping[str, Json], request_of: RequestOf) -> Call:
    """
    > result.type: succeeded (with message), errored (with error), canceled or expired.
    https://docs.anthropic.com/en/docs/build-with-claude/batch-processing
    """
    custom, result = _custom_id(document), document["result"]
    request = _unwrapped(document.get("request"), "request") or request_of(custom) or {}
    beside = {**document, "metadata": {"custom_id": custom, **_object(document.get("metadata"), "metadata")}}
    kind, response, error = result.get("type"), None, None
    if kind == "succeeded":
        response = _object(result.get("message"), "result.message")
    elif kind == "errored":
        error = _object(result.get("error"), "result.error")
        error = error["error"] if isinstance(error.get("error"), Mapping) else error
    elif kind in ("canceled", "expired"):
        error = {"type": kind, "message": f"The request was {kind} before the model answered."}
    else:
        raise InvalidRecord("result.type", kind, "succeeded, errored, canceled or expired")
    return _call({"model": None, **request}, response or {"type": "message"}, error, None, beside)


def _own(document: Mapping[str, Json]) -> Call:
    if document.get("id") is None:
        document = {**document, "id": content_id(document)}
    return Call("generation", rest.generation(dict(document)))


def _call(request: Json, response: Json, error: Json, status: Json, beside: Mapping[str, Json]) -> Call:
    request, body = _object(request, "request"), response
    if body is not None and not isinstance(body, Mapping):
        if not isinstance(status, int) or status < 400:
            raise InvalidRecord("response", body, "an object")
        body, error = None, error or str(body)  # a proxy's page of text in place of the provider's JSON
    body = body or {}
    if not request and not body and error is None:
        raise InvalidRecord("line", "neither a request nor a response", EXPECTED)
    shape = _shape_of(request, body)
    if shape == "anthropic.messages":
        fields = anthropic.generation(request, body)
    else:
        fields = openai.generation(shape, request, body)
    if body and error is None and _ANSWERS.isdisjoint(body):
        raise InvalidRecord("response", sorted(body)[:8], "an answer in OpenAI's or Anthropic's form")
    _add_failure(fields, error if error is not None else body.get("error"), status)
    _add_beside(fields, beside)
    if "started_at" not in fields:
        created = next((body[k] for k in ("created", "created_at") if body.get(k) is not None), None)
        if created is not None:
            fields["started_at"] = moment(created, "response.created")
    if fields.get("latency") is not None and "started_at" in fields and fields["started_at"].year < 9000:
        fields["ended_at"] = fields["started_at"] + dt.timedelta(seconds=fields["latency"])
    if not fields.get("id"):
        told_apart = [beside.get(name) for name in (*_TIMES, "thread", "thread_id")]
        fields["id"] = content_id([request, response, error, *told_apart])
    record = GenerationRecord(**{k: v for k, v in fields.items() if v is not None})
    if "selected_choice_index" in beside:
        record, problem = choices.chosen(record, beside["selected_choice_index"])
        if problem is not None:
            record = revised(record, metadata={**(record.metadata or {}), "problems": [str(problem)]})
    return Call(shape, record)


def _shape_of(request: Mapping[str, Json], body: Mapping[str, Json]) -> str:
    if anthropic.is_ours(request, body):
        return "anthropic.messages"
    shape = openai.shape_of(request, body)
    if shape is None and ("error" in body or not body):
        shape = "openai.chat"
    if shape is None:
        raise InvalidRecord("line", sorted({*request, *body})[:8], "a call in OpenAI's or Anthropic's form")
    return shape


# ---------------------------------------------------------------------------------------------------------- beside
def _add_beside(fields: Fields, beside: Mapping[str, Json]) -> None:
    """Adds what stands beside the pair; it is said of this call by whoever kept it, and so wins over the bodies."""
    metadata: dict[str, Json] = {}
    for name, value in beside.items():
        known = _snake(name)
        if value is None or known in _STRUCTURE:
            continue
        if known in _BESIDE:
            fields[_BESIDE[known]] = _identifier(name, value)
        elif known == "tags":
            fields["tags"] = _tags(value)
            if isinstance(value, Mapping):
                metadata["labels"] = dict(value)
                if isinstance(value.get("env"), str):
                    fields.setdefault("environment", value["env"])
                if isinstance(value.get("version_number"), int):
                    fields.setdefault("prompt_version", value["version_number"])
        elif known in _ATTRIBUTES:
            fields[known] = {**fields.get(known, {}), **_object(value, name)}
        elif known == "application":
            # What logs with versions of its own says so: its name is that of the prompt.
            fields["prompt_name"] = fields["name"] = metadata[name] = _identifier(name, value)
        elif known == "metadata":
            metadata |= _object(value, "metadata")
        elif known in _TIMES:
            fields.setdefault("started_at", moment(value, name))
        elif known in _LATENCIES:
            fields["latency"] = _seconds(name, value) * _LATENCIES[known]
        elif known in ("time_to_first_token", "ttft"):
            fields["time_to_first_token"] = _seconds(name, value)
        elif known == "type" and value in GENERATION_TYPES:
            fields["type"] = value
        else:
            metadata[name] = value
    values = fields.get("request_attributes", {}).get("prompt_values")
    if isinstance(values, Mapping):
        fields.setdefault("variables", dict(values))
    if metadata:
        fields["metadata"] = {**fields.get("metadata", {}), **metadata}


def _identifier(name: str, value: Json) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("id"), str | int):
        value = value["id"]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidRecord(name, value, "a text")
    return str(value)


def _tags(value: Json) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        own = ("env", "environment", "version_number")
        return tuple(
            f"{key}:{item}" for key, item in value.items() if key not in own and not isinstance(item, dict | list)
        )
    if isinstance(value, str):
        return tuple(tag.strip() for tag in value.split(",") if tag.strip())
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise InvalidRecord("tags", value, "a list of texts")
    return tuple(value)


def _seconds(name: str, value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise InvalidRecord(name, value, "a number of seconds (or milliseconds, where the name ends in _ms)")
    return float(value)


def moment(value: Json, name: str = "time") -> dt.datetime:
    """A moment as files write it: ISO 8601 (UTC where no zone is said), or seconds, milli-, micro- or nanoseconds
    since 1970, told apart by their size."""
    if isinstance(value, str):
        try:
            return moments.read(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                raise InvalidRecord(name, value, "a time in ISO 8601 or in seconds since 1970") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise InvalidRecord(name, value, "a time in ISO 8601 or in seconds since 1970")
    for limit, unit in ((1e11, 1), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9)):
        if value < limit:
            return dt.datetime.fromtimestamp(value / unit, dt.UTC)
    raise InvalidRecord(name, value, "a time in ISO 8601 or in seconds since 1970")


def _add_failure(fields: Fields, error: Json, status: Json) -> None:
    """Adds what went wrong, in the provider's words; nothing when nothing did."""
    code = status if isinstance(status, int) and not isinstance(status, bool) else None
    if isinstance(error, Mapping):
        message, kind = error.get("message"), error.get("code") or error.get("type")
        fields["error"] = message if isinstance(message, str) and message else json.dumps(error, ensure_ascii=False)
        fields["error_type"] = None if kind is None else str(kind)
    elif error is not None and error != "":
        fields["error"] = error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)
    elif code is not None and code >= 400:
        fields["error"] = f"HTTP status {code}"
    else:
        return
    if code is not None:
        fields["error_type"] = fields.get("error_type") or f"http_{code}"
        fields["response_attributes"] = {**fields.get("response_attributes", {}), "status_code": code}


# ---------------------------------------------------------------------------------------------------------- pieces
def content_id(content: Any) -> str:
    """An id made of what a call says: the same content has the same id, wherever and whenever it is read."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return f"import-{hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()}"


def _custom_id(document: Mapping[str, Json]) -> str:
    if not isinstance(document["custom_id"], str):
        raise InvalidRecord("custom_id", document["custom_id"], "a text")
    return document["custom_id"]


def _unwrapped(request: Json, name: str) -> Mapping[str, Json]:
    """A request's body, also when it still stands in the batch's envelope."""
    found = _object(request, name)
    for envelope in ("body", "params"):
        if isinstance(found.get(envelope), Mapping) and "messages" not in found:
            return found[envelope]  # type: ignore[no-any-return]
    return found


def _object(value: Json, name: str) -> Mapping[str, Json]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidRecord(name, value, "an object")
    return value


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
