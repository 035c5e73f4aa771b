"""Which attributes say what of a call or a step, in each dialect: one table, read from left to right.

`a>b` is the member `b` of the JSON in attribute `a`. The dialects and where each is described:
genai: https://github.com/open-telemetry/semantic-conventions-genai, with the names of its older versions;
traceloop: https://github.com/traceloop/openllmetry; openinference: https://github.com/Arize-ai/openinference;
langfuse: https://langfuse.com/integrations/native/opentelemetry; vercel: https://ai-sdk.dev (telemetry);
others: MLflow, LangSmith, Logfire, OpenLIT, LiteLLM, Google ADK, Braintrust, Laminar, Genkit, Mastra, vLLM, Azure AI,
Claude Code, Pipecat, LangWatch, AgentOps, HoneyHive, Galileo, Agenta, Cloudflare's agents and general conventions, as
they write them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from generations.ingest.otlp.counts import COUNTS
from generations.ingest.otlp.table import BRAINTRUST, Names, by, haystack

_LF: Final = "langfuse.observation."
_TL: Final = "traceloop.association.properties."
_INV: Final = "llm.invocation_parameters>"
_LN: Final = "lmnr.association.properties."
_MA: Final = "mastra.metadata."
_CF: Final = "cloudflare.agents."
_CF_OWN: Final = (f"{_CF}metadata.", f"{_CF}runtime_context.")
_LITELLM: Final = "metadata.requester_metadata>"
"""What whoever called LiteLLM's proxy said of a call."""

MASTRA: Final = tuple(
    f"mastra.{kind}."
    for kind in (
        *("model_step", "model_generation", "model_inference", "model_chunk", "agent_run", "workflow_run"),
        *("workflow_step", "tool_call", "mcp_tool_call", "processor_run", "memory_operation", "generic"),
    )
)
"""Beginnings of the attributes in which Mastra has what each kind of its work was given and made."""


