"""A dry run says what a run then does: of any rules and rows, however months go and whenever a worker is killed."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

import pytest
from django.utils import timezone

from generations import access, jobs, partitions, recording, retention
from generations.models import Job, Project
from generations.records import AttachmentRecord, GenerationRecord, StepRecord
from generations.retention.emptying import moment
from tests.expiring import patient
from tests.own_files import storage
from tests.test_retention import ago, call, record, rule
from tests.web import project

__all__ = ["patient", "storage"]
pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """A worker that is no more."""


def filled(own: Project, chance: random.Random) -> None:
    """Calls and steps of four months: some of which nothing is shown, with files, or in a step that never came."""
    for n in range(40):
        common: dict[str, Any] = {
            "started_at": ago(chance.randrange(1, 130)),
            "tags": tuple(tag for tag in "xy" if chance.random() < 0.3),
            "attachments": (AttachmentRecord(id=f"f{n}", storage_key=f"attachments/{own.pk}/sha256/{n:064x}"),)
            if chance.random() < 0.2
            else (),
        }
        said: list[Any]
        if chance.random() < 0.5:
            said = [{"prompt": "Hi", "completion": "Ho"}, {"output": {"a": {}}}, {"message_completion": {}}, {}]
            within: dict[str, Any] = {"step_id": f"s{n - 1}"} if chance.random() < 0.5 else {}
            record(own, GenerationRecord(id=f"g{n}", **common, **within, **chance.choice(said)))
        else:
            said = [{"input": "Hi"}, {"attributes": {"a": 1}}, {"output": {}}, {}]
            within = {"parent_id": f"s{n - 1}"} if chance.random() < 0.5 else {}
            record(own, StepRecord(id=f"s{n}", **common, **within, **chance.choice(said)))


def ruled(own: Project, chance: random.Random) -> None:
    grant = access.of_system(own)
    for kind in ("generations", "steps"):
        for what, odds in (("text", 0.9), ("all", 0.4)):
            while chance.random() < odds:
                odds /= 2
                document = chance.choice([{"tags": "x"}, {"tags": "y"}, {"hasError": False}, None])
                rule(grant, chance.choice([20, 45, 70, 100, None]), document, kind=kind, what=what)
        if chance.random() < 0.7:
            rule(grant, chance.choice([20, 45, 70]), kind=kind)
        if chance.random() < 0.2:
            retention.add_hold(grant, reason="Case 7", kind=kind, document={"tags": chance.choice("xy")})


def counted(report: dict[str, Any]) -> list[tuple[Any, ...]]:
    found = [(line["kind"], line["what"], line["rule"], line["count"]) for line in report["rules"]]
    return [*sorted(found), ("files", report["files"])]


@pytest.mark.parametrize("seed", range(12))
def test_a_dry_run_says_what_a_run_then_does(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.retention.expiring.FIRST_BATCH", 2)
    chance = random.Random(seed)
    own = project()
    filled(own, chance)
    ruled(own, chance)
    if chance.random() < 0.4:  # who keeps text of a month has it emptied row by row
        record(project("Other"), call("other", chance.randrange(30, 130)))
    dry = retention.plan(own, is_dry=True).document()
    job = retention.start(access.of_system(own), is_dry=False)
    left = chance.randrange(12) if chance.random() < 0.7 else -1
    advance = jobs.Lease.advance

    def die(lease: jobs.Lease, done: int, total: int | None = None) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed
        advance(lease, done, total)

    monkeypatch.setattr(jobs.Lease, "advance", die)
    try:
        retention.run_retention(job.pk)
    except Killed:
        Job.objects.filter(pk=job.pk).update(leased_until=timezone.now() - dt.timedelta(minutes=1))
        retention.run_retention(job.pk)

    done = Job.objects.get(pk=job.pk)
    assert done.state == "done"
    assert counted(done.result) == counted(dry)
    again = retention.plan(own, is_dry=True).document()
    assert {line["count"] for line in again["rules"]} <= {0}


def test_steps_of_which_nothing_is_shown_are_counted_when_their_month_goes_whole() -> None:
    own = project()
    begin = moment(partitions.month_of(ago(100)))
    record(own, *(StepRecord(id=f"s{n}", started_at=begin, attributes={"a": n}) for n in range(3)))
    record(own, StepRecord(id="shown", started_at=begin, input="Hi"))
    rule(access.of_system(own), 30, kind="steps")
    dry = retention.plan(own, is_dry=True)

    done = retention.plan(own, is_dry=False)

    assert [month["count"] for month in done.months] == [4]
    assert [line["count"] for line in done.lines] == [line["count"] for line in dry.lines] == [4]


def test_the_longest_lock_of_an_attempt_that_was_killed_is_in_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.retention.expiring.FIRST_BATCH", 1)
    own = project()
    record(own, call("a", 50), call("b", 50), call("c", 50), call("other", 1))
    rule(access.of_system(own), 30, {"model.id": "gpt-4o"})
    forget, told = recording.forget, []

    def long(*given: Any, **how: Any) -> Any:
        done = forget(*given, **how)
        told.append(done)
        if len(told) == 2:
            raise Killed
        return type(done)(done.number, 7.0 if len(told) == 1 else 0.001)

    monkeypatch.setattr(recording, "forget", long)
    job = retention.start(access.of_system(own), is_dry=False)
    with pytest.raises(Killed):
        retention.run_retention(job.pk)
    Job.objects.filter(pk=job.pk).update(leased_until=timezone.now() - dt.timedelta(minutes=1))
    retention.run_retention(job.pk)

    report = Job.objects.get(pk=job.pk).result
    assert report["longestLock"] == 7.0
    assert [line["count"] for line in report["rules"]] == [3]
