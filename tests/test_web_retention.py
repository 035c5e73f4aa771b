"""Settings > Retention, the page that erases, and what a page says of a text that expired."""

import datetime as dt
import uuid

import pytest
from django.utils import timezone

from generations import access, recording, retention, tasks
from generations.models import AuditEntry, Generation, Job, LegalHold, Project, RetentionRule
from generations.models.accounts import Role
from generations.records import GenerationRecord
from tests.web import page, person, project, recorded, signed_in, text

pytestmark = pytest.mark.django_db


def at(own: Project, rest: str = "") -> str:
    return f"/projects/{own.slug}/settings/retention/{rest}"


def test_an_administrator_makes_rules_counts_and_expires() -> None:
    own = project()
    old = timezone.now() - dt.timedelta(days=40)
    recording.record(own, [GenerationRecord(id="one", started_at=old, prompt="Hello", completion="Hi")])
    client = signed_in(own, Role.ADMIN)

    added = client.post(
        at(own, "rules/"),
        {
            "kind": "generations",
            "what": "text",
            "days": "365",
            "filter": f"/projects/{own.slug}/generations/?hasError=true",
        },
    )
    client.post(at(own, "rules/"), {"kind": "generations", "what": "text", "days": "30", "filter": ""})
    client.post(at(own, "run/"), {"how": "count"})
    client.post(at(own, "run/"), {"how": "expire"})
    for job in Job.objects.order_by("created_at"):
        tasks.run_job(str(job.pk))
    shown = text(client.get(at(own)))

    assert added.status_code == 302
    assert [(one.days, one.filter) for one in RetentionRule.objects.all()] == [(365, {"hasError": True}), (30, {})]
    assert [job.parameters for job in Job.objects.order_by("created_at")] == [{"dry": True}, {"dry": False}]
    assert "Text of generations failed 365 days" in shown
    assert "Added: text of generations: 30 days." in shown
    assert "Text of generations where failed: 365 days: 0 due" in shown
    assert "Text of generations: 30 days: 1 due" in shown
    expired = text(page(client, own))
    assert f"Its text expired on {timezone.now():%Y-%m-%d}" in expired
    assert "No answer" not in expired


def test_a_report_is_asked_for_until_it_is_there_and_a_rule_is_not_removed_by_one_click() -> None:
    own = project()
    client = signed_in(own, Role.ADMIN)
    client.post(at(own, "rules/"), {"kind": "generations", "what": "text", "days": "30", "filter": ""})
    client.post(at(own, "run/"), {"how": "count"})
    (job,) = Job.objects.all()

    waits = client.get(at(own)).content.decode()
    tasks.run_job(str(job.pk))
    done = client.get(at(own)).content.decode()

    asks = f'id="reports" hx-get="{at(own)}" hx-select="#reports" hx-trigger="every 2s"'
    assert (asks in waits, asks in done) == (True, False)
    assert f'href="/projects/{own.slug}/jobs/{job.pk}/"' in done
    (rule,) = RetentionRule.objects.all()
    before, _, after = done.partition(f'action="{at(own, f"rules/{rule.pk}/remove/")}"')
    assert before.rstrip().endswith('<form method="post"') and "<details" in before[-400:]
    assert "Remove it" in after[:400]


def test_a_rule_is_named_by_what_it_does_also_when_that_is_no_longer_possible() -> None:
    own = project()
    client = signed_in(own, Role.ADMIN)
    for document, said in (
        ({"model.id": "gpt-4o"}, "where model is gpt-4o"),
        ({"gone": 1}, "by a filter of an earlier version"),
    ):
        rule = RetentionRule.objects.create(project=own, kind="generations", what="all", days=30, filter=document)

        removed = client.post(at(own, f"rules/{rule.pk}/remove/"), follow=True)

        assert f"Removed: all of generations {said}: 30 days." in text(removed)
        assert AuditEntry.objects.latest("created_at").detail["rule"] == f"all of generations {said}: 30 days"


def test_a_rule_that_cannot_be_is_said_beside_the_form() -> None:
    own = project()
    client = signed_in(own, Role.ADMIN)

    for sent, said in (
        ({"days": "-3"}, "days"),
        ({"filter": "modl.id=x"}, "did you mean model.id"),
        ({"filter": "everything"}, "such as hasError=true"),
        ({"filter": f"/projects/{own.slug}/search/?q=invoice"}, "words are looked for by text="),
        ({"filter": f"/projects/{own.slug}/generations/?"}, "such as hasError=true"),
        ({"filter": "x" * 9_000 + "=1"}, "at most 8000 characters"),
        ({"kind": "threads"}, "kind"),
    ):
        answer = client.post(at(own, "rules/"), {"kind": "generations", "what": "text", "days": "3", **sent})
        assert (answer.status_code, said in text(answer)) == (400, True), sent
    held = client.post(at(own, "holds/"), {"kind": "generations", "reason": " "})

    assert (held.status_code, "reason" in text(held)) == (400, True)
    assert not RetentionRule.objects.exists()
    assert not LegalHold.objects.exists()


@pytest.mark.parametrize("start", ["", "/projects/x/generations/?", "https://example.com/projects/x/generations/?"])
def test_a_question_in_a_filter_is_no_end_of_an_address(start: str) -> None:
    """What is left behind it would be no filter at all, and the rule one for everything."""
    own = project()
    sent = {"kind": "generations", "what": "all", "days": "3", "filter": f"{start}name=really?"}

    assert signed_in(own, Role.ADMIN).post(at(own, "rules/"), sent).status_code == 302

    assert RetentionRule.objects.get().filter == {"name": "really?"}


