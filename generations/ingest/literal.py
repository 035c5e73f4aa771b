"""What Literal AI's clients send, as records. Null means "not given" to them, so nothing here ever empties a field.

The clients retry a batch once and then drop it, so whatever can be understood is: dates in every form they send,
numbers as text, unknown step types.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from generations import identities, moments, reading, records
from generations.ingest import feedback
from generations.records import (
    AttachmentRecord,
    GenerationRecord,
    InvalidRecord,
    Json,
    ParticipantRecord,
    Record,
    ScoreRecord,
    StepRecord,
    ThreadRecord,
)

STEP_TYPES: Final = frozenset(
    {
        *("run", "tool", "llm", "embedding", "retrieval", "rerank", "undefined"),
        *("user_message", "assistant_message", "system_message"),
    }
)
VOTE: Final = "user-feedback"
"""The name of the score that is the vote of the application's user."""
MASK: Final = "***"
_USERS_OWN: Final = "env"
_VERSION: Final[dict[str, tuple[str, str, type, str]]] = {
    "templateMessages": ("template_messages", "messages", list, "a list of messages"),
    "settings": ("settings", "settings", dict, "an object"),
    "tools": ("tools", "tools", list, "a list"),
    "variablesDefaultValues": ("input_defaults", "inputDefaults", dict, "an object"),
    "versionDesc": ("description", "description", str, "a text"),
}
"""A prompt version's fields: what the store calls them, how it refuses them, and what they hold."""
_PLAIN_WORD: Final = re.compile(r"[A-Za-z]\w{0,19}")


def step(given: Mapping[str, Any], environment: str | None) -> list[Record]:
    """The step of one `ingestStep`, `createStep` or `updateStep`, the generation inside it, which shares its id, and
    the feedback that is among its scores."""
    id = _text(given, "id") or identities.new_id()
    start = moment(given.get("startTime"), "startTime")
    end = moment(given.get("endTime"), "endTime")
    payload = given.get("generation")
    metadata = _object(given.get("metadata"), "metadata")
    release = (metadata or {}).get("release")  # where the client's `release` argument arrives
    made = StepRecord(
        id=id,
        type=_step_type(given.get("type")),
        name=_text(given, "name"),
        thread_id=_text(given, "threadId"),
        parent_id=_text(given, "parentId"),
        root_id=_text(given, "rootRunId"),
        started_at=start,
        ended_at=end,
        error=_error(given.get("error")),
        environment=environment,
        release=release if isinstance(release, str) else None,
        tags=_tags(given.get("tags")),
        metadata=metadata,
        input=given.get("input"),
        output=given.get("output"),
        scores=_scores(id, given),
        attachments=tuple(attachment(a, step_id=id) for a in _list(given.get("attachments"), "attachments")),
    )
    said = feedback.voted(made.scores)
    if payload is None:
        return [made, *said]
    if not isinstance(payload, Mapping):
        raise InvalidRecord("generation", payload, "an object")
    return [made, generation(payload, made), *said]


def _scores(step_id: str, given: Mapping[str, Any]) -> tuple[ScoreRecord, ...]:
    scores = [score(one, step_id=step_id) for one in _list(given.get("scores"), "scores")]
    if (said := given.get("feedback")) is not None:
        if not isinstance(said, Mapping):
            raise InvalidRecord("feedback", said, "an object")
        scores.append(vote(said, step_id))
    return tuple(scores)


def vote(given: Mapping[str, Any], step_id: str) -> ScoreRecord:
    """The feedback on a step, of which clients before 0.0.4 have one in the place of scores, as later ones send it."""
    strategy = _text(given, "strategy")
    return ScoreRecord(
        id=f"{step_id[:400]}:{VOTE}",
        name=VOTE,
        type="HUMAN",
        value=_number(given.get("value"), "feedback.value"),
        comment=_text(given, "comment"),
        step_id=step_id,
        generation_id=step_id,
        metadata=None if strategy is None else {"strategy": strategy},
    )


def generation(given: Mapping[str, Any], around: StepRecord) -> GenerationRecord:
    """The generation of a step: its id, thread, times and environment are the step's.

    `ttFirstToken` is milliseconds and `duration` seconds; throughput is left to be derived, for one of the clients
    reckons it a thousand times too high.
    """
    kind = str(given.get("type") or "").lower()
    if kind not in ("chat", "completion"):
        # LiteLLM and the TypeScript client send generations without a type.
        kind = "completion" if given.get("prompt") is not None or given.get("completion") is not None else "chat"
    first_token = _number(given.get("ttFirstToken"), "generation.ttFirstToken")
    completion = given.get("messageCompletion")
    return GenerationRecord(
        id=around.id,
        step_id=around.id,
        thread_id=around.thread_id,
        type=kind,
        name=around.name,
        started_at=around.started_at,
        ended_at=around.ended_at,
        environment=around.environment,
        release=around.release,
        provider=_text(given, "provider"),
        model_id=_text(given, "model"),
        error=_error(given.get("error")) or around.error,
        prompt_version_id=_text(given, "promptId"),
        prompt_tokens=_count(given.get("inputTokenCount"), "generation.inputTokenCount"),
        completion_tokens=_count(given.get("outputTokenCount"), "generation.outputTokenCount"),
        total_tokens=_count(given.get("tokenCount"), "generation.tokenCount"),
        time_to_first_token=None if first_token is None else first_token / 1000,
        latency=_number(given.get("duration"), "generation.duration"),
        tags=_tags(given.get("tags")) or around.tags,
        metadata=_object(given.get("metadata"), "generation.metadata"),
        parameters=_object(given.get("settings"), "generation.settings"),
        variables=_object(given.get("variables"), "generation.variables"),
        tools=_list(given.get("tools"), "generation.tools") or None,
        messages=_list(given.get("messages"), "generation.messages") or None,
        message_completion=completion if isinstance(completion, dict) else None,
        prompt=_text(given, "prompt"),
        completion=_text(given, "completion"),
    )


