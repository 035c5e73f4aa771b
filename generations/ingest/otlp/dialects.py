"""What the names of a span's attributes tell of its dialect: what is a call, a setting, metadata or content."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from generations.ingest.otlp import values
from generations.ingest.otlp.fields import MASTRA
from generations.ingest.otlp.messages import loaded
from generations.ingest.otlp.table import Names
from generations.records import Json

_LF: Final = "langfuse.observation."
_TL: Final = "traceloop.association.properties."
_LITELLM: Final[Mapping[str, str]] = {
    # LiteLLM's kinds of calls; in its proxy all are asynchronous.
    "acompletion": "chat",
    "aresponses": "chat",
    "anthropic_messages": "chat",
    "agenerate_content": "chat",
    "agenerate_content_stream": "chat",
    "generate_content_stream": "chat",
    "atext_completion": "completion",
    "aembedding": "embedding",
    "aimage_generation": "image",
    "arerank": "rerank",
}
_KINDS: Final = ("chat", "completion", "embedding", "rerank")
_OPENINFERENCE: Final[Mapping[str, str]] = {"LLM": "chat", "EMBEDDING": "embedding"}

METADATA: Final[Names] = (
    "langfuse.trace.metadata.",
    "langfuse.observation.metadata.",
    "ai.telemetry.metadata.",
    "ai.settings.context.",
    "langsmith.metadata.",
    "lmnr.association.properties.metadata.",
    "mastra.metadata.",
    *("honeyhive_metadata.", "respan.metadata.", "cloudflare.agents.metadata.", "cloudflare.agents.runtime_context."),
    _TL,
)
"""Beginnings of attributes whose rest is a name in the metadata."""
NOT_METADATA: Final[Names] = (
    *("literal.", "ls_", "lc_", "LANGSMITH_", "LANGCHAIN_", "usage_metadata", "_type", "is_langchain_root"),
    "_tracing_sdk_version",  # Respan's
    "gen_ai.",  # which OpenInference's of Strands repeats there
)
"""Beginnings of names in metadata by which frameworks tell of themselves."""
METADATA_OBJECTS: Final[Names] = (
    *("metadata", f"{_TL}literal.metadata", "langfuse.trace.metadata", f"{_LF}metadata"),
    *("confident.trace.metadata", "confident.span.metadata", "respan.metadata", "respan.properties"),
    "mirascope.trace.metadata",
)

TOOLS: Final[Names] = (
    *("llm.request.functions.", "gen_ai.request.functions."),
    "gen_ai.request.tools.",  # Coralogix's llm-tracekit 2.9
)
"""Beginnings of attributes that spell out a list of definitions of tools, which OpenLLMetry names first."""
PARAMETERS: Final[Names] = ("gen_ai.request.", "ai.settings.", "gen_ai.openai.request.", "openai.request.")
PARAMETER_OBJECTS: Final[Names] = (
    "llm.invocation_parameters",
    "embedding.invocation_parameters",
    "gen_ai.request.parameters",
    *("langwatch.params", "langsmith.metadata.ls_invocation_params"),
    f"{_LF}model.parameters",
)
PARAMETER_MEMBERS: Final[Names] = (
    "mlflow.spanInputs",
    "inputs",
    "genkit:input>config",
    "gcp.vertex.agent.llm_request>config",
)
"""Attributes, or members of the JSON in them, that hold several settings beside what else is asked for."""
PARAMETER_NAMES: Final[Mapping[str, str]] = {
    **{f"llm.{name}": name for name in ("temperature", "top_p", "top_k", "max_output_tokens")},
    "llm.request.max_tokens": "max_tokens",
    "llm.frequency_penalty": "frequency_penalty",
    "llm.presence_penalty": "presence_penalty",
    "llm.chat.stop_sequences": "stop",
    "gen_ai.embeddings.dimension.count": "dimensions",
    "langsmith.metadata.ls_temperature": "temperature",
    "langsmith.metadata.ls_max_tokens": "max_tokens",
    "langsmith.metadata.ls_stop": "stop",
    f"{_LF}metadata.response_format": "response_format",
    **dict.fromkeys(("ai.prompt.toolChoice", "tool_choice"), "tool_choice"),
}
RENAMED: Final[Mapping[str, str]] = {
    "choice.count": "n",
    "maxOutputTokens": "maxTokens",
    **dict.fromkeys(("is_stream", "llm_is_streaming", "streaming"), "stream"),
    "num_predict": "maxTokens",  # Ollama's
    "embedding.dimensions": "dimensions",  # .NET's
}
NOT_PARAMETERS: Final = frozenset(
    {
        "model",
        "model_name",
        "_type",
        "user",
        "id",
        "created_at",
        "type",  # AgentOps's, of the call
        "messages",
        "input",
        "prompt",
        "instructions",
        "system",
        "tools",
        "available_tools",
        *("tool.names", "embedding_inputs"),
        "functions",
        "headers",
        # Google's, of which the last may hold a key
        *("systemInstruction", "system_instruction", "httpOptions", "http_options"),
        "metadata",
        "base_url",
        # LlamaIndex, of its models
        "context_window",
        "num_output",
        "is_chat_model",
        "is_function_calling_model",
        "use_responses_api",  # LangSmith, of how it asks
        "system_role",
    }
)

USAGE_OBJECTS: Final[Names] = (
    *(f"{_LF}usage_details", "gen_ai.usage.raw", "gen_ai.usage", "judgment.usage.metadata"),
    # Vercel's SDK up to version 5 repeats what Anthropic and Gemini count, of which not all is within.
    "ai.response.providerMetadata>anthropic>usage",
    *(f"ai.response.providerMetadata>{name}>usageMetadata" for name in ("google", "vertex")),
)
"""Token counts as a provider or Langfuse says them, in an object."""

COSTS: Final[tuple[Names, ...]] = (
    (f"{_LF}cost_details",),
    ("llm.cost.prompt", "llm.cost.completion"),
    ("gen_ai.usage.input_cost", "gen_ai.usage.output_cost"),
)
"""Attributes with what the input and the output cost; Langfuse's has an object of them."""

