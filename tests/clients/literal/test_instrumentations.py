"""What the client makes of other libraries' calls, with the real libraries and a model's server that is scripted."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients import environments
from tests.clients.literal import running
from tests.stack import Stack

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="session")
def python() -> Path:
    """The interpreter of an environment with the client and all the libraries that it instruments."""
    return environments.python("literalai-instrumentations")


@pytest.mark.parametrize("library", ["mistral", "langchain", "llamaindex", "litellm", "otel"])
def test_what_an_instrumented_library_does_arrives_whole(live_stack: Stack, python: Path, library: str) -> None:
    # LiteLLM would fetch a list of prices when it is imported.
    answer = running.results(live_stack, [python, "instrumentations.py", library], LITELLM_LOCAL_MODEL_COST_MAP="True")

    running.compare(answer["results"], running.expected("instrumentations")[library])
