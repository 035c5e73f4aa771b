"""Every call as a generation: what was asked, what came, how long it took; and the sinks that it is handed to."""

from __future__ import annotations

import datetime as dt
import logging
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from generations.llm.calls import Answer, Fields, Json, Request
from generations.llm.errors import InvalidCall, LLMError
from generations.llm.scoring import ScoredSequence, ScoringResult, Vector

if TYPE_CHECKING:
    from generations.client import Generations
    from generations.records import GenerationRecord

TEMPLATE: Final = "llm.prompt_template.template"
"""The attribute that keeps the template of a prompt, under the name that OpenInference gave it."""
ABOUT: Final = (
    "id", "name", "thread_id", "step_id", "user_id", "session_id", "request_id", "function_id", "workflow_id",
    "agent_id", "environment", "release", "tags", "metadata", "prompt_name", "prompt_version", "prompt_version_id",
    "trace_id", "span_id",
)  # fmt: skip
"""What a caller may say of a call in `record=`, beside what is known of it anyway."""

_log = logging.getLogger("generations.llm")


class Sink(Protocol):
    """Where recorded calls go. It is called by whoever made the call, after the answer, and must not keep them."""

    def record(self, record: GenerationRecord) -> None:
        """Take one call."""
        ...


class HttpSink:
    """Sends calls to the server in the background, in batches: nobody waits for it, and nothing fails for it."""

    def __init__(self, generations: Generations | None = None) -> None:
        self._generations = generations

    def record(self, record: GenerationRecord) -> None:
        """Queue one call. What cannot be queued is logged."""
        from generations.ingest import rest

        try:
            if self._generations is None:
                from generations.client import Generations

                self._generations = Generations()
            self._generations.create(rest.document(record))
        except (TypeError, ValueError, RecursionError) as problem:
            _log.warning("A call to %s is not recorded: %s", record.model_id, problem)

    def flush(self, timeout: float | None = 30.0) -> bool:
        """Send what is queued; True once it is all delivered."""
        return self._generations is None or self._generations.flush(timeout)


_chosen: list[Sink | None] = []
_http = HttpSink()


def set_sink(sink: Sink | None) -> None:
    """Choose where calls of this process are recorded; None: nowhere."""
    _chosen[:] = [sink]


def default_sink() -> Sink | None:
    """The sink that was chosen, else the server of the environment (GENERATIONS_API_KEY), else none."""
    if _chosen:
        return _chosen[0]
    return _http if os.environ.get("GENERATIONS_API_KEY") else None


@dataclass(slots=True, kw_only=True)
class Call:
    """A call under way. `id` is its generation's."""

    model_id: str
    provider: str | None
    request: Request | None = None
    prompt: str | None = None
    template: Json = None
    variables: dict[str, Json] | None = None
    about: Fields = field(default_factory=dict)
    id: str = ""
    started_at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    began: float = field(default_factory=time.perf_counter)
    first_token: float | None = None

    def __post_init__(self) -> None:
        from generations.client.documents import new_id

        self.id = str(self.about.get("id") or new_id())

    def arrived(self) -> None:
        """Note that a first piece of the answer is there."""
        if self.first_token is None:
            self.first_token = time.perf_counter() - self.began


def about(given: Mapping[str, Json] | None) -> Fields:
    """What a caller says of a call, checked. Raises InvalidCall for a name that is not known."""
    said = dict(given or {})
    unknown = sorted(set(said) - set(ABOUT))
    if unknown:
        raise InvalidCall(f"record: {unknown[0]!r} is not known; expected some of {', '.join(ABOUT)}")
    if isinstance(said.get("tags"), str):
        said["tags"] = (said["tags"],)
    elif said.get("tags") is not None:
        said["tags"] = tuple(said["tags"])
    return said


def answered(call: Call, answer: Answer) -> GenerationRecord:
    """The record of a call that was answered."""
    fields = _begun(call) | _stripped(answer.fields)
    is_beam = call.request is not None and call.request.decoder == "beam"
    if is_beam and len(answer.choices) > 1:
        from generations.records import Alternative

        fields["alternatives"] = tuple(
            Alternative(index=place, kind="beam", content=c.text, score=c.score, finish_reason=c.finish_reason)
            for place, c in enumerate(answer.choices)
        )
        fields["selected_choice"] = 0
    elif fields.get("alternatives"):
        scores = [choice.score for choice in answer.choices[1:]]
        if len(scores) == len(fields["alternatives"]):
            pairs = zip(fields["alternatives"], scores, strict=True)
            fields["alternatives"] = tuple(replace(other, score=score) for other, score in pairs)
    return _made(call, fields)


