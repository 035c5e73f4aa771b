"""Calls to models that the server makes itself: what was asked of a door, checked, done and recorded."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.db import connection

from generations import bundles, llm, outages, presence, providers, recording
from generations.access import Grant, Scope
from generations.ingest.values import UnknownField
from generations.llm import recorded, running
from generations.llm.backends.anthropic import Anthropic
from generations.llm.backends.openai import OpenAI
from generations.llm.recorded import Sink
from generations.llm.scoring import ScoringResult
from generations.models import Project, ProviderCredential
from generations.providers import Provider
from generations.records import GenerationRecord, InvalidRecord, Json

MOST_VALUES: Final = 1_000
MOST_TEXT: Final = 4 << 20
_CONTEXT: Final = {
    "id": "id",
    "name": "name",
    "threadId": "thread_id",
    "stepId": "step_id",
    "userId": "user_id",
    "sessionId": "session_id",
    "environment": "environment",
    "release": "release",
    "tags": "tags",
    "metadata": "metadata",
    "promptVersionId": "prompt_version_id",
}
_SPELT: Final = {
    "topP": "top_p",
    "maxTokens": "max_tokens",
    "max_completion_tokens": "max_tokens",
    "stopSequences": "stop",
    "stop_sequences": "stop",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}
"""Parameters as documents spell them, and as the library and most providers do."""
GENERATE: Final = (
    "model",
    "prompt",
    "messages",
    "variables",
    "tools",
    "decoder",
    "n",
    "maxTokens",
    "parameters",
    "stream",
)
LITERALLY: Final = "with variables no {{name}} is sent as it stands, but for one that is the value of itself"
SCORE: Final = ("model", "prompt", "values", "variables", "separator", "straddle")
BUILT_IN: Final = ("ngram:", "random")
TIMEOUT: Final = 60.0
PATIENCE: Final = 5.0
"""Seconds that a provider may ask to wait: somebody waits for the answer, and a thread of the server with them."""
MOST_MODELS: Final = 500
_CHATTING: Final = frozenset({"mistral", "groq", "together", "deepseek", "openrouter", "ollama"})
"""Providers whose models take a text as a user's message."""
_NOT_SENT: Final = frozenset(
    {"stream", "stream_options", "decoder", "n", "max_tokens", "tools", "model", "messages", "prompt"}
)
_log = logging.getLogger(__name__)


def documented(argument: str) -> str:
    """An argument of the library by its path in the documents of the doors: `maxTokens`, `parameters.topP`."""
    name = next((ours for ours, theirs in _SPELT.items() if theirs == argument), argument)
    return name if name.partition("[")[0] in {*GENERATE, *SCORE} else f"parameters.{name}"


class Full(Exception):
    """As many calls are under way as this process makes at once. Doors answer 503."""

    retry_after: Final = 2

    def __str__(self) -> str:
        return "As many calls to models are under way as the server makes at once; try again in a moment."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a door was asked for."""

    model: str
    prompt: str | list[dict[str, Json]]
    values: list[str] = field(default_factory=list)
    max_tokens: int | None = None
    decoder: str = "argmax"
    options: dict[str, Any] = field(default_factory=dict)
    is_stream: bool = False


class LocalSink:
    """Records through the one writer. What cannot be stored is logged: the answer is there nevertheless."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def record(self, record: GenerationRecord) -> None:
        """Store one call."""
        try:
            (receipt,) = recording.record(self._project, [record])
        except (recording.Busy, *outages.ERRORS) as problem:
            _log.error("A call to %s was made and is not recorded: %s", record.model_id, problem)
            return
        if receipt.state == "rejected":
            _log.error("A call to %s was made and is not recorded: %s", record.model_id, receipt.reason)


def asked(document: Mapping[str, Json]) -> Asked:
    """A document of `generate`, checked: `{"model", "prompt" or "messages", ...}`. Raises InvalidRecord."""
    _known(document, GENERATE)
    messages, prompt = document.get("messages"), document.get("prompt")
    if (messages is None) == (prompt is None):
        raise InvalidRecord("prompt", prompt, "a text, or messages in its place")
    parameters = _mapping(document, "parameters")
    settings_ = {_SPELT.get(name, name): value for name, value in parameters.items()}
    options: dict[str, Any] = {name: value for name, value in settings_.items() if name not in _NOT_SENT}
    clash = sorted({"variables", "record", "return_full_text"} & set(options))
    if clash:
        raise InvalidRecord("parameters", clash[0], "settings of the model")
    for name in ("n", "tools"):
        value = document.get(name, settings_.get(name) if name == "n" else None)
        if value is not None:
            options[name] = value
    if document.get("tools") is not None and not isinstance(document["tools"], list):
        raise InvalidRecord("tools", document["tools"], "a list of tools")
    if not isinstance(document.get("stream"), bool | None):
        raise InvalidRecord("stream", document["stream"], "true or false")
    given = _checked_prompt("prompt", prompt) if messages is None else _checked_messages(messages)
    context = _context(document, given)
    return Asked(
        model=_model_name(document),
        prompt=given,
        max_tokens=document.get("maxTokens", settings_.get("max_tokens")),
        decoder=document.get("decoder") or settings_.get("decoder") or _decoder(settings_, options),
        options=options | context,
        is_stream=document.get("stream") is True,
    )


