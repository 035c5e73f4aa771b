"""What is kept for how long: the first rule that matches decides, holds win, and numbers stay as they were."""

import datetime as dt
from io import StringIO
from typing import Any

import orjson
import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import access, partitions, recording, retention, search, tasks
from generations.access import Grant, NotAllowed, Scope
from generations.models import (
    Alternative,
    AuditEntry,
    Generation,
    GenerationPayload,
    GenerationSearch,
    Job,
    LegalHold,
    Project,
    RetentionRule,
    RollupDirty,
    Score,
    Step,
    StepPayload,
)
from generations.records import Alternative as Other
from generations.records import GenerationRecord, ScoreRecord, StepRecord
from tests.expiring import patient
from tests.web import project

__all__ = ["patient"]
pytestmark = pytest.mark.django_db


def ago(days: int) -> dt.datetime:
    return timezone.now() - dt.timedelta(days=days)


def call(id: str, days: int, **fields: Any) -> GenerationRecord:
    given = {"prompt": f"Prompt {id}", "completion": f"Reply {id}", "prompt_tokens": 7, "model_id": "gpt-4o"}
    return GenerationRecord(id=id, started_at=ago(days), **{**given, **fields})


def record(project: Project, *records: Any) -> None:
    assert all(one.state != "rejected" for one in recording.record(project, records))


def rule(grant: Grant, days: int | None, document: dict[str, Any] | None = None, **how: str) -> RetentionRule:
    return retention.add_rule(grant, **{"kind": "generations", "what": "text", **how}, days=days, document=document)


def expire(project: Project, *, is_dry: bool = False) -> list[int]:
    """How many rows each rule was about."""
    return [line["count"] for line in retention.plan(project, is_dry=is_dry).document()["rules"]]


def with_text(project: Project) -> set[str]:
    uids = GenerationPayload.objects.in_project(project.pk).values("uid")
    return set(Generation.objects.in_project(project.pk).filter(uid__in=uids).values_list("public_id", flat=True))


def ids(project: Project) -> set[str]:
    return set(Generation.objects.in_project(project.pk).values_list("public_id", flat=True))


def test_errors_and_scored_for_a_year_text_of_the_rest_for_thirty_days_facts_for_ever() -> None:
    own = project()
    grant = access.of_system(own)
    record(
        own,
        call("new", 5),
        call("old", 40, alternatives=(Other(index=0, content="Or this"),)),
        call("failed", 40, error="Broken"),
        call("scored", 40, scores=(ScoreRecord(name="quality", value=1.0),)),
        call("failed long ago", 400, error="Broken"),
    )
    search.fill(5)
    marks = RollupDirty.objects.in_project(own.pk).count()
    rule(grant, 365, {"$or": [{"hasError": True}, {"scores": {"$exists": True}}]})
    rule(grant, 30)

    dry = expire(own, is_dry=True)
    untouched = with_text(own)
    done = expire(own)
    again = expire(own)

    assert dry == [1, 1]
    assert untouched == ids(own)
    assert done == [1, 1]
    assert again == [0, 0]
    assert with_text(own) == {"new", "failed", "scored"}
    assert len(ids(own)) == 5
    assert not Alternative.objects.in_project(own.pk).exists()
    assert GenerationSearch.objects.in_project(own.pk).count() == 3
    gone = Generation.objects.in_project(own.pk).get(public_id="old")
    assert (gone.input_preview, gone.output_preview, gone.prompt_tokens) == (None, None, 7)
    assert RollupDirty.objects.in_project(own.pk).count() == marks


def test_everything_of_a_row_goes_with_what_hangs_on_it_and_its_hour_is_marked() -> None:
    own = project()
    record(own, call("new", 5), call("old", 40, scores=(ScoreRecord(name="quality", value=1.0),)))
    RollupDirty.objects.in_project(own.pk).delete()
    rule(access.of_system(own), 30, what="all")

    assert expire(own) == [1]

    assert ids(own) == {"new"}
    assert not Score.objects.in_project(own.pk).exists()
    assert [one.bucket.date() for one in RollupDirty.objects.in_project(own.pk)] == [ago(40).date()]


