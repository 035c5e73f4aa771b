"""Which attributes say what, in each dialect that instrumentations speak: one table, read from left to right.

`a>b` is the member `b` of the JSON in attribute `a`. The dialects and where each is described:
genai: https://github.com/open-telemetry/semantic-conventions-genai, with the names of its older versions;
traceloop: https://github.com/traceloop/openllmetry; openinference: https://github.com/Arize-ai/openinference;
langfuse: https://langfuse.com/integrations/native/opentelemetry; vercel: https://ai-sdk.dev (telemetry);
others: MLflow, LangSmith, Logfire, OpenLIT, LiteLLM and general conventions, as their packages write them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

Names = tuple[str, ...]
_LF: Final = "langfuse.observation."
_TL: Final = "traceloop.association.properties."
_INV: Final = "llm.invocation_parameters>"
_AI: Final = "ai.usage."
_USE: Final = "gen_ai.usage."


def _by(
    *,
    langfuse: Names = (),
    genai: Names = (),
    openinference: Names = (),
    traceloop: Names = (),
    vercel: Names = (),
    others: Names = (),
) -> Names:
    """The names of one field, the most particular dialect first."""
    return (*langfuse, *genai, *openinference, *traceloop, *vercel, *others)


FIELDS: Final[Mapping[str, Names]] = {
    # OpenInference before gen_ai here alone: where it writes both, its gen_ai.request.model is the one that answered.
    "asked_model": _by(
        langfuse=(
            "llm.request.model_name",
            "llm.input_model_name",
            f"{_INV}model",
            "embedding.invocation_parameters>model",
        ),
        genai=("gen_ai.request.model",),
        vercel=("ai.model.id",),
        others=("mlflow.spanInputs>model", "langsmith.metadata.ls_model_name"),
    ),
    "answering_model": _by(
        langfuse=(f"{_LF}model.name",),
        genai=("gen_ai.response.model",),
        openinference=(
            "llm.response.model_name",
            "llm.output_model_name",
            "llm.model_name",
            "embedding.model_name",
            "reranker.model_name",
        ),
        vercel=("ai.response.model",),
        others=("mlflow.llm.model", "mlflow.spanOutputs>model"),
    ),
    "provider": _by(
        genai=("gen_ai.provider.name", "gen_ai.system"),
        openinference=("llm.provider", "llm.system"),
        vercel=("ai.model.provider",),
        others=("mlflow.llm.provider", "langsmith.metadata.ls_provider"),
    ),
    "response_id": _by(genai=("gen_ai.response.id",), traceloop=("llm.response.id",), vercel=("ai.response.id",)),
    "finish_reason": _by(
        langfuse=("langfuse.observation.metadata.finish_reason",),
        genai=("gen_ai.response.finish_reasons",),
        openinference=("llm.finish_reason",),
        traceloop=("gen_ai.completion.0.finish_reason",),
        vercel=("ai.response.finishReason",),
        others=("anthropic.message.stop_reason",),
    ),
    "prompt_tokens": _by(
        genai=(f"{_USE}input_tokens", f"{_USE}prompt_tokens"),
        openinference=("llm.token_count.prompt",),
        traceloop=("llm.usage.prompt_tokens",),
        vercel=(f"{_AI}inputTokens", f"{_AI}promptTokens", f"{_AI}tokens"),
        others=("mlflow.chat.tokenUsage>input_tokens",),
    ),
    "completion_tokens": _by(
        genai=(f"{_USE}output_tokens", f"{_USE}completion_tokens"),
        openinference=("llm.token_count.completion",),
        traceloop=("llm.usage.completion_tokens",),
        vercel=(f"{_AI}outputTokens", f"{_AI}completionTokens"),
        others=("mlflow.chat.tokenUsage>output_tokens",),
    ),
    "total_tokens": _by(
        genai=(f"{_USE}total_tokens", "gen_ai.client.token.usage"),
        openinference=("llm.token_count.total",),
        traceloop=("llm.usage.total_tokens",),
        vercel=(f"{_AI}totalTokens",),
        others=("mlflow.chat.tokenUsage>total_tokens",),
    ),
    "cached_tokens": _by(
        genai=(f"{_USE}cache_read.input_tokens", f"{_USE}cached_tokens", f"{_USE}details.cache_read_tokens"),
        openinference=("llm.token_count.prompt_details.cache_read",),
        traceloop=(f"{_USE}cache_read_input_tokens",),
        vercel=(f"{_AI}cachedInputTokens", f"{_AI}inputTokenDetails.cacheReadTokens"),
        others=("mlflow.chat.tokenUsage>cache_read_input_tokens",),
    ),
    "cache_write_tokens": _by(
        genai=(f"{_USE}cache_write.input_tokens", f"{_USE}cache_creation.input_tokens"),
        openinference=("llm.token_count.prompt_details.cache_write",),
        traceloop=(f"{_USE}cache_creation_input_tokens",),
        vercel=(f"{_AI}inputTokenDetails.cacheWriteTokens",),
        others=("mlflow.chat.tokenUsage>cache_creation_input_tokens",),
    ),
    "reasoning_tokens": _by(
        genai=(f"{_USE}reasoning.output_tokens", f"{_USE}reasoning_tokens", f"{_USE}details.reasoning_tokens"),
        openinference=("llm.token_count.completion_details.reasoning",),
        vercel=(f"{_AI}reasoningTokens", f"{_AI}outputTokenDetails.reasoningTokens"),
    ),
    "input_audio_tokens": _by(
        genai=(f"{_USE}audio.input_tokens",), openinference=("llm.token_count.prompt_details.audio",)
    ),
    "output_audio_tokens": _by(
        genai=(f"{_USE}audio.output_tokens",), openinference=("llm.token_count.completion_details.audio",)
    ),
    "cost": _by(
        langfuse=(f"{_LF}cost_details>total",),
        openinference=("llm.cost.total",),
        others=("operation.cost", "gen_ai.usage.cost", "gen_ai.cost.total_cost"),
    ),
    # Seconds, milliseconds and a moment: how long until the first token came.
    "first_token_seconds": _by(
        genai=(
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.client.operation.time_to_first_chunk",
            "gen_ai.server.time_to_first_token",
        )
    ),
    "first_token_milliseconds": _by(vercel=("ai.response.msToFirstChunk",)),
    "first_token_moment": _by(langfuse=(f"{_LF}completion_start_time",)),
    "is_stream": _by(
        genai=("gen_ai.request.stream", "gen_ai.request.is_stream"),
        traceloop=("gen_ai.is_streaming", "llm.is_streaming"),
    ),
    "thread_id": _by(
        traceloop=(f"{_TL}literal.thread_id",),
        genai=("gen_ai.conversation.id", "conversation.id"),
        langfuse=(),
        openinference=("session.id", "langfuse.session.id"),
        vercel=(
            "ai.telemetry.metadata.threadId",
            "ai.telemetry.metadata.sessionId",
            "ai.settings.context.threadId",
            "ai.settings.context.sessionId",
        ),
        others=(
            f"{_TL}thread_id",
            f"{_TL}session_id",
            f"{_TL}conversation_id",
            "langsmith.metadata.thread_id",
            "langsmith.metadata.session_id",
            "session_id",
            "metadata>thread_id",
            "metadata>session_id",
        ),
    ),
    "session_id": _by(
        openinference=("session.id", "langfuse.session.id"),
        traceloop=(f"{_TL}session_id",),
        vercel=("ai.telemetry.metadata.sessionId", "ai.settings.context.sessionId"),
        others=("langsmith.metadata.session_id", "session_id"),
    ),
    "thread_name": _by(traceloop=(f"{_TL}literal.thread_name",)),
    "user_id": _by(
        genai=("user.id", "langfuse.user.id", "enduser.id"),
        traceloop=(f"{_TL}user_id", f"{_TL}literal.user_id"),
        vercel=("ai.telemetry.metadata.userId", "ai.settings.context.userId"),
        others=(
            "langsmith.metadata.user_id",
            "metadata>user_id",
            "gen_ai.request.user",
            "gen_ai.user",
            "llm.user",
            f"{_INV}user",
            "user",
        ),
    ),
    "tags": _by(
        langfuse=("langfuse.trace.tags",),
        openinference=("tag.tags",),
        traceloop=(f"{_TL}literal.tags",),
        vercel=("ai.telemetry.metadata.tags",),
        others=("logfire.tags", "langsmith.span.tags"),
    ),
    "environment": _by(
        langfuse=("langfuse.environment",), genai=("deployment.environment.name",), others=("gen_ai.environment",)
    ),
    "release": _by(langfuse=("langfuse.release", "langfuse.version")),
    "agent_id": _by(
        genai=("gen_ai.agent.id", "gen_ai.agent.name"),
        openinference=("agent.name",),
        others=("metadata>lc_agent_name",),
    ),
    "workflow_id": _by(genai=("gen_ai.workflow.name",), traceloop=("traceloop.workflow.name",)),
    "function_id": _by(vercel=("ai.telemetry.functionId",)),
    "prompt_name": _by(
        langfuse=(f"{_LF}prompt.name",), genai=("gen_ai.prompt.name",), traceloop=("traceloop.prompt.key",)
    ),
    "prompt_version": _by(
        langfuse=(f"{_LF}prompt.version",),
        genai=("gen_ai.prompt.version",),
        openinference=("llm.prompt_template.version",),
        traceloop=("traceloop.prompt.version",),
    ),
    "variables": _by(
        openinference=("llm.prompt_template.variables",), traceloop=("traceloop.prompt.template_variables",)
    ),
    "name": _by(traceloop=(f"{_TL}literal.name", "traceloop.entity.name"), others=("logfire.msg",)),
    "parent_id": _by(traceloop=(f"{_TL}literal.parent_id",)),
    "error": _by(langfuse=(f"{_LF}status_message",)),
    "error_type": _by(genai=("error.type",)),
    "tools": _by(genai=("gen_ai.tool.definitions",), vercel=("ai.prompt.tools",), others=("mlflow.chat.tools",)),
    # What work that is no model call was given and made.
    "step_input": _by(
        langfuse=(f"{_LF}input",),
        genai=("gen_ai.tool.call.arguments", "gen_ai.retrieval.query.text", "gen_ai.input.messages"),
        openinference=("input.value",),
        traceloop=("traceloop.entity.input",),
        vercel=("ai.toolCall.args", "ai.prompt"),
        others=("mlflow.spanInputs", "tool_arguments", "pydantic_ai.all_messages", "gen_ai.prompt"),
    ),
    "step_output": _by(
        langfuse=(f"{_LF}output",),
        genai=("gen_ai.tool.call.result", "gen_ai.retrieval.documents", "gen_ai.output.messages"),
        openinference=("output.value",),
        traceloop=("traceloop.entity.output",),
        vercel=("ai.toolCall.result", "ai.response.text"),
        others=("mlflow.spanOutputs", "tool_response", "final_result", "gen_ai.completion"),
    ),
}

RESOURCE: Final[Mapping[str, Names]] = {
    "environment": ("deployment.environment.name", "deployment.environment", "langfuse.environment"),
    "release": ("service.version", "langfuse.release"),
}

METADATA: Final[Names] = (
    "langfuse.trace.metadata.",
    "langfuse.observation.metadata.",
    "ai.telemetry.metadata.",
    "ai.settings.context.",
    "langsmith.metadata.",
    _TL,
)
"""Beginnings of attributes whose rest is a name in the metadata."""
NOT_METADATA: Final[Names] = ("literal.", "ls_", "lc_")
"""Beginnings of names in metadata by which frameworks tell of themselves."""
METADATA_OBJECTS: Final[Names] = ("metadata", f"{_TL}literal.metadata", "langfuse.trace.metadata", f"{_LF}metadata")

PARAMETERS: Final[Names] = ("gen_ai.request.", "ai.settings.", "gen_ai.openai.request.", "openai.request.")
PARAMETER_OBJECTS: Final[Names] = (
    "llm.invocation_parameters",
    "embedding.invocation_parameters",
    f"{_LF}model.parameters",
)
PARAMETER_NAMES: Final[Mapping[str, str]] = {
    "llm.top_k": "top_k",
    "llm.frequency_penalty": "frequency_penalty",
    "llm.presence_penalty": "presence_penalty",
    "llm.chat.stop_sequences": "stop",
    "gen_ai.embeddings.dimension.count": "dimensions",
    f"{_LF}metadata.response_format": "response_format",
}
RENAMED: Final[Mapping[str, str]] = {"choice.count": "n", "maxOutputTokens": "maxTokens", "is_stream": "stream"}
NOT_PARAMETERS: Final = frozenset(
    {
        "model",
        "model_name",
        "_type",
        "user",
        "messages",
        "input",
        "prompt",
        "instructions",
        "tools",
        "functions",
        "headers",
        "metadata",
    }
)

USAGE_OBJECTS: Final[Names] = (f"{_LF}usage_details", "gen_ai.usage.raw")
"""Token counts as a provider or Langfuse says them, in an object."""

CALLS: Final[Mapping[str, Mapping[str, str]]] = {
    "langfuse.observation.type": {"generation": "chat", "embedding": "embedding"},
    "openinference.span.kind": {"LLM": "chat", "EMBEDDING": "embedding"},
    "traceloop.span.kind": {},
    "ai.operationId": {
        f"ai.{name}": kind
        for name, kind in (
            ("generateText.doGenerate", "chat"),
            ("streamText.doStream", "chat"),
            ("generateObject.doGenerate", "chat"),
            ("streamObject.doStream", "chat"),
            ("embed.doEmbed", "embedding"),
            ("embedMany.doEmbed", "embedding"),
        )
    },
    "gen_ai.operation.name": {
        "chat": "chat",
        "generate_content": "chat",
        "fetch_response": "chat",
        "text_completion": "completion",
        "completion": "completion",
        "embeddings": "embedding",
        "embedding": "embedding",
        "image_generation": "image",
        "rerank": "rerank",
    },
    "llm.request.type": {"chat": "chat", "completion": "completion", "embedding": "embedding", "rerank": "rerank"},
    "mlflow.spanType": {"CHAT_MODEL": "chat", "LLM": "chat", "EMBEDDING": "embedding"},
    "langsmith.span.kind": {"llm": "chat"},
}
"""What makes a span a model call, and of which type; the first of these attributes that a span has decides."""

STEP_TYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("execute_tool", "tool", "ai.toolcall"), "tool"),
    **dict.fromkeys(("retrieval", "retriever"), "retrieval"),
    **dict.fromkeys(("reranker", "rerank"), "rerank"),
    **dict.fromkeys(("embeddings", "embedding"), "embedding"),
    **dict.fromkeys(
        ("invoke_agent", "create_agent", "invoke_workflow", "agent_step", "agent", "chain", "workflow", "task"), "run"
    ),
}
"""Types of steps by what a span says of itself in one of the attributes of CALLS, in lower case."""

FIRST_TOKEN_EVENTS: Final = frozenset(
    {
        "First Token Stream Event",
        "gen_ai.content.completion.chunk",
        "llm.content.completion.chunk",
        "ai.stream.firstChunk",
        "mlflow.chunk.item.0",
    }
)

CONTENT: Final[Names] = (
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions",
    "gen_ai.prompt", "gen_ai.completion", "llm.input_messages.", "llm.output_messages.", "llm.prompts.",
    "llm.choices.", "llm.tools.", "llm.request.functions.", "llm.invocation_parameters", "input.value",
    "output.value", "embedding.embeddings.", "langfuse.observation.input", "langfuse.observation.output", "ai.prompt",
    "ai.response.text", "ai.response.toolCalls", "ai.response.object", "ai.values", "ai.value", "ai.embedding",
    "mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.chat.tools", "traceloop.entity.input",
    "traceloop.entity.output", "tool_arguments", "tool_response", "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result", "gen_ai.retrieval.documents", "logfire.json_schema", "llm.headers",
)  # fmt: skip
"""Beginnings of attributes that are stored as what they say, or are too bulky or secret to be kept twice."""


class About(NamedTuple):
    """What the names of a span's attributes say, whatever their values are."""

    holders: Mapping[str, tuple[tuple[str, str | None], ...]]
    """The fields that may be said: by which attribute, and which member of the JSON in it, the first to ask first."""
    parameters: tuple[tuple[str, str], ...]
    """Attributes that are settings of the call, and the names of these."""
    metadata: tuple[tuple[str, str], ...]
    """Attributes that are metadata, and the names in it."""
    objects: Mapping[str, tuple[str, ...]]
    """Attributes that hold several settings, or several metadata: by `parameters` and `metadata`."""
    kept: tuple[str, ...]
    """Attributes that are no content."""
    starts: frozenset[str]
    """Which of BEGINNINGS some attribute has."""