def asked_to_score(document: Mapping[str, Json]) -> Asked:
    """A document of `score`, checked: `{"model", "prompt", "values", ...}`. Raises InvalidRecord."""
    _known(document, SCORE)
    values = document.get("values")
    if not isinstance(values, list | str) or (isinstance(values, list) and len(values) > MOST_VALUES):
        raise InvalidRecord("values", values, f"a list of 1 to {MOST_VALUES} texts")
    prompt = _checked_prompt("prompt", document.get("prompt"))
    if not isinstance(prompt, str):
        raise InvalidRecord("prompt", prompt, "a text")
    options = {name: document[name] for name in ("separator", "straddle") if document.get(name) is not None}
    texts = [values] if isinstance(values, str) else values
    return Asked(model=_model_name(document), prompt=prompt, values=texts, options=options | _context(document, prompt))


def generate(grant: Grant, asked: Asked) -> llm.Completion:
    """The answers. Needs `write`. Raises LLMError (the call is recorded), Full; it ends when the caller goes."""
    model = _model(grant, asked)
    with _room(), _attended():
        return model.complete_sync(asked.prompt, asked.max_tokens, asked.decoder, **asked.options)


def score(grant: Grant, asked: Asked) -> ScoringResult:
    """The scores of the values. Needs `write`. Raises LLMError (the call is recorded), Full."""
    model = _model(grant, asked)
    assert isinstance(asked.prompt, str)
    with _room(), _attended():
        return model.score_sync(asked.prompt, asked.values, **asked.options)


def scored_before(grant: Grant, asked: Asked) -> ScoringResult | None:
    """What a call of the same id was answered; None where there was none, it failed, or its text is gone.

    Needs `write`.
    """
    id = asked.options.get("record", {}).get("id")
    there = None if id is None else bundles.generation(grant.need(Scope.WRITE).project, id)
    if there is None or there.record.error is not None:
        return None
    return recorded.scored_before(there.record, _model(grant, asked).model_identifier)


def stream(grant: Grant, asked: Asked) -> llm.Stream:
    """The answer on its way; iterate it within `streaming`. Needs `write`. Raises LLMError for what makes no sense."""
    return _model(grant, asked).stream(asked.prompt, asked.max_tokens, asked.decoder, **asked.options)


@contextmanager
def streaming() -> Iterator[None]:
    """Room for a stream. Raises Full."""
    with _room():
        yield


# -------------------------------------------------------------------------------------------------------------- models
def models(grant: Grant) -> list[str]:
    """Names of models that may be called, as far as they are known: built in, and those that providers listed."""
    known = [f"{row.name}/{name}" for row in providers.every(grant) for name in row.options.get("models", [])]
    return [*BUILT_IN, *known]


def tried(grant: Grant, row: ProviderCredential) -> list[str]:
    """Ask a provider for its models, which costs nothing, and keep their names. Needs `admin`.

    Raises LLMError with what is wrong.
    """
    grant.need(Scope.ADMIN)
    backend = _called(_opened(row), "any", sink=None).backend
    assert isinstance(backend, OpenAI | Anthropic)
    with _room():
        found = running.blocking(backend.models())[:MOST_MODELS]
    row.options = {**row.options, "models": found}
    row.save(update_fields=["options"])
    providers.used(grant, str(row.pk))
    return found


def name_of(grant: Grant, model: str | None, provider: str | None) -> str | None:
    """The name by which this project calls a recorded model; None where none of its providers has it."""
    if model is None or model in BUILT_IN:
        return model
    rows = providers.every(grant)
    row = next((row for row in rows if model in row.options.get("models", ())), None)
    row = row or next((row for row in rows if provider in (row.name, row.provider)), None)
    return None if row is None else f"{row.name}/{model}"


def _model(grant: Grant, asked: Asked) -> llm.LLM:
    return opened(grant, asked.model, sink=LocalSink(grant.project))


def opened(grant: Grant, name: str, *, sink: Sink) -> llm.LLM:
    """The model of a name: one that is built in, or `NAME/MODEL` of a provider by its name or its kind.

    Needs `write`. Raises LLMError where there is none, or its provider's key cannot be read.
    """
    return _found(grant.need(Scope.WRITE), name, sink)


def check(grant: Grant, name: str) -> None:
    """Refuse a name that no model can be opened by, for whoever only reckons. Needs `read`. Raises LLMError."""
    _found(grant.need(Scope.READ), name, None)


def _found(grant: Grant, name: str, sink: Sink | None) -> llm.LLM:
    if name in BUILT_IN:
        return llm.model(name, sink=sink)
    rows = providers.every(grant)
    prefix, _, rest = name.partition("/")
    if not rest:
        # A name alone is that of a model which just one of the providers may have.
        rest, prefix = name, next((row.name for row in rows if name in row.options.get("models", [])), "")
    row = next((row for row in rows if row.name == prefix), None)
    row = row or next((row for row in rows if row.provider == prefix), None)
    if row is None:
        have = ", ".join([*BUILT_IN, *(f"{row.name}/MODEL" for row in rows)])
        unknown = llm.UnknownModel(f"There is no model {name[:200]!r} in this project; it has {have}.")
        unknown.name, unknown.known = name[:200], f"one of {have}"
        raise unknown
    return _called(_opened(row), rest, sink=sink)


