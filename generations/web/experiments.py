"""Experiments: their list, and one to four of them side by side."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, F, Model, Q, TextField
from django.db.models.functions import Cast, Left
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_safe

from generations import experiments
from generations.access import Grant, Scope
from generations.experiments import Comparison, Difference, Line, Outcome, Run, Verdict
from generations.intervals import Interval
from generations.models import DatasetItem, Experiment, ExperimentItem, Generation, Score, Step
from generations.querysets import shown
from generations.web.datasets import text_of
from generations.web.frame import show
from generations.web.gate import page
from generations.web.stretches import stretch

PAGE: Final = 25
MOST_OTHERS: Final = 20
SHOWN: Final = 4_800
"""The most bytes of the texts of one line: its input, what was expected, and the outputs and reasons."""
READ: Final = 40_000
"""The most characters of the JSON of an input or output that are read for it."""
REASONS: Final = 5
"""The most reasons in one cell."""


@dataclass(frozen=True, slots=True)
class Number:
    """A measure of one result, and by how much it is more than the first experiment's."""

    name: str
    value: float
    difference: float | None
    is_better: bool | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a result was scored as it was, or why it could not be."""

    name: str
    text: str
    is_scored: bool


@dataclass(frozen=True, slots=True)
class Cell:
    """A result as the page shows it; `link` leads to the call or the run that made it."""

    run: str
    text: str
    link: str
    kind: str
    error: str | None
    repeats: int
    numbers: list[Number]
    reasons: list[Reason]


@dataclass(frozen=True, slots=True)
class Shown:
    """A line of the comparison as the page shows it."""

    asked: str
    expected: str
    item: str
    cells: list[Cell | None]


@dataclass(frozen=True, slots=True)
class Column:
    """An experiment of the comparison: what it is called here, and the address that makes it the baseline."""

    name: str
    run: Run
    as_baseline: str


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure in all experiments, for the summary."""

    name: str
    is_money: bool
    is_time: bool
    means: list[tuple[Column, Interval | None, Difference | None, bool | None]]


@dataclass(frozen=True, slots=True)
class Decided:
    """Who is ahead in a measure, and whether that is more than chance."""

    name: str
    is_money: bool
    is_time: bool
    ahead: str
    behind: str
    difference: Difference
    is_won: bool
    currency: str | None


@page()
@require_safe
def experiment_list(request: HttpRequest, grant: Grant) -> HttpResponse:
    """The project's experiments, the newest first; the boxes of two to four of them lead to their comparison."""
    rows = Experiment.objects.filter(project=grant.project).select_related("dataset", "created_by")
    context = {
        "rows": stretch(request, rows.annotate(count=Count("items"))),
        "server": f"{request.scheme}://{request.get_host()}",
    }
    return show(request, grant, "experiments/page.html", context, here="experiments")


@page()
@require_http_methods(["GET", "HEAD", "POST"])
def experiment(request: HttpRequest, grant: Grant, id: uuid.UUID) -> HttpResponse:
    """One experiment: the same page as for several, with the others on its dataset to compare it with."""
    found = experiments.find(grant, str(id))
    if found is None:
        raise Http404("There is no such experiment in this project.")
    if request.method == "POST":
        grant.need(Scope.WRITE)
        experiments.delete(grant, str(id))
        messages.success(request, f"{found.name} is deleted.")
        return redirect("web:experiments", slug=grant.project.slug)
    return _compared(request, grant, [found])


@page()
@require_safe
def compare(request: HttpRequest, grant: Grant) -> HttpResponse:
    """Two to four experiments, `id` by `id`, the first as the baseline; lines sorted by how they differ in `by`."""
    ids = list(dict.fromkeys(filter(None, request.GET.getlist("id"))))
    rows = [experiments.find(grant, id) for id in ids[: experiments.MOST_RUNS + 1]]
    known = [row for row in rows if row is not None]
    if len(known) < len(rows):
        raise Http404("There is no such experiment in this project, or not any more.")
    if len(known) == 1:
        return redirect("web:experiment", slug=grant.project.slug, id=known[0].pk)
    if not 2 <= len(known) <= experiments.MOST_RUNS:
        messages.error(request, f"Choose two to {experiments.MOST_RUNS} experiments to compare.")
        return redirect("web:experiments", slug=grant.project.slug)
    return _compared(request, grant, known)