CALLS: Final[Mapping[str, Mapping[str, str]]] = {
    "langfuse.observation.type": {"generation": "chat", "embedding": "embedding"},
    "openinference.span.kind": _OPENINFERENCE,
    # Before gen_ai: LangSmith says that making a prompt is a chat.
    "langsmith.span.kind": {"llm": "chat", "embedding": "embedding"},
    "traceloop.span.kind": {},
    # A call in its versions of now is the inference, and what was said stands in the step around it.
    "mastra.span.type": dict.fromkeys(("model_inference", "model_step", "model_generation"), "chat"),
    "ai.operationId": {
        f"ai.{name}": kind
        for name, kind in (
            ("generateText.doGenerate", "chat"),
            ("streamText.doStream", "chat"),
            ("generateObject.doGenerate", "chat"),
            ("streamObject.doStream", "chat"),
            ("embed.doEmbed", "embedding"),
            ("embedMany.doEmbed", "embedding"),
            ("rerank.doRerank", "rerank"),
        )
    },
    "spring.ai.kind": {},  # before gen_ai, where all of its own work is a framework's
    # AG2 repeats what each call counted in a span beside it, and tells so of calls that have no span of their own. What
    # it adds up of an agent below is none. (middleware/builtin/telemetry.py and _telemetry_consts.py; version 1.2)
    "ag2.usage.kind": dict.fromkeys(("compaction", "aggregation"), "chat"),
    "ag2.span.type": {"llm": "chat"},
    "gen_ai.operation.name": {
        "chat": "chat",
        "chat.completions": "chat",
        "chat.streaming_completions": "chat",
        "generate_content": "chat",
        **dict.fromkeys(("responses", "openai.responses.create"), "chat"),  # the last is Langtrace's
        "text_completions": "completion",
        "text.completions": "completion",
        "text.streaming_completions": "completion",
        **_LITELLM,
        "image": "image",
        "text_completion": "completion",
        "completion": "completion",
        "embeddings": "embedding",
        "embedding": "embedding",
        "embed": "embedding",  # Langtrace's
        "image_generation": "image",
        "rerank": "rerank",
        "rerank_documents": "rerank",
    },
    "gen_ai.span.kind": {**_OPENINFERENCE, "GENERATION": "chat"},  # the last is Dify's for Tencent
    "fi.span.kind": _OPENINFERENCE,
    "llm.request.type": {
        "chat": "chat",
        "completion": "completion",
        "embedding": "embedding",
        "rerank": "rerank",
        **_LITELLM,
    },
    "gen_ai.request.type": dict(zip(_KINDS, _KINDS, strict=True)),  # AgentOps's
    # Of Mistral's own client before its version 2, which names its methods.
    "mistral_ai.operation.id": {
        **dict.fromkeys(("chat_completion_v1_chat_completions_post", "stream_chat"), "chat"),
        **dict.fromkeys(("agents_completion_v1_agents_completions_post", "stream_agents"), "chat"),
        **dict.fromkeys(("fim_completion_v1_fim_completions_post", "stream_fim"), "completion"),
        "embeddings_v1_embeddings_post": "embedding",
    },
    "genkit:metadata:subtype": {"model": "chat", "embedder": "embedding"},
    "genkit:type": {},
    "braintrust.span_attributes>type": {"llm": "chat"},
    "lmnr.span.type": {"LLM": "chat"},
    # Claude Code's, VoltAgent's (https://voltagent.dev) and Monocle's.
    "span.type": {
        **dict.fromkeys(("llm_request", "llm", "inference", "inference.framework", "inference.modelapi"), "chat"),
        "embedding": "embedding",
    },
    # TanStack AI's span around several calls, which adds up what they count, names their model and no operation.
    "tanstack.ai.iterations": {},
    # Prompt flow's: https://microsoft.github.io/promptflow/reference/trace-span-spec-reference.html
    "span_type": {"LLM": "chat", "Embedding": "embedding"},
    "mlflow.spanType": {"CHAT_MODEL": "chat", "LLM": "chat", "EMBEDDING": "embedding"},
    "haystack.component.type": {"ChatGenerator": "chat", "Generator": "completion", "Embedder": "embedding"},
    # Its agent's own calls, and those of Google's ADK for JavaScript, are known by the question in them.
    "haystack.agent.step.llm.input>messages>0>role": dict.fromkeys(("system", "user", "assistant", "tool"), "chat"),
    "gcp.vertex.agent.llm_request>contents>0>role": dict.fromkeys(("user", "model"), "chat"),
    "langwatch.span.type": {"llm": "chat"},
    "agentops.span.kind": {"llm": "chat"},
    "honeyhive_event_type": {"model": "chat"},
    "confident.span.type": {"llm": "chat"},
    "judgment.span_kind": {"llm": "chat"},
    "ai.observability.span_type": {"generation": "chat"},
}
"""What makes a span a model call, and of which type; the first of these attributes that a span has decides."""