def about(attributes: Collection[str]) -> About:
    """What these names say: an instrumentation sends the same few sets of them all day."""
    names = tuple(attributes)
    return _about(names) if sum(map(len, names)) <= _MOST_CHARACTERS else _about.__wrapped__(names)


@lru_cache(maxsize=512)
def _about(names: tuple[str, ...]) -> About:
    there = frozenset(names)
    holders = {}
    for field, candidates in FIELDS.items():
        places: list[tuple[str, str | None]] = []
        for name in candidates:
            if name in there:
                places.append((name, None))
            outer, inside, inner = name.partition(">")
            if inside and outer in there:
                places.append((outer, inner))
        if places:
            holders[field] = tuple(places)
    return About(
        holders=holders,
        parameters=tuple((name, short) for name in names if (short := _parameter(name)) is not None),
        metadata=tuple((name, rest) for name in names if (rest := _metadata(name)) is not None),
        objects={
            "parameters": tuple(name for name in PARAMETER_OBJECTS if name in there),
            "metadata": tuple(name for name in METADATA_OBJECTS if name in there),
        },
        kept=tuple(name for name in names if not name.startswith(CONTENT)),
        starts=frozenset(start for start in BEGINNINGS if any(name.startswith(start) for name in names)),
    )


def _parameter(name: str) -> str | None:
    """The setting that an attribute of this name is."""
    if name in PARAMETER_NAMES or name.startswith("ai.settings.context."):
        return PARAMETER_NAMES.get(name)
    start = next((start for start in PARAMETERS if name.startswith(start)), None)
    return None if start is None else RENAMED.get(name[len(start) :], name[len(start) :])


def _metadata(name: str) -> str | None:
    """The name in the metadata that an attribute of this name has."""
    start = next((start for start in METADATA if name.startswith(start)), None)
    if start is None or name in _USED or name[len(start) :].startswith(NOT_METADATA):
        return None
    return name[len(start) :]


_MOST_CHARACTERS: Final = 8_000
_USED: Final = frozenset(
    name
    for field in ("thread_id", "session_id", "user_id", "tags", "thread_name", "finish_reason")
    for name in FIELDS[field]
) | frozenset(PARAMETER_NAMES)
BEGINNINGS: Final[Names] = (
    *("gen_ai.prompt.", "gen_ai.completion.", "gen_ai.prompt.0.", "gen_ai.completion.0.", "gen_ai.prompt.variable."),
    *("gen_ai.agent.", "llm.", "embedding.", "ai."),
)
"""Beginnings of attributes' names that tell a dialect, or a kind of work."""