def test_a_step_goes_without_the_generations_made_in_it() -> None:
    own = project()
    record(own, StepRecord(id="step", started_at=ago(40), input="a"), call("inside", 40, step_id="step"))
    rule(access.of_system(own), 30, kind="steps", what="all")

    assert expire(own) == [1]

    assert not Step.objects.in_project(own.pk).exists()
    assert with_text(own) == {"inside"}


def test_the_text_of_steps_has_rules_of_its_own() -> None:
    own = project()
    record(own, StepRecord(id="step", started_at=ago(40), input="a", output="b"), call("old", 40))
    rule(access.of_system(own), 30, kind="steps")

    assert expire(own) == [1]

    assert not StepPayload.objects.in_project(own.pk).exists()
    assert Step.objects.in_project(own.pk).get().input_preview is None
    assert with_text(own) == {"old"}


def test_an_earlier_rule_that_keeps_for_ever_wins() -> None:
    own = project()
    grant = access.of_system(own)
    record(own, call("kept", 400, tags=("golden",)), call("old", 400))
    rule(grant, None, {"tags": "golden"})
    rule(grant, 30)

    assert expire(own) == [0, 1]
    assert with_text(own) == {"kept"}


def test_what_is_held_stays_until_the_hold_is_released() -> None:
    own = project()
    grant = access.of_system(own)
    record(own, call("held", 40, user_id="mia"), call("old", 40))
    rule(grant, 30)
    hold = retention.add_hold(grant, reason="Case 7", kind="generations", document={"metadata.userId": "mia"})

    first = expire(own)
    held = with_text(own)
    retention.release_hold(grant, hold.pk)
    second = expire(own)

    assert (first, held, second) == ([1], {"held"}, [1])


def test_a_hold_on_everything_holds_every_list() -> None:
    own = project()
    grant = access.of_system(own)
    record(own, call("old", 40), StepRecord(id="step", started_at=ago(40), input="a"))
    rule(grant, 30)
    rule(grant, 30, kind="steps", what="all")
    retention.add_hold(grant, reason="Case 7", kind="steps")

    assert expire(own) == [0, 0]


def test_a_month_is_emptied_whole_once_all_projects_have_no_use_for_it() -> None:
    own, other = project(), project("Other")
    record(own, call("old", 100))
    record(other, call("theirs", 100))
    rule(access.of_system(own), 30)

    alone = retention.plan(own, is_dry=False).document()["months"]
    theirs_after_that = with_text(other)
    record(own, call("late", 100))
    rule(access.of_system(other), 30)
    both = retention.plan(own, is_dry=False).document()["months"]

    month = f"{partitions.month_of(ago(100)):%Y%m}"
    assert (alone, theirs_after_that) == ([], {"theirs"})
    assert both == [{"kind": "generations", "month": month, "count": 1}]
    assert with_text(own) == with_text(other) == set()
    assert ids(other) == {"theirs"}
    assert AuditEntry.objects.get(project=other, action="retention.empty").detail["count"] == 1
    assert expire(other) == [1]


def test_a_month_is_not_emptied_while_a_hold_or_a_longer_rule_stands() -> None:
    own = project()
    grant = access.of_system(own)
    record(own, call("old", 100), call("kept", 100, tags=("golden",)))
    rule(grant, None, {"tags": "golden"})
    rule(grant, 30)

    report = retention.plan(own, is_dry=False).document()

    assert report["months"] == []
    assert with_text(own) == {"kept"}


def test_no_batch_keeps_rows_from_being_read_and_many_are_expired() -> None:
    own = project()
    record(own, *(call(f"old-{n}", 40) for n in range(450)))
    rule(access.of_system(own), 30, {"model.id": "gpt-4o"})

    report = retention.plan(own, is_dry=False)

    assert [line["count"] for line in report.lines] == [450]
    assert with_text(own) == set()


