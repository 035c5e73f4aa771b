"""The real TypeScript client, with an address that ends in a slash, against the running server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clients import environments
from tests.clients.literal import running
from tests.stack import Stack

PRIVATE = {"getPromptWithQuery"}  # private in its types, public only to JavaScript

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="module")
def answer(live_stack: Stack) -> dict[str, Any]:
    """What the program said. It lies in the client's folder, where node looks for packages."""
    place = environments.node("literal-client")
    environments.laid(place / "everything.mjs", (running.PROGRAMS / "everything.mjs").read_text())
    return running.results(live_stack, ["node", "everything.mjs"], cwd=place)


def test_every_method_of_the_api_and_the_decorators_do_what_the_client_says(answer: dict[str, Any]) -> None:
    running.compare(answer["results"], running.expected("typescript"))


def test_no_public_method_of_the_api_is_left_out(answer: dict[str, Any]) -> None:
    assert set(answer["public"]) - PRIVATE == set(answer["called"])
