"""Real instrumentations export into the running server: one generation a call, equal to what was on the wire."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.otel import comparing, running
from tests.clients.otel.described import PAGE, PLACE, Library
from tests.clients.otel.libraries import BY_HAND, LIBRARIES
from tests.clients.otel.running import Ran
from tests.stack import Stack

pytestmark = [pytest.mark.slow]

EXCHANGES = {"tools": 2, "vercelTools": 2}
NOBODY = dict.fromkeys(("sessionId", "userId", "tags", "threadId")) | {"metadata": {}}


@pytest.fixture(scope="module", params=LIBRARIES, ids=lambda library: library.name)
def library(request: pytest.FixtureRequest) -> Library:
    """One of them after the other."""
    found: Library = request.param
    return found


@pytest.fixture(scope="module")
def ran(library: Library, live_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """What its program, run once with all of its cases, left."""
    return running.ran(
        live_stack,
        library.section,
        library.environment,
        cases=library.cases,
        program=library.program,
        variables=library.variables,
        launcher=library.launcher,
        folder=tmp_path_factory.mktemp(library.name),
    )


def cases(library: Library, ran: Ran) -> list[str]:
    """The case of each call, in order."""
    after = [case for case in library.cases for _ in range(EXCHANGES.get(case, 1))]
    return [PAGE] * (len(ran.exchanges) - len(after)) + after


def test_every_call_is_one_generation_with_all_that_was_sent_and_received(library: Library, ran: Ran) -> None:
    assert len(ran.generations) == len(ran.exchanges)
    different = []
    for n, (case, exchange, stored) in enumerate(zip(cases(library, ran), ran.exchanges, ran.generations, strict=True)):
        wanted = library.wanted(case, comparing.wanted(exchange))
        wanted["cost"] = comparing.cost(exchange, wanted)
        found = comparing.found(stored)
        different += [
            f"{n} {case}: {name} is {found[name]!r} instead of {value!r}"
            for name, value in wanted.items()
            if found[name] != value
        ]
    assert not different, "\n".join(different)


def test_every_generation_belongs_to_whom_and_where_its_program_says(library: Library, ran: Ran) -> None:
    for case, stored in zip(cases(library, ran), ran.generations, strict=True):
        about = comparing.context(stored)
        about["metadata"].pop("runId", None)  # which Mastra makes, another one each time
        said = {name: about[name] for name in PLACE}
        assert said == library.place, case
        if case != PAGE:
            assert {name: about[name] for name in NOBODY} == NOBODY, case
        elif library.name != "pydantic-ai":
            assert {name: about[name] for name in library.about} == library.about
        else:  # it makes an id of its own for the conversation
            assert about["threadId"]
            assert about["metadata"] == {"agentId": "forecaster"}
    assert len({stored["threadId"] for stored in ran.generations if "threadId" in stored}) <= 1


def test_the_tree_is_the_program_s_and_each_generation_has_the_ids_of_its_span(library: Library, ran: Ran) -> None:
    steps = {step["id"]: step for step in ran.steps}

    assert ran.trees()[0] == library.tree[0]
    for stored in ran.generations:
        assert stored["id"] == stored["stepId"] == f"{stored['traceId']}-{stored['spanId']}"
        step = steps[stored["id"]]
        assert (step["timestamp"], step["endTimestamp"]) == (stored["timestamp"], stored["endTimestamp"])


def test_a_span_that_is_made_by_hand_is_a_generation_too(live_stack: Stack, tmp_path: Path) -> None:
    (stored,) = running.ran(live_stack, BY_HAND, "otel-newest", folder=tmp_path).generations

    found = comparing.found(stored)
    assert {name: value for name, value in found.items() if value not in (None, [])} == {
        "type": "chat",
        "model": "gpt-4o-mini",
        "provider": "openai",
        "temperature": 0.2,
        "messages": [{"role": "user", "content": "What is the capital of Peru?", "calls": []}],
        "answer": {"role": "assistant", "content": "Lima.", "calls": []},
        "finishReason": "stop",
        "promptTokens": 14,
        "completionTokens": 3,
        "totalTokens": 17,
        "cost": pytest.approx(14 * 0.15e-6 + 3 * 0.6e-6),
        "isStream": False,
    }
    assert comparing.context(stored) == {**NOBODY, **PLACE, "threadId": "chat-1", "userId": "ada"}
