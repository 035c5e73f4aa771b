"""Experiments compared: results of the same item in one line, means with intervals, differences, cost and latency."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generations import access, datasets, experiments, intervals, recording
from generations.access import Grant
from generations.datasets import NewItem
from generations.models import Experiment, Project
from generations.models.accounts import Role
from generations.records import GenerationRecord, Record, ScoreRecord, StepRecord
from tests import web

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def project() -> Project:
    return web.project()


@pytest.fixture
def grant(project: Project) -> Grant:
    return access.of_system(project)


def run(grant: Grant, name: str, values: dict[str, float | None], dataset: Any = None, **fields: Any) -> Experiment:
    """An experiment with a result for each input, scored `correct`."""
    made = experiments.create(grant, name=name, dataset_id=None if dataset is None else str(dataset.pk))
    items = {} if dataset is None else {item.input["q"]: str(item.pk) for item in datasets.items(dataset)}
    scores: list[Record] = []
    for question, value in values.items():
        item = experiments.add_item(
            grant,
            str(made.pk),
            dataset_item_id=items.get(question),
            input={"q": question},
            output=f"{name} says {question}",
            **{key: f"{given}-{question}" for key, given in fields.items()},
        )
        if value is not None:
            scores.append(ScoreRecord(id=f"{item.pk}", name="correct", value=value, experiment_item_id=str(item.pk)))
    recording.record(grant.project, scores)
    return made


def filled(grant: Grant, *questions: str) -> Any:
    made = datasets.create(grant, name="Questions")
    datasets.add_items(grant, str(made.pk), [NewItem(input={"q": q}, expected_output=q.upper()) for q in questions])
    return made


# ----------------------------------------------------------------------------------------------------------- intervals
def test_intervals_are_students_and_wilsons() -> None:
    # Tables of Student's t: 2.262 for 9, 2.086 for 20 and 1.984 for 100 degrees of freedom.
    assert [round(intervals.student(n), 3) for n in (1, 9, 11, 20, 100)] == [12.706, 2.262, 2.201, 2.086, 1.984]
    mean = intervals.of_values([1, 2, 3, 4, 5])
    assert mean is not None
    assert (mean.mean, round(mean.low or 0, 3), round(mean.high or 0, 3)) == (3, 1.037, 4.963)
    share = intervals.of_share(8, 10)
    assert share is not None
    assert (round(share.low or 0, 3), round(share.high or 0, 3)) == (0.490, 0.943)
    nothing_failed = intervals.of_share(0, 10)
    assert nothing_failed is not None
    assert (nothing_failed.low, round(nothing_failed.high or 0, 3)) == (0, 0.278)
    assert intervals.of_values([]) is None
    assert intervals.of_share(0, 0) is None
    alike = intervals.of_values([0.3 - 0.1, 0.2, 0.1 + 0.1])
    assert alike is not None
    assert (round(alike.mean, 9), alike.half) == (0.2, 0)
    one = intervals.of_values([7])
    assert one is not None
    assert (one.mean, one.low, one.half, one.excludes_zero) == (7, None, None, False)


# ------------------------------------------------------------------------------------------------------------- compared
def test_results_of_the_same_item_stand_in_one_line_also_when_it_was_edited(grant: Grant) -> None:
    dataset = filled(grant, "a", "b")
    first = run(grant, "first", {"a": 1, "b": 0}, dataset)
    item = datasets.items(dataset).get(input={"q": "a"})
    datasets.replace_item(grant, str(item.pk), NewItem(input={"q": "a"}, expected_output="edited"))
    second = run(grant, "second", {"a": 0, "c": 1}, dataset)

    comparison = experiments.compare(grant, [first, second])

    lines = {
        tuple(None if one is None else one.values.get("correct") for one in line.outcomes) for line in comparison.lines
    }
    assert lines == {(1.0, 0.0), (0.0, None), (None, 1.0)}
    assert comparison.names == ["correct"]


def test_means_differences_and_who_won(grant: Grant) -> None:
    first = run(grant, "first", {"a": 0.0, "b": 0.5, "c": 1.0, "d": None})
    second = run(grant, "second", {"a": 1.0, "b": 1.0, "c": 0.5, "e": 0.25})

    base, other = experiments.compare(grant, [first, second]).runs

    assert (base.count, other.count) == (4, 4)
    assert (base.means["correct"].mean, base.means["correct"].count) == (0.5, 3)
    assert other.means["correct"].mean == pytest.approx(0.6875)
    difference = other.differences["correct"]
    assert (difference.interval.count, difference.wins, difference.losses) == (3, 2, 1)
    assert difference.interval.mean == pytest.approx(1 / 3)
    assert difference.interval.excludes_zero is False
    assert base.differences == {}


def test_cost_and_latency_are_those_of_the_call_or_of_all_calls_below_the_run(grant: Grant) -> None:
    noon = web.NOON
    recording.record(
        grant.project,
        [
            GenerationRecord(id="call-a", started_at=noon, latency=2.0, cost=Decimal("0.5"), currency="USD"),
            StepRecord(id="run-a", type="run", started_at=noon, latency=9.0, error="Boom"),
            StepRecord(id="agent", parent_id="run-a", started_at=noon),
            GenerationRecord(id="one", step_id="agent", started_at=noon, cost=Decimal("0.25"), currency="USD"),
            GenerationRecord(
                id="two", step_id="run-a", started_at=noon + dt.timedelta(days=40), cost=Decimal("1"), currency="USD"
            ),
            GenerationRecord(id="elsewhere", step_id="other", started_at=noon, cost=Decimal("64"), currency="USD"),
        ],
    )
    calls = run(grant, "calls", {"a": 1}, generation_id="call")
    runs = run(grant, "runs", {"a": 1}, run_id="run")

    first, second = experiments.compare(grant, [calls, runs]).runs

    assert (first.means["latency"].mean, first.total_cost, first.currency) == (2, 0.5, "USD")
    assert (second.means["latency"].mean, second.total_cost, second.failed) == (9, 1.25, 1)
    assert (second.differences["cost"].wins, second.differences["cost"].losses) == (0, 1)


def test_money_of_several_currencies_is_not_added(grant: Grant) -> None:
    recording.record(
        grant.project,
        [
            GenerationRecord(id="call-a", started_at=web.NOON, cost=Decimal("1"), currency="USD"),
            GenerationRecord(id="call-b", started_at=web.NOON, cost=Decimal("1"), currency="EUR"),
        ],
    )

    (only,) = experiments.compare(grant, [run(grant, "x", {"a": 1, "b": 1}, generation_id="call")]).runs

    assert (only.total_cost, "cost" in only.means) == (None, False)


def test_repeated_runs_of_an_item_are_one_result_with_the_mean_of_their_scores(grant: Grant) -> None:
    made = run(grant, "thrice", {"a": 1})
    for value in (0, 0.5):
        item = experiments.add_item(grant, str(made.pk), input={"q": "a"}, output="again")
        recording.record(
            grant.project, [ScoreRecord(id=str(value), name="correct", value=value, experiment_item_id=str(item.pk))]
        )

    (line,) = experiments.compare(grant, [made]).lines

    assert line.outcomes[0] is not None
    assert (line.outcomes[0].repeats, line.outcomes[0].values) == (3, {"correct": 0.5})


@pytest.mark.parametrize(
    ("sort", "order"), [("order", "abcd"), ("difference", "bcad"), ("worse", "bacd"), ("better", "cabd")]
)
def test_lines_are_sorted_by_how_they_differ_and_unknown_ones_last(grant: Grant, sort: str, order: str) -> None:
    first = run(grant, "first", {"a": 0.5, "b": 1.0, "c": 0.0, "d": 1.0})
    second = run(grant, "second", {"a": 0.5, "b": 0.0, "c": 0.75, "d": None})

    comparison = experiments.compare(grant, [first, second], by="correct", sort=sort)

    known = dict(first.items.values_list("pk", "input__q"))
    assert "".join(known[line.outcomes[0].item] for line in comparison.lines if line.outcomes[0]) == order


def test_scores_of_another_project_do_not_count(grant: Grant) -> None:
    made = run(grant, "mine", {"a": 1})
    item = made.items.get()
    stranger = access.of_system(web.project("Other"))
    recording.record(stranger.project, [ScoreRecord(id="s", name="correct", value=0, experiment_item_id=str(item.pk))])

    assert experiments.compare(grant, [made]).runs[0].means["correct"].mean == 1


# -------------------------------------------------------------------------------------------------------------- winners
def valued(*values: float) -> dict[str, float | None]:
    """Values of as many inputs."""
    return {f"q{n}": value for n, value in enumerate(values)}


def test_who_is_better_by_more_than_chance_wins_with_the_difference_and_the_items(grant: Grant) -> None:
    first = run(grant, "first", valued(0, 0, 0, 0, 0.5, 1, 1, 1))
    second = run(grant, "second", valued(1, 1, 1, 1, 1, 1, 1, 0.75))

    (verdict,) = experiments.compare(grant, [first, second]).verdicts()

    assert (verdict.name, verdict.ahead, verdict.behind, verdict.is_won) == ("correct", 1, 0, True)
    difference = verdict.difference
    assert (difference.wins, difference.losses, difference.ties) == (5, 1, 2)
    assert difference.interval.mean == pytest.approx(4.25 / 8)
    assert (round(difference.interval.low or 0, 3), round(difference.interval.high or 0, 3)) == (0.078, 0.984)


@pytest.mark.parametrize(
    ("first", "second", "ahead"),
    [
        (valued(0, 1, 0, 1, 0, 1, 0, 1), valued(1, 0, 1, 0, 1, 0, 1, 1), 1),
        (valued(0, 0, 0, 0, 0), valued(1, 1, 1, 1, 1), 1),
        (valued(1, 1, 1, 1, 1, 1), valued(1, 1, 1, 1, 1, 1), 0),
    ],
)
def test_what_may_be_chance_or_is_of_few_items_is_no_clear_difference(
    grant: Grant, first: dict[str, float | None], second: dict[str, float | None], ahead: int
) -> None:
    rows = [run(grant, "first", first), run(grant, "second", second)]

    (verdict,) = experiments.compare(grant, rows).verdicts()

    assert (verdict.ahead, verdict.is_won) == (ahead, False)


def test_among_several_the_winner_is_clearly_better_than_each(grant: Grant) -> None:
    low, high = valued(0, 0.1, 0, 0.1, 0, 0.1), valued(1, 0.9, 1, 0.9, 1, 0.9)
    worst, best, alike = run(grant, "worst", low), run(grant, "best", high), run(grant, "alike", high)

    (alone,) = experiments.compare(grant, [worst, best]).verdicts()
    (shared,) = experiments.compare(grant, [worst, best, alike]).verdicts()
    (backwards,) = experiments.compare(grant, [best, worst]).verdicts()

    assert (alone.ahead, alone.behind, alone.is_won) == (1, 0, True)
    assert (shared.ahead, shared.behind, shared.is_won) == (1, 2, False)
    assert (backwards.ahead, backwards.behind, backwards.is_won, backwards.difference.wins) == (0, 1, True, 6)


def test_of_cost_less_is_better_and_currencies_are_not_compared(grant: Grant) -> None:
    for name, currency, cost in (("dear", "USD", 2), ("cheap", "USD", 1), ("foreign", "EUR", 1)):
        recording.record(
            grant.project,
            [
                GenerationRecord(id=f"{name}-q{n}", started_at=web.NOON, cost=Decimal(cost), currency=currency)
                for n in range(6)
            ],
        )
    none = dict.fromkeys(valued(*[0] * 6))
    dear, cheap, foreign = (run(grant, name, none, generation_id=name) for name in ("dear", "cheap", "foreign"))

    (verdict,) = experiments.compare(grant, [dear, cheap]).verdicts()
    apart = experiments.compare(grant, [dear, foreign])

    assert (verdict.name, verdict.ahead, verdict.is_won, verdict.difference.interval.mean) == ("cost", 1, True, -1)
    assert (apart.verdicts(), apart.runs[1].differences) == ([], {})


def test_without_a_measure_lines_are_sorted_by_all_scores_each_by_its_own_spread(grant: Grant) -> None:
    first = run(grant, "first", {"a": 0.0, "b": 0.0, "c": 0.0})
    second = run(grant, "second", {"a": 0.1, "b": 0.0, "c": 0.5})
    tone = {"a": 1.0, "b": 5.0, "c": 1.0}
    for made, by in ((first, 0), (second, 1)):
        recording.record(
            grant.project,
            [
                ScoreRecord(id=f"t{pk}", name="tone", value=tone[q] if by else 1.0, experiment_item_id=str(pk))
                for pk, q in made.items.values_list("pk", "input__q")
            ],
        )

    comparison = experiments.compare(grant, [first, second], sort="difference")

    known = dict(first.items.values_list("pk", "input__q"))
    # b differs by all of tone's spread and c by all of correct's; a by a fifth of it.
    assert "".join(known[line.outcomes[0].item] for line in comparison.lines if line.outcomes[0]) == "bca"


# ----------------------------------------------------------------------------------------------------------- the pages
def test_two_experiments_are_listed_chosen_and_compared(project: Project, grant: Grant) -> None:
    client = web.signed_in(project)
    dataset = filled(grant, "a", "b", HOSTILE)
    recording.record(project, [web.call(0, id="call-a"), web.call(1, id="call-b")])
    first = run(grant, "short prompt", {"a": 0.25, "b": 1.0, HOSTILE: 1.0}, dataset, generation_id="call")
    second = run(grant, f"long {HOSTILE}", {"a": 0.75, "b": 0.5}, dataset)

    listed = client.get("/projects/shop/experiments/")
    assert "/projects/shop/evaluate/" in web.links(listed)
    address = f"/projects/shop/experiments/compare/?id={first.pk}&id={second.pk}"
    compared = client.get(f"{address}&by=correct&sort=worse")

    assert "short prompt Questions 3" in web.text(listed)
    words = web.text(compared)
    assert "2 experiments side by side" in words
    assert "better in 1, worse in 1" in words
    assert "-0.5" in words
    assert "not run" in words
    assert words.index("short prompt says b") < words.index("short prompt says a")
    assert "/projects/shop/generations/call-a/" in web.links(compared)
    assert "<script>alert" not in compared.content.decode()
    assert "<script>alert" not in listed.content.decode()
    assert client.get(f"/projects/shop/experiments/{first.pk}/").status_code == 200


def test_what_cannot_be_compared_is_said(project: Project, grant: Grant) -> None:
    client = web.signed_in(project)
    made = run(grant, "one", {"a": 1})
    theirs = run(access.of_system(web.project("Other")), "theirs", {"a": 1})
    address = "/projects/shop/experiments/compare/"

    assert client.get(f"{address}?id={made.pk}&id={theirs.pk}").status_code == 404
    assert client.get(f"{address}?id={made.pk}&id=x").status_code == 404
    assert client.get(f"{address}?id={made.pk}&id=").headers["Location"] == f"/projects/shop/experiments/{made.pk}/"
    assert "Choose two to 4" in web.text(client.get(address, follow=True))
    assert client.get(f"/projects/shop/experiments/{theirs.pk}/").status_code == 404


def test_only_who_may_write_deletes_an_experiment(project: Project, grant: Grant) -> None:
    made = run(grant, "one", {"a": 1})
    address = f"/projects/shop/experiments/{made.pk}/"

    assert web.signed_in(project, Role.VIEWER, "vic").post(address).status_code == 403
    assert web.signed_in(web.project("Other"), name="zoe").post(address).status_code == 404
    assert Client().post(address).status_code == 401
    assert Experiment.objects.count() == 1
    web.signed_in(project).post(address)
    assert Experiment.objects.count() == 0


def test_a_comparison_takes_as_many_queries_for_one_item_as_for_fifty(project: Project, grant: Grant) -> None:
    client = web.signed_in(project)
    counts = []
    for questions in (["0"], [str(n) for n in range(50)]):
        recording.record(project, [web.call(n, id=f"call-{n}") for n in range(50)])
        made = [run(grant, f"{n} {len(questions)}", dict.fromkeys(questions, 1.0), generation_id="call") for n in "ab"]
        address = f"/projects/shop/experiments/compare/?id={made[0].pk}&id={made[1].pk}"
        with CaptureQueriesContext(connection) as queries:
            assert client.get(address).status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_the_list_takes_as_many_queries_for_one_as_for_fifty(project: Project, grant: Grant) -> None:
    client = web.signed_in(project)
    counts = []
    for more in (1, 49):
        for n in range(more):
            experiments.create(grant, name=f"e{n}")
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/projects/shop/experiments/").status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_the_comparison_names_the_winner_and_says_why_where_they_differ_most(project: Project, grant: Grant) -> None:
    client = web.signed_in(project)
    reasons = {"q0": f"It greets the user. {HOSTILE}", "q7": "It is rude. " + "y" * 5_000}
    first = run(grant, "Answer on Questions: Answer 1", valued(0, 0, 0, 0, 0.5, 1, 1, 1))
    second = run(grant, "Answer on Questions: Answer 2", valued(1, 1, 1, 1, 1, 1, 1, 0.75))
    recording.record(
        project,
        [
            ScoreRecord(
                id=f"r{pk}", name="tone", type="AI", value=4, comment=reasons.get(q), experiment_item_id=str(pk)
            )
            for pk, q in second.items.values_list("pk", "input__q")
        ]
        + [
            ScoreRecord(
                id=f"u{pk}", name="tone", type="AI", label="unscored", comment="The judge was mute.",
                experiment_item_id=str(pk),
            )
            for pk in first.items.filter(input__q="q0").values_list("pk", flat=True)
        ],
    )  # fmt: skip

    compared = client.get(f"/projects/shop/experiments/compare/?id={first.pk}&id={second.pk}")
    alone = client.get(f"/projects/shop/experiments/{second.pk}/")

    words = web.text(compared)
    assert "Answer 2 is better in correct." in words
    assert "correct Answer 2 +0.531 Answer 2 against Answer 1 0.078 to 0.984 5 1 2" in words, words[:3000]
    assert "tone, no score The judge was mute." in words
    assert "It greets the user." in words
    assert "yyyy" in words
    assert len(compared.content) < 150_000
    assert "y" * 600 not in words
    assert "<script>alert" not in compared.content.decode()
    # Those that are equal come last.
    assert max(words.index(f"Answer 2 says q{n}") for n in (0, 1, 2, 3, 4, 7)) < words.index("Answer 2 says q5")
    assert "Winner" not in web.text(alone)
    assert "It greets the user." in web.text(alone)


def test_experiments_on_no_dataset_are_compared_with_others_on_none(project: Project, grant: Grant) -> None:
    client, other = web.signed_in(project), access.of_system(web.project("Other"))
    dataset = datasets.create(grant, name="Questions")
    datasets.add_items(grant, str(dataset.pk), [NewItem(input={"q": "x"})])
    on_data = run(grant, "on data", {"x": 1.0}, dataset)
    first, second = run(grant, "first of logged calls", {"x": 0.5}), run(grant, "second of logged calls", {"x": 1.0})
    run(other, "elsewhere", {"x": 1.0})

    alone, with_data = (client.get(f"/projects/shop/experiments/{one.pk}/") for one in (first, on_data))
    compared = web.text(client.get(f"/projects/shop/experiments/compare/?id={first.pk}&id={second.pk}"))

    assert {tag["value"] for tag in web.tags(alone, "option")} == {"", str(second.pk)}
    assert "Compare with" not in web.text(with_data)
    assert "better in 1, worse in 0" in compared
    # A table of numbers says in each cell whose they are, for where it has no head.
    assert {tag.get("data-label") for tag in web.tags(alone, "td")} >= {"first of logged calls"}
