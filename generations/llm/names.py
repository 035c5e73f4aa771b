"""Names of models, and who answers to them: `openai/...`, `anthropic/...`, `local:...`, `ngram:`, any `endpoint=`."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

from generations.llm.calls import Backend
from generations.llm.errors import InvalidCall, UnknownModel
from generations.llm.transport import ATTEMPTS, LONGEST_WAIT, TIMEOUT, Reach

FALLBACK: Final = "openai/gpt-3.5-turbo-instruct"
ALIASES: Final[Mapping[str, str]] = {"chatgpt": "openai/gpt-3.5-turbo", "gpt-4": "openai/gpt-4"}
OPENAI: Final = "https://api.openai.com/v1"
ANTHROPIC: Final = "https://api.anthropic.com"
OLLAMA: Final = "http://localhost:11434"
AZURE_VERSION: Final = "2024-10-21"
_HTTP: Final = frozenset(
    {
        "endpoint",
        "api_key",
        "headers",
        "timeout",
        "attempts",
        "egress",
        "environ",
        "chat",
        "max_batch",
        "api_version",
        "patience",
    }
)
_NGRAM: Final = frozenset({"seed", "text", "order", "environ", "egress"})
_LOCAL: Final = frozenset({"batch_size", "device", "model", "tokenizer", "environ", "egress"})
_IGNORED: Final = frozenset({"vocab", "inprocess", "async_transport", "chunk_timeout", "tokenizer", "verbose"})
"""What programs written for LMQL may pass, that has no meaning here."""
_PREFIXES: Final = ("openai/", "anthropic/", "azure/", "ollama/", "local:", "ngram:", "random")


def backend_of(name: str, options: Mapping[str, Any]) -> Backend:
    """The way to the model of this name. Raises UnknownModel, or InvalidCall for an option that it does not have.

    Keys and addresses that are not given are those of the environment, or of `environ` in its place.
    """
    given = dict(options)
    name = ALIASES.get(name, name)
    if name == "random" or name.startswith("ngram:"):
        return _ngram(name, given)
    if name.startswith("local:"):
        return _local(name.removeprefix("local:"), given)
    _check(given, _HTTP | _IGNORED, name)
    if name.startswith("anthropic/") or (name.startswith("claude-") and "endpoint" not in given):
        return _anthropic(name.removeprefix("anthropic/"), given)
    environ = _environ(given)
    is_azure = environ.get("OPENAI_API_TYPE", "").startswith("azure") and "endpoint" not in given
    if name.startswith("azure/") or (name.startswith("openai/") and is_azure):
        return _azure(name.partition("/")[2], given, environ)
    if name.startswith("ollama/"):
        base = given.pop("endpoint", None) or environ.get("OLLAMA_HOST") or OLLAMA
        base = base if base.startswith("http") else f"http://{base}"
        return _openai(name.removeprefix("ollama/"), given | {"endpoint": base}, environ, provider="ollama")
    if name.startswith("openai/"):
        return _openai(name.removeprefix("openai/"), given, environ, provider="openai")
    if "endpoint" in given:
        return _openai(name, given, environ, provider=None)
    if name.startswith(("gpt-", "o1", "o3", "o4")):
        return _openai(name, given, environ, provider="openai")
    raise UnknownModel(_unknown(name))


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.split("/")[0].split(":")[0], [p.strip("/:") for p in _PREFIXES], 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    if name.startswith(("llama.cpp:", "replicate:")):
        hint = " Models of llama.cpp and replicate are called through a server: pass its address as endpoint=."
    return (
        f"There is no model {name!r}.{hint} Names are openai/MODEL, anthropic/MODEL, azure/DEPLOYMENT, ollama/MODEL, "
        "local:MODEL, ngram: and random; any other name needs endpoint=, the address of who serves it."
    )


# ------------------------------------------------------------------------------------------------------------ HTTP
def _openai(model: str, given: dict[str, Any], environ: Mapping[str, str], *, provider: str | None) -> Backend:
    from generations.llm.backends.openai import MAX_BATCH, OpenAI, is_chat_model

    _check_model(model)
    own = environ.get("OPENAI_BASE_URL") or environ.get("OPENAI_API_BASE") if provider == "openai" else None
    endpoint = given.get("endpoint") or own or OPENAI
    base, way = _address(endpoint)
    is_openai = urlsplit(base).hostname == urlsplit(OPENAI).hostname
    chosen = given.get("chat")
    is_chat = is_chat_model(model, is_openai=is_openai) if chosen is None else bool(chosen)
    if way and chosen is None:
        is_chat = way == "chat"
    key = given.get("api_key") or (environ.get("OPENAI_API_KEY") if provider == "openai" else None)
    return OpenAI(
        model=model,
        completions_url=f"{base}/completions",
        chat_url=f"{base}/chat/completions",
        headers=_headers(given, {"Authorization": f"Bearer {key}"} if key else {}),
        reach=_reach(given),
        provider="openai" if is_openai else provider if provider != "openai" else None,
        is_chat=is_chat,
        max_batch=int(given.get("max_batch") or MAX_BATCH),
        beams=not is_openai,
        models_url=f"{base}/models",
        missing_key="OPENAI_API_KEY" if is_openai and not key and not given.get("headers") else None,
    )


def _azure(deployment: str, given: dict[str, Any], environ: Mapping[str, str]) -> Backend:
    from generations.llm.backends.openai import MAX_BATCH, OpenAI, is_chat_model

    _check_model(deployment)
    base = given.get("endpoint") or environ.get("AZURE_OPENAI_ENDPOINT") or environ.get("OPENAI_API_BASE")
    if not base:
        raise InvalidCall("endpoint: azure/ needs the address of the resource; expected https://NAME.openai.azure.com")
    key = given.get("api_key") or environ.get("AZURE_OPENAI_API_KEY") or environ.get("OPENAI_API_KEY")
    version = given.get("api_version") or environ.get("OPENAI_API_VERSION") or AZURE_VERSION
    place = f"{_base(base)}/openai/deployments/{quote(deployment, safe='')}"
    chosen = given.get("chat")
    return OpenAI(
        model=deployment,
        completions_url=f"{place}/completions?api-version={quote(str(version))}",
        chat_url=f"{place}/chat/completions?api-version={quote(str(version))}",
        headers=_headers(given, {"api-key": key} if key else {}),
        reach=_reach(given),
        provider="azure",
        models_url=f"{_base(base)}/openai/models?api-version={quote(str(version))}",
        is_chat=is_chat_model(deployment, is_openai=True) if chosen is None else bool(chosen),
        max_batch=int(given.get("max_batch") or MAX_BATCH),
        beams=False,
        missing_key=None if key or given.get("headers") else "AZURE_OPENAI_API_KEY",
    )


def _anthropic(model: str, given: dict[str, Any]) -> Backend:
    from generations.llm.backends.anthropic import VERSION, Anthropic

    _check_model(model)
    environ = _environ(given)
    base = _base(given.get("endpoint") or environ.get("ANTHROPIC_BASE_URL") or ANTHROPIC)
    base = base.removesuffix("/messages").removesuffix("/v1")
    key = given.get("api_key") or environ.get("ANTHROPIC_API_KEY")
    own = {"anthropic-version": VERSION} | ({"x-api-key": key} if key else {})
    is_official = urlsplit(base).hostname == urlsplit(ANTHROPIC).hostname
    missing = "ANTHROPIC_API_KEY" if is_official and not key and not given.get("headers") else None
    return Anthropic(
        model=model,
        url=f"{base}/v1/messages",
        models_url=f"{base}/v1/models?limit=1000",
        headers=_headers(given, own),
        reach=_reach(given),
        missing_key=missing,
    )


def _address(endpoint: str) -> tuple[str, str | None]:
    """The base of an address (.../v1), and which of its ways it names: `chat`, `completions` or None.

    > lmql.model("openai/x", endpoint="http://host/v1/completions"): the full address
    """
    base = _base(endpoint)
    for ending, way in (("/chat/completions", "chat"), ("/completions", "completions")):
        if base.endswith(ending):
            return base.removesuffix(ending), way
    return (base if urlsplit(base).path.strip("/") else f"{base}/v1"), None


def _base(endpoint: object) -> str:
    text = str(endpoint).strip()
    if "://" not in text:
        text = f"http://{text}"
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise InvalidCall(f"endpoint: {endpoint!r} is not valid; expected http://... or https://...")
    return text.rstrip("/")


def _headers(given: Mapping[str, Any], own: dict[str, str]) -> dict[str, str]:
    headers = {**own, **{str(name): str(value) for name, value in (given.get("headers") or {}).items()}}
    for name, value in headers.items():
        if not value.isascii() or any(sign in value for sign in "\r\n\0"):
            raise InvalidCall(f"{name}: its value is not valid in a header; expected printable ASCII characters")
    return headers


def _reach(given: Mapping[str, Any]) -> Reach:
    timeout, patience = given.get("timeout"), given.get("patience")
    return Reach(
        timeout=TIMEOUT if timeout is None else float(timeout),
        attempts=int(given.get("attempts") or ATTEMPTS),
        egress=given.get("egress"),
        patience=LONGEST_WAIT if patience is None else float(patience),
    )


# ------------------------------------------------------------------------------------------------------- in process
def _ngram(name: str, given: dict[str, Any]) -> Backend:
    from generations.llm.backends.inprocess import InProcess
    from generations.llm.backends.ngrams import ORDER, learnt

    _check(given, _NGRAM | _IGNORED, name)
    text, order, seed = given.get("text"), given.get("order"), given.get("seed")
    if path := name.removeprefix("ngram:") if name != "random" else "":
        from pathlib import Path

        try:
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, ValueError) as problem:
            raise UnknownModel(f"{name}: the text to learn from cannot be read: {problem}") from problem
    if text is not None and (not isinstance(text, str) or not text.strip()):
        raise InvalidCall("text: expected a text with at least one word")
    if order is None:
        order = 0 if name == "random" else ORDER
    if isinstance(order, bool) or not isinstance(order, int) or not 0 <= order <= 8:
        raise InvalidCall(f"order: {order!r} is not valid; expected a whole number from 0 to 8")
    if name == "random" and seed is None:
        seed = 0  # as LMQL's: the same each time unless another is given
    return InProcess(model=name, load=lambda: learnt(text, order), seed=seed)


def _local(name: str, given: dict[str, Any]) -> Backend:
    from generations.llm.backends.local import BATCH, Local

    _check_model(name)
    own = {key: value for key, value in given.items() if key not in _LOCAL | {"cuda"}}
    return Local(
        name=name,
        batch_size=int(given.get("batch_size") or BATCH),
        device="cuda" if given.get("cuda") else given.get("device"),
        options=own,
        given_model=given.get("model"),
        given_tokenizer=given.get("tokenizer"),
    )


def _check(given: Mapping[str, Any], known: frozenset[str], name: str) -> None:
    for option in given:
        if option not in known:
            near = difflib.get_close_matches(option, sorted(known - _IGNORED), 1)
            hint = (
                f"; did you mean {near[0]!r}?" if near else f"; expected some of {', '.join(sorted(known - _IGNORED))}"
            )
            raise InvalidCall(f"{option}: {name!r} has no such option{hint}")


def _check_model(model: str) -> None:
    if not model.strip():
        raise UnknownModel("The name of the model is empty.")


def _environ(given: Mapping[str, Any]) -> Mapping[str, str]:
    environ: Mapping[str, str] | None = given.get("environ")
    return os.environ if environ is None else environ