NO_CALLS: Final[Mapping[str, tuple[str, ...]]] = {"gen_ai.request.type": ("token_count",)}
"""Attributes of CALLS that name kinds which say nothing of the work, and those that it is no call by."""

STEP_TYPES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("execute_tool", "tool", "ai.toolcall", "toolinvoker", "tool_call", "mcp"), "tool"),
    **dict.fromkeys(("agentic.tool.invocation", "agentic.mcp.invocation"), "tool"),
    **dict.fromkeys(("retrieval", "retriever", "rag", "search_memory", "vector_store"), "retrieval"),
    **dict.fromkeys(("reranker", "rerank", "ranker", "reranking"), "rerank"),
    **dict.fromkeys(("embeddings", "embedding"), "embedding"),
    **dict.fromkeys(
        (
            *("invoke_agent", "create_agent", "invoke_workflow", "agent_step", "agent", "chain", "workflow", "task"),
            *("chat_client", "advisor", "flow", "framework", "interaction", "entry", "step", "session", "plan", "util"),
            *("record_root", "nested_record_root", "graph_task", "graph_node", "workflow_step", "orchestrate_tools"),
            *("agentic.invocation", "agentic.turn", "workflow-step"),
            "fetch_response",  # which asks no model again for what one has answered
            *(f"ai.{name}" for name in ("generatetext", "streamtext", "generateobject", "streamobject", "embedmany")),
        ),
        "run",
    ),
}
"""Types of steps by what a span says of itself in one of the attributes of CALLS, in lower case."""