@pytest.mark.parametrize("what", ["text", "all"])
def test_a_batch_that_takes_too_long_is_given_up_and_done_in_smaller_ones(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A millisecond for all statements of a batch: hundreds of rows take longer.
    monkeypatch.setattr("generations.retention.emptying.MOST_WORKED", 0.0)
    monkeypatch.setattr("generations.retention.expiring.FIRST_BATCH", 400)
    own = project()
    record(own, *(call(f"old-{n}", 40) for n in range(450)))
    rule(access.of_system(own), 30, {"model.id": "gpt-4o"}, what=what)
    sizes: list[int] = []
    given_up: list[int] = []
    forget = recording.forget

    def noting(project: Project, kind: str, rows: list[Any], **how: Any) -> Any:
        sizes.append(len(rows))
        try:
            return forget(project, kind, rows, **how)
        except OperationalError:
            given_up.append(len(sizes))
            raise

    monkeypatch.setattr(recording, "forget", noting)

    report = retention.plan(own, is_dry=False)

    assert given_up
    # Text goes in turns, of which the first ones are small.
    assert what == "text" or sizes[:2] == [400, 100]
    assert [line["count"] for line in report.lines] == [450]
    assert with_text(own) == set()


def test_a_month_is_not_emptied_while_the_disk_is_busy_and_its_text_goes_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = project()
    record(own, call("old", 100))
    rule(access.of_system(own), 30)
    monkeypatch.setattr("generations.retention.emptying.MOST_WAITED", 0.0)

    report = retention.plan(own, is_dry=False)

    assert report.months == []
    assert with_text(own) == set()


@pytest.mark.django_db(transaction=True)
def test_who_reads_a_month_all_the_while_is_not_waited_for() -> None:
    own = project()
    record(own, call("old", 100))
    rule(access.of_system(own), 30)
    reader = connection.copy()
    try:
        with reader.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute(f"SELECT count(*) FROM generation_payload_p{partitions.month_of(ago(100)):%Y%m}")
            report = retention.plan(own, is_dry=False)
            cursor.execute("ROLLBACK")
    finally:
        reader.close()

    assert report.months == []
    assert with_text(own) == set()


@pytest.mark.parametrize("what", ["text", "all"])
def test_a_batch_is_one_message_whose_locks_are_free_before_it_is_on_disk(what: str) -> None:
    own = project()
    record(own, call("old", 40, scores=(ScoreRecord(name="quality", value=1.0),)))
    rule(access.of_system(own), 30, {"model.id": "gpt-4o"}, what=what)

    with CaptureQueriesContext(connection) as sent:
        retention.plan(own, is_dry=False)
    with connection.cursor() as cursor:
        # What is LOCAL to a transaction is so to that of this test.
        cursor.execute("SHOW synchronous_commit")
        committed = cursor.fetchone()

    locking = [one["sql"] for one in sent if "pg_advisory_xact_lock(" in one["sql"]]
    assert len(locking) == 1
    assert "_gone AS (DELETE FROM generation_payload" in locking[0]
    assert "INSERT INTO search_mark" in locking[0]
    assert committed == ("off",)


def test_only_its_own_project_is_touched() -> None:
    own, other = project(), project("Other")
    record(own, call("old", 40))
    record(other, call("old", 40))
    rule(access.of_system(own), 30, what="all")
    rule(access.of_system(own), 30)

    assert sum(expire(own)) == 1
    assert with_text(other) == {"old"}


def test_a_job_leaves_a_report_and_the_day_on_which_a_text_expired() -> None:
    own = project()
    grant = access.of_system(own)
    record(own, call("old", 40), call("new", 5))
    rule(grant, 30)
    dry, real = retention.start(grant, is_dry=True), retention.start(grant, is_dry=False)

    tasks.run_job(str(dry.pk))
    before = with_text(own)
    tasks.run_job(str(real.pk))

    dry.refresh_from_db()
    real.refresh_from_db()
    old, new = Generation.objects.in_project(own.pk).order_by("started_at")
    assert (dry.state, real.state) == (Job.State.DONE, Job.State.DONE)
    assert (dry.result["dry"], dry.result["rules"][0]["count"], before) == (True, 1, {"old", "new"})
    assert real.result["rules"][0] | {"before": None} == {
        "rule": "text of generations: 30 days",
        "kind": "generations",
        "what": "text",
        "filter": {},
        "before": None,
        "count": 1,
    }
    assert retention.expired_on(old) == real.finished_at
    assert retention.expired_on(new) is None


def test_each_project_with_rules_has_a_job_a_day() -> None:
    own = project()
    project("Without rules")
    rule(access.of_system(own), 30)

    first, second = retention.due(), retention.due()

    assert [job.project_id for job in first] == [own.pk]
    assert second == []


def test_a_rule_whose_filter_is_no_longer_possible_expires_nothing() -> None:
    own = project()
    record(own, call("old", 40))
    RetentionRule.objects.create(project=own, kind="generations", what="text", days=30, filter={"gone": 1})
    job = retention.start(access.of_system(own), is_dry=False)

    retention.run_retention(job.pk)

    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    assert "gone" in job.error
    assert with_text(own) == {"old"}


@pytest.mark.parametrize(
    ("how", "wrong"),
    [
        ({"days": 0}, "days"),
        ({"days": 99_999}, "days"),
        ({"kind": "threads"}, "kind"),
        ({"what": "some"}, "what"),
        ({"document": {"modl.id": "x"}}, "model.id"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(how: dict[str, Any], wrong: str) -> None:
    own = project()

    with pytest.raises(retention.BadRule, match=wrong):
        retention.add_rule(access.of_system(own), **{"kind": "generations", "what": "text", "days": 3, **how})

    assert not RetentionRule.objects.exists()


def test_rules_and_holds_are_an_administrators_and_of_one_project() -> None:
    own, other = project(), project("Other")
    admin = access.of_system(own)
    member = Grant(project=own, scopes=frozenset({Scope.READ, Scope.WRITE}))
    made = rule(admin, 30)
    hold = retention.add_hold(admin, reason="Case", kind="generations")

    for act in (
        lambda: rule(member, 30),
        lambda: retention.move_up(member, made.pk),
        lambda: retention.remove_rule(member, made.pk),
        lambda: retention.add_hold(member, reason="x", kind="generations"),
        lambda: retention.release_hold(member, hold.pk),
        lambda: retention.start(member, is_dry=True),
        lambda: retention.erase(member, "mia"),
    ):
        with pytest.raises(NotAllowed):
            act()

    assert retention.move_up(access.of_system(other), made.pk) is None
    assert retention.remove_rule(access.of_system(other), made.pk) is None
    assert retention.release_hold(access.of_system(other), hold.pk) is None
    assert (RetentionRule.objects.count(), LegalHold.objects.get().released_at) == (1, None)
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {"retention.add", "hold.add"}


def test_the_command_counts_or_expires_and_prints_its_report() -> None:
    own = project()
    record(own, call("old", 40))
    call_command("retention", "--dry-run", stdout=(out := StringIO()), stderr=(err := StringIO()))
    assert (out.getvalue(), err.getvalue()[:32]) == ("", "No project has rules of retentio")
    rule(access.of_system(own), 30)

    call_command("retention", "--dry-run", stdout=out)
    after_dry = with_text(own)
    call_command("retention", "--project", own.slug, stdout=out)

    dry, done = [orjson.loads(line) for line in out.getvalue().splitlines()]
    assert (dry["project"], dry["dry"], dry["rules"][0]["count"]) == (own.slug, True, 1)
    assert after_dry == {"old"}
    assert (done["dry"], done["rules"][0]["count"], with_text(own)) == (False, 1, set())
    with pytest.raises(CommandError, match="no project 'nowhere'"):
        call_command("retention", "--project", "nowhere")


def test_a_merge_cannot_bring_an_expired_text_back() -> None:
    own = project()
    record(own, call("old", 40))
    rule(access.of_system(own), 30, {"model.id": "gpt-4o"})
    expire(own)

    record(own, GenerationRecord(id="old", tags=("seen",)))

    assert with_text(own) == set()
    assert expire(own) == [0]
