"""What instrumentations say that is not so, and what they say in two places: by the beginnings of their scopes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from generations.ingest.otlp.shapes import ERROR, Span
from generations.records import Json

MADE_UP: Final[Mapping[str, Mapping[str, Json]]] = {
    "langfuse-sdk": {"temperature": 1, "top_p": 1, "frequency_penalty": 0, "presence_penalty": 0},
    "openlit.": {
        "temperature": 1.0,
        "top_p": 1.0,
        "frequency_penalty": 0.0,
        "presence_penalty": 0.0,
        "seed": 0,
        "max_tokens": -1,
        "top_k": 1.0,
        "service_tier": "on_demand",
    },
    "@openlit/": {"temperature": 1, "top_p": 1},
}
"""Settings that are said of calls that set none; 1 is not 1.0 here."""

STREAMS_APART: Final = ("logfire.",)
"""Scopes that tell of a stream when it is over, in a span of no length but with a duration.

Their span of the call itself ends when the answer begins; it says neither answer nor tokens then.
"""

SECONDS_ARE_MILLISECONDS: Final = ("strands.",)
"""Scopes that say milliseconds where the conventions have seconds until the first token."""

COUNTS_BESIDE: Final = (
    *("opentelemetry.instrumentation.bedrock", "opentelemetry.instrumentation.botocore.bedrock"),
    "opentelemetry.instrumentation.genai.bedrock",  # its extractors.py, version 1.3b0
    *("openlit.instrumentation.anthropic", "openlit.instrumentation.bedrock"),
    *("@openlit/instrumentation-anthropic", "@openlit/instrumentation-bedrock", "@traceloop/instrumentation-anthropic"),
    *("judgeval", "com.anthropic.claude_code."),
)
"""Scopes that count cached tokens beside the input, where the conventions have them within."""

AS_PROVIDERS_COUNT: Final = ("agent_framework", "strands-agents", "opentelemetry.instrumentation.ag2")
"""Scopes that repeat what a provider counts: for Claude, cached tokens beside the input; for Gemini, what it thought
beside the output. The second is Strands' in JavaScript; in Python it counts them within. AG2's: normalize_usage in its
config/anthropic/mappers.py and config/gemini/mappers.py, version 1.2."""

THOUGHTS_BESIDE: Final = (
    *("openlit.instrumentation.google_ai_studio", "openlit.instrumentation.vertexai"),
    *("@openlit/instrumentation-google-ai", "@openlit/instrumentation-vertexai"),
)
"""Scopes that count what a model thought beside the output, and in no total: Gemini's own way of counting."""

THOUGHTS_IN_TOTALS: Final = ("opentelemetry.instrumentation.google_generativeai",)
"""Scopes that count what a model thought in the total alone: OpenLLMetry's of Gemini, whose output is without it."""

THOUGHTS_TWICE: Final = ("gcp.vertex.agent",)
"""Scopes that add what a model thought to its output, which models of others than Google have in it already: ADK's
(its telemetry/_token_usage.py, of which its integrations/openai/_openai_llm.py says so; version 2.13)."""

THOUGHTS_OTHERWISE: Final = (*THOUGHTS_IN_TOTALS, *THOUGHTS_TWICE)
"""Scopes of which the output is another than they count."""

ERRORS_ARE_NONE: Final = ("opentelemetry.instrumentation.genai.langchain",)
"""Scopes that name an error as the reason why an answer ended which came with none: OpenTelemetry's own for LangChain,
of answers by OpenAI's newer interface."""

SHOW_OBJECTS: Final = ("opentelemetry.instrumentation.openai_agents",)
"""Scopes that have, in an answer that calls tools, the objects of that answer as Python shows them, each as a text:
OpenTelemetry's for OpenAI's Agents (opentelemetry-instrumentation-openai-agents-v2, version 0.1)."""

NO_PROVIDERS: Final = frozenset(
    {
        "strands-agents",
        "langchain",
        "autogen",
        "crewai",
        "spring_ai",
        "gcp.vertex.agent",
        "portkey",
        "unknown",
        "_other",
    }
)
"""Frameworks and gateways that name themselves where the model's provider is asked for, and words for none."""

TOLD_APART: Final = ("gemini-cli",)
"""Scopes whose events with a span's id tell of calls that other events of theirs tell whole, without one."""

ANSWERS_APART: Final = ("com.anthropic.claude_code.",)
"""Scopes whose calls are spans without an answer, which log events tell that stand in the span above."""

OWN_TAGS: Final = frozenset({"LLM"})
"""Tags that an instrumentation gives to each of its spans; Logfire does."""
_OWN_TAGS: Final = ("seq:step:", "map:key:", "graph:step:")
"""Beginnings of tags by which LangChain counts its steps."""

NO_THREADS: Final = ("resp_",)
"""Beginnings of ids of answers, which Microsoft's Agent Framework gives for those of conversations."""

PRIVATE: Final = ("openinference.instrumentation.llama_index",)
"""Scopes whose spans are named for methods, also for the private ones with which a call is prepared."""

