"""Steps of machines whose clocks differ stand where they belong in the tree of their trace."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client

from generations import recording, trees
from generations.models import Project, Step
from generations.records import GenerationRecord, StepRecord
from tests.test_web_trees import names, show
from tests.web import NOON, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db

HOUR = 3600.0


def step(id: str, parent: str | None, began: float, ended: float, **more: Any) -> StepRecord:
    times = {"started_at": NOON + dt.timedelta(seconds=began), "ended_at": NOON + dt.timedelta(seconds=ended)}
    return StepRecord(id=id, parent_id=parent, name=id, **{"trace_id": "t", **times, **more})


def drawn(project: Project, *steps: StepRecord, here: str = "app") -> dict[str, tuple[float, float]]:
    """When steps begin and end in their tree, in seconds since its first."""
    recording.record(project, list(steps))
    tree = trees.around(project, Step.objects.in_project(project.pk).get(public_id=here))
    assert len(tree) == len(steps)
    return {
        node.id: (round(node.began - NOON.timestamp(), 3), round(node.ended - NOON.timestamp(), 3))
        for node in tree.nodes
    }


@pytest.mark.parametrize("behind", [12.0, 3 * HOUR, 72 * HOUR])
def test_a_machine_whose_clock_is_behind_works_when_it_is_asked_to(project: Project, behind: float) -> None:
    found = drawn(
        project,
        step("app", None, 0, 10),
        step("ask", "app", 1, 9),
        step("serve", "ask", 1 - behind, 9 - behind),
        step("think", "serve", 2 - behind, 4 - behind),
        step("call", "serve", 5 - behind, 8 - behind),
    )

    assert found == {"app": (0, 10), "ask": (1, 9), "serve": (1, 9), "think": (2, 4), "call": (5, 8)}
    assert list(found) == ["app", "ask", "serve", "think", "call"]


def test_what_is_called_by_the_machine_that_is_behind_has_its_own_clock(project: Project) -> None:
    found = drawn(
        project,
        step("app", None, 0, 10),
        step("serve", "app", 1 - HOUR, 9 - HOUR),
        step("back", "serve", 3, 4),
        step("further", "serve", 3 - 2 * HOUR, 4 - 2 * HOUR),
        step("later", "serve", 2, 90),
    )

    assert found == {"app": (0, 10), "serve": (0, 8), "back": (3, 4), "further": (0, 1), "later": (2, 90)}


def test_work_behind_an_answer_and_steps_outside_of_traces_stay_where_they_are(project: Project) -> None:
    late = drawn(project, step("app", None, 0, 1), step("job", "app", 2 * HOUR, 2 * HOUR + 1))
    assert late["job"] == (2 * HOUR, 2 * HOUR + 1)

    early = drawn(
        project, step("turn", None, 5, 9, trace_id="u"), step("heard", "turn", 1, 6, trace_id="u"), here="turn"
    )
    assert early == {"turn": (5, 9), "heard": (1, 6)}

    plain = (step("run", None, 5, 6, trace_id=None), step("first", "run", 1, 2, trace_id=None))
    assert drawn(project, *plain, here="run")["first"] == (1, 2)


def test_steps_in_a_ring_and_below_one_that_never_came_are_drawn(project: Project) -> None:
    found = drawn(
        project,
        step("app", None, 5, 6),
        step("lost", "never", 1, 2),
        step("below", "lost", -1, 0),
        step("a", "b", 3, 4),
        step("b", "a", 2, 3),
    )

    assert (found["below"], found["a"], found["b"]) == ((1, 2), (3, 4), (2, 3))


def test_a_call_beside_other_work_is_drawn_by_the_clock_of_its_step(client: Client, project: Project) -> None:
    steps = [
        step("app", None, 0, 10),
        step("serve", "app", 1 - HOUR, 9 - HOUR),
        step("tool", "serve", 2 - HOUR, 3 - HOUR),
    ]
    began = NOON + dt.timedelta(seconds=5 - HOUR)
    recording.record(project, [*steps, GenerationRecord(id="g", step_id="serve", name="asked", started_at=began)])

    shown = [name.removeprefix("Generation ").split()[0] for name in names(show(client, project, "app"))]
    assert shown == ["app", "serve", "tool", "asked"]