STEP_SIGNS: Final[Mapping[str, str]] = {
    "gen_ai.tool.name": "tool",
    "tool.name": "tool",
    "gen_ai.agent.name": "run",
    "agent_name": "run",
    "event_loop.cycle_id": "run",
    "haystack.pipeline.execution_mode": "run",
    "haystack.tool.name": "tool",
    # Logfire's of OpenAI's agents
    "mcp_data": "tool",
    **dict.fromkeys(("handoffs", "sdk_span_type"), "run"),
    **dict.fromkeys(("haystack.agent.step", "haystack.agent.max_steps"), "run"),
}
"""Types of steps by the attributes that work has which says nothing else of its kind."""
COMPONENTS: Final = ("ChatGenerator", "Generator", "Embedder", "Ranker", "Retriever", "ToolInvoker", "Agent")
"""Ends of the names of Haystack's components, which begin with a provider's."""

CHUNKS: Final = frozenset({"gen_ai.content.completion.chunk", "llm.content.completion.chunk"})
"""Events of each chunk of a stream alike."""
FIRST_TOKEN_EVENTS: Final = CHUNKS | {"First Token Stream Event", "ai.stream.firstChunk", "mlflow.chunk.item.0"}

CONTENT: Final[Names] = (
    "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions",
    "gen_ai.prompt", "gen_ai.completion", "llm.input_messages.", "llm.output_messages.", "llm.prompts.",
    "llm.choices.", "llm.tools.", *TOOLS, "llm.invocation_parameters",
    "input.value",
    "output.value", "embedding.embeddings.", "langfuse.observation.input", "langfuse.observation.output", "ai.prompt",
    "ai.response.text", "ai.response.toolCalls", "ai.response.object", "ai.values", "ai.value", "ai.embedding",
    "mlflow.spanInputs", "mlflow.spanOutputs", "mlflow.chat.tools", "traceloop.entity.input",
    "traceloop.entity.output", "tool_arguments", "tool_response", "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result", "gen_ai.retrieval.documents", "logfire.json_schema", "llm.headers",
    "gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_call_args",
    "gcp.vertex.agent.tool_response", "genkit:input", "genkit:output", "braintrust.input_json",
    "braintrust.output_json", "lmnr.span.input", "lmnr.span.output", "haystack.component.input",
    "haystack.component.output", "haystack.agent.step.llm.", "haystack.agent.step.tool.", "haystack.agent.input",
    "haystack.agent.output", "all_messages_events", "model_request_parameters",
    *(f"{start}{side}" for start in MASTRA for side in ("input", "output")),
    "mastra.metadata.headers", "mastra.metadata.body", "langwatch.input", "langwatch.output", "langwatch.params",
    "agentops.entity.input", "agentops.entity.output", "judgment.input", "judgment.output",
    "confident.span.input", "confident.span.output", "gen_ai.request.messages", "gen_ai.request.available_tools",
    "gen_ai.response.text", "gen_ai.response.tool_calls", "gen_ai.embeddings.",
    "gen_ai.tool.input", "gen_ai.tool.output", "ai.documents",
    "ai.ranking", "spring.ai.tool.call.arguments", "spring.ai.tool.call.result",
    "llm.messages", "llm.generated_message", "llm.completions.", "mirascope.response.messages",
    "mirascope.response.content", "mirascope.trace.arg_values", "mirascope.trace.output",
)  # fmt: skip
"""Beginnings of attributes that are stored as what they say, or are too bulky or secret to be kept twice."""


