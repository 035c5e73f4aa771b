"""Frameworks that make calls of their own accord: agents, chains and modules. Their programs alone are run."""

from __future__ import annotations

from typing import Final

from tests.clients.otel.described import ON_THE_ROOT, SAID, Library

FRAMEWORKS: Final = (
    Library(
        "llama-index",
        "LlamaIndex",
        "otel-frameworks",
        [("llm", "OpenAI.chat", [])],
        untold={"*": {"answeringModel": None, "temperature": None, "responseId": None}},
    ),
    Library(
        "openai-agents",
        "OpenAI's Agents",
        "otel-frameworks",
        [
            (
                "run",
                "Agent workflow",
                [
                    (
                        "run",
                        "Agent workflow",
                        [
                            (
                                "run",
                                "forecaster",
                                [
                                    ("run", "turn", [("llm", "response", []), *[("tool", "get_weather", [])] * 2]),
                                    ("run", "turn", [("llm", "response", [])]),
                                ],
                            )
                        ],
                    )
                ],
            )
        ],
        # It tells of the answer, which names the model that gave it and repeats the settings that held.
        untold={
            "*": {
                "model": "=answeringModel",
                "answeringModel": None,
                "temperature": 1.0,
                "topP": 1.0,
                "finishReason": "stop",
            }
        },
    ),
    Library(
        "agno",
        "Agno",
        "otel-agents",
        [
            (
                "run",
                "forecaster.run",
                [
                    ("llm", "OpenAIChat.invoke", []),
                    *[("tool", "get_weather", [])] * 2,
                    ("llm", "OpenAIChat.invoke", []),
                ],
            )
        ],
        untold={"*": {"answeringModel": None, "responseId": None, "finishReason": None, "reasoningTokens": None}},
    ),
    Library(
        "autogen",
        "AutoGen",
        "otel-agents",
        [("run", "create_agent forecaster", [])],
    ),
    Library(
        "litellm",
        "LiteLLM",
        "otel-frameworks",
        [("llm", "completion", [])],
        # It tells of what it is asked for, by the name that it is asked by.
        untold={"*": {"model": "openai/gpt-4o-mini", "answeringModel": None, "responseId": None}},
    ),
    Library(
        "agent-framework",
        "Microsoft's Agent Framework",
        "otel-kits",
        [
            (
                "run",
                "invoke_agent forecaster",
                [
                    ("llm", "chat gpt-4o-mini", []),
                    *[("tool", "execute_tool get_weather", [])] * 2,
                    ("llm", "chat gpt-4o-mini", []),
                ],
            )
        ],
        about=dict.fromkeys(SAID) | {"metadata": {}},
        place={"environment": "staging", "release": "1.23.0"},
        untold={"*": {"n": 1, "tools": []}},
    ),
    Library(
        "strands",
        "Strands Agents",
        "otel-clouds",
        [("run", "invoke_agent geographer", [("run", "execute_event_loop_cycle", [("llm", "chat", [])])])],
        about={**SAID, "metadata": {}},
        place={"environment": "staging", "release": "1.62.0"},
        untold={
            "*": {
                "answeringModel": None,
                "temperature": None,
                "responseId": None,
                "finishReason": "end_turn",
                "reasoningTokens": None,
            }
        },
    ),
    Library(
        "adk",
        "Google's Agent Development Kit",
        "otel-clouds",
        [
            (
                "run",
                "invoke_workflow forecaster",
                [
                    (
                        "run",
                        "invoke_agent forecaster",
                        [
                            ("llm", "generate_content gemini-2.5-flash", []),
                            *[("tool", "execute_tool get_weather", [])] * 2,
                            ("tool", "execute_tool (merged)", []),
                            ("llm", "generate_content gemini-2.5-flash", []),
                        ],
                    )
                ],
            )
        ],
        about={**dict.fromkeys(SAID), "threadId": "chat-1", "metadata": {"agentId": "forecaster"}},
        untold={"*": {"provider": "gcp.gemini", "responseId": None}},
    ),
    Library(
        "dspy",
        "DSPy",
        "otel-kits",
        [
            (
                "run",
                "Predict.forward",
                [
                    (
                        "run",
                        "Predict(StringSignature).forward",
                        [("run", "ChatAdapter.__call__", [("llm", "LM.__call__", [("llm", "completion", [])])])],
                    )
                ],
            )
        ],
        untold={"*": {"model": "openai/gpt-4o-mini", "answeringModel": None, "responseId": None}},
    ),
    Library(
        "instructor",
        "Instructor",
        "otel-kits",
        [("llm", "ChatCompletion", [])],
    ),
    Library(
        "crewai",
        "CrewAI",
        "otel-crews",
        [("run", "atlas.kickoff", [("run", "geographer._execute_core", [("llm", "ChatCompletion", [])])])],
    ),
    Library(
        "semantic-kernel",
        "Semantic Kernel",
        "otel-crews",
        [
            (
                "run",
                "answer",
                [
                    (
                        "run",
                        "invoke_agent forecaster",
                        [
                            (
                                "undefined",
                                "AutoFunctionInvocationLoop",
                                [
                                    ("llm", "chat gpt-4o-mini", []),
                                    *[("tool", "execute_tool Weather-get_weather", [])] * 2,
                                    ("llm", "chat gpt-4o-mini", []),
                                ],
                            )
                        ],
                    )
                ],
            )
        ],
        about=ON_THE_ROOT,
        untold={"*": {"answeringModel": None, "tools": [], "cachedTokens": None, "reasoningTokens": None}},
    ),
    Library(
        "smolagents",
        "smolagents",
        "otel-kits",
        [
            (
                "run",
                "ToolCallingAgent.run",
                [
                    ("run", "Step 1", [("llm", "OpenAIModel.generate", []), *[("tool", "SimpleTool", [])] * 2]),
                    ("run", "Step 2", [("llm", "OpenAIModel.generate", []), ("tool", "FinalAnswerTool", [])]),
                ],
            )
        ],
        untold={
            "*": {
                "answeringModel": None,
                "stopSequences": None,
                "responseId": None,
                "finishReason": None,
                "cachedTokens": None,
                "reasoningTokens": None,
            }
        },
    ),
    Library(
        "haystack",
        "Haystack",
        "otel-kits",
        [("run", "answer", [("run", "haystack.pipeline.run", [("llm", "llm", [])])])],
        about=ON_THE_ROOT,
        # It tells of the answer, which names the model that gave it.
        untold={
            "*": {
                "model": "=answeringModel",
                "answeringModel": None,
                "temperature": None,
                "n": None,
                "responseId": None,
            }
        },
    ),
)