def _compared(request: HttpRequest, grant: Grant, rows: Sequence[Experiment]) -> HttpResponse:
    given = request.GET
    by, sort = given.get("by", ""), given.get("sort", "difference")
    sort = sort if sort in experiments.SORTS else "difference"
    comparison = experiments.compare(grant, rows, by=by, sort=sort)
    by = by if by in comparison.measures else ""
    names = _names(rows)
    decided = [_decided(comparison, one, names) for one in comparison.verdicts()]
    # Lines are put in order in memory, so that a number tells a page of them.
    pages = Paginator(comparison.lines, PAGE)
    current = pages.get_page(given.get("page"))
    lines = _shown(grant, comparison, list(current), names)
    columns = [
        Column(name, run, "?" + urlencode([("id", str(one.pk)) for one in (row, *(r for r in rows if r is not row))]))
        for name, run, row in zip(names, comparison.runs, rows, strict=True)
    ]
    query = [("id", str(row.pk)) for row in rows] if len(rows) > 1 else []
    context = {
        "experiment": rows[0],
        "comparison": comparison,
        "columns": columns,
        "decided": decided,
        "sentence": _sentence(decided),
        "summary": [_measured(comparison, columns, name) for name in comparison.measures],
        "lines": lines,
        "is_expected": any(line.expected for line in lines),
        "shown": SHOWN // (2 + 2 * len(rows)),
        "reason_shown": SHOWN // (2 + 2 * len(rows)) // REASONS * 2,
        "least": experiments.LEAST,
        "page": current,
        "by": by,
        "sort": sort,
        "sorts": (
            ("order", "as run"),
            ("difference", "most different"),
            ("worse", "worse than the baseline first"),
            ("better", "better than the baseline first"),
        ),
        "address": urlencode([*query, *([("by", by), ("sort", sort)] if given.get("sort") else [])]),
        "others": _others(grant, rows) if len(rows) < experiments.MOST_RUNS else [],
    }
    return show(request, grant, "experiments/compare.html", context, here="experiments")


def _others(grant: Grant, rows: Sequence[Experiment]) -> list[Experiment]:
    """What these can be compared with, the newest first: experiments on the same dataset, or like these on none, whose
    results belong together where they were given the same input."""
    alike = Q(dataset__in={row.dataset_id for row in rows if row.dataset_id})
    if any(row.dataset_id is None for row in rows):
        alike |= Q(dataset=None)
    found = Experiment.objects.filter(alike, project=grant.project).exclude(pk__in=[row.pk for row in rows])
    return list(found.order_by("-created_at")[:MOST_OTHERS])


def _names(rows: Sequence[Experiment]) -> list[str]:
    """What tells experiments apart: their names, without the beginning up to a colon that an evaluation gave to all."""
    parts = [row.name.rpartition(": ") for row in rows]
    rests = [rest for *_, rest in parts]
    is_shared = len({start for start, *_ in parts}) == 1 and len(set(rests)) == len(rests) > 1 and all(rests)
    return rests if is_shared else [row.name for row in rows]


def _decided(comparison: Comparison, one: Verdict, names: Sequence[str]) -> Decided:
    is_score = one.name in comparison.names
    is_money, is_time = not is_score and one.name == "cost", not is_score and one.name == "latency"
    currency = comparison.runs[one.ahead].currency
    return Decided(
        one.name, is_money, is_time, names[one.ahead], names[one.behind], one.difference, one.is_won, currency
    )


def _sentence(decided: Sequence[Decided]) -> str:
    """Who wins, in words."""
    won: dict[str, list[str]] = {}
    for one in decided:
        won.setdefault(one.ahead if one.is_won else "", []).append(one.name[:40])
    unclear = won.pop("", [])
    said = [f"{name[:80]} is better in {' and '.join(measures)}." for name, measures in won.items()]
    return " ".join([*said, *([f"No clear difference in {' and '.join(unclear)}."] if unclear else [])])


def _measured(comparison: Comparison, columns: Sequence[Column], name: str) -> Measured:
    means = []
    for column in columns:
        run = column.run
        difference = run.differences.get(name)
        is_better = None
        if difference is not None and difference.is_clear:
            is_better = (difference.interval.mean < 0) is experiments.lower_is_better(name)
        means.append((column, run.means.get(name), difference, is_better))
    is_score = name in comparison.names
    return Measured(name, not is_score and name == "cost", not is_score and name == "latency", means)


