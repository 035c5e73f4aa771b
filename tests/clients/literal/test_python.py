"""The real Python client, in the newest version and in the one that Chainlit pins, against the running server."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path

import pytest

from tests.clients import environments
from tests.clients.literal import running
from tests.doors import test_literal_filters
from tests.stack import Stack

VERSIONS = ("0.1.300", "0.1.201")
NOT_METHODS = {"R", "api_key", "cache", "graphql_endpoint", "rest_endpoint", "url"}

pytestmark = [pytest.mark.slow]


@pytest.fixture(scope="session", params=VERSIONS)
def python(request: pytest.FixtureRequest) -> Path:
    """The interpreter of an environment with this version of the client."""
    return environments.python(f"literalai-{request.param}")


@pytest.mark.parametrize("way", ["sync", "async"])
def test_every_method_of_the_api_does_what_the_client_says(live_stack: Stack, python: Path, way: str) -> None:
    answer = running.results(live_stack, [python, "everything.py", way])

    running.compare(answer["results"], running.expected("everything"))


def test_no_public_method_of_the_api_is_left_out(live_stack: Stack, python: Path) -> None:
    answer = running.results(live_stack, [python, "everything.py", "sync"])

    assert set(answer["public"]) - NOT_METHODS == set(answer["called"]) - NOT_METHODS


def test_decorators_context_managers_and_the_instrumented_client_arrive_whole(live_stack: Stack, python: Path) -> None:
    answer = running.results(live_stack, [python, "decorators.py", "sync"])

    running.compare(answer["results"], running.expected("decorators"))


def test_the_two_programs_of_the_documentation_run_as_printed(live_stack: Stack, python: Path) -> None:
    made = running.run(live_stack, [python, "create_generation.py"]).split()
    listed = running.run(live_stack, [python, "get_generations.py"]).splitlines()

    assert made[0] == "CHAT"
    (ours,) = [line for line in listed if made[1] in line]
    shown = ast.literal_eval(ours)
    assert (shown["type"], shown["messages"]) == ("CHAT", [{"role": "system", "content": "Hello, this is my answer"}])


FILTERS = """
import json, typing
from literalai.observability import filter
names = {name: name for name in ("threads", "steps", "scores")} | {"participants": "users", "generations": "generation"}
print(json.dumps({kind: typing.get_args(getattr(filter, f"{name}_filterable_fields")) for kind, name in names.items()}))
print(json.dumps({
    kind: typing.get_args(getattr(filter, f"{name}_orderable_fields"))
    for kind, name in names.items() if hasattr(filter, f"{name}_orderable_fields")
}))
"""


def test_every_field_and_order_of_the_clients_types_is_tested_at_the_door(python: Path) -> None:
    done = subprocess.run([python, "-c", FILTERS], capture_output=True, text=True, check=True)
    fields, orders = (json.loads(line) for line in done.stdout.strip().splitlines())

    for kind, names in fields.items():
        assert set(names) <= {asked.field for asked in test_literal_filters.LISTS[kind]}
    for kind, names in orders.items():
        assert set(names) <= {column for list, column, _, _ in test_literal_filters.ORDERS if list == kind}
