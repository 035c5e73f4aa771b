"""Which attributes count tokens, in each dialect: the part of the table in `fields` that is about usage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from generations.ingest.otlp.table import BRAINTRUST, Names, by, haystack

_AI: Final = "ai.usage."
_USE: Final = "gen_ai.usage."
_GK: Final = "genkit:output>usage>"
_GR: Final = "genkit:output>raw>usage>"
_ML: Final = "mlflow.spanOutputs>usage>"
_LS: Final = "gen_ai.completion>usage>"
"""LangSmith's whole answer, as MLflow's before, of which they repeat the counts of chats alone."""
_LL: Final = "metadata.usage_object>"
_ADK: Final = "gcp.vertex.agent.llm_response>usage_metadata>"
_ADK_JS: Final = "gcp.vertex.agent.llm_response>usageMetadata>"
_PROVIDERS: Final = "ai.response.providerMetadata>"
_JD: Final = "judgment.usage."
_TRU: Final = "ai.observability.cost."
_MIR: Final = "mirascope.response.usage>"

COUNTS: Final[Mapping[str, Names]] = {
    "prompt_tokens": by(
        # Partial are Logfire's of a Claude agent, which knows how a stream began: what came back is no count then.
        genai=(f"{_USE}input_tokens", f"{_USE}prompt_tokens", f"{_USE}partial.input_tokens"),
        openinference=("llm.token_count.prompt",),
        traceloop=("llm.usage.prompt_tokens",),
        vercel=(f"{_AI}inputTokens", f"{_AI}promptTokens", f"{_AI}tokens"),
        others=(
            "mlflow.chat.tokenUsage>input_tokens",
            f"{BRAINTRUST}prompt_tokens",
            f"{_GK}inputTokens",
            *("input_tokens", "confident.llm.input_token_count", "gen_ai.response.prompt_tokens"),
            *(f"{_JD}non_cached_input_tokens", f"{_TRU}num_prompt_tokens"),
            *haystack("usage>prompt_tokens"),
            *(f"{_ML}prompt_tokens", f"{_ML}input_tokens", f"{_LS}prompt_tokens"),
        ),
    ),
    "completion_tokens": by(
        genai=(f"{_USE}output_tokens", f"{_USE}completion_tokens"),
        openinference=("llm.token_count.completion",),
        traceloop=("llm.usage.completion_tokens",),
        vercel=(f"{_AI}outputTokens", f"{_AI}completionTokens"),
        others=(
            "mlflow.chat.tokenUsage>output_tokens",
            f"{BRAINTRUST}completion_tokens",
            f"{_GK}outputTokens",
            *("output_tokens", "confident.llm.output_token_count", "gen_ai.response.completion_tokens"),
            *(f"{_JD}output_tokens", f"{_TRU}num_completion_tokens"),
            *haystack("usage>completion_tokens"),
            *(f"{_ML}completion_tokens", f"{_ML}output_tokens", f"{_LS}completion_tokens"),
        ),
    ),
    "total_tokens": by(
        genai=(f"{_USE}total_tokens", "gen_ai.client.token.usage"),
        openinference=("llm.token_count.total",),
        traceloop=("llm.usage.total_tokens",),
        vercel=(f"{_AI}totalTokens",),
        others=(
            "mlflow.chat.tokenUsage>total_tokens",
            f"{BRAINTRUST}tokens",
            f"{_GK}totalTokens",
            "cloudflare.agents.usage.total_tokens",
            *(f"{_ADK}total_token_count", f"{_ADK_JS}totalTokenCount", f"{_TRU}num_tokens"),
        ),
    ),
    "cached_tokens": by(
        genai=(
            *(f"{_USE}cache_read.input_tokens", f"{_USE}partial.cache_read.input_tokens"),
            f"{_USE}cached_tokens",
            *(f"{_USE}cached_input_tokens", f"{_USE}cached_prompt_text_tokens"),  # the last is xAI's
            f"{_USE}details.cache_read_tokens",
            *(f"{_USE}input_tokens.cache_read", f"{_USE}input_tokens.cached"),
            f"{_USE}input_token_details>cache_read",
        ),
        openinference=("llm.token_count.prompt_details.cache_read", "llm.token_count.prompt_details.cache_input"),
        traceloop=(
            f"{_USE}cache_read_input_tokens",
            *("llm.usage.cached_tokens", "llm.usage.prompt_tokens_details>cached_tokens"),
        ),
        vercel=(
            f"{_AI}cachedInputTokens",
            f"{_AI}inputTokenDetails.cacheReadTokens",
            f"{_PROVIDERS}openai>cachedPromptTokens",
            f"{_PROVIDERS}anthropic>cacheReadInputTokens",
            f"{_PROVIDERS}bedrock>usage>cacheReadInputTokens",
        ),
        others=(
            "mlflow.chat.tokenUsage>cache_read_input_tokens",
            f"{BRAINTRUST}prompt_cached_tokens",
            *(f"{_GK}cachedContentTokens", f"{_GR}prompt_tokens_details>cached_tokens"),
            *("cache_read_tokens", f"{_JD}cache_read_input_tokens"),
            *haystack("usage>prompt_tokens_details>cached_tokens"),
            *(f"{_LL}prompt_tokens_details>cached_tokens", f"{_ADK}cached_content_token_count"),
            *(f"{_ADK_JS}cachedContentTokenCount", f"{_MIR}cache_read_tokens"),
            "metadata.usage.cached_prompt_tokens",  # OpenInference's of BeeAI
        ),
    ),
    "cache_write_tokens": by(
        genai=(
            f"{_USE}cache_write.input_tokens",
            *(f"{_USE}cache_creation.input_tokens", f"{_USE}partial.cache_creation.input_tokens"),
            f"{_USE}cache_write_input_tokens",
            *(f"{_USE}details.cache_write_tokens", f"{_USE}input_tokens.cache_write"),
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
            f"{BRAINTRUST}prompt_cache_creation_tokens",
            *("cache_creation_tokens", f"{_JD}cache_creation_input_tokens", f"{_LL}cache_creation_input_tokens"),
            *(f"{_MIR}cache_write_tokens", "metadata.usage.cached_creation_tokens"),
        ),
    ),
    "reasoning_tokens": by(
        genai=(
            f"{_USE}reasoning.output_tokens",
            f"{_USE}reasoning_tokens",
            *(f"{_USE}reasoning_output_tokens", f"{_USE}thinking_tokens"),
            f"{_USE}details.reasoning_tokens",
            f"{_USE}output_tokens.reasoning",
            f"{_USE}output_token_details>reasoning",
        ),
        openinference=("llm.token_count.completion_details.reasoning",),
        traceloop=("llm.usage.reasoning_tokens", "llm.usage.completion_tokens_details>reasoning_tokens"),
        vercel=(
            f"{_AI}reasoningTokens",
            f"{_AI}outputTokenDetails.reasoningTokens",
            f"{_PROVIDERS}openai>reasoningTokens",
        ),
        others=(
            *(f"{BRAINTRUST}completion_reasoning_tokens", f"{_GK}thoughtsTokens", f"{_ADK}thoughts_token_count"),
            *(f"{_ADK_JS}thoughtsTokenCount", f"{_MIR}reasoning_tokens"),
            f"{_GR}completion_tokens_details>reasoning_tokens",
            *("langwatch.metrics>reasoning_tokens", "thoughts_token_count"),  # the last is Qwen Code's
            *haystack("usage>completion_tokens_details>reasoning_tokens"),
            *(f"{_LL}completion_tokens_details>reasoning_tokens", f"{_TRU}num_reasoning_tokens"),
            *(f"{_ML}{kind}_tokens_details>reasoning_tokens" for kind in ("completion", "output")),
        ),
    ),
    "input_audio_tokens": by(
        genai=(f"{_USE}audio.input_tokens", f"{_USE}details.input_audio_tokens", f"{_USE}input_token_details>audio"),
        openinference=("llm.token_count.prompt_details.audio",),
    ),
    "output_audio_tokens": by(
        genai=(f"{_USE}audio.output_tokens", f"{_USE}details.output_audio_tokens", f"{_USE}output_token_details>audio"),
        openinference=("llm.token_count.completion_details.audio",),
    ),
}
