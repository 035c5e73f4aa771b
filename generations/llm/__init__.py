"""Generate text and score continuations with any model, each call recorded. Knows no Django.

In short:

    from generations import llm

    m = llm.model("openai/gpt-3.5-turbo-instruct")
    m.generate_sync("Hello", max_tokens=10)
    m.score_sync("Hello", [" World", " Apples", " Oranges"]).argmax()

`docs/llm.md` tells the names of models, the options, and where this differs from LMQL's interface, which it follows.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

from generations.llm.calls import Piece, holes
from generations.llm.egress import Egress
from generations.llm.errors import (
    Broken,
    Cancelled,
    ContextTooLong,
    ForbiddenHost,
    InvalidCall,
    LLMError,
    NoPromptLogprobs,
    NotConfigured,
    NotSupported,
    ProviderFailed,
    RateLimited,
    Refused,
    TooSlow,
    UnknownModel,
    Unreachable,
    WrongKey,
)
from generations.llm.model import LLM, Completion, Prompt, Stream
from generations.llm.names import FALLBACK
from generations.llm.recorded import HttpSink, Sink, set_sink
from generations.llm.scoring import ScoredSequence, ScoringResult, Vector

__all__ = [
    "LLM",
    "Broken",
    "Cancelled",
    "Completion",
    "ContextTooLong",
    "Egress",
    "ForbiddenHost",
    "HttpSink",
    "InvalidCall",
    "LLMError",
    "NoPromptLogprobs",
    "NotConfigured",
    "NotSupported",
    "Piece",
    "ProviderFailed",
    "RateLimited",
    "Refused",
    "ScoredSequence",
    "ScoringResult",
    "Sink",
    "Stream",
    "TooSlow",
    "UnknownModel",
    "Unreachable",
    "Vector",
    "WrongKey",
    "generate",
    "generate_sync",
    "get_default_model",
    "holes",
    "model",
    "score",
    "score_sync",
    "set_default_model",
    "set_sink",
]

_ENVIRON: Final = (
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_API_TYPE", "OPENAI_API_VERSION",
    "AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "OLLAMA_HOST",
    "LLM_COMPAT",
)  # fmt: skip
"""What of the environment makes a model of the same name another one."""
_default: list[str | LLM] = []
_named: dict[tuple[str | None, ...], LLM] = {}


def model(name: str | LLM | None = None, /, **options: Any) -> LLM:
    """The model of this name (`openai/...`, `anthropic/...`, `local:...`, `ngram:`, `random`, ...); None: the default.

    Options are `endpoint`, `api_key`, `timeout` and others by the kind of model; `sink` (where its calls are
    recorded), `compat="lmql"` and `return_full_text` go with any. Raises UnknownModel and InvalidCall.
    """
    if name is None or name == "<dynamic>":
        name = get_default_model()
    if isinstance(name, LLM):
        return name
    if not isinstance(name, str):
        raise InvalidCall(f"model: {name!r} is not valid; expected the name of a model, or an LLM")
    return LLM(name, options)


def get_default_model() -> str | LLM:
    """The model that was set, else LLM_DEFAULT_MODEL or LMQL_DEFAULT_MODEL of the environment, else OpenAI's."""
    if _default:
        return _default[0]
    return os.environ.get("LLM_DEFAULT_MODEL") or os.environ.get("LMQL_DEFAULT_MODEL") or FALLBACK


def set_default_model(model: str | LLM) -> None:
    """Choose the model of this process that is used where none is named."""
    if not isinstance(model, str | LLM):
        raise InvalidCall(f"model: {model!r} is not valid; expected the name of a model, or an LLM")
    _default[:] = [model]


async def generate(
    prompt: Prompt, max_tokens: int | None = None, model: LLM | str | None = None, **kwargs: Any
) -> str | list[str]:
    """`LLM.generate` of this model, or of the default one."""
    return await _of(model).generate(prompt, max_tokens, **kwargs)


def generate_sync(
    prompt: Prompt, max_tokens: int | None = None, model: LLM | str | None = None, **kwargs: Any
) -> str | list[str]:
    """`generate`, for which the calling thread waits."""
    return _of(model).generate_sync(prompt, max_tokens, **kwargs)


async def score(
    prompt: str, values: str | Sequence[str], model: str | LLM | None = None, **kwargs: Any
) -> ScoringResult:
    """`LLM.score` of this model, or of the default one."""
    return await _of(model).score(prompt, values, **kwargs)


def score_sync(
    prompt: str, values: str | Sequence[str], model: str | LLM | None = None, **kwargs: Any
) -> ScoringResult:
    """`score`, for which the calling thread waits."""
    return _of(model).score_sync(prompt, values, **kwargs)


def _of(given: LLM | str | None) -> LLM:
    """The model that is meant, the same one each time a name is used: so that its calls are batched."""
    chosen = get_default_model() if given is None else given
    if not isinstance(chosen, str):
        return model(chosen)
    environ: Mapping[str, str] = os.environ
    key = (chosen, *(environ.get(name) for name in _ENVIRON))
    if key not in _named:
        _named[key] = model(chosen)
    return _named[key]
