"""The instrumentations that are run, what each is asked to tell of, and what it does not tell: the rest is exact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.clients.otel.described import ON_THE_ROOT, PAGE, SAID, Fields, Json, Library
from tests.clients.otel.frameworks import FRAMEWORKS

CHATS: Final = (
    "chat",
    "stream",
    "stream_async",
    "stream_without_usage",
    "stream_tools",
    "tools",
    "choices",
    "parsed",
    "image",
    "long",
)
ALL: Final = (*CHATS, "completion", "embeddings", "responses", "responses_stream", "failure")
STREAMS: Final = tuple(name for name in ALL if "stream" in name)


def _each(cases: tuple[str, ...], **fields: Json) -> dict[str, Fields]:
    return {case: dict(fields) for case in cases}


def _merged(*tables: Mapping[str, Fields]) -> dict[str, Fields]:
    """Tables of cases as one."""
    cases = {case for table in tables for case in table}
    return {case: {n: v for table in tables for n, v in table.get(case, {}).items()} for case in cases}


_UNCOUNTED: Final = dict.fromkeys(
    ("promptTokens", "completionTokens", "totalTokens", "cachedTokens", "cacheWriteTokens", "reasoningTokens")
)
_IS_DONE: Final = _each(("responses", "responses_stream"), finishReason="stop")
"""Libraries that read a reason out of a status."""
_LANGFUSE: Final = _merged(
    # It knows the model that answered, and neither the answer's id nor, but for streams, why it ended.
    {"*": {"model": "=answeringModel", "answeringModel": None, "responseId": None}},
    {"chat": {"stopSequences": None}, "embeddings": {"model": "text-embedding-3-small"}},
    {"failure": {"model": "gpt-4o-mini"}},
    _each((PAGE, "chat", "tools", "choices", "parsed", "image", "long"), finishReason=None),
)
_TRACELOOP: Final = _merged(
    {"chat": {"stopSequences": None, "seed": None}, "choices": {"n": None}, "embeddings": {"cachedTokens": 0}},
    _each(("stream", "stream_async", "stream_tools", "stream_long"), reasoningTokens=None),
)
_EVENTS: Final = _merged(
    {"*": {"cachedTokens": None, "reasoningTokens": None}, "embeddings": {"messages": None}},
    _each(("stream_tools", "tools"), tools=[]),
    _each(STREAMS, isStream=False),
)
_OPENLIT: Final = _merged(
    _each((PAGE, "chat", "stream", "stream_tools", "parsed", "image"), cacheWriteTokens=0, reasoningTokens=None),
    {"responses": {"cacheWriteTokens": 0, "finishReason": "stop"}},
    {"stream_tools": {"tools": []}, "failure": {"messages": None}},
)
_ASKED_ONLY: Final = {"answeringModel": None, "responseId": None, "isStream": False}

_CHUNK: Final[Json] = ("undefined", "model_chunk geographer", [])
_STEP: Final[Json] = ("llm", "agent_step geographer", [("llm", "chat gpt-4o-mini", [_CHUNK])])
_MASTRA: Final[Json] = [("run", "invoke_agent geographer", [("llm", "model_generation gpt-4o-mini", [_STEP])])]

BY_HAND: Final = "Without a library"
"""The section whose program makes the span itself and calls nobody."""

LIBRARIES: Final = (
    *FRAMEWORKS,
    Library("openinference", "OpenInference", "otel-newest", [("llm", "ChatCompletion", [])], cases=ALL),
    Library(
        "openinference-earlier",
        "OpenInference",
        "otel-earlier",
        [("llm", "ChatCompletion", [])],
        cases=ALL,
        variables={"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"},
    ),
    Library(
        "langchain",
        "LangChain and LangGraph",
        "otel-newest",
        [("run", "RunnableSequence", [("undefined", "ChatPromptTemplate", []), ("llm", "ChatOpenAI", [])])],
    ),
    Library(
        "opentelemetry",
        "OpenTelemetry's own instrumentation",
        "otel-newest",
        [("run", "answer", [("llm", "chat gpt-4o-mini", [])])],
        about=ON_THE_ROOT,
        cases=tuple(case for case in ALL if case != "completion"),  # which it leaves alone
        variables={"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"},
        untold=_merged(_IS_DONE, {"embeddings": {"messages": None}}),
    ),
    Library(
        "opentelemetry-events",
        "Messages as log events",
        "otel-earlier",
        [("run", "answer", [("llm", "chat gpt-4o-mini", [])])],
        about=ON_THE_ROOT,
        cases=(*CHATS, "embeddings", "failure"),
        untold=_EVENTS,
    ),
    Library(
        "opentelemetry-one-event",
        "Messages as log events",
        "otel-earlier",
        [("run", "answer", [("llm", "chat gpt-4o-mini", [])])],
        about=ON_THE_ROOT,
        cases=("chat", "stream", "tools", "choices"),
        variables={
            "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "EVENT_ONLY",
        },
        untold=_EVENTS,
    ),
    Library(
        "traceloop",
        "OpenLLMetry (Traceloop)",
        "otel-traceloop",
        [("run", "answer", [("llm", "openai.chat", [])])],
        about={**SAID, "tags": None, "metadata": {"plan": "pro", "workflowId": "answer"}},
        cases=(*ALL, "stream_long"),
        # It has an event for each chunk, of which the SDK drops the first.
        untold=_merged(_TRACELOOP, _IS_DONE, _each(("responses_stream", "stream_long"), isStream=False)),
    ),
    Library(
        "traceloop-earlier",
        "OpenInference",
        "otel-earlier",
        [("llm", "openai.chat", [])],
        about=dict.fromkeys(SAID) | {"metadata": {}},
        cases=(*CHATS, "completion", "embeddings", "failure"),
        program="traceloop_earlier.py",
        untold=_merged(
            {"*": {"reasoningTokens": None}},
            _TRACELOOP,
            # It asks for no count of a stream, and counts by itself only with a package that it does not require.
            _each(("stream", "stream_async", "stream_tools"), **_UNCOUNTED),
        ),
    ),
    Library(
        "phoenix-register",
        "Phoenix's `register`",
        "otel-kits",
        [("llm", "ChatCompletion", [])],
    ),
    Library(
        "langsmith",
        "LangSmith",
        "otel-newest",
        [("run", "answer", [("llm", "ChatOpenAI", [])])],
        place={"environment": None, "release": None},  # it has a resource of its own
    ),
    Library(
        "no-code",
        "Without changing the program",
        "otel-newest",
        [("llm", "chat gpt-4o-mini", [("llm", "ChatCompletion", [])])],
        about=dict.fromkeys(SAID) | {"metadata": {}},
        launcher="opentelemetry-instrument",
        cases=("chat", "stream", "tools"),
    ),
    Library(
        "langfuse",
        "Langfuse's SDK",
        "otel-newest",
        [("run", "answer", [("llm", "OpenAI-generation", [])])],
        # A streamed answer of the newer interface becomes the caller's metadata.
        cases=tuple(case for case in ALL if case not in ("completion", "responses_stream")),
        untold=_LANGFUSE,
    ),
    Library(
        "langfuse-langchain",
        "Its handler for LangChain",
        "otel-newest",
        [("run", "RunnableSequence", [("run", "ChatPromptTemplate", []), ("llm", "ChatOpenAI", [])])],
        untold={"*": {"responseId": None, "finishReason": None}},
    ),
    Library(
        "langfuse-earlier",
        "Langfuse's SDK",
        "otel-earlier",
        [("run", "answer", [("llm", "OpenAI-generation", [])])],
        # Of a streamed call of a tool it keeps no id.
        cases=tuple(case for case in CHATS if case not in ("stream_async", "stream_tools")),
        untold=_LANGFUSE,
    ),
    Library(
        "logfire",
        "Logfire",
        "otel-newest",
        [("run", "answer", [("llm", "Chat Completion with 'gpt-4o-mini'", [])])],
        about=ON_THE_ROOT,
        cases=tuple(case for case in ALL if case != "completion"),
        untold=_merged(_each(STREAMS, **_ASKED_ONLY), {"choices": {"n": None}, "embeddings": {"messages": None}}),
    ),
    Library(
        "logfire-variables",
        "With its own variables",
        "otel-newest",
        [("run", "answer", [("llm", "Chat Completion with 'gpt-4o-mini'", [])])],
        about=ON_THE_ROOT | {"threadId": None},
        cases=("chat", "stream", "responses"),
        variables={"OTEL_EXPORTER_OTLP_ENDPOINT": "", "OTEL_EXPORTER_OTLP_HEADERS": ""},
        untold=_each(("stream",), **_ASKED_ONLY),
    ),
    Library(
        "pydantic-ai",
        "Pydantic AI",
        "otel-newest",
        [
            (
                "run",
                "forecaster run",
                [
                    ("llm", "chat gpt-4o-mini", []),
                    ("tool", "running tool: get_weather", []),
                    ("tool", "running tool: get_weather", []),
                    ("llm", "chat gpt-4o-mini", []),
                ],
            )
        ],
    ),
    Library(
        "openlit",
        "OpenLIT",
        "otel-traceloop",
        [("run", "answer", [("llm", "chat gpt-4o-mini", [("undefined", "POST", [])])])],
        about=dict.fromkeys(SAID) | {"metadata": {}},
        # Of messages it keeps those with a text: a call of a tool is missing from what is sent afterwards.
        cases=("chat", "stream", "stream_tools", "parsed", "image", "embeddings", "responses", "failure"),
        untold=_OPENLIT,
    ),
    Library(
        "anthropic",
        "Anthropic",
        "otel-newest",
        [("run", "answer", [("llm", "anthropic.messages.create", [])])],
        about={**ON_THE_ROOT, "tags": None},
    ),
    Library(
        "google-genai",
        "Google's Gen AI SDK",
        "otel-clouds",
        [("llm", "GenerateContent", [])],
        untold={"*": {"responseId": None}},
    ),
    Library(
        "bedrock",
        "Amazon Bedrock",
        "otel-clouds",
        [("llm", "bedrock.converse", [])],
    ),
    Library(
        "vercel",
        "JavaScript: Vercel's AI SDK",
        "otel-js",
        [("run", "ai.generateText", [("llm", "ai.generateText.doGenerate", [])])],
        about={**SAID, "metadata": {"plan": "pro", "functionId": "answer"}},
        cases=("vercelChat", "vercelStream", "vercelTools", "vercelEmbeddings", "vercelFailure"),
    ),
    Library(
        "vercel-newest",
        "JavaScript: Vercel's AI SDK from version 7 on",
        "otel-node24-js",
        [("run", "invoke_agent gpt-4o-mini", [("run", "step 1", [("llm", "chat gpt-4o-mini", [])])])],
        about=ON_THE_ROOT,
        cases=("vercelChat", "vercelStream", "vercelTools", "vercelEmbeddings", "vercelFailure"),
        untold={"vercelChat": {"seed": None}},  # which the span of its agent has
    ),
    Library(
        "mastra",
        "JavaScript: Mastra",
        "otel-node24-js",
        _MASTRA,
        about={**SAID, "sessionId": None, "metadata": {"plan": "pro", "agentId": "geographer"}},
        # It has a resource of its own, with its own version, and tells of a first token whatever it is asked for.
        place={"environment": None, "release": "1.71.0"},
        untold={"*": {"isStream": True}},
    ),
    Library(
        "openinference-js",
        "JavaScript: OpenInference",
        "otel-js",
        [("llm", "OpenAI Chat Completions", [])],
        # A call that fails leaves no span: its instrumentation never ends it.
        cases=("chat", "stream", "tools", "long", "embeddings", "responses"),
        untold={
            "stream": {**_UNCOUNTED, **_ASKED_ONLY},
            "embeddings": {**_UNCOUNTED},
        },
    ),
    Library(
        "opentelemetry-js",
        "JavaScript: OpenTelemetry's own instrumentation",
        "otel-js",
        [("run", "answer", [("llm", "chat gpt-4o-mini", [])])],
        about=ON_THE_ROOT,
        untold={"*": {"cachedTokens": None, "reasoningTokens": None}},
    ),
    Library(
        "langchain-js",
        "JavaScript: LangChain",
        "otel-js",
        [("llm", "ChatOpenAI", [])],
        # It has all that LangChain says beside the call for the caller's metadata, and leaves tags out.
        about={"threadId": "chat-1", "sessionId": "chat-1", "userId": "ada", "tags": None},
    ),
    Library(
        "openai-agents-js",
        "JavaScript: OpenAI's Agents",
        "otel-js",
        [
            (
                "run",
                "Agent workflow",
                [("run", "Agent workflow", [("run", "geographer", [("run", "turn", [("llm", "response", [])])])])],
            )
        ],
        untold={
            "*": {
                "model": "=answeringModel",
                "answeringModel": None,
                "temperature": 1,
                "topP": 1,
                "finishReason": "stop",
            }
        },
    ),
    Library(
        "langfuse-js",
        "JavaScript: Langfuse's SDK",
        "otel-js",
        [("run", "answer", [("llm", "OpenAI.chat", [])])],
        untold=_LANGFUSE,
    ),
    Library(
        "told-twice",
        "OpenInference",
        "otel-newest",
        [("llm", "chat gpt-4o-mini", [("llm", "ChatCompletion", [])])],
        about=dict.fromkeys(SAID) | {"metadata": {}},
        program="told_twice.py",
        cases=("chat", "stream", "tools", "choices", "embeddings", "responses", "failure"),
        untold=_IS_DONE,
    ),
)