def score(given: Mapping[str, Any], step_id: str | None = None) -> ScoreRecord:
    """A score, alone or inside a step. A generation has its step's id, so a score of either hangs on both."""
    if not isinstance(given, Mapping):
        raise InvalidRecord("score", given, "an object")
    value = _number(given.get("value"), "value")
    name = _text(given, "name")
    if not name:
        raise InvalidRecord("name", given.get("name"), "the name of the score")
    step = _text(given, "stepId") or _text(given, "generationId") or step_id
    kind = str(given.get("type") or "CODE").upper()
    return ScoreRecord(
        id=_text(given, "id"),
        name=name,
        type=kind if kind in records.SCORE_TYPES else "CODE",
        value=value,
        label=_text(given, "label"),
        comment=_text(given, "comment"),
        author=_text(given, "scorer"),
        step_id=step,
        generation_id=step,
        experiment_item_id=_text(given, "datasetExperimentItemId"),
        tags=_tags(given.get("tags")),
    )


def attachment(given: Mapping[str, Any], step_id: str | None = None) -> AttachmentRecord:
    """A file beside a step. Its `url` is kept only when it is not one of ours: those are minted at each reading."""
    if not isinstance(given, Mapping):
        raise InvalidRecord("attachment", given, "an object")
    key = _text(given, "objectKey")
    return AttachmentRecord(
        id=_text(given, "id") or identities.new_id(),
        name=_text(given, "name"),
        mime=_text(given, "mime"),
        storage_key=key,
        url=None if key else _text(given, "url"),
        step_id=_text(given, "stepId") or step_id,
        thread_id=_text(given, "threadId"),
        metadata=_object(given.get("metadata"), "metadata"),
    )


def thread(given: Mapping[str, Any], environment: str | None = None) -> ThreadRecord:
    """A thread of `upsertThread`, `createThread` or `updateThread`."""
    metadata = _object(given.get("metadata"), "metadata")
    return ThreadRecord(
        id=_text(given, "id") or identities.new_id(),
        name=_text(given, "name"),
        user_id=_text(given, "participantId"),
        environment=_text(given, "environment") or environment,
        tags=_tags(given.get("tags")),
        metadata=None if metadata is None else without_secrets(metadata),
    )


def participant(id: str, given: Mapping[str, Any]) -> ParticipantRecord:
    """A participant of `createParticipant` or `updateParticipant`."""
    return ParticipantRecord(
        id=id, identifier=_text(given, "identifier"), metadata=_object(given.get("metadata"), "metadata")
    )


def without_secrets(metadata: Mapping[str, Json]) -> dict[str, Json]:
    """`metadata` with the values under `env` masked: Chainlit puts its users' own API keys there.

    The names stay, for it is worth knowing which keys a session had. A plain word, as others use `env` for, stays too.
    """
    secret = metadata.get(_USERS_OWN)
    if isinstance(secret, Mapping):
        return {**metadata, _USERS_OWN: dict.fromkeys(secret, MASK)}
    if isinstance(secret, list) or (isinstance(secret, str) and not _PLAIN_WORD.fullmatch(secret)):
        return {**metadata, _USERS_OWN: MASK}
    return dict(metadata)


def moment(value: Any, name: str) -> dt.datetime | None:
    """A moment in any form that a client sends: ISO with T or a blank, with or without zone (then UTC), or epoch."""
    if value is None or value == "":
        return None
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return dt.datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, dt.UTC)
        except (OverflowError, OSError, ValueError) as error:
            raise InvalidRecord(name, value, "a moment in ISO 8601") from error
    try:
        return moments.read(str(value))
    except ValueError as error:
        raise InvalidRecord(name, value, "a moment in ISO 8601") from error


def version(given: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a prompt's version, by the names of `prompts.add_version`. Raises InvalidRecord."""
    for name, (_, _, kind, expected) in _VERSION.items():
        if not isinstance(given.get(name), kind | None):
            raise InvalidRecord(name, given[name], expected)
    return {attribute: given.get(name) for name, (attribute, *_) in _VERSION.items()}


def of_version(error: InvalidRecord) -> InvalidRecord:
    """A refusal of such a content, by the name that it has here."""
    names = {ours: name for name, (_, ours, *_) in _VERSION.items()}
    head = re.match(r"\w*", error.field)
    ours = head[0] if head else ""
    return error.at(names.get(ours, ours) + error.field[len(ours) :])


def _step_type(value: Any) -> str | None:
    if value is None:
        return None
    return str(value) if str(value) in STEP_TYPES else "undefined"


def _text(given: Mapping[str, Any], name: str) -> str | None:
    value = given.get(name)
    if value is None:
        return None
    return value if isinstance(value, str) else reading.compact(value)


def _error(value: Any) -> str | None:
    """An error as text; an empty one is none. The TypeScript client sends objects as JSON text."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else reading.compact(value)


def _number(value: Any, name: str) -> float | None:
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise InvalidRecord(name, value, "a number") from error


def _count(value: Any, name: str) -> int | None:
    number = _number(value, name)
    if number is None:
        return None
    try:
        return int(number)
    except (OverflowError, ValueError) as error:
        raise InvalidRecord(name, value, "a whole number") from error


def _object(value: Any, name: str) -> dict[str, Json] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise InvalidRecord(name, value, "an object")
    return dict(value)


def _list(value: Any, name: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InvalidRecord(name, value, "a list")
    return list(value)


def _tags(value: Any) -> tuple[str, ...] | None:
    return None if value is None else tuple(str(tag) for tag in _list(value, "tags"))