def _opened(row: ProviderCredential) -> Provider:
    try:
        return providers.open_one(row)
    except providers.Unreadable as problem:
        raise llm.NotConfigured(str(problem)) from problem


def _called(provider: Provider, name: str, *, sink: Sink | None) -> llm.LLM:
    """A model of a provider. Requests go to the provider's own host, if the operator's rules let them."""
    options: dict[str, Any] = {
        "endpoint": provider.endpoint,
        "environ": {},
        "timeout": TIMEOUT,
        "patience": PATIENCE,
        "egress": providers.egress(),
        "sink": sink,
    }
    if provider.key:
        options["api_key"] = provider.key
    if provider.kind in ("anthropic", "azure"):
        return llm.LLM(f"{provider.kind}/{name}", options)
    if provider.kind in _CHATTING:
        options["chat"] = True
    model = llm.LLM(f"openai/{name}", options)
    model.backend.provider = None if provider.kind == "other" else provider.kind
    return model


# --------------------------------------------------------------------------------------------------------------- rooms


@cache
def _places() -> threading.BoundedSemaphore:
    # A call keeps a thread of the server for as long as the model takes: half of them are left to everybody else.
    return threading.BoundedSemaphore(max(1, settings.WEB_THREADS // 2))


@contextmanager
def _room() -> Iterator[None]:
    if not _places().acquire(blocking=False):
        raise Full
    try:
        if not connection.in_atomic_block:
            connection.close()  # back to the pool: models take their time
        yield
    finally:
        _places().release()


@contextmanager
def _attended() -> Iterator[None]:
    """Within, a call ends when whoever this thread works for has gone."""
    watch = presence.watch()
    if watch is None:
        yield
        return
    with closing(watch), running.done_for(watch.is_there, presence.LOOK):
        yield


# ------------------------------------------------------------------------------------------------------------ checking
def _known(document: Mapping[str, Json], names: tuple[str, ...]) -> None:
    for name in document:
        if name not in names and name not in _CONTEXT:
            raise UnknownField(str(name), document[name], (*names, *_CONTEXT))


def _model_name(document: Mapping[str, Json]) -> str:
    given = document.get("model")
    name = given.get("id") if isinstance(given, Mapping) else given
    if not isinstance(name, str) or not name.strip():
        raise InvalidRecord("model", given, "the name of a model, such as ngram: or openai/gpt-4o-mini")
    return name.strip()


def _checked_prompt(name: str, given: Json) -> str | list[dict[str, Json]]:
    if isinstance(given, str):
        if len(given) > MOST_TEXT:
            raise InvalidRecord(name, given, f"a text of at most {MOST_TEXT} characters")
        return given
    if isinstance(given, list) and given and all(isinstance(m, dict) and isinstance(m.get("role"), str) for m in given):
        return given
    raise InvalidRecord(name, given, "a text, or messages with roles")


def _checked_messages(given: Json) -> str | list[dict[str, Json]]:
    if not isinstance(given, list):
        raise InvalidRecord("messages", given, "a list of messages, each with a role and its content")
    checked = _checked_prompt("messages", given)
    for n, message in enumerate(given):
        if not isinstance(content := message.get("content"), str | list | None):
            raise InvalidRecord(f"messages[{n}].content", content, "a text, or a list of parts")
    return checked


def _mapping(document: Mapping[str, Json], name: str) -> dict[str, Json]:
    value = document.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise InvalidRecord(name, value, "an object")
    return dict(value or {})


def _context(document: Mapping[str, Json], template: str | list[dict[str, Json]]) -> dict[str, Any]:
    """What is said of the call beside the call itself, and its variables, as options of the library."""
    said = {name: document[key] for key, name in _CONTEXT.items() if document.get(key) is not None}
    for key, name in _CONTEXT.items():
        value = said.get(name)
        is_right = (
            isinstance(value, list) and all(isinstance(tag, str) for tag in value) if key == "tags"
            else isinstance(value, dict) if key == "metadata"
            else isinstance(value, str)
        )  # fmt: skip
        if value is not None and not is_right:
            kind = {"tags": "a list of texts", "metadata": "an object"}.get(key, "a text")
            raise InvalidRecord(key, value, kind)
    options: dict[str, Any] = {"record": said} if said else {}
    if document.get("variables") is not None:
        options["variables"] = known = _mapping(document, "variables")
        if missing := [name for name in llm.holes(template) if name not in known]:
            raise InvalidRecord("variables", sorted(known), f"a value for {', '.join(missing)}, too: {LITERALLY}")
    return options


def _decoder(settings_: Mapping[str, Json], options: Mapping[str, Json]) -> str:
    """What is meant by settings alone: with a temperature above 0, or with several answers, samples."""
    return "sample" if settings_.get("temperature") or options.get("n", 1) != 1 else "argmax"