SAY_NONE: Final = ("org.springframework",)
"""Scopes that have the word "none" for what there is not: Micrometer's, below Spring AI."""

FAIL_BY_EVENTS: Final = ("langsmith",)
"""Scopes whose spans say that all went well, and in an event that it did not: LangSmith's in JavaScript."""

SHOW_FAILURES: Final = ("openinference.instrumentation.beeai",)
"""Scopes that have what failed in the place of the answer: OpenInference's of BeeAI (_span.py, 0.1.30)."""

_WORDS: Final = frozenset({"Not set", "unknown"})
"""Words that say nothing but in an answer: the first is Ax's, and the other the user of opencode and of Guardrails AI
where nobody is named."""
_UNSAID: Final = frozenset({"", "None", "__REDACTED__", "default_user_id", *_WORDS})
"""Texts that say nothing; the last by name is the user of LiteLLM's proxy where nobody is named."""
_LONGEST: Final = max(map(len, _UNSAID))
_IN_PLACE: Final = ("[Scrubbed due to ", "<openai.Omit ", "<openai.NotGiven ", "NOT_GIVEN")
"""Beginnings of what Logfire has for secrets, and Portkey for settings that nobody gave."""
UNSAID_BEGIN: Final = (*filter(None, _UNSAID), *_IN_PLACE)
"""What all these begin with, but for the empty one."""


BEGUN: Final = "logfire.pending_parent_id"
"""Attribute of spans of no length by which Logfire tells that another has begun, which is named as their parent; its
value is that one's parent."""


def as_begun(span: Span) -> Span:
    """The span that has begun, without an end, as Logfire tells of it in a span of its own; others as they are."""
    above = span.attributes[BEGUN]
    if span.parent_id is None or not isinstance(above, str) or not _SPAN_ID.fullmatch(above):
        return span
    attributes = {name: value for name, value in span.attributes.items() if name not in (BEGUN, "logfire.span_type")}
    parent = above if above.strip("0") and above != span.parent_id else None
    return replace(span, span_id=span.parent_id, parent_id=parent, end=0, attributes=attributes)


_SPAN_ID: Final = re.compile("[0-9a-f]{16}")


def is_plain(scope: str) -> bool:
    """Whether none of these is known of an instrumentation."""
    return not scope.startswith(_KNOWN)


_KNOWN: Final = (
    *(*MADE_UP, *STREAMS_APART, *SECONDS_ARE_MILLISECONDS, *COUNTS_BESIDE, *AS_PROVIDERS_COUNT, *THOUGHTS_BESIDE),
    *(*THOUGHTS_OTHERWISE, *ERRORS_ARE_NONE, *PRIVATE, *SAY_NONE, *FAIL_BY_EVENTS, *SHOW_OBJECTS, *SHOW_FAILURES),
)


def is_unsaid(value: Json) -> bool:
    """Whether a value stands in the place of one that there is not, or that is not to be said."""
    if isinstance(value, str):
        # To look for a text in a set, all of it is read.
        return (len(value) <= _LONGEST and value in _UNSAID) or value.startswith(_IN_PLACE)
    return value is None


def is_word(value: Json) -> bool:
    """Whether a value is unsaid that may well be what work was given or made."""
    return isinstance(value, str) and len(value) <= _LONGEST and value in _WORDS


def without_none(span: Span) -> Span:
    """The span without what its scope only says that there is not, or has in the place of an answer."""
    if span.status == ERROR and "output.value" in span.attributes and span.scope.startswith(SHOW_FAILURES):
        span = replace(span, attributes={n: v for n, v in span.attributes.items() if not n.startswith("output.")})
    if not span.scope.startswith(SAY_NONE) or "none" not in span.attributes.values():
        return span
    return replace(span, attributes={name: value for name, value in span.attributes.items() if value != "none"})


FETCH: Final = "fetch_response"
"""The operation that asks no model again for what one has answered, by the conventions."""
EVERY_REQUEST: Final = "openinference.instrumentation.openai"
"""The scope whose spans are of all requests of a client, also of those that ask no model."""
FETCHED: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "logfire.openai": ("url", ("/responses/", "/chat/completions/")),
    EVERY_REQUEST: ("input.value", ("{}",)),
}
"""Scopes, and of each an attribute and what it begins with in spans of requests that fetch what a model has answered to
another: of Logfire's what it knows no better, and of OpenInference's what sends nothing."""
_FETCHED_BY_NAME: Final = ("openlit.", "responses.retrieve ")
"""A scope, and what its spans of such requests are called, which begin with the name of what is done there."""
REPEATED: Final = ("opentelemetry.instrumentation.openai.",)
"""Scopes that tell of a call again each time that its answer is fetched: OpenLLMetry's, of OpenAI's newer interface."""
CLIENTS: Final[Mapping[str, str]] = {"com.anthropic.sdk.": "anthropic", "mistralai_sdk_tracer": "mistral"}
"""Scopes of clients that tell of their calls by themselves, whatever tells of them besides, and the providers."""
OF_CLIENTS: Final = tuple(CLIENTS)
_NO_CALLS: Final = frozenset({"InputTokenCountResponse", "count_tokens", "countTokens", "token_count", "cancel"})
_NAMED_SO: Final = (*OF_CLIENTS, EVERY_REQUEST, "openinference.instrumentation.anthropic", "openlit.")
"""What spans are named, or their methods, that count tokens or cancel what a model was asked, and whose: others name
theirs for functions of an application."""
_ANSWERS: Final = frozenset({"ChatCompletion", "Completion", "Response", "CreateEmbeddings"})
"""What spans of EVERY_REQUEST are named that ask a model."""