def scored(call: Call, result: ScoringResult, said: Fields) -> GenerationRecord:
    """The record of values that were scored: each an alternative, the likeliest the answer."""
    from generations.records import Alternative

    sums = result.scores()
    before = [_tokens(result, seq, 0, len(seq) - seq.value_tokens) for seq in result.seqs]
    alternatives = tuple(
        Alternative(
            index=place,
            kind="scored",
            content=value,
            tokens=seq.value_tokens,
            score=sums[place],
            logprobs=_tokens(result, seq, len(seq) - seq.value_tokens, len(seq))
            # The prompt's own are mostly the same for all.
            | ({"prompt": before[place]} if place == 0 or before[place] != before[0] else {})
            | ({"straddles": True} if seq.straddles else {}),
        )
        for place, (value, seq) in enumerate(zip(result.continuations, result.seqs, strict=True))
    )
    best = sums.argmax()
    own = {"alternatives": alternatives, "completion": result.continuations[best], "selected_choice": best}
    return _made(call, _begun(call) | _stripped(said) | own)


_OF_TOKENS: Final = ("tokens", "token_logprobs", "text_offset")
"""What is kept of tokens: each has its probability and its place."""


def _tokens(result: ScoringResult, seq: ScoredSequence, begin: int, end: int) -> Fields:
    return {
        "tokens": list(seq.tokens[begin:end]),
        "token_logprobs": [None if math.isnan(one) else one for one in seq.logprobs[begin:end]],
        "text_offset": [offset - len(result.prompt) for offset in seq.offsets[begin:end]],
    }


def scored_before(record: GenerationRecord, model_identifier: str) -> ScoringResult | None:
    """The scores that `scored` made this record of; None where it is of something else, or holds not all of them."""
    others = sorted(record.alternatives or (), key=lambda one: one.index)
    said: list[Any] = [one.logprobs for one in others if one.kind == "scored"]
    if record.prompt is None or not said or not all(isinstance(one, dict) for one in said) or "prompt" not in said[0]:
        return None
    seqs = []
    for one in said:
        parts = [one.get("prompt", said[0]["prompt"]), one]
        if not all(map(_is_whole, parts)):
            return None
        tokens, logprobs, offsets = ([value for part in parts for value in part[name]] for name in _OF_TOKENS)
        known = Vector(math.nan if logprob is None else logprob for logprob in logprobs)
        starts = tuple(offset + len(record.prompt) for offset in offsets)
        seqs.append(ScoredSequence(tuple(tokens), known, starts, len(one["tokens"]), one.get("straddles", False)))
    made = ScoringResult(record.prompt, [str(one.content) for one in others], seqs, model_identifier)
    made.generation_id = record.id
    return made


def _is_whole(part: Any) -> bool:
    """Whether these are tokens, each with its probability and its place: somebody may have changed the record."""
    lists = [part.get(name) for name in _OF_TOKENS] if isinstance(part, dict) else []
    sizes = {len(one) if isinstance(one, list) else None for one in lists}
    return len(sizes) == 1 and None not in sizes


def failed(call: Call, problem: LLMError, answer: Answer | None = None) -> GenerationRecord:
    """The record of a call that did not succeed, with what of the answer had arrived."""
    fields = _begun(call) | _stripped(answer.fields if answer is not None else {})
    fields |= {"error": str(problem) or problem.kind, "error_type": problem.kind}
    if problem.status is not None:
        fields["response_attributes"] = {**(fields.get("response_attributes") or {}), "status": problem.status}
    return _made(call, fields)


def hand(sink: Sink | None, record: GenerationRecord) -> None:
    """Give a record to a sink, if there is one."""
    if sink is not None:
        sink.record(record)


def _begun(call: Call) -> Fields:
    """What is known of a call whatever came of it."""
    from generations.ingest.rest_parameters import normalized

    request = call.request
    fields: Fields = {"type": "scoring", "prompt": call.prompt}
    if request is not None:
        parameters = normalized({**request.settings, "decoder": request.decoder})
        if request.n > 1:
            parameters["n"] = request.n
        fields = {
            "type": "completion" if request.messages is None else "chat",
            "prompt": request.prompt,
            "messages": request.messages,
            "tools": request.tools,
            "parameters": parameters,
        }
    fields |= {"model_id": call.model_id, "provider": call.provider}
    return _stripped(fields)


def _made(call: Call, fields: Fields) -> GenerationRecord:
    from generations.records import GenerationRecord

    took = time.perf_counter() - call.began
    parameters = fields.get("parameters")
    if call.request is not None and parameters is not None:
        fields["parameters"] = {**parameters, "decoder": call.request.decoder}
    told = fields.get("completion_tokens")
    attributes = {} if call.template is None else {"attributes": {TEMPLATE: call.template}}
    said: dict[str, Any] = {
        **fields,
        **attributes,
        "started_at": call.started_at,
        "ended_at": call.started_at + dt.timedelta(seconds=took),
        "latency": took,
        "time_to_first_token": call.first_token,
        "tokens_per_second": told / took if told and took > 0 and call.request is not None else None,
        "variables": call.variables,
        **_stripped(call.about),
    }
    # The caller's name of the model tells its provider apart; what the provider calls it is kept beside.
    return GenerationRecord(**{**said, "id": call.id})


def _stripped(fields: Mapping[str, Any]) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}