def opened(whole: Json) -> Json:
    """The value in a text: JSON, or as Python shows it, as LangSmith, LiteLLM and Guardrails AI write objects."""
    if isinstance(whole, str):
        return _shown(whole) if whole.startswith("{'") and len(whole) <= _LONGEST_SHOWN else loaded(whole)
    return whole


def member(whole: Json, path: str) -> Json:
    """What the JSON in an attribute has at `path`, names between `>`; None for nothing."""
    whole = opened(whole)
    for name in path.split(">"):
        if isinstance(whole, list) and name == "0":
            whole = whole[0] if whole else None
        else:
            whole = whole.get(name) if isinstance(whole, dict) else None
    return whole


@lru_cache(maxsize=64)
def _shown(text: str) -> Json:
    """The value that Python shows so, which nobody may change; None for a text that shows none."""
    try:
        return values.plain(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


_LONGEST_SHOWN: Final = 20_000


def is_secret(name: str) -> bool:
    """Whether a setting of this name may hold a secret."""
    return _is_secret(name) if len(name) <= 40 else _SECRETS.search(name) is not None


@lru_cache(maxsize=512)
def _is_secret(name: str) -> bool:
    return _SECRETS.search(name) is not None


_SECRETS: Final = re.compile("api_?key|authorization|secret|password|access_token|headers", re.IGNORECASE)
MAPS: Final = frozenset(
    {
        *("gen_ai", "llm", "llm.token_count"),
        *(f"gen_ai.{name}" for name in ("usage", "request", "response", "operation", "provider", "conversation")),
        *(f"gen_ai.usage.{name}" for name in ("cache_read", "cache_write", "cache_creation", "reasoning")),
        *("gen_ai.input", "gen_ai.output", "ai.usage", "llm.input_messages", "llm.output_messages", "llm.tools"),
    }
)
"""Attributes that may be maps of others, by the rest of their names: OTLP lets a value be a map."""
SPELT: Final[Names] = ("llm.input_messages", "llm.output_messages", "llm.tools")
"""Those of MAPS that are lists, in which all is spelt out."""
BEGINNINGS: Final[Names] = (
    *("gen_ai.prompt.", "gen_ai.completion.", "gen_ai.prompt.0.", "gen_ai.completion.0.", "gen_ai.prompt.variable."),
    *("gen_ai.agent.", "gen_ai.input.messages.", "gen_ai.output.messages.", "llm.", "embedding.", "ai."),
    *(*TOOLS, "llm.prompts.", "llm.completions."),
)
"""Beginnings of attributes' names that tell a dialect, or a kind of work."""
LISTS: Final[Names] = (
    *("llm.input_messages.", "llm.output_messages.", "llm.prompts.", "llm.choices.", "llm.tools."),
    *(*TOOLS, "embedding.embeddings."),
    *("gen_ai.prompt.", "gen_ai.completion."),
    *("gen_ai.input.messages.", "gen_ai.output.messages.", "llm.completions."),
)
"""Beginnings of attributes that spell out a list, a place and a path in each name."""
OF_BOTH: Final[Mapping[str, tuple[str, ...]]] = {
    "lmnr.span.type": ("gen_ai.request.model",),
    "langfuse.observation.type": ("langfuse.observation.model.name", "llm.model_name"),
}
"""Attributes that say the same of chats and of embeddings, Laminar's and Langfuse's, and those with the model."""

OF_TEXTS: Final = frozenset(
    {
        *("llm.prompts.0.prompt.text", "llm.choices.0.completion.text", "langfuse.observation.input"),
        *("mlflow.spanInputs", "gen_ai.prompt", "input.value", "inputs"),
    }
)
"""Attributes by which a call may be seen to be of a text rather than of messages."""
