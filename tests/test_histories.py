"""Whatever happened to a project, in whatever order: numbers, searches, exports and retention agree with its rows."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from generations import access, exporting, retention, rollups, search
from generations.exporting import schedules
from generations.metrics import Bucket, Dimension, Query, answering
from generations.models import Attachment, Departure, Feedback, Generation, GenerationPayload, Project, Score
from tests.expiring import patient
from tests.exports import export, folder
from tests.histories import LATER, TAKES, WORDS, WRITES, Step, act, ago, begun, steps
from tests.rollups import MEASURES, both
from tests.scheduling import SAID, root, run

__all__ = ["folder", "patient", "root"]
pytestmark = pytest.mark.django_db

QUERIES = (
    Query(measures=MEASURES),
    Query(bucket=Bucket("day"), dimensions=(Dimension("m", "model.id"),), measures=MEASURES),
    Query(dimensions=(Dimension("e", "environment"), Dimension("c", "usage.currency")), measures=MEASURES),
    Query(bucket=Bucket("month", "Pacific/Auckland"), measures=MEASURES),
)
# What fails is told as it was drawn: to find less that fails takes minutes.
often = settings(
    max_examples=20,
    phases=(Phase.explicit, Phase.generate),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


COUNTED = ("record", "amend", "end", "reprice")


@contextmanager
def history() -> Iterator[Project]:
    """A project of which nothing is left."""
    with transaction.atomic():
        yield begun()
        transaction.set_rollback(True)


# ------------------------------------------------------------------------------------------------------------- numbers
@often
@given(steps(*COUNTED, "delete", "erase", "expire", "hold", "release", "compact", least=4))
def test_rollups_say_what_the_rows_say(drawn: list[Step]) -> None:
    with history() as project, pytest.MonkeyPatch.context() as patch:
        patch.setattr(answering, "FEW", 0)
        for turn, step in enumerate(drawn):
            act(project, *step)
            assert both(project, QUERIES[turn % len(QUERIES)]).source != "rows"
            if turn % 2:
                rollups.compact()
        for query in QUERIES:
            both(project, query)


# -------------------------------------------------------------------------------------------------------------- search
@often
@given(steps("record", *WRITES, *TAKES, *LATER, least=4))
def test_what_was_said_is_found_while_it_is_stored_and_has_not_expired(drawn: list[Step]) -> None:
    with history() as project, pytest.MonkeyPatch.context() as patch:
        patch.setattr("generations.search.bits.SIZE", 8)
        patch.setattr("generations.search.finding.WALKED", 2)
        patch.setattr("generations.search.finding.READ", 2)
        for step in drawn:
            act(project, *step)
            if step[0] in ("record", "expire", "extract"):
                for word in WORDS:
                    assert found(project, word) == saying(project, word), word


def found(project: Project, word: str) -> set[str]:
    fresh = Project.objects.get(pk=project.pk)
    return {hit.generation.public_id for hit in search.find(fresh, word, patience=60).hits}


def saying(project: Project, word: str) -> set[str]:
    """The calls that have the word in their stored text."""
    texts = GenerationPayload._base_manager.filter(project_id=project.pk).values_list("uid", "prompt", "completion")
    uids = [uid for uid, *said in texts if any(word in (one or "") for one in said)]
    return set(Generation.objects.in_project(project.pk).filter(uid__in=uids).values_list("public_id", flat=True))


# ------------------------------------------------------------------------------------------------------------- exports
@often
@given(steps(*COUNTED, "judge", "retag", "delete", "erase", "expire", least=4), st.integers(1, 3))
def test_increments_together_are_what_there_is_and_hold_nothing_that_stayed(
    root: Path, drawn: list[Step], every: int
) -> None:
    with history() as project:
        grant = access.of_system(project)
        project.retention_rules.filter(what="text").delete()  # of which nothing is told
        said = {name: value for name, value in SAID.items() if name != "fields"}
        schedule = schedules.create(grant, {**said, "incremental": True})
        have: dict[str, Any] = {}
        for turn, step in enumerate([*drawn, *([("extract", None)] * every)]):
            act(project, *step)
            if turn % every == every - 1:
                have |= documents((root / run(grant, schedule).result["delivered"]).read_text())
                aged(project)
                assert run(grant, schedule).result["rows"] == 0
        with exporting.open_file(export(grant)) as file:
            there = documents(file.read().decode())
        assert {id: have.get(id) for id in there} == there


def documents(text: str) -> dict[str, Any]:
    return {document["id"]: document for document in map(json.loads, text.splitlines())}


def aged(project: Project) -> None:
    """Let everything have been written ten minutes ago: well before a run that begins now."""
    written = timezone.now() - dt.timedelta(minutes=10)
    for model in (Generation, Score, Feedback, Attachment):
        model._default_manager.filter(project_id=project.pk).update(updated_at=written)
    Departure.objects.filter(project=project).update(at=written)


# ----------------------------------------------------------------------------------------------------------- retention
@often
@given(
    steps("record", least=2, most=5),
    steps("rule", "rule", "rule", "hold", "release", "delete", "expire", least=2, most=8),
    steps(*WRITES, most=4),
)
def test_what_expires_is_what_was_counted_and_what_the_rules_say(
    before: list[Step], decided: list[Step], after: list[Step]
) -> None:
    with history() as project:
        for step in (*before, *decided, *after):
            act(project, *step)
        rows = list(Generation.objects.in_project(project.pk))
        gone, emptied = due(project, rows)
        had, had_shown = said(project), shown(project)

        counted = [line["count"] for line in retention.plan(project, is_dry=True).lines]
        untouched = Generation.objects.in_project(project.pk).count() == len(rows)
        done = [line["count"] for line in retention.plan(project, is_dry=False).lines]

        assert untouched
        assert done == counted
        assert ids(project) == {row.public_id for row in rows} - gone
        assert (said(project), shown(project)) == (had - gone - emptied, had_shown - gone - emptied)
        assert [line["count"] for line in retention.plan(project, is_dry=False).lines] == [0] * len(done)


def ids(project: Project) -> set[str]:
    return set(Generation.objects.in_project(project.pk).values_list("public_id", flat=True))


def said(project: Project) -> set[str]:
    """The calls with a text."""
    texts = GenerationPayload._base_manager.filter(project_id=project.pk).values("uid")
    return set(Generation.objects.in_project(project.pk).filter(uid__in=texts).values_list("public_id", flat=True))


def shown(project: Project) -> set[str]:
    """The calls with a preview."""
    rows = Generation.objects.in_project(project.pk)
    shown = rows.exclude(input_preview=None) | rows.exclude(output_preview=None)
    return set(shown.values_list("public_id", flat=True))


def due(project: Project, rows: list[Generation]) -> tuple[set[str], set[str]]:
    """The ids of these rows that are to go whole, and of those that are to lose their text, read off rule by rule."""
    scored = set(Score.objects.in_project(project.pk).values_list("generation_id", flat=True))

    def matches(row: Generation, document: dict[str, Any]) -> bool:
        facts = {
            "model.id": row.model_id == "large",
            "tags": "vip" in row.tags,
            "metadata.userId": row.user_id == "mia",
            "hasError": bool(row.error),
            "scores": row.public_id in scored,
        }
        return all(facts[name] for name in document)

    held = [hold.filter for hold in project.holds.filter(released_at=None)]
    found: dict[str, set[str]] = {"all": set(), "text": set()}
    for row in rows:
        for what in found:
            if any(matches(row, document) for document in held):
                continue
            rules = project.retention_rules.filter(what=what)
            rule = next((one for one in rules if matches(row, one.filter)), None)
            if rule is not None and rule.days is not None and row.started_at < ago(rule.days):
                found[what].add(row.public_id)
    return found["all"], found["text"] - found["all"]


# ------------------------------------------------------------------------------------------------------- all at once
@pytest.mark.django_db(transaction=True)
@settings(often, max_examples=4)
@given(st.lists(steps("record", *WRITES, *TAKES, *LATER, least=6), min_size=3, max_size=3))
def test_numbers_and_searches_agree_with_the_rows_when_several_have_worked_at_once(drawn: list[list[Step]]) -> None:
    project = begun()
    failures: list[BaseException] = []

    def work(own: list[Step]) -> None:
        try:
            for step in own:
                act(project, *step)
        except BaseException as error:  # noqa: BLE001  # told by the test itself
            failures.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(own,)) for own in drawn]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    rollups.compact()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answering, "FEW", 0)
        for query in QUERIES:
            both(project, query)
    for word in WORDS:
        assert found(project, word) == saying(project, word), word
