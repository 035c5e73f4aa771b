"""The admin's other tables: projects, people, keys, prices, views, jobs and the audit."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoCaptureOnCommitCallbacks

from generations import access, datasets, prompts, recording, tasks
from generations.models import (
    ApiKey,
    AuditEntry,
    Dataset,
    IngestReject,
    Job,
    Membership,
    PriceOverride,
    Project,
    SavedView,
    ScoreSchema,
    Tag,
    User,
)
from tests.triage import EVENTS, client, links, listed, project, store, superuser

__all__ = ["client", "project", "superuser"]
pytestmark = pytest.mark.django_db


PLAIN: dict[str, Callable[[Project, int], Any]] = {
    "tag": lambda project, n: Tag.objects.create(project=project, name=f"t{n}"),
    "scoreschema": lambda project, n: ScoreSchema.objects.create(project=project, name=f"s{n}"),
    "dataset": lambda project, n: datasets.create(access.of_system(project), name=f"d{n}"),
    "prompt": lambda project, n: prompts.get_or_create(access.of_system(project), f"p{n}"),
    "savedview": lambda project, n: SavedView.objects.create(project=project, name=f"v{n}"),
    "priceoverride": lambda project, n: PriceOverride.objects.create(project=project, match=f"m{n}"),
    "apikey": lambda project, n: access.create_key(access.of_system(project), name=f"k{n}"),
    "membership": lambda project, n: Membership.objects.create(project=project, user=User.objects.create_user(f"u{n}")),
    "job": lambda project, n: Job.objects.create(project=project, kind="export"),
    "ingestreject": lambda project, n: IngestReject.objects.create(
        project=project, door="rest", reason="no", body=b"x"
    ),
    "auditentry": lambda project, n: AuditEntry.objects.create(project=project, action="x", actor="root"),
    "project": lambda project, n: access.create_project(f"More {n}"),
    "user": lambda project, n: User.objects.create_user(f"w{n}"),
}


@pytest.mark.parametrize("model", PLAIN)
def test_every_other_list_costs_the_same_for_one_row_and_for_fifty(
    client: Client, project: Project, model: str
) -> None:
    PLAIN[model](project, 0)

    def queries() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(listed(model)).status_code == 200
        return [query["sql"] for query in captured]

    few = queries()
    for n in range(1, 51):
        PLAIN[model](project, n)
    more = queries()

    assert len(few) == len(more)
    if model in ("job", "ingestreject", "auditentry"):
        assert not any("COUNT(" in sql.upper() or "OFFSET" in sql for sql in more)


@pytest.mark.parametrize("model", PLAIN)
def test_every_row_has_a_page(client: Client, project: Project, model: str) -> None:
    made = PLAIN[model](project, 0)
    row = made[0] if isinstance(made, tuple) else made

    page = client.get(reverse(f"admin:generations_{model}_change", args=[row.pk]))

    assert page.status_code == 200


@pytest.mark.parametrize("model", ["job", "ingestreject", "auditentry"])
def test_long_plain_lists_are_paged_by_key(client: Client, project: Project, model: str) -> None:
    for n in range(60):
        PLAIN[model](project, n)

    first = client.get(listed(model))
    second = client.get(listed(model) + links(first.content)["Older"])

    keys = [row.pk for page in (first, second) for row in page.context["cl"].result_list]
    assert len(set(keys)) == 60
    assert keys == sorted(keys, reverse=True)


def test_a_key_is_made_shown_once_and_revoked(client: Client, project: Project) -> None:
    made = client.post(
        reverse("admin:generations_apikey_add"),
        {
            "project": project.pk,
            "name": "CI",
            "scopes": ["ingest", "read"],
            "environment": "",
            "expires_at_0": "",
            "expires_at_1": "",
        },
    )

    key = ApiKey.objects.get()
    token = re.findall(r"<pre>(gen_[\w-]+)</pre>", made.content.decode())[0]
    assert "no-store" in made["Cache-Control"]
    assert access.by_key(token).scopes == {"ingest", "read"}
    assert AuditEntry.objects.get(action="key.create").actor == "root"
    for there in (listed("apikey"), reverse("admin:generations_apikey_change", args=[key.pk])):
        page = client.get(there).content.decode()
        assert key.prefix in page
        assert token not in page
        assert bytes(key.hash).hex() not in page

    client.post(listed("apikey"), {"action": "revoke", "index": "0", "_selected_action": [str(key.pk)]})

    with pytest.raises(access.NotAuthenticated, match="was revoked"):
        access.by_key(token)
    assert AuditEntry.objects.get(action="key.revoke").actor == "root"
    assert client.post(reverse("admin:generations_apikey_delete", args=[key.pk]), {"post": "yes"}).status_code == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "  "},
        {"scopes": []},
        {"scopes": ["root"]},
        {"expires_at_0": "2020-01-01", "expires_at_1": "00:00"},
        {"project": "0"},
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(client: Client, project: Project, wrong: dict[str, Any]) -> None:
    given = {
        "project": project.pk,
        "name": "CI",
        "scopes": ["read"],
        "environment": "",
        "expires_at_0": "",
        "expires_at_1": "",
    }

    answer = client.post(reverse("admin:generations_apikey_add"), {**given, **wrong})

    assert answer.status_code == 200
    assert b"Please correct the error" in answer.content
    assert not ApiKey.objects.exists()


def test_changes_of_configuration_are_audited(client: Client, project: Project) -> None:
    client.post(
        reverse("admin:generations_priceoverride_add"),
        {"project": project.pk, "match": "own-*", "currency": "usd", "input_price": "1.5"},
    )
    price = PriceOverride.objects.get()
    client.post(
        reverse("admin:generations_priceoverride_change", args=[price.pk]),
        {"project": project.pk, "match": "own-*", "currency": "EUR", "input_price": "1.5"},
    )
    client.post(reverse("admin:generations_priceoverride_delete", args=[price.pk]), {"post": "yes"})

    entries = AuditEntry.objects.filter(project=project).order_by("id")
    assert [(entry.action, entry.actor, entry.subject_id) for entry in entries] == [
        ("price.create", "root", str(price.pk)),
        ("price.update", "root", str(price.pk)),
        ("price.delete", "root", str(price.pk)),
    ]
    assert entries[1].detail["changes"] == [{"changed": {"fields": ["Currency"]}}]


@pytest.mark.parametrize(
    ("model", "wrong", "said"),
    [
        ("priceoverride", {"match": "m", "currency": "dollars"}, "at most 3"),
        ("priceoverride", {"match": "m", "currency": "12$", "input_price": "1"}, "a code of three letters"),
        ("priceoverride", {"match": "m", "currency": "ßd", "input_price": "1"}, "a code of three letters"),
        ("priceoverride", {"match": "m", "currency": "USD"}, "Give at least one price"),
        ("priceoverride", {"match": "m", "currency": "USD", "input_price": "-1"}, "not negative"),
        (
            "savedview",
            {"kind": "generations", "name": "v", "filter": '{"model.idd": 1}', "columns": "[]"},
            "did you mean model.id?",
        ),
        ("savedview", {"kind": "generation", "name": "v", "filter": "{}", "columns": "[]"}, "one of generations"),
        ("savedview", {"kind": "generations", "name": "v", "filter": "[1]", "columns": "[]"}, "Expected an object"),
        ("savedview", {"kind": "generations", "name": "v", "filter": "{", "columns": "[]"}, "Enter a valid JSON"),
        ("savedview", {"kind": "generations", "name": "v", "filter": "{}", "columns": "{}"}, "Expected a list"),
        (
            "savedview",
            {"kind": "generations", "name": "v", "filter": "{}", "columns": "[]", "order": "output"},
            "cannot be sorted",
        ),
    ],
)
def test_configuration_that_cannot_work_is_refused(
    client: Client, project: Project, model: str, wrong: dict[str, str], said: str
) -> None:
    answer = client.post(reverse(f"admin:generations_{model}_add"), {"project": project.pk, **wrong})

    assert answer.status_code == 200
    assert said in answer.content.decode()


def test_an_emptied_document_is_empty_and_not_null(client: Client, project: Project) -> None:
    answer = client.post(
        reverse("admin:generations_savedview_add"),
        {"project": project.pk, "kind": "generations", "name": "v", "filter": "", "columns": ""},
    )

    assert answer.status_code == 302
    view = SavedView.objects.get()
    assert (view.filter, view.columns) == ({}, [])


def test_a_project_is_made_with_its_maker_as_owner(client: Client, superuser: User) -> None:
    given = {
        "name": "New",
        "slug": "new",
        "time_zone": "Europe/Prague",
        "currency": "eur",
        "settings": "{}",
        "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
    }

    wrong = client.post(reverse("admin:generations_project_add"), {**given, "time_zone": "Prague"})
    client.post(reverse("admin:generations_project_add"), given)

    assert b"There is no time zone &#x27;Prague&#x27;" in wrong.content
    project = Project.objects.get()
    assert (project.currency, project.time_zone) == ("EUR", "Europe/Prague")
    assert [(m.user, m.role) for m in project.memberships.all()] == [(superuser, "owner")]


def test_a_change_of_a_project_leaves_what_is_counted_and_moved_meanwhile(client: Client, project: Project) -> None:
    given = {
        "name": "Renamed",
        "slug": project.slug,
        "time_zone": "UTC",
        "currency": "USD",
        "settings": "{}",
        "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
    }

    with CaptureQueriesContext(connection) as sent:
        client.post(reverse("admin:generations_project_change", args=[project.pk]), given)

    assert Project.objects.get().name == "Renamed"
    [change] = [one["sql"] for one in sent if one["sql"].startswith('UPDATE "project"')]
    assert not [name for name in ("versions_made", "text_from", "created_at") if name in change]


@pytest.mark.parametrize("in_bulk", [False, True])
def test_a_project_with_recorded_rows_or_working_keys_is_not_deleted(
    client: Client, project: Project, in_bulk: bool
) -> None:
    store(project, 1)
    key, _ = access.create_key(access.of_system(project), name="CI")

    def delete() -> str:
        if in_bulk:
            form = {"action": "delete_selected", "_selected_action": [str(project.pk)], "post": "yes"}
            return client.post(listed("project"), form).content.decode()
        return client.post(
            reverse("admin:generations_project_delete", args=[project.pk]), {"post": "yes"}
        ).content.decode()

    page = delete()

    assert "Shop: it has generations; delete what was recorded first" in page
    assert "Shop: it has keys that work" in page
    assert Project.objects.filter(pk=project.pk).exists()

    for kind, ids in {"thread": ["t000"], "generation": ["g000"], "step": ["p000"], "participant": ["u000"]}.items():
        recording.delete(project, kind, ids)
    assert "it has generations" not in delete()
    assert Project.objects.filter(pk=project.pk).exists()

    access.revoke_key(access.of_system(project), str(key.pk))
    delete()

    assert not Project.objects.filter(pk=project.pk).exists()
    entry = AuditEntry.objects.get(action="project.delete")
    assert (entry.project, entry.actor, entry.detail["slug"]) == (None, "root", project.slug)


def test_jobs_are_cancelled_and_begun_again(
    client: Client,
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    sent: list[str] = []
    monkeypatch.setattr(tasks.run_job, "delay", sent.append)
    waiting = Job.objects.create(project=project, kind="export", parameters={"kind": "steps"})
    done = Job.objects.create(project=project, kind="export", state="done")
    both = [str(waiting.pk), str(done.pk)]

    client.post(listed("job"), {"action": "cancel", "index": "0", "_selected_action": both})
    with django_capture_on_commit_callbacks(execute=True):
        client.post(listed("job"), {"action": "retry", "index": "0", "_selected_action": both})

    again = Job.objects.exclude(pk__in=both).get()
    waiting.refresh_from_db()
    done.refresh_from_db()
    assert (waiting.state, done.state, again.state) == ("cancelled", "done", "queued")
    assert (again.kind, again.parameters) == ("export", {"kind": "steps"})
    assert sent == [str(again.pk)]
    assert sorted(AuditEntry.objects.values_list("action", flat=True)) == ["export.cancel", "export.start"]


def test_a_dataset_is_deleted_as_at_every_other_door(client: Client, project: Project) -> None:
    dataset = datasets.create(access.of_system(project), name="Golden")

    client.post(reverse("admin:generations_dataset_delete", args=[dataset.pk]), {"post": "yes"})

    assert not Dataset.objects.exists()
    assert AuditEntry.objects.get(action="dataset.delete").actor == "root"


@pytest.mark.parametrize("model", ["auditentry", "ingestreject", "job", "prompt", *EVENTS])
def test_what_is_read_only_is_neither_added_nor_deleted(client: Client, project: Project, model: str) -> None:
    assert client.get(reverse(f"admin:generations_{model}_add")).status_code == 403
    page = client.get(listed(model, project=project.pk) if model in EVENTS else listed(model))
    assert b"delete_selected" not in page.content


def test_the_front_page_is_called_by_its_name(client: Client) -> None:
    page = client.get("/admin/").content.decode()

    assert "Generations admin" in page
    assert page.count("changelink") >= 1
