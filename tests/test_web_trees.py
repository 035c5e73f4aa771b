"""Trees of steps of any size on their pages: what is near the step at once, the rest when it is asked for."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generations import recording, trees
from generations.models import Project, Step
from generations.records import GenerationRecord, StepRecord
from generations.web import outline
from generations.web.gate import CallersId
from tests import web
from tests.web import NOON, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db

BOUND = 150_000
DEEP = 130


def at(n: float) -> dt.datetime:
    return NOON + dt.timedelta(milliseconds=n)


def step(id: str, parent: str | None = None, *, began: float = 0, took: float = 100, **fields: Any) -> StepRecord:
    given = {"name": id, "started_at": at(began), "ended_at": at(began + took), **fields}
    return StepRecord(id=id, parent_id=parent, **given)


def record(project: Project, steps: list[Any]) -> None:
    for first in range(0, len(steps), 5000):
        receipts = recording.record(project, steps[first : first + 5000])
        assert {receipt.state for receipt in receipts} == {"stored"}


def large(project: Project, count: int, trace: str | None) -> None:
    """A tree of so many steps: `DEEP` of them below each other, the others spread over it.

    Most are put into the table as they are: it is reading that is tested, and writing them would take longer.
    """
    deep = [step(f"s{n}", f"s{n - 1}" if n else None, began=7 * n, took=900, trace_id=trace) for n in range(DEEP)]
    record(project, [*deep, step(f"s{count - 1}", "s100", began=7 * count, took=900, trace_id=trace)])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO step (project_id, uid, public_id, type, name, parent_id, trace_id, started_at, latency, error,"
            " tags, metadata, start_assumed, created_at, updated_at)"
            " SELECT %s, md5(n::text)::uuid, 's' || n, 'tool', 's' || n, 's' || n * 7919 %% (n / 6 + 1), %s,"
            " %s + n * interval '7 ms', 0.9, CASE WHEN n %% 997 = 500 THEN 'It broke' END, '{}', '{}', false,"
            " now(), now()"
            " FROM generate_series(%s, %s) AS n",
            [project.pk, trace, NOON, DEEP, count - 2],
        )


def show(client: Client, project: Project, id: str, path: str = "", **headers: str) -> Any:
    return client.get(f"/projects/{project.slug}/steps/{id}/{path}", headers=headers)


def rows(response: Any) -> list[tuple[int, str]]:
    """The level and the name of each row of the tree."""
    html = response.content.decode()
    tree = html[html.find("<ol") :] if "<ol" in html else html
    found = re.findall(r'<li[^>]*?data-level="(\d+)"[^>]*>(.*?)</li>', tree, re.S)
    return [(int(level), re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", inner)).strip()) for level, inner in found]


def names(response: Any) -> list[str]:
    """The steps of the rows, and what stands for those that are left out."""
    return [re.sub(r" \d[\d.,]* m?s$", "", said) for _, said in rows(response)]


@pytest.mark.parametrize("trace", ["t" * 32, None])
def test_a_trace_of_twenty_thousand_steps_opens_at_its_deepest(client: Client, project: Project, trace: str) -> None:
    large(project, 20_000, trace)
    counts = {}

    for id in ("s0", "s129", "s19999"):
        with CaptureQueriesContext(connection) as queries:
            response = show(client, project, id)
        counts[id] = len(queries)
        assert response.status_code == 200
        assert len(response.content) < BOUND
        assert len([row for row in web.tags(response, "li") if row.get("aria-current")]) == 1
        assert f"{id} 900 ms" in [said for _, said in rows(response)]
        assert "20,000" in web.text(response)
        assert "20 failed" in web.text(response)

    # A trace is one query; without one, the way to the top takes a few more, however many levels it has.
    assert max(counts.values()) <= (22 if trace else 22 + 2 * trees.FEW)
    assert len(set(counts.values())) == 1 if trace else counts["s0"] <= 22
    deepest = names(show(client, project, "s129"))
    assert deepest[0] == "s0"
    assert f"{DEEP - sum(outline.ENDS)} levels in between" in deepest
    assert {f"s{n}" for n in range(DEEP - outline.ENDS[1], DEEP)} <= set(deepest)


def test_what_is_left_out_of_a_tree_is_had_piece_by_piece(client: Client, project: Project) -> None:
    record(project, [step("run"), *(step(f"c{n:03}", "run", began=n) for n in range(250)), step("leaf", "c007")])

    page = show(client, project, "run")

    assert names(page)[:2] == ["run", "c000"]
    (more,) = [link for link in web.links(page) if "/tree/" in link]
    assert "210 more" in names(page)
    seen = [name for name in names(page) if name.startswith("c")]
    while True:
        piece = client.get(more, headers={"HX-Request": "true"})
        assert "<html" not in piece.content.decode()
        seen += [name for name in names(piece) if name.startswith("c")]
        left = [link for link in web.links(piece) if "/tree/" in link]
        if not left:
            break
        (more,) = left
    assert seen == [f"c{n:03}" for n in range(250)]

    below = show(client, project, "run", "tree/?of=c007", **{"HX-Request": "true"})
    assert rows(below) == [(2, "leaf 100 ms")]
    assert "<html" in show(client, project, "run", "tree/?of=c007").content.decode()
    assert show(client, project, "run", "tree/?of=none").status_code == 404


def test_a_step_that_says_nothing_is_not_an_empty_page(client: Client, project: Project) -> None:
    record(project, [step("silent"), step("said", input="Hello")])
    nothing = "Nothing is recorded of what it was given and what it gave back."

    assert nothing in web.text(show(client, project, "silent"))
    assert nothing not in web.text(show(client, project, "said"))


def test_times_of_events_are_shown_as_moments(client: Client, project: Project) -> None:
    told = [{"name": "retry", "time": 1_764_000_000_123_456_789}, {"name": "odd", "time": 10**30}, "not an object"]
    record(project, [step("run", events=told)])

    page = show(client, project, "run").content.decode()

    assert "2025-11-24 16:00:00.123456789 UTC" in page
    assert "1764000000" not in page
    assert str(10**30) in page and "not an object" in page


def test_a_step_among_thousands_stands_between_its_neighbours(client: Client, project: Project) -> None:
    record(project, [step("run"), *(step(f"c{n:04}", "run", began=n) for n in range(3000))])

    shown = names(show(client, project, "c1500"))

    place = shown.index("c1500")
    assert shown[place - 1 : place + 2] == ["c1499", "c1500", "c1501"]
    assert shown[1] == f"{1500 - outline.SIDE:,} more"
    assert shown[-1] == f"{2999 - 1500 - outline.SIDE:,} more"


def test_a_small_tree_is_shown_whole_in_reading_order(client: Client, project: Project) -> None:
    record(
        project,
        [
            step("a"),
            step("b", "a", began=10),
            step("c", "b", began=20, error="No"),
            step("d", "a", began=5),
            step("e", "d", began=30),
            GenerationRecord(id="g1", step_id="e", started_at=at(30), latency=0.05, model_id="gpt-4o"),
            GenerationRecord(id="g2", step_id="b", started_at=at(12), latency=0.05, name="plan"),
            GenerationRecord(id="g3", step_id="b", started_at=at(15), latency=0.05, name="decide", error="Full"),
        ],
    )

    page = show(client, project, "b")

    assert [(level, name.split()[0]) for level, name in rows(page)] == [
        (0, "a"), (1, "d"), (2, "e"), (1, "b"), (2, "Generation"), (2, "Generation"), (2, "c"),
    ]  # fmt: skip
    assert "e Generation gpt-4o" in [name.removesuffix(" 100 ms") for _, name in rows(page)]
    for id in ("g1", "g2", "g3"):
        assert f"/projects/{project.slug}/generations/{id}/" in web.links(page)
    (badge,) = [link for link in web.tags(page, "a") if link.get("data-key") == "e"]
    assert badge["href"] == f"/projects/{project.slug}/steps/c/"


def test_calls_stand_among_the_steps_beside_them_by_when_they_began(client: Client, project: Project) -> None:
    calls = {"first": 10, "second": 40, "third": 80}
    record(
        project,
        [
            step("run"),
            step("look", "run", began=20),
            step("read", "look", began=25),
            step("write", "run", began=60),
            *(GenerationRecord(id=name, step_id="run", started_at=at(n), name=name) for name, n in calls.items()),
        ],
    )

    page = show(client, project, "run")

    shown = [name.removeprefix("Generation ").split()[0] for name in names(page)]
    assert shown == ["run", "first", "look", "read", "second", "write", "third"]


def test_the_critical_path_is_what_the_end_waited_for(project: Project) -> None:
    record(
        project,
        [
            step("run", took=1000),
            step("fast", "run", began=0, took=200),
            step("slow", "run", began=0, took=600),
            step("inner", "slow", began=100, took=500),
            step("last", "run", began=650, took=350),
        ],
    )

    tree = trees.around(project, Step.objects.by_ids(project.pk, "step", ["run"]).get())

    assert {node.id for node in tree.nodes if node.is_critical} == {"run", "last", "slow", "inner"}
    assert [node.id for node in tree.nodes] == ["run", "fast", "slow", "inner", "last"]
    slow = tree.find("slow")
    assert slow is not None
    assert (tree.depth, slow.size, tree.began, tree.ended - tree.began) == (3, 2, NOON.timestamp(), 1.0)


def test_steps_that_go_round_have_the_first_of_each_ring_on_top(project: Project) -> None:
    rings = {"a": "c", "b": "a", "c": "b", "d": "c", "e": "c", "self": "self", "under": "self", "alone": None}
    recording.record(
        project,
        [
            StepRecord(id=id, parent_id=parent, trace_id="t", started_at=NOON + dt.timedelta(seconds=n))
            for n, (id, parent) in enumerate(rings.items())
        ],
    )

    for id in rings:
        tree = trees.around(project, Step.objects.by_ids(project.pk, "step", [id]).get())

        assert tree.here.id == id
        assert [root.id for root in tree.roots] == ["a", "self", "alone"]
        assert [(node.id, node.level, node.size) for node in tree.nodes] == [
            *(("a", 0, 5), ("b", 1, 4), ("c", 2, 3), ("d", 3, 1), ("e", 3, 1)),
            *(("self", 0, 2), ("under", 1, 1), ("alone", 0, 1)),
        ]


def test_steps_are_found_in_their_tree_by_name_error_text_and_model(client: Client, project: Project) -> None:
    record(
        project,
        [
            step("run"),
            step("one", "run", input="find the needle here"),
            step("two", "run", error="A Needle broke it"),
            step("needle-3", "run"),
            step("four", "run"),
            step("five", "run"),
            GenerationRecord(id="g", step_id="five", started_at=NOON, model_id="needle-xl", prompt="x"),
            step("needle elsewhere"),
        ],
    )

    found = show(client, project, "four", "tree/?find=NEEDLE", **{"HX-Request": "true"})
    nothing = show(client, project, "four", "tree/?find=haystack%00")
    cleared = show(client, project, "four", "tree/?find=", **{"HX-Request": "true"})

    assert [name.split()[0] for name in names(found)] == ["five", "needle-3", "one", "two"]
    assert "Nothing here has “haystack”" in web.text(nothing)
    assert len(rows(cleared)) == 6


def test_many_that_are_found_are_paged(client: Client, project: Project) -> None:
    record(project, [step("run", trace_id="t"), *(step(f"c{n:03}", "run", began=n, trace_id="t") for n in range(150))])

    first = show(client, project, "run", "tree/?find=c", **{"HX-Request": "true"})
    (more,) = [link for link in web.links(first) if "from=" in link]
    rest = client.get(more, headers={"HX-Request": "true"})

    assert names(first)[0] == "c000"
    assert [*names(first), *names(rest)] == [f"c{n:03}" for n in range(150)]


def test_parents_that_never_came_and_rings_have_a_place(client: Client, project: Project) -> None:
    record(
        project,
        [
            step("orphan", "never", trace_id="t"),
            step("x", "y", trace_id="t", began=1),
            step("y", "x", trace_id="t", began=2),
            step("z", "y", trace_id="t", began=3),
            *(step(f"root{n:02}", trace_id="t", began=10 + n) for n in range(60)),
        ],
    )

    page = show(client, project, "z")

    assert [(level, name.split()[0]) for level, name in rows(page)][:4] == [(0, "orphan"), (0, "x"), (1, "y"), (2, "z")]
    assert "22 more beginnings" in web.text(page)
    assert f"/projects/{project.slug}/steps/?traceId=t" in web.links(page)


def test_a_generations_page_has_the_tree_it_was_made_in(client: Client, project: Project) -> None:
    record(
        project,
        [
            step("run"),
            step("plan", "run", began=10),
            GenerationRecord(id="one", step_id="plan", started_at=at(20), prompt="x"),
            GenerationRecord(id="alone", step_id="unknown", started_at=at(20), prompt="x"),
        ],
    )

    inside, alone = web.page(client, project), web.page(client, project, "alone")

    assert [name.split()[0] for name in names(inside)] == ["run", "plan"]
    (chip,) = [link for link in web.tags(inside, "a") if "here" in (link.get("class") or "")]
    assert chip["href"] == f"/projects/{project.slug}/generations/one/"
    assert not [one for one in web.tags(alone, "section") if "tree" in (one.get("class") or "").split()]


def test_a_step_of_many_calls_leaves_the_others_theirs(project: Project) -> None:
    steps = [step("whole"), step("loop", "whole", began=1), step("last", "whole", began=2)]
    loop = [GenerationRecord(id=f"loop {n}", step_id="loop", started_at=at(n)) for n in range(40)]
    record(project, [*steps, *loop, GenerationRecord(id="its own", step_id="last", started_at=at(90))])
    tree = trees.around(project, Step.objects.get(public_id="whole"))

    found = trees.calls(project, tree.nodes, each=10)

    assert {id: [call.public_id for call in made] for id, made in found.items()} == {
        "loop": [f"loop {n}" for n in range(10)],
        "last": ["its own"],
    }


@pytest.mark.parametrize("letter", ["東", "<", "%", "a"])
def test_a_step_page_is_bounded_whatever_ids_and_names_are(client: Client, project: Project, letter: str) -> None:
    def id(n: int) -> str:
        return f"{n:04}" + letter * 160 if letter == "東" else f"{n:04}" + letter * 500

    record(
        project,
        [
            step(id(0), trace_id=letter * 300),
            *(
                step(id(n), id(n - 1 if n < 60 else 59), trace_id=letter * 300, name=letter * 900, input=letter * 3000)
                for n in range(1, 150)
            ),
            *(GenerationRecord(id=f"g{id(n)}", step_id=id(n), started_at=NOON, name=letter * 900) for n in range(150)),
        ],
    )

    for n in (0, 59, 149):
        response = client.get(f"/projects/{project.slug}/steps/{CallersId().to_url(id(n))}/")
        assert response.status_code == 200
        assert len(response.content) < BOUND
    more = client.get(f"/projects/{project.slug}/steps/{CallersId().to_url(id(0))}/tree/", {"of": id(59)})
    assert more.status_code == 200
    assert len(more.content) < BOUND


def test_every_call_of_a_common_trace_is_named_at_its_step(client: Client, project: Project) -> None:
    # An agent that asks a model and uses a tool in turn: half of its steps are calls. Ids are as OpenTelemetry's are.
    ids = [f"{1:032x}-{n:016x}" for n in range(99)]
    record(project, [step(id, ids[0] if n else None, trace_id="t", began=n) for n, id in enumerate(ids)])
    record(
        project,
        [
            GenerationRecord(id=f"g{id}", step_id=id, started_at=at(n), model_id="gpt-4o-mini-2024-07-18")
            for n, id in enumerate(ids)
            if n % 2
        ],
    )

    shown = client.get(f"/projects/{project.slug}/steps/{ids[0]}/").content.decode()

    assert shown.count('class="call-chip"') == 49


def test_another_projects_steps_are_in_no_tree(client: Client, project: Project) -> None:
    other = web.project("Other")
    record(other, [step("run", trace_id="t"), step("theirs", "run", trace_id="t"), step("only", "mine")])
    record(project, [step("run", trace_id="t"), step("mine", "run", trace_id="t")])

    page = show(client, project, "mine")

    assert names(page) == ["run", "mine"]
    assert show(client, project, "theirs", "tree/").status_code == 404
    assert client.get(f"/projects/{other.slug}/steps/run/tree/").status_code == 404


def test_what_failed_below_a_step_is_said_of_it_while_it_is_folded(client: Client, project: Project) -> None:
    steps = [step("run", took=90_000)]
    for n in range(60):
        steps.append(step(f"phase-{n}", "run", began=n * 100))
        steps += [
            step(f"p{n}-{k}", f"phase-{n}", began=n * 100 + k, error="No" if (n, k) == (50, 2) else None)
            for k in range(3)
        ]
    record(project, steps)

    near = show(client, project, "p0-0")
    opened = show(client, project, "run", "tree/?of=run&from=45", **{"HX-Request": "true"})

    assert "more 1 failed" in web.text(near)
    assert [one["data-count"] for one in web.tags(opened, "i") if "data-count" in one] == ["1"]
    [told] = [one["title"] for one in web.tags(opened, "button") if one.get("value") == "phase-50"]
    assert told == "3 below, 1 failed phase-50"