# --------------------------------------------------------------------------------------------------------------- lines
def _shown(grant: Grant, comparison: Comparison, lines: Sequence[Line], names: Sequence[str]) -> list[Shown]:
    outcomes = [one for line in lines for one in line.outcomes if one is not None]
    results = _texts(ExperimentItem, (one.item for one in outcomes), "input", "output")
    items = _texts(DatasetItem, (line.dataset_item for line in lines), "input", "expected_output")
    reasons = _reasons(grant, outcomes)
    previews = _previews(grant, [one for one in outcomes if not results.get(one.item, ("", ""))[1]])
    datasets = {run.experiment.dataset_id for run in comparison.runs}
    dataset = next(iter(datasets)) if len(datasets) == 1 else None
    made = []
    for line in lines:
        first = next(one for one in line.outcomes if one is not None)
        asked, expected = items.get(line.dataset_item, ("", ""))
        cells = [
            None
            if one is None
            else _cell(grant, comparison, line, place, one, names[place], _output(one, results, previews), reasons)
            for place, one in enumerate(line.outcomes)
        ]
        item = ""
        if dataset is not None and line.dataset_item is not None:
            item = reverse("web:dataset-item", args=[grant.project.slug, dataset, line.dataset_item])
        made.append(Shown(asked or results.get(first.item, ("", ""))[0], expected, item, cells))
    return made


def _output(one: Outcome, results: Mapping[Any, tuple[str, str]], previews: Mapping[str, str]) -> str:
    return results.get(one.item, ("", ""))[1] or previews.get(one.generation_id or one.run_id or "", "")


def _cell(
    grant: Grant,
    comparison: Comparison,
    line: Line,
    place: int,
    one: Outcome,
    name: str,
    text: str,
    reasons: Mapping[str, list[Reason]],
) -> Cell:
    slug = grant.project.slug
    link, kind = "", ""
    if one.generation_id:
        link, kind = reverse("web:generation", args=[slug, one.generation_id]), "generation"
    elif one.run_id:
        link, kind = reverse("web:step", args=[slug, one.run_id]), "run"
    numbers = []
    for measure in comparison.measures:
        if measure in one.values:
            difference = line.difference(measure, place) if place else None
            better = (difference < 0) is experiments.lower_is_better(measure) if difference else None
            numbers.append(Number(measure, one.values[measure], difference, better, one.currency))
    return Cell(name, text, link, kind, one.error, one.repeats, numbers, reasons.get(str(one.item), [])[:REASONS])


def _reasons(grant: Grant, outcomes: Sequence[Outcome]) -> dict[str, list[Reason]]:
    """What was said beside the scores of these results: a judge's reason first, and why there is no score."""
    rows = Score.objects.in_project(grant.project.pk).filter(experiment_item_id__in=[str(one.item) for one in outcomes])
    rows = rows.exclude(comment=None).exclude(comment="").annotate(text=Left("comment", SHOWN))
    found: dict[str, list[Reason]] = {}
    for item, name, value, text in rows.order_by("type", "name", "created_at").values_list(
        "experiment_item_id", "name", "value", "text"
    )[: len(outcomes) * REASONS * 4]:
        found.setdefault(str(item), []).append(Reason(name, text, value is not None))
    return found


def _texts(model: type[Model], keys: Iterable[Any], *names: str) -> dict[Any, tuple[str, str]]:
    """What a person would read of two JSON columns; of what is very long its beginning, as JSON."""
    left, right = (Left(Cast(F(name), TextField()), READ) for name in names)
    rows = model._default_manager.filter(pk__in=[key for key in keys if key is not None])
    found = rows.annotate(left_text=left, right_text=right).values_list("pk", "left_text", "right_text")
    return {pk: (_read(one), _read(other)) for pk, one, other in found}


def _read(text: str | None) -> str:
    if not text or text == "null":
        return ""
    try:
        return text_of(orjson.loads(text))
    except orjson.JSONDecodeError:
        return f"{text[:SHOWN]}…"


def _previews(grant: Grant, outcomes: Sequence[Outcome]) -> dict[str, str]:
    """The beginnings of what runs and calls gave back, for results that do not say it themselves."""
    found: dict[str, str] = {}
    for model, kind, ids in (
        (Generation, "generation", [one.generation_id for one in outcomes if one.generation_id]),
        (Step, "step", [one.run_id for one in outcomes if one.run_id and not one.generation_id]),
    ):
        rows = model.objects.by_ids(grant.project.pk, kind, ids).filter(shown(grant.project.pk, kind))
        found |= {id: text or "" for id, text in rows.values_list("public_id", "output_preview")}
    return found
