"""Whether a span is a call of a model, and of which type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from generations.ingest.otlp import dialects, names
from generations.ingest.otlp.messages import loaded
from generations.ingest.otlp.names import About
from generations.records import Json


def types(attributes: Mapping[str, Json], about: About) -> tuple[str | None, str | None]:
    """The type of generation that a span with these attributes is; of other work that of its step, if they tell it."""
    if not about.kind or type(said := attributes[about.kind]) is not str or len(said) > _LONGEST:
        kind = call_type(attributes, about)
        return kind, None if kind is not None else work_type(attributes, about)
    kind, work = _types_said(about, said)
    return "completion" if kind == "chat" and about.may_be_text and _is_text_completion(attributes) else kind, work


_LONGEST: Final = 100


@lru_cache(maxsize=512)
def _types_said(about: About, said: str) -> tuple[str | None, str | None]:
    """The types where one attribute says them, and of the others only the names matter; a text is a chat's here."""
    attributes = dict.fromkeys(name for name in about.names if name not in dialects.OF_TEXTS) | {about.kind: said}
    return call_type(attributes, about), work_type(attributes, about)


def call_type(attributes: Mapping[str, Json], about: About) -> str | None:
    """The type of generation that a span with these attributes is; None for any other work.

    Having a model is not enough: agents and chains repeat the model, messages and tokens of the calls below them.
    """
    for name, said in names.kinds_said(attributes, about):
        kinds = dialects.CALLS[name]
        kind = kinds.get(said) or kinds.get(said.lower()) or kinds.get(said.upper())
        if said == "GUARDRAIL" and "llm.invocation_parameters" in attributes:
            return "chat"  # Guardrails AI's, which names all of its spans so (telemetry/runner_tracing.py, 0.11)
        if said == "completion" and "litellm.call_id" in attributes:
            return "chat"  # by its function's name
        if kind is None and name == _OPERATION and _is_named_otherwise(attributes, about, said):
            kind = next((kind for sign, kind in _TYPES.items() if sign in said.lower()), "chat")
        if kind is None and said not in dialects.NO_CALLS.get(name, (said,)):
            continue
        if kind == "completion" and str(attributes.get("gen_ai.prompt.0.content")).startswith('[{"type"'):
            return "chat"  # OpenLLMetry's of Gemini, whose texts are parts
        if kind == "chat" and any("embed" in str(attributes.get(model)) for model in dialects.OF_BOTH.get(name, ())):
            return "embedding"
        return "completion" if kind == "chat" and _is_text_completion(attributes) else kind
    if not about.starts.isdisjoint(("gen_ai.prompt.0.", "gen_ai.completion.0.")):
        return "chat"
    is_agent = "gen_ai.agent." in about.starts
    if "llm.invocation_parameters" in attributes and about.lists["llm.input_messages."] and not is_agent:
        return "chat"  # Guardrails AI's where OpenInference is not there to name its kind
    has_model = "gen_ai.request.model" in attributes or "gen_ai.response.model" in attributes
    return "chat" if has_model and not is_agent else None


def work_type(attributes: Mapping[str, Json], about: About) -> str | None:
    """The type of step that a span is which is no call, if one of these attributes says it or is a sign of it."""
    for _, said in names.kinds_said(attributes, about):
        if found := dialects.STEP_TYPES.get(said.lower()):
            return found
    return next((found for sign, found in dialects.STEP_SIGNS.items() if sign in attributes), None)


_OPERATION: Final = "gen_ai.operation.name"
_OF_CALLS: Final = frozenset({"gen_ai.request.model", "gen_ai.response.model", "gen_ai.usage.output_tokens"})
_OF_OTHERS: Final = frozenset({"gen_ai.tool.name", "gen_ai.workflow.name"})


_TYPES: Final = {"embed": "embedding", "rerank": "rerank", "image": "image"}
"""Types of calls by what is in the name of their operation."""
_NO_CALL: Final = re.compile("agent|workflow|task|tool|memor|plan|retriev|search|chain|step|graph|flow|session|guard")
"""What is in the names of operations that are work around calls, or none of a model: conventions let everyone add to
them, and frameworks repeat the model and the messages of the calls below."""


def _is_named_otherwise(attributes: Mapping[str, Json], about: About, said: str) -> bool:
    """Whether a call has an operation of a name of its own, and is no agent, tool or workflow: what asked one model,
    was answered by one and had that counted, as by NeMo's guardrails, or what told a provider's model something."""
    is_known = said.lower() in dialects.STEP_TYPES or "gen_ai.agent." in about.starts
    if is_known or not _OF_OTHERS.isdisjoint(attributes):
        return False
    if attributes.keys() >= _OF_CALLS:
        return True
    is_asked = "gen_ai.request.model" in attributes and not _PROVIDERS.isdisjoint(attributes)
    is_told = not _MESSAGES.isdisjoint((*attributes, *about.starts))
    return is_asked and is_told and _NO_CALL.search(said.lower()) is None


_PROVIDERS: Final = frozenset({"gen_ai.provider.name", "gen_ai.system"})
_MESSAGES: Final = frozenset(f"gen_ai.{side}.messages{end}" for side in ("input", "output") for end in ("", "."))


def _is_text_completion(a: Mapping[str, Json]) -> bool:
    if dialects.OF_TEXTS.isdisjoint(a):
        return False
    if "llm.prompts.0.prompt.text" in a or "llm.choices.0.completion.text" in a:
        return True
    if (
        loaded(a.get("langfuse.observation.metadata.object")) == "response"
        or "langfuse.observation.metadata.instructions" in a
        or '"parallel_tool_calls"' in str(a.get("langfuse.observation.model.parameters"))
    ):
        return False  # of OpenAI's newer interface, which takes a text for a message
    if isinstance(asked := a.get("langfuse.observation.input"), str):
        return isinstance(loaded(asked), str)
    if "llm.input_messages.0.message.role" in a:
        return False
    raws = (loaded(a.get(name)) for name in ("mlflow.spanInputs", "gen_ai.prompt", "input.value", "inputs"))
    return any(isinstance(raw, dict) and "prompt" in raw and "messages" not in raw for raw in raws)
