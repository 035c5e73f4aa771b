"""Which attributes say what of a call or a step, in each dialect: one table, read from left to right.

`a>b` is the member `b` of the JSON in attribute `a`. The dialects and where each is described:
genai: https://github.com/open-telemetry/semantic-conventions-genai, with the names of its older versions;
traceloop: https://github.com/traceloop/openllmetry; openinference: https://github.com/Arize-ai/openinference;
langfuse: https://langfuse.com/integrations/native/opentelemetry; vercel: https://ai-sdk.dev (telemetry);
others: MLflow, LangSmith, Logfire, OpenLIT, LiteLLM, Google ADK, Braintrust, Laminar, Genkit, Mastra, vLLM, Azure AI,
Claude Code, Pipecat, LangWatch, AgentOps, HoneyHive, Galileo, Agenta and general conventions, as they write them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

Names = tuple[str, ...]
_LF: Final = "langfuse.observation."
_TL: Final = "traceloop.association.properties."
_INV: Final = "llm.invocation_parameters>"
_AI: Final = "ai.usage."
_USE: Final = "gen_ai.usage."
_BT: Final = "braintrust.metrics>"
_GK: Final = "genkit:output>usage>"
_GR: Final = "genkit:output>raw>usage>"
_LN: Final = "lmnr.association.properties."
_HS: Final = "haystack.component.output>replies>0>meta>"
_HG: Final = "haystack.component.output>meta>0>"
_MA: Final = "mastra.metadata."
_LL: Final = "metadata.usage_object>"
_ADK: Final = "gcp.vertex.agent.llm_response>usage_metadata>"
_PROVIDERS: Final = "ai.response.providerMetadata>"

MASTRA: Final = tuple(
    f"mastra.{kind}."
    for kind in (
        *("model_step", "model_generation", "model_inference", "model_chunk", "agent_run", "workflow_run"),
        *("workflow_step", "tool_call", "mcp_tool_call", "processor_run", "memory_operation", "generic"),
    )
)
"""Beginnings of the attributes in which Mastra has what each kind of its work was given and made."""


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
            "gen_ai.request.parameters>model",
        ),
        genai=("gen_ai.request.model",),
        vercel=("ai.model.id",),
        others=(
            *("mlflow.spanInputs>model", "langsmith.metadata.ls_model_name", "braintrust.metadata>model"),
            *("genkit:name", "model"),
        ),
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
        others=(
            *("mlflow.llm.model", "mlflow.spanOutputs>model", "gen_ai.completion>model", "genkit:output>raw>model"),
            *(f"{_HS}model", f"{_HG}model"),
            "gen_ai.request.model",  # which is not what was asked for where another name says that
        ),
    ),
    "provider": _by(
        genai=("gen_ai.provider.name", "gen_ai.system"),
        openinference=("llm.provider", "llm.system"),
        vercel=("ai.model.provider",),
        others=("mlflow.llm.provider", "langsmith.metadata.ls_provider", "braintrust.metadata>provider", "genkit:name"),
    ),
    "response_id": _by(
        genai=("gen_ai.response.id",),
        traceloop=("llm.response.id",),
        vercel=("ai.response.id",),
        others=("response_id", "genkit:output>raw>id", "mastra.metadata.body>id"),
    ),
    "finish_reason": _by(
        langfuse=("langfuse.observation.metadata.finish_reason",),
        genai=("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "gen_ai.response.stop_reason"),
        openinference=("llm.finish_reason",),
        traceloop=("gen_ai.completion.0.finish_reason", "llm.response.finish_reason", "llm.response.stop_reason"),
        vercel=("ai.response.finishReason", "ai.finishReason"),
        others=("anthropic.message.stop_reason", "genkit:output>finishReason", "stop_reason", f"{_HG}finish_reason"),
    ),
    "prompt_tokens": _by(
        genai=(f"{_USE}input_tokens", f"{_USE}prompt_tokens"),
        openinference=("llm.token_count.prompt",),
        traceloop=("llm.usage.prompt_tokens",),
        vercel=(f"{_AI}inputTokens", f"{_AI}promptTokens", f"{_AI}tokens"),
        others=(
            "mlflow.chat.tokenUsage>input_tokens",
            f"{_BT}prompt_tokens",
            f"{_GK}inputTokens",
            "input_tokens",
            *(f"{_HS}usage>prompt_tokens", f"{_HG}usage>prompt_tokens"),
        ),
    ),
    "completion_tokens": _by(
        genai=(f"{_USE}output_tokens", f"{_USE}completion_tokens"),
        openinference=("llm.token_count.completion",),
        traceloop=("llm.usage.completion_tokens",),
        vercel=(f"{_AI}outputTokens", f"{_AI}completionTokens"),
        others=(
            "mlflow.chat.tokenUsage>output_tokens",
            f"{_BT}completion_tokens",
            f"{_GK}outputTokens",
            "output_tokens",
            *(f"{_HS}usage>completion_tokens", f"{_HG}usage>completion_tokens"),
        ),
    ),
    "total_tokens": _by(
        genai=(f"{_USE}total_tokens", "gen_ai.client.token.usage"),
        openinference=("llm.token_count.total",),
        traceloop=("llm.usage.total_tokens",),
        vercel=(f"{_AI}totalTokens",),
        others=("mlflow.chat.tokenUsage>total_tokens", f"{_BT}tokens", f"{_GK}totalTokens", f"{_ADK}total_token_count"),
    ),
    "cached_tokens": _by(
        genai=(
            f"{_USE}cache_read.input_tokens",
            f"{_USE}cached_tokens",
            f"{_USE}cached_input_tokens",
            f"{_USE}details.cache_read_tokens",
            f"{_USE}input_tokens.cache_read",
            f"{_USE}input_token_details>cache_read",
        ),
        openinference=("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input"),
        traceloop=(f"{_USE}cache_read_input_tokens",),
        vercel=(
            f"{_AI}cachedInputTokens",
            f"{_AI}inputTokenDetails.cacheReadTokens",
            f"{_PROVIDERS}openai>cachedPromptTokens",
            f"{_PROVIDERS}anthropic>cacheReadInputTokens",
            f"{_PROVIDERS}bedrock>usage>cacheReadInputTokens",
        ),
        others=(
            "mlflow.chat.tokenUsage>cache_read_input_tokens",
            f"{_BT}prompt_cached_tokens",
            *(f"{_GK}cachedContentTokens", f"{_GR}prompt_tokens_details>cached_tokens"),
            "cache_read_tokens",
            *(f"{_HS}usage>prompt_tokens_details>cached_tokens", f"{_HG}usage>prompt_tokens_details>cached_tokens"),
            *(f"{_LL}prompt_tokens_details>cached_tokens", f"{_ADK}cached_content_token_count"),
        ),
    ),
    "cache_write_tokens": _by(
        genai=(
            f"{_USE}cache_write.input_tokens",
            f"{_USE}cache_creation.input_tokens",
            f"{_USE}cache_write_input_tokens",
            f"{_USE}details.cache_write_tokens",
            f"{_USE}input_token_details>cache_creation",
        ),
        openinference=("llm.token_count.prompt_details.cache_write",),
        traceloop=(f"{_USE}cache_creation_input_tokens",),
        vercel=(
            f"{_AI}inputTokenDetails.cacheWriteTokens",
            f"{_PROVIDERS}anthropic>cacheCreationInputTokens",
            f"{_PROVIDERS}bedrock>usage>cacheWriteInputTokens",
        ),
        others=(
            "mlflow.chat.tokenUsage>cache_creation_input_tokens",
            f"{_BT}prompt_cache_creation_tokens",
            "cache_creation_tokens",
        ),
    ),
    "reasoning_tokens": _by(
        genai=(
            f"{_USE}reasoning.output_tokens",
            f"{_USE}reasoning_tokens",
            f"{_USE}reasoning_output_tokens",
            f"{_USE}details.reasoning_tokens",
            f"{_USE}output_tokens.reasoning",
            f"{_USE}output_token_details>reasoning",
        ),
        openinference=("llm.token_count.completion_details.reasoning",),
        traceloop=("llm.usage.reasoning_tokens",),
        vercel=(
            f"{_AI}reasoningTokens",
            f"{_AI}outputTokenDetails.reasoningTokens",
            f"{_PROVIDERS}openai>reasoningTokens",
        ),
        others=(
            *(f"{_BT}completion_reasoning_tokens", f"{_GK}thoughtsTokens", f"{_ADK}thoughts_token_count"),
            f"{_GR}completion_tokens_details>reasoning_tokens",
            "langwatch.metrics>reasoning_tokens",
            f"{_HS}usage>completion_tokens_details>reasoning_tokens",
            f"{_HG}usage>completion_tokens_details>reasoning_tokens",
            f"{_LL}completion_tokens_details>reasoning_tokens",
        ),
    ),
    "input_audio_tokens": _by(
        genai=(f"{_USE}audio.input_tokens", f"{_USE}details.input_audio_tokens", f"{_USE}input_token_details>audio"),
        openinference=("llm.token_count.prompt_details.audio",),
    ),
    "output_audio_tokens": _by(
        genai=(f"{_USE}audio.output_tokens", f"{_USE}details.output_audio_tokens", f"{_USE}output_token_details>audio"),
        openinference=("llm.token_count.completion_details.audio",),
    ),
    "cost": _by(
        langfuse=(f"{_LF}cost_details>total",),
        openinference=("llm.cost.total",),
        others=(
            *("operation.cost", "gen_ai.usage.cost", "gen_ai.usage.total_cost", "gen_ai.cost.total_cost"),
            "mlflow.llm.cost>total_cost",
            f"{_BT}estimated_cost",
            *("cost_usd", "langwatch.metrics>cost"),
        ),
    ),
    # Seconds, milliseconds and a moment: how long until the first token came.
    "first_token_seconds": _by(
        genai=(
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.client.operation.time_to_first_chunk",
            "gen_ai.server.time_to_first_token",
            "gen_ai.response.time_to_first_token",
        ),
        others=(
            *(f"{_BT}time_to_first_token", "gen_ai.latency.time_to_first_token"),
            *("gen_ai.streaming.time_to_first_token", "metrics.ttfb"),
        ),
    ),
    "first_token_milliseconds": _by(
        vercel=("ai.response.msToFirstChunk",), others=("ttft_ms", "langwatch.metrics>first_token_ms")
    ),
    "first_token_moment": _by(langfuse=(f"{_LF}completion_start_time",), others=("mastra.completion_start_time",)),
    "is_stream": _by(
        genai=("gen_ai.request.stream", "gen_ai.request.is_stream"),
        traceloop=("gen_ai.is_streaming", "llm.is_streaming"),
        others=("stream",),
    ),
    "thread_id": _by(
        traceloop=(f"{_TL}literal.thread_id",),
        genai=("gen_ai.conversation.id", "conversation.id", "gen_ai.thread.id"),
        openinference=("session.id", "langfuse.session.id"),
        vercel=(
            "ai.telemetry.metadata.threadId",
            "ai.telemetry.metadata.sessionId",
            "ai.settings.context.threadId",
            "ai.settings.context.sessionId",
        ),
        others=(
            *(f"{_TL}{name}" for name in ("thread_id", "session_id", "conversation_id")),
            *(f"langsmith.metadata.{name}" for name in ("thread_id", "session_id", "conversation_id")),
            "gcp.vertex.agent.session_id",
            "mlflow.trace.session",
            f"{_LN}session_id",
            *(f"{_MA}threadId", f"{_MA}sessionId"),
            *("session_id", "langwatch.thread.id", "honeyhive.session_id", "galileo.session.id", "ag.session.id"),
            *("$session_id", "spring.ai.chat.client.conversation.id"),
            *(f"metadata>{name}" for name in ("thread_id", "session_id", "conversation_id")),
        ),
    ),
    "session_id": _by(
        openinference=("session.id", "langfuse.session.id"),
        traceloop=(f"{_TL}session_id",),
        vercel=("ai.telemetry.metadata.sessionId", "ai.settings.context.sessionId"),
        others=(
            *("langsmith.metadata.session_id", "gcp.vertex.agent.session_id", "mlflow.trace.session"),
            *(f"{_LN}session_id", f"{_MA}sessionId", "session_id"),
        ),
    ),
    "thread_name": _by(traceloop=(f"{_TL}literal.thread_name",), genai=("gen_ai.conversation.name",)),
    "user_id": _by(
        genai=("user.id", "langfuse.user.id", "enduser.id"),
        traceloop=(f"{_TL}user_id", f"{_TL}literal.user_id"),
        vercel=("ai.telemetry.metadata.userId", "ai.settings.context.userId"),
        others=(
            "langsmith.metadata.user_id",
            "mlflow.trace.user",
            f"{_LN}user_id",
            *(f"{_MA}userId", f"{_MA}resourceId", "posthog.distinct_id"),
            *(f"{start}posthog_distinct_id" for start in ("ai.telemetry.metadata.", "ai.settings.context.")),
            "metadata>user_id",
            *("gen_ai.request.user", "gen_ai.user", "llm.user"),
            f"{_INV}user",
            "user",
        ),
    ),
    "tags": _by(
        langfuse=("langfuse.trace.tags",),
        openinference=("tag.tags",),
        traceloop=(f"{_TL}literal.tags",),
        vercel=("ai.telemetry.metadata.tags",),
        others=("logfire.tags", "langsmith.span.tags", f"{_LN}tags", "mastra.tags", "metadata>labels", "agentops.tags"),
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
    "name": _by(
        traceloop=(f"{_TL}literal.name", "traceloop.entity.name"),
        others=("logfire.msg", "haystack.component.name", "agentops.entity.name"),
    ),
    "parent_id": _by(traceloop=(f"{_TL}literal.parent_id",)),
    "error": _by(langfuse=(f"{_LF}status_message",)),
    "error_type": _by(genai=("error.type",)),
    "tools": _by(
        genai=("gen_ai.tool.definitions",),
        vercel=("ai.prompt.tools",),
        others=("mlflow.chat.tools", "model_request_parameters>function_tools", "response>tools", "tools"),
    ),
    # What work that is no model call was given and made.
    "step_input": _by(
        langfuse=(f"{_LF}input",),
        genai=("gen_ai.tool.call.arguments", "gen_ai.retrieval.query.text", "gen_ai.input.messages"),
        openinference=("input.value",),
        traceloop=("traceloop.entity.input",),
        vercel=("ai.toolCall.args", "ai.prompt"),
        others=(
            *("mlflow.spanInputs", "tool_arguments", "pydantic_ai.all_messages", "all_messages_events"),
            "gen_ai.prompt",
            "gcp.vertex.agent.tool_call_args",
            "genkit:input",
            "braintrust.input_json",
            "lmnr.span.input",
            *("haystack.component.input", "haystack.tool.input", "haystack.pipeline.input_data"),
            *(
                "langfuse.trace.input",
                "agentops.entity.input",
                "langwatch.input>value",
                "spring.ai.tool.call.arguments",
            ),
            *(f"{start}input" for start in MASTRA),
            "input",
        ),
    ),
    "step_output": _by(
        langfuse=(f"{_LF}output",),
        genai=("gen_ai.tool.call.result", "gen_ai.retrieval.documents", "gen_ai.output.messages"),
        openinference=("output.value",),
        traceloop=("traceloop.entity.output",),
        vercel=("ai.toolCall.result", "ai.response.text"),
        others=(
            *("mlflow.spanOutputs", "tool_response", "final_result", "gen_ai.completion"),
            "gcp.vertex.agent.tool_response",
            "genkit:output",
            "braintrust.output_json",
            "lmnr.span.output",
            *("haystack.component.output", "haystack.tool.output", "haystack.pipeline.output_data"),
            *("langfuse.trace.output", "agentops.entity.output", "langwatch.output>value", "tool.result"),
            *("transcript", "spring.ai.tool.call.result"),
            *(f"{start}output" for start in MASTRA),
            "output",
        ),
    ),
}

RESOURCE: Final[Mapping[str, Names]] = {
    "environment": ("deployment.environment.name", "deployment.environment", "langfuse.environment", "env"),
    "thread_id": ("gen_ai.conversation.id", "session.id", "galileo.session.id"),
    "user_id": ("user.id", "enduser.id"),
    "release": ("service.version", "langfuse.release"),
}