FIELDS: Final[Mapping[str, Names]] = {
    # OpenInference before gen_ai here alone: where it writes both, its gen_ai.request.model is the one that answered.
    "asked_model": by(
        langfuse=(
            "llm.request.model_name",
            "llm.input_model_name",
            f"{_INV}model",
            "embedding.invocation_parameters>model",
            "gen_ai.request.parameters>model",
            f"{_LF}metadata.ls_model_name",
        ),
        genai=("gen_ai.request.model",),
        traceloop=("llm.request.model",),
        vercel=("ai.model.id",),
        others=(
            *("mlflow.spanInputs>model", "langsmith.metadata.ls_model_name", "braintrust.metadata>model"),
            *("genkit:name", "model", "confident.llm.model", "judgment.llm.model", "ai.observability.cost.model"),
            *("inputs>model", "llm.model"),
        ),
    ),
    "answering_model": by(
        langfuse=(f"{_LF}model.name",),
        genai=("gen_ai.response.model",),
        openinference=(
            "llm.response.model_name",
            "llm.response.model",
            "llm.output_model_name",
            "llm.model_name",
            "embedding.model_name",
            "reranker.model_name",
        ),
        vercel=("ai.response.model",),
        others=(
            *("mlflow.llm.model", "mlflow.spanOutputs>model", "gen_ai.completion>model", "genkit:output>raw>model"),
            *haystack("model"),
            "gen_ai.request.model",  # which is not what was asked for where another name says that
        ),
    ),
    "provider": by(
        genai=("gen_ai.provider.name", "gen_ai.system"),
        openinference=("llm.provider", "llm.system"),
        traceloop=("llm.vendor",),
        vercel=("ai.model.provider",),
        others=(
            *("mlflow.llm.provider", "langsmith.metadata.ls_provider", "braintrust.metadata>provider", "genkit:name"),
            f"{_LF}metadata.ls_provider",
            # Cloudflare's AI Gateway: https://developers.cloudflare.com/ai-gateway/observability/otel-integration/
            "gen_ai.model.provider",
            *("confident.span.provider", "judgment.llm.provider"),
        ),
    ),
    "response_id": by(
        genai=("gen_ai.response.id",),
        traceloop=("llm.response.id",),
        vercel=("ai.response.id",),
        others=("response_id", "genkit:output>raw>id", "mastra.metadata.body>id"),
    ),
    "finish_reason": by(
        langfuse=("langfuse.observation.metadata.finish_reason",),
        genai=("gen_ai.response.finish_reasons", "gen_ai.response.finish_reason", "gen_ai.response.stop_reason"),
        openinference=("llm.finish_reason",),
        traceloop=(
            "gen_ai.completion.0.finish_reason",
            "llm.completions.0.finish_reason",
            "llm.response.finish_reason",
            "llm.response.stop_reason",
        ),
        vercel=("ai.response.finishReason", "ai.finishReason"),
        others=(
            "anthropic.message.stop_reason",
            "genkit:output>finishReason",
            *("stop_reason", f"{_CF}response.finish_reason"),
            *haystack("finish_reason"),
        ),
    ),
    **COUNTS,
    "cost": by(
        langfuse=(f"{_LF}cost_details>total",),
        openinference=("llm.cost.total",),
        others=(
            *("operation.cost", "gen_ai.usage.cost", "gen_ai.usage.total_cost", "gen_ai.cost.total_cost"),
            "mlflow.llm.cost>total_cost",
            f"{BRAINTRUST}estimated_cost",
            *("cost_usd", "langwatch.metrics>cost", "judgment.usage.total_cost_usd", "litellm.cost.total"),
        ),
    ),
    # Seconds, milliseconds and a moment: how long until the first token came.
    "first_token_seconds": by(
        genai=(
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.client.operation.time_to_first_chunk",
            "gen_ai.server.time_to_first_token",
            "gen_ai.response.time_to_first_token",
        ),
        others=(
            *(f"{BRAINTRUST}time_to_first_token", "gen_ai.latency.time_to_first_token"),
            *("gen_ai.streaming.time_to_first_token", "metrics.ttfb"),
        ),
    ),
    "first_token_milliseconds": by(
        vercel=("ai.response.msToFirstChunk",),
        others=(
            *("ttft_ms", "langwatch.metrics>first_token_ms"),
            # VS Code's: https://code.visualstudio.com/docs/copilot/guides/monitoring-agents
            *("ai.observability.generation.time_to_first_token_ms", "copilot_chat.time_to_first_token"),
        ),
    ),
    "first_token_moment": by(
        langfuse=(f"{_LF}completion_start_time",),
        others=("mastra.completion_start_time", "gen_ai.completion.start_time"),
    ),
    "is_stream": by(
        genai=(
            "gen_ai.request.stream",
            "gen_ai.request.is_stream",
            "gen_ai.request.llm_is_streaming",
            "gen_ai.request.streaming",
        ),
        traceloop=("gen_ai.is_streaming", "llm.is_streaming", "llm.stream"),
        others=("stream", "gen_ai.response.streaming", "ai.observability.generation.is_streaming"),
    ),
    "thread_id": by(
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
            *(f"{start}{name}" for name in ("threadId", "sessionId") for start in _CF_OWN),
            *("session_id", "langwatch.thread.id", "honeyhive.session_id", "galileo.session.id", "ag.session.id"),
            *("$session_id", "spring.ai.chat.client.conversation.id", "gen_ai.session.id", "judgment.session_id"),
            *("confident.trace.thread_id", "ai.observability.conversation_id", "scope.agentic.session"),
            *("netra.session_id", "nat.conversation.id", "mirascope.ops.session.id"),
            *(f"braintrust.metadata>{name}" for name in ("thread_id", "session_id", "conversation_id")),
            *("respan.threads.thread_identifier", "respan.sessions.session_identifier"),
            *(f"metadata>{name}" for name in ("thread_id", "session_id", "conversation_id")),
            *(f"{_LF}metadata.langfuse{name}" for name in ("_session_id", "SessionId")),
            *(f"{_LITELLM}{name}" for name in ("thread_id", "session_id", "conversation_id")),
        ),
    ),
    "session_id": by(
        openinference=("session.id", "langfuse.session.id"),
        traceloop=(f"{_TL}session_id",),
        vercel=("ai.telemetry.metadata.sessionId", "ai.settings.context.sessionId"),
        others=(
            *("langsmith.metadata.session_id", "gcp.vertex.agent.session_id", "mlflow.trace.session"),
            *(f"{_LN}session_id", f"{_MA}sessionId", "session_id", "mirascope.ops.session.id"),
        ),
    ),
    "thread_name": by(traceloop=(f"{_TL}literal.thread_name",), genai=("gen_ai.conversation.name",)),
    "user_id": by(
        genai=("user.id", "langfuse.user.id", "enduser.id"),
        traceloop=(f"{_TL}user_id", f"{_TL}literal.user_id"),
        vercel=("ai.telemetry.metadata.userId", "ai.settings.context.userId"),
        others=(
            "langsmith.metadata.user_id",
            "mlflow.trace.user",
            f"{_LN}user_id",
            *(f"{_MA}userId", f"{_MA}resourceId", "posthog.distinct_id", *(f"{start}userId" for start in _CF_OWN)),
            *(f"{start}posthog_distinct_id" for start in ("ai.telemetry.metadata.", "ai.settings.context.")),
            *("metadata>user_id", "gen_ai.user.id", "confident.trace.user_id", "braintrust.metadata>user_id"),
            *("judgment.customer_user_id", "judgment.customer_id", "respan.customer_params.customer_identifier"),
            *("gen_ai.request.user", "gen_ai.user", "llm.user"),
            f"{_INV}user",
            "user",
            *(f"{_LF}metadata.langfuse{name}" for name in ("_user_id", "UserId")),
            *("netra.user_id", "ag.user.id"),
            "metadata.user_api_key_end_user_id",
        ),
    ),
    "caller": by(others=("user_id",)),  # xAI's, a user where it stands beside a call alone
    "tags": by(
        langfuse=("langfuse.trace.tags",),
        openinference=("tag.tags",),
        traceloop=(f"{_TL}literal.tags",),
        vercel=("ai.telemetry.metadata.tags", "ai.settings.context.tags"),
        others=(
            *("logfire.tags", "langsmith.span.tags", f"{_LN}tags", "mastra.tags", "metadata>labels", "agentops.tags"),
            *("confident.trace.tags", "braintrust.tags", f"{_LITELLM}tags", "mirascope.trace.tags"),
            *(f"{_LF}metadata.langfuse{name}" for name in ("_tags", "Tags")),
        ),
    ),
    "environment": by(
        langfuse=("langfuse.environment",),
        genai=("deployment.environment.name",),
        others=("gen_ai.environment", "confident.trace.environment", "respan.environment"),
    ),
    "release": by(langfuse=("langfuse.release", "langfuse.version")),
    "agent_id": by(
        genai=("gen_ai.agent.id", "gen_ai.agent.name"),
        openinference=("agent.name",),
        others=("metadata>lc_agent_name",),
    ),
    "workflow_id": by(genai=("gen_ai.workflow.name",), traceloop=("traceloop.workflow.name",)),
    "function_id": by(vercel=("ai.telemetry.functionId",)),
    "prompt_name": by(
        langfuse=(f"{_LF}prompt.name",), genai=("gen_ai.prompt.name",), traceloop=("traceloop.prompt.key",)
    ),
    "prompt_version": by(
        langfuse=(f"{_LF}prompt.version",),
        genai=("gen_ai.prompt.version",),
        openinference=("llm.prompt_template.version",),
        traceloop=("traceloop.prompt.version",),
    ),
    "variables": by(
        openinference=("llm.prompt_template.variables",), traceloop=("traceloop.prompt.template_variables",)
    ),
    "name": by(
        traceloop=(f"{_TL}literal.name", "traceloop.entity.name"),
        others=("logfire.msg", "haystack.component.name", "agentops.entity.name", "confident.span.name"),
    ),
    "parent_id": by(traceloop=(f"{_TL}literal.parent_id",)),
    "error": by(langfuse=(f"{_LF}status_message",)),
    "error_type": by(genai=("error.type",)),
    "tools": by(
        genai=("gen_ai.tool.definitions",),
        vercel=("ai.prompt.tools",),
        others=(
            *("mlflow.chat.tools", "model_request_parameters>function_tools", "response>tools", "tools"),
            *("gen_ai.request.available_tools", f"{_INV}kwargs>tools", "langwatch.params>tools"),
        ),
    ),
    # What work that is no model call was given and made.
    "step_input": by(
        langfuse=(f"{_LF}input",),
        genai=(
            *("gen_ai.tool.call.arguments", "gen_ai.retrieval.query.text", "gen_ai.memory.query.text"),
            *("gen_ai.input.messages", "gen_ai.tool.input", "gen_ai.task.input", "gen_ai.guardrail.input"),
        ),
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
            *("haystack.agent.step.tool.input", "haystack.agent.input"),
            *(
                "langfuse.trace.input",
                "agentops.entity.input",
                "langwatch.input>value",
                "spring.ai.tool.call.arguments",
            ),
            *(f"{start}input" for start in MASTRA),
            *("confident.span.input", "judgment.input", "mirascope.trace.arg_values"),
            *("ai.observability.record_root.input", "ai.observability.retrieval.query_text"),
            *("input", "inputs", "user_prompt"),
        ),
    ),
    "step_output": by(
        langfuse=(f"{_LF}output",),
        genai=(
            *("gen_ai.tool.call.result", "gen_ai.retrieval.documents", "gen_ai.memory.records"),
            *("gen_ai.output.messages", "gen_ai.tool.output", "gen_ai.task.output", "gen_ai.guardrail.output"),
        ),
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
            *("haystack.agent.step.tool.output", "haystack.agent.output"),
            *("langfuse.trace.output", "agentops.entity.output", "langwatch.output>value", "tool.result"),
            *("transcript", "spring.ai.tool.call.result"),
            *(f"{start}output" for start in MASTRA),
            *("confident.span.output", "judgment.output", "ai.observability.record_root.output"),
            "mirascope.trace.output",
            *("ai.observability.retrieval.retrieved_contexts", "ai.observability.call.return"),
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