def fetches(span: Span) -> bool:
    """Whether a span may be of a request that fetches what was answered to another, whose id it has then."""
    a = span.attributes
    if a.get("gen_ai.operation.name") == FETCH:
        return True
    if (known := FETCHED.get(span.scope)) is not None:
        said = a.get(known[0])
        return isinstance(said, str) and said.startswith(known[1]) and not any(n.startswith(_SENT) for n in a)
    return span.scope.startswith(_FETCHED_BY_NAME[0]) and span.name.startswith(_FETCHED_BY_NAME[1])


_SENT: Final = "llm.input_messages."


def asks_nothing(span: Span) -> bool:
    """Whether a span is named for what asks no model, if nothing was answered."""
    return span.name.partition(" ")[0].rpartition(".")[2] in _NO_CALLS and span.scope.startswith(_NAMED_SO)


def asks(span: Span) -> bool:
    """Whether a span is of a request that asks a model, whatever else it says."""
    return span.scope != EVERY_REQUEST or span.name in _ANSWERS


UNNAMED: Final = "chat"
"""What Azure's inference client has for a model that nobody named, and the name of the call's span then."""
_AZURE: Final = frozenset({"az.ai.inference", "azure.ai.inference"})


def is_unnamed(span: Span) -> bool:
    """Whether UNNAMED is no model: of a deployment that is really called so, the span is named `chat chat`."""
    a = span.attributes
    return span.name == UNNAMED and a.get("gen_ai.provider.name", a.get("gen_ai.system")) in _AZURE


def failed(span: Span) -> bool:
    """Whether a span is of what failed, though its status does not say so."""
    return span.scope.startswith(FAIL_BY_EVENTS) and any(event.name == "exception" for event in span.events)


def counts_beside(span: Span, is_plain: bool) -> frozenset[str]:
    """Which tokens an instrumentation counts beside the input or the output; `is_plain` as its scope is."""
    a, scope = span.attributes, span.scope
    if not is_plain and scope.startswith(COUNTS_BESIDE):
        return _CACHED
    if not is_plain and scope.startswith(AS_PROVIDERS_COUNT):
        model = str(a.get("gen_ai.request.model", a.get("gen_ai.response.model")))
        return _CACHED if "claude" in model else _THOUGHT if "gemini" in model else _NONE
    if a.get("ai.model.provider") == "amazon-bedrock" and _WITHIN not in a:
        return _CACHED
    return _THOUGHT if not is_plain and scope.startswith(THOUGHTS_BESIDE) else _NONE


_WITHIN: Final = "ai.usage.inputTokenDetails.noCacheTokens"
"""What Vercel's SDK says from version 6 on, which counts the cache within; up to 5 it repeats what Bedrock counts."""
_CACHED: Final = frozenset({"cached_tokens"})
_THOUGHT: Final = frozenset({"reasoning_tokens"})
_NONE: Final[frozenset[str]] = frozenset()


def thoughts_are_in_totals(scope: str) -> bool:
    """Whether an instrumentation counts what a model thought in the total alone."""
    return scope.startswith(THOUGHTS_IN_TOTALS)


def thoughts_are_twice(attributes: Mapping[str, Json], model: str | None, provider: str | None) -> bool:
    """Whether ADK counts twice what a model thought: from version 2.6 on, of models by LiteLLM and by OpenAI.

    Models by LiteLLM are named with their provider before them; of Claude it counts rightly by itself.
    """
    if "gen_ai.usage.reasoning.output_tokens" not in attributes or model is None:
        return False
    return provider == "openai" or model.startswith(f"{attributes.get('gen_ai.provider.name')}/")


def is_own_tag(tag: str) -> bool:
    """Whether a tag is one that an instrumentation gives by itself."""
    return tag in OWN_TAGS or tag.startswith(_OWN_TAGS)


def prepares(scope: str, name: str) -> bool:
    """Whether a span of this name is of what is done before a call, and not of the call."""
    return scope.startswith(PRIVATE) and name.rpartition(".")[2].startswith("_")


def made_up(scope: str) -> Mapping[str, Json]:
    """The settings that an instrumentation says of calls that set none."""
    for start, settings in MADE_UP.items():
        if scope.startswith(start):
            return settings
    return {}
