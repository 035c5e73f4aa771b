"""What is done to a selection in the admin, in whose name, and who may do it: all of it audited."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from generations import access, tasks
from generations.models import (
    AuditEntry,
    Generation,
    Job,
    PriceOverride,
    Project,
    Score,
    Tag,
    User,
)
from tests.triage import act, client, ids_in, listed, person, project, store, superuser, tags

__all__ = ["client", "project", "superuser"]
pytestmark = pytest.mark.django_db


def test_a_selection_is_tagged_and_the_tag_removed(client: Client, project: Project, superuser: User) -> None:
    store(project, 3)

    added = act(client, project, "add_tag", ["g000", "g001"], tag=" new ")
    removed = act(client, project, "remove_tag", ["g001", "g002"], tag="old")

    assert added == "2 generations changed; the tag 'new' was added."
    assert removed == "2 generations changed; the tag 'old' was removed."
    assert tags(project) == {"g000": ["old", "new"], "g001": ["new"], "g002": []}
    assert Tag.objects.filter(project=project, name="new").exists()
    entries = AuditEntry.objects.filter(project=project, action="generation.tag").order_by("id")
    assert [(entry.user, entry.actor, entry.detail["rows"]) for entry in entries] == [
        (superuser, "root", 2),
        (superuser, "root", 2),
    ]
    assert entries[0].detail["added"] == ["new"]
    assert sorted(entries[0].detail["ids"]) == ["g000", "g001"]


def test_a_selection_is_scored_by_value_or_label(client: Client, project: Project) -> None:
    store(project, 2)

    said = act(client, project, "score", ["g000", "g001"], score_name="tone", score_value="0.5")
    act(client, project, "score", ["g000"], score_name="verdict", score_value="rude")

    assert said == "2 generations scored: tone is 0.5."
    given = Score.objects.in_project(project.pk).exclude(name="exact").order_by("name", "generation_id")
    assert [(s.name, s.generation_id, s.value, s.label, s.type, s.author) for s in given] == [
        ("tone", "g000", 0.5, None, "HUMAN", "root"),
        ("tone", "g001", 0.5, None, "HUMAN", "root"),
        ("verdict", "g000", None, "rude", "HUMAN", "root"),
    ]
    assert AuditEntry.objects.filter(project=project, action="score.create", actor="root").count() == 2


def test_a_selection_is_priced_again(client: Client, project: Project) -> None:
    store(project, 2, model_id="own", prompt_tokens=1_000_000, completion_tokens=0)
    PriceOverride.objects.create(project=project, match="own", input_price=Decimal(3), output_price=Decimal(4))

    said = act(client, project, "reprice", ["g000"])

    assert said == "1 generation cost something else now."
    costs = Generation.objects.in_project(project.pk).order_by("public_id").values_list("cost", flat=True)
    assert list(costs) == [Decimal(3), None]
    assert AuditEntry.objects.get(project=project, action="generation.reprice").detail == {"rows": 1, "ids": ["g000"]}


def test_a_selection_is_exported_by_a_job(
    client: Client,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    store(project, 3)
    sent: list[str] = []
    monkeypatch.setattr(tasks.run_job, "delay", sent.append)

    with django_capture_on_commit_callbacks(execute=True):
        said = act(client, project, "export", ["g000", "g002"])

    job = Job.objects.get(project=project)
    assert sent == [str(job.pk)]
    assert job.created_by is not None
    assert job.created_by.username == "root"
    assert sorted(job.parameters["filter"]["id"]["$in"]) == ["g000", "g002"]
    assert f'<a href="/admin/generations/job/{job.pk}/change/">' in said
    assert AuditEntry.objects.filter(project=project, action="export.start", actor="root").count() == 1


@pytest.mark.parametrize(
    ("action", "typed", "said"),
    [
        ("add_tag", {}, "Type the tag beside the action."),
        ("add_tag", {"tag": "x" * 201}, "No action selected."),
        ("remove_tag", {"tag": "  "}, "Type the tag beside the action."),
        ("score", {"score_name": "tone"}, "Type the score's name, and its value or label"),
        ("score", {"score_value": "1"}, "Type the score's name, and its value or label"),
        ("score", {"score_name": "tone", "score_value": "1e300"}, "a number between"),
    ],
)
def test_an_action_without_what_it_needs_changes_nothing(
    client: Client, project: Project, action: str, typed: dict[str, str], said: str
) -> None:
    store(project, 1)

    assert said in act(client, project, action, ["g000"], **typed)

    assert tags(project) == {"g000": ["old"]}
    assert Score.objects.in_project(project.pk).count() == 1
    assert not AuditEntry.objects.filter(project=project).exists()


def test_an_action_never_reaches_another_project(client: Client, project: Project) -> None:
    other = access.create_project("Other")
    store(project, 1)
    store(other, 1)
    theirs = Generation.objects.in_project(other.pk).get()

    client.post(
        listed("generation", project=project.pk),
        {"action": "add_tag", "index": "0", "_selected_action": [str(theirs.pk)], "tag": "new"},
    )

    assert tags(other) == {"g000": ["old"]}


def test_all_that_match_are_never_more_than_an_action_may_take(
    client: Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(project, 3)
    monkeypatch.setattr("generations.admin.generations.MOST_AT_ONCE", 2)

    said = act(client, project, "add_tag", ["g000"], tag="new", select_across="1")

    assert said == "At most 2 at once; narrow the list first."
    assert tags(project)["g000"] == ["old"]


# -------------------------------------------------------------------------------------------------------------- people
def test_only_staff_with_the_permission_come_in(project: Project) -> None:
    store(project, 1)

    outsider = Client()
    assert outsider.get(listed("generation", project=project.pk)).status_code == 302
    member = person("view_generation", "change_generation", is_staff=False)
    assert member.get(listed("generation", project=project.pk)).status_code == 302


def test_staff_see_only_what_they_have_permission_for(project: Project) -> None:
    store(project, 1)
    client = person("view_generation")

    page = client.get(listed("generation", project=project.pk))

    assert ids_in(page.content) == ["g000"]
    assert b"Add the tag to them" not in page.content
    assert b"Export them" in page.content
    assert "No action selected" in act(client, project, "add_tag", ["g000"], tag="new")
    assert tags(project) == {"g000": ["old"]}
    assert client.get(listed("step", project=project.pk)).status_code == 403
    assert client.get(listed("step")).status_code == 403


def test_staff_do_not_raise_themselves_above_superusers(superuser: User) -> None:
    client = person("view_user", "change_user", "delete_user")
    pat = User.objects.get(username="pat")
    there = reverse("admin:generations_user_change", args=[superuser.pk])

    client.post(
        reverse("admin:generations_user_change", args=[pat.pk]),
        {
            "username": "pat",
            "is_active": "on",
            "is_superuser": "on",
            "is_staff": "on",
            "date_joined_0": "2026-01-01",
            "date_joined_1": "00:00",
        },
    )

    pat.refresh_from_db()
    assert not pat.is_superuser
    assert client.post(there, {"username": "mine"}).status_code == 403
    assert client.post(reverse("admin:auth_user_password_change", args=[superuser.pk]), {}).status_code == 403
    assert (
        client.post(reverse("admin:generations_user_delete", args=[superuser.pk]), {"post": "yes"}).status_code == 403
    )
    client.post(
        reverse("admin:generations_user_changelist"),
        {"action": "delete_selected", "_selected_action": [str(superuser.pk)], "post": "yes"},
    )
    assert User.objects.filter(pk=superuser.pk).exists()