def test_holds_are_made_and_released() -> None:
    own = project()
    client = signed_in(own, Role.ADMIN)

    client.post(at(own, "holds/"), {"kind": "generations", "reason": "Case 7", "filter": "metadata.userId=mia"})
    hold = LegalHold.objects.get()
    held = text(client.get(at(own)))
    client.post(at(own, f"holds/{hold.pk}/release/"))

    assert "Case 7 generations where user is mia" in held
    assert "in force" in held
    assert "released" in text(client.get(at(own)))


def test_erasing_asks_for_the_id_to_be_typed() -> None:
    own = project()
    recorded(own, user_id="mia", prompt="Hello")
    client = signed_in(own, Role.OWNER)
    address = f"/projects/{own.slug}/users/mia/erase/"

    asked = client.get(address)
    wrong = client.post(address, {"confirm": "ben"})
    untouched = Job.objects.count()
    right = client.post(address, {"confirm": "mia"})
    tasks.run_job(str(Job.objects.get().pk))

    assert "There is no way back" in text(asked)
    assert "As it is now: generations 1 participants 1 There" in text(asked)
    assert (wrong.status_code, untouched) == (400, 0)
    assert right.status_code == 302
    assert "Erased mia" in text(client.get(at(own)))
    assert not Generation.objects.in_project(own.pk).exists()
    assert client.get(address).status_code == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER])
def test_others_read_the_rules_and_change_nothing(role: str) -> None:
    own = project()
    recorded(own, user_id="mia")
    grant = access.of_system(own)
    rule = retention.add_rule(grant, kind="generations", what="text", days=3)
    hold = retention.add_hold(grant, reason="Case", kind="generations")
    before = AuditEntry.objects.count()
    client = signed_in(own, role)

    page_text = text(client.get(at(own)))
    answers = [
        client.post(at(own, "rules/"), {"kind": "generations", "what": "text", "days": "3"}),
        client.post(at(own, f"rules/{rule.pk}/remove/")),
        client.post(at(own, "holds/"), {"kind": "generations", "reason": "x"}),
        client.post(at(own, f"holds/{hold.pk}/release/")),
        client.post(at(own, "run/"), {"how": "expire"}),
        client.get(f"/projects/{own.slug}/users/mia/erase/"),
        client.post(f"/projects/{own.slug}/users/mia/erase/", {"confirm": "mia"}),
    ]

    assert "3 days" in page_text
    assert "New rule" not in page_text
    assert [one.status_code for one in answers] == [403] * 7
    assert AuditEntry.objects.count() == before
    assert not Job.objects.exists()


def test_nothing_of_another_project_is_seen_or_changed() -> None:
    own, other = project(), project("Other")
    recorded(other, user_id="mia")
    rule = retention.add_rule(access.of_system(other), kind="generations", what="text", days=3)
    client = signed_in(own, Role.OWNER)
    stranger = signed_in(project("Third"), Role.OWNER, name=person("ben").get_username() + "2")

    assert stranger.get(at(other)).status_code == 404
    assert client.get(at(other)).status_code == 404
    assert client.post(at(own, f"rules/{rule.pk}/remove/")).status_code == 404
    assert client.post(at(own, f"holds/{uuid.uuid4()}/release/")).status_code == 404
    assert client.get(f"/projects/{own.slug}/users/mia/erase/").status_code == 404
    assert "kept for ever" in text(client.get(at(own)))
    assert RetentionRule.objects.count() == 1


def test_a_rule_may_decide_earlier_and_one_that_never_does_is_told() -> None:
    own = project()
    client = signed_in(own, Role.ADMIN)
    for days, asked in (("30", ""), ("365", "hasError=true")):
        client.post(at(own, "rules/"), {"kind": "generations", "what": "text", "days": days, "filter": asked})
    last = RetentionRule.objects.get(days=365)
    assert "never decides: a rule above it takes all that is left" in text(client.get(at(own)))

    assert client.post(at(own, f"rules/{uuid.uuid4()}/earlier/")).status_code == 404
    moved = client.post(at(own, f"rules/{last.pk}/earlier/"), follow=True)

    assert [one.days for one in RetentionRule.objects.all()] == [365, 30]
    assert "Decides earlier now: text of generations where failed: 365 days." in text(moved)
    assert "never decides" not in text(moved)
    (first, second) = RetentionRule.objects.all()
    assert at(own, f"rules/{first.pk}/earlier/") not in moved.content.decode()
    assert at(own, f"rules/{second.pk}/earlier/") in moved.content.decode()
    client.post(at(own, f"rules/{first.pk}/earlier/"))
    assert [one.days for one in RetentionRule.objects.all()] == [365, 30]
    assert AuditEntry.objects.filter(project=own, action="retention.move").count() == 1


def test_a_run_that_is_under_way_or_failed_in_the_middle_is_shown() -> None:
    own = project()
    job = retention.start(access.of_system(own), is_dry=False)
    client = signed_in(own, Role.ADMIN)

    for state in (Job.State.RUNNING, Job.State.FAILED):
        Job.objects.filter(pk=job.pk).update(state=state, result={"soFar": {"files": 1, str(job.pk): 7}})
        for address in (at(own), f"/projects/{own.slug}/jobs/{job.pk}/", f"/projects/{own.slug}/jobs/"):
            shown = client.get(address)
            assert shown.status_code == 200
            assert " 7 " not in text(shown)
