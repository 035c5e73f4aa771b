"""Who serves a model, as far as its name says so. What another may serve under the same name is nobody's."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

_OPENAI: Final = "openai"
OPENAI_OWN: Final = (
    "gpt-", "chatgpt-", "o1", "o3", "o4", "text-embedding-", "davinci", "babbage", "curie", "ada", "codex", "ft:gpt-",
    "computer-use-", "omni-moderation",
)  # fmt: skip
OPEN: Final = ("gpt-oss",)
"""OpenAI's models that everybody may serve."""
IN_FRONT: Final = frozenset(
    {
        "anthropic", "azure", "azure_ai", "bedrock", "cohere", "cohere_chat", "deepseek", "fireworks_ai", "gemini",
        "groq", "huggingface", "mistral", "nvidia_nim", "ollama", "ollama_chat", "openrouter", "perplexity",
        "sambanova", "together_ai", "vertex_ai", "vertex_ai_beta", "voyage", "x-ai", "xai",
    }
)  # fmt: skip
"""Providers that LiteLLM (docs.litellm.ai/docs/providers) and OpenRouter put before the name of a model. Not among them
are names that publishers have on Hugging Face too, letter by letter: cerebras, databricks, google, meta-llama,
mistralai, nvidia, Qwen. `openai` is one of these, and what LiteLLM has before all that speaks OpenAI's interface: it
says something of OpenAI's own models alone."""


@lru_cache(maxsize=4096)
def split(model: str) -> tuple[str | None, str]:
    """The provider that a name says, as it spells it, and the name of the model to it; None and the name itself where
    it says none: `groq/llama-3.1-8b`, `openai/gpt-4o` and `gpt-4o` do, `meta-llama/Llama-3-8B` does not."""
    head, _, rest = model.partition("/")
    if rest and (head in IN_FRONT or (head == _OPENAI and _is_own(rest))):
        return head, rest
    return (_OPENAI if _is_own(model) else None), model


def provider_of(model: str | None) -> str | None:
    """The provider that the name of a model says; None where it says none, or may be another's."""
    return split(model)[0] if model and len(model) <= 200 else None


def _is_own(model: str) -> bool:
    return model.startswith(OPENAI_OWN) and not model.startswith(OPEN)
