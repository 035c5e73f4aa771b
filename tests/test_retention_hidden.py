"""Text that has expired is shown nowhere from the moment a run begins, however much of it is still to be removed."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from generations import access, exporting, horizons, jobs, recording, retention
from generations.models import Generation, GenerationPayload, Job, Project, StepPayload, User
from generations.records import Alternative, GenerationRecord, StepRecord, ThreadRecord
from tests.doors import literal
from tests.doors.rest import Caller, caller
from tests.expiring import patient
from tests.exports import folder

__all__ = ["folder", "patient"]

pytestmark = pytest.mark.django_db

ASKED, SAID = "walrus", "ivory"
"""What is looked for, and what is said beside it: pages repeat what was asked."""


class Killed(Exception):
    """A worker in the middle of its work."""


def ago(days: int) -> dt.datetime:
    return timezone.now() - dt.timedelta(days=days)


def told(days: int, suffix: str = "") -> list[Any]:
    """A thread with a step and a call in it, each of which says it wherever it can."""
    said = f"{ASKED} {SAID}{suffix}"
    own: dict[str, Any] = {"started_at": ago(days), "thread_id": f"thread{suffix}"}
    return [
        ThreadRecord(id=f"thread{suffix}", started_at=ago(days)),
        StepRecord(id=f"step{suffix}", input={"content": said}, output={"content": said}, **own),
        GenerationRecord(
            id=f"call{suffix}",
            step_id=f"step{suffix}",
            prompt=said,
            completion=said,
            variables={"topic": said},
            alternatives=(Alternative(index=0, content=said),),
            **own,
        ),
    ]


def record(project: Project, *records: Any) -> None:
    assert all(one.state != "rejected" for one in recording.record(project, records))


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Caller:
    """A project with text that is due, none of which a run comes to before it is killed."""
    monkeypatch.setattr("generations.retention.expiring.FIRST_BATCH", 1)
    made = caller("admin")
    record(made.project, *told(40), *told(5, " new"))
    record(made.project, GenerationRecord(id="first", started_at=ago(45), prompt="x"))
    record(made.project, StepRecord(id="first", started_at=ago(45), input="x"))
    # Who has text of that month and keeps it: it is not emptied whole.
    record(access.create_project("Other"), *told(40), *told(45, " too"))
    for kind in ("generations", "steps"):
        retention.add_rule(access.of_system(made.project), kind=kind, what="text", days=30)
    return made


def begin(project: Project) -> None:
    """A run that is killed after the first of its batches, which is of one row."""

    def kill(done: int) -> None:
        raise Killed

    with pytest.raises(Killed):
        retention.plan(project, is_dry=False, advance=kill)
    with horizons.lifted():
        assert GenerationPayload.objects.in_project(project.pk).count() == 2
        assert StepPayload.objects.in_project(project.pk).count() == 3


# -------------------------------------------------------------------------------------------------------------- doors
def rest(path: str) -> Callable[[Caller], str]:
    return lambda api: api.get(path).content.decode()


def graphql(query: str) -> Callable[[Caller], str]:
    return lambda api: api.post("/graphql/", {"query": query}).content.decode()


def literal_ai(query: str) -> Callable[[Caller], str]:
    return lambda api: literal.send(api, {"query": query}).content.decode()


def page(path: str) -> Callable[[Caller], str]:
    def look(api: Caller) -> str:
        user = User.objects.filter(username="root").first() or User.objects.create_superuser("root")
        api.project.memberships.get_or_create(user=user, role="owner")
        client = Client()
        client.force_login(user)
        answer: Any = client.get(path.format(home=f"/projects/{api.project.slug}", project=api.project.pk))
        assert answer.status_code == 200, path
        return (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()

    return look


def admin(model: str) -> Callable[[Caller], str]:
    def look(api: Caller) -> str:
        listed = page(f"/admin/generations/{model}/?project={{project}}")(api)
        address = listed.split(f'href="/admin/generations/{model}/')
        return listed + "".join(page(f"/admin/generations/{model}/" + one.split('"')[0])(api) for one in address[1:])

    return look


def export(kind: str, **asked: Any) -> Callable[[Caller], str]:
    def look(api: Caller) -> str:
        job = exporting.start(access.of_system(api.project), kind=kind, **asked)
        assert exporting.run(job.pk)
        job.refresh_from_db()
        with default_storage.open(job.result["file"]) as file:
            return str(file.read().decode())

    return look


CALLS = """{ generations(first: 9) { nodes {
  input { preview content } output { preview content alternatives { nodes { content } } } } } }"""
LOOKS: dict[str, Callable[[Caller], str]] = {
    "REST, a call": rest("/api/generations/call"),
    "REST, calls": rest("/api/generations"),
    "REST, calls whose input has it": rest(f"/api/generations?input.content__contains={ASKED}"),
    "REST, calls whose beginnings have it": rest(f"/api/generations?text__contains={ASKED}"),
    "REST, calls that are searched for it": rest(f"/api/generations?search__contains={ASKED}"),
    "REST, a step": rest("/api/steps/step"),
    "REST, steps whose output has it": rest(f"/api/steps?output.content__contains={ASKED}"),
    "GraphQL, calls": graphql(CALLS),
    "GraphQL, steps": graphql("{ steps(first: 9) { nodes { inputPreview input } } }"),
    "Literal AI, a thread": literal_ai('{ threadDetail(id: "thread") { steps { input output } } }'),
    "page, calls": page("{home}/generations/"),
    "page, a call": page("{home}/generations/call/"),
    "page, a call as JSON": page("{home}/generations/call/?view=json"),
    "page, calls as a table": page("{home}/generations.csv"),
    "page, a thread": page("{home}/threads/thread/"),
    "page, steps": page("{home}/steps/"),
    "page, a step": page("{home}/steps/step/"),
    "page, a step as JSON": page("{home}/steps/step/?view=json"),
    "page, a search": page(f"{{home}}/search/?q={ASKED}"),
    "admin, calls": admin("generation"),
    "admin, steps": admin("step"),
    "export, calls as lines": export("generations", format="jsonl"),
    "export, calls as a table": export("generations", format="csv"),
    "export, steps as lines": export("steps", format="jsonl"),
    "export, steps as a table": export("steps", format="csv"),
}


def showing(api: Caller) -> list[str]:
    """Which of them show what is due, beside what is not."""
    return [name for name, look in LOOKS.items() if SAID in look(api).replace(f"{SAID} new", "")]


def test_expired_text_is_shown_nowhere_while_it_is_removed(api: Caller) -> None:
    before = showing(api)
    begin(api.project)

    assert before == list(LOOKS)
    assert showing(api) == []
    assert f"{SAID} new" in LOOKS["REST, calls"](api)


def test_the_next_run_removes_the_rest_and_then_nothing_is_hidden(api: Caller) -> None:
    begin(api.project)
    report = retention.plan(api.project, is_dry=False).document()
    record(api.project, *told(50, " late"))

    assert [line["count"] for line in report["rules"]] == [1, 2]
    assert (hidden(api), GenerationPayload.objects.in_project(api.project.pk).count()) == ((None, None), 2)
    assert f"{SAID} late" in LOOKS["REST, calls"](api)


def test_what_is_held_before_it_was_removed_is_shown_again(api: Caller) -> None:
    begin(api.project)
    retention.add_hold(access.of_system(api.project), reason="Case 7", kind="generations")
    retention.plan(api.project, is_dry=False)

    assert showing(api) == list(LOOKS)


def test_a_dry_run_hides_nothing(api: Caller) -> None:
    seen: list[tuple[Any, ...]] = []
    retention.plan(api.project, is_dry=True, advance=lambda done: seen.append(hidden(api)))

    assert seen
    assert set(seen) == {(None, None)}


def test_only_what_is_all_due_is_hidden(api: Caller) -> None:
    grant = access.of_system(api.project)
    for rule in retention.rules(grant):
        retention.remove_rule(grant, rule.pk)
    retention.add_rule(grant, kind="generations", what="text", days=42, document={"hasError": True})
    retention.add_rule(grant, kind="generations", what="text", days=30)
    retention.add_rule(grant, kind="steps", what="text", days=None, document={"hasError": True})
    retention.add_rule(grant, kind="steps", what="text", days=30)
    begun = timezone.now()
    seen: list[tuple[Any, ...]] = []
    retention.plan(api.project, is_dry=False, advance=lambda done: seen.append(hidden(api)))

    calls, steps = seen[0]
    assert begun <= calls + dt.timedelta(days=42) <= timezone.now()
    assert steps is None


def test_a_rule_that_asks_what_was_said_finds_what_is_hidden(api: Caller) -> None:
    grant = access.of_system(api.project)
    retention.add_rule(grant, kind="generations", what="all", days=30, document={"input.content": {"$contains": ASKED}})

    retention.plan(api.project, is_dry=False)

    left = Generation.objects.in_project(api.project.pk).values_list("public_id", flat=True)
    assert sorted(left) == ["call new", "first"]


def hidden(api: Caller) -> tuple[Any, ...]:
    """From when on text of generations and of steps is shown."""
    project = Project.objects.get(pk=api.project.pk)
    return project.generation_text_from, project.step_text_from


def test_of_more_projects_than_a_process_knows_those_are_forgotten_that_it_has_not_read_for_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(horizons, "_moments", type(horizons._moments)())
    monkeypatch.setattr(horizons, "MOST", 2)
    moment = ago(30)
    for project in (1, 2, 1, 3):
        horizons.note(project, "generation", moment)
    horizons.note(1, "step", None)

    assert [horizons.of(project, "generation") for project in (1, 2, 3)] == [moment, None, moment]


def test_what_a_killed_attempt_did_is_in_the_report(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    job = retention.start(access.of_system(api.project), is_dry=False)
    with monkeypatch.context() as patched:
        patched.setattr(jobs.Lease, "advance", kill)
        with pytest.raises(Killed):
            retention.run_retention(job.pk)
    Job.objects.filter(pk=job.pk).update(leased_until=timezone.now() - dt.timedelta(seconds=1))
    counted = retention.plan(api.project, is_dry=True).done

    assert retention.run_retention(job.pk)
    job.refresh_from_db()
    done = sum(line["count"] for line in job.result["rules"])

    assert (job.state, job.attempts) == ("done", 2)
    assert (counted, done) == (3, 4)


def kill(*_: object) -> None:
    raise Killed
