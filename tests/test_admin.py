"""The admin: triage of what was recorded, at a bounded cost, one project at a time, and all of it audited."""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
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
    Generation,
    IngestReject,
    Job,
    Membership,
    PriceOverride,
    Project,
    SavedView,
    Score,
    ScoreSchema,
    Tag,
    User,
)
from generations.records import FeedbackRecord, GenerationRecord, ParticipantRecord, ScoreRecord, StepRecord

NOW = dt.datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=dt.UTC)
EVENTS = ("generation", "step", "thread", "participant", "score", "feedback")
pytestmark = pytest.mark.django_db


@pytest.fixture
def superuser() -> User:
    return User.objects.create_superuser("root", "root@example.com", "x")


@pytest.fixture
def client(superuser: User) -> Client:
    client = Client()
    client.force_login(superuser)
    return client


@pytest.fixture
def project() -> Project:
    return access.create_project("Shop")


def store(project: Project, count: int, **fields: Any) -> None:
    recording.record(
        project,
        [
            record
            for n in range(count)
            for record in (
                GenerationRecord(
                    **{
                        "id": f"g{n:03}",
                        "started_at": NOW + dt.timedelta(seconds=n),
                        "model_id": "gpt-4",
                        "prompt": f"Question {n}",
                        "completion": f"Answer {n}",
                        "tags": ("old",),
                        "thread_id": f"t{n:03}",
                        "user_id": f"u{n:03}",
                        "scores": (ScoreRecord(id=f"s{n:03}", name="exact", value=1.0, type="CODE"),),
                        "feedback": FeedbackRecord(id=f"f{n:03}", rating=4.0),
                        **fields,
                    }
                ),
                StepRecord(id=f"p{n:03}", name="look up", started_at=NOW + dt.timedelta(seconds=n), input={"q": n}),
                ParticipantRecord(id=f"u{n:03}", seen_at=NOW + dt.timedelta(seconds=n)),
            )
        ],
    )


def listed(model: str, /, **parameters: Any) -> str:
    there = reverse(f"admin:generations_{model}_changelist")
    asked = "&".join(f"{name.rstrip('_')}={value}" for name, value in parameters.items())
    return f"{there}?{asked}" if asked else there


def ids_in(page: bytes, prefix: str = "g") -> list[str]:
    return re.findall(rf">({prefix}\d\d\d)</a></th>", page.decode())


def links(page: bytes) -> dict[str, str]:
    found = re.findall(r'<a href="([^"]*)">(?:&lsaquo; )?(Newer|Older)', page.decode())
    return {label: there.replace("&amp;", "&") for there, label in found}


def act(client: Client, project: Project, action: str, ids: list[str], **typed: str) -> str:
    rows = Generation.objects.in_project(project.pk).filter(public_id__in=ids)
    answer = client.post(
        listed("generation", project=project.pk),
        {"action": action, "index": "0", "_selected_action": [str(row.pk) for row in rows], **typed},
        follow=True,
    )
    assert answer.status_code == 200
    return " ".join(str(message) for message in answer.context["messages"])


# --------------------------------------------------------------------------------------------------------------- lists
@pytest.mark.parametrize("model", EVENTS)
def test_without_a_project_there_is_a_choice_of_projects_and_no_rows(
    client: Client, project: Project, model: str
) -> None:
    store(project, 2)

    with CaptureQueriesContext(connection) as captured:
        page = client.get(listed(model))

    assert page.status_code == 200
    assert f'<a href="?project={project.pk}">Shop</a>' in page.content.decode()
    assert not any(f'FROM "{model}"' in query["sql"] for query in captured)
    for wrong in ("x", "0", "-1", "9" * 30, "1.5", "%00"):
        assert b'<a href="?project=' in client.get(listed(model, project=wrong)).content


@pytest.mark.parametrize("model", EVENTS)
def test_a_list_costs_the_same_for_one_row_and_for_fifty_and_neither_counts_nor_skips(
    client: Client, model: str
) -> None:
    one, many = access.create_project("One"), access.create_project("Many")
    store(one, 1)
    store(many, 51)

    def queries(project: Project, rows: int) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            page = client.get(listed(model, project=project.pk))
        assert len(page.context["cl"].result_list) == rows
        return [query["sql"] for query in captured]

    few, more = queries(one, 1), queries(many, 50)

    assert len(few) == len(more) == 4  # session, person, project, rows
    for sql in more:
        assert "COUNT(" not in sql.upper()
        assert "OFFSET" not in sql
        assert "payload" not in sql
    [rows] = [sql for sql in more if f'FROM "{model}"' in sql]
    assert f'"{model}"."project_id" = {many.pk}' in rows
    assert "LIMIT 51" in rows


def test_pages_concatenate_to_the_list_and_lead_back(client: Client, project: Project) -> None:
    store(project, 120)

    first = client.get(listed("generation", project=project.pk)).content
    second = client.get(listed("generation") + links(first)["Older"]).content
    third = client.get(listed("generation") + links(second)["Older"]).content
    back = client.get(listed("generation") + links(third)["Newer"]).content

    assert ids_in(first) + ids_in(second) + ids_in(third) == [f"g{n:03}" for n in reversed(range(120))]
    assert [sorted(links(page)) for page in (first, second, third)] == [["Older"], ["Newer", "Older"], ["Newer"]]
    assert ids_in(back) == ids_in(second)
    assert sorted(links(back)) == ["Newer", "Older"]


def test_a_place_that_is_none_is_the_beginning(client: Client, project: Project) -> None:
    store(project, 1)

    for wrong in ("x", "2026-01-01_x", "2026-01-01T00:00:00_" + "0" * 32, "%00", "_"):
        page = client.get(listed("generation", project=project.pk, after=wrong))
        assert page.status_code == 200
        assert ids_in(page.content) == ["g000"]
        assert b"is not a place in this list" in page.content


@pytest.mark.parametrize("model", EVENTS)
def test_another_projects_rows_do_not_appear(client: Client, project: Project, model: str) -> None:
    other = access.create_project("Other")
    store(project, 1)
    store(other, 3)

    page = client.get(listed(model, project=project.pk))

    assert {row.project_id for row in page.context["cl"].result_list} == {project.pk}
    assert len(page.context["cl"].result_list) == 1


@pytest.mark.parametrize(
    ("narrowing", "found"),
    [
        ({"model": "claude"}, ["g002"]),
        ({"user": "u001"}, ["g001"]),
        ({"tag": "odd"}, ["g003"]),
        ({"error": "yes"}, ["g004"]),
        ({"error": "no", "model": "gpt-4"}, ["g003", "g001", "g000"]),
        ({"from_": "2026-03-04T05:06:10Z"}, ["g004", "g003"]),
        ({"from_": "2026-03-04T05:06:09Z", "to": "2026-03-04T05:06:10Z"}, ["g002"]),
        ({"q": "g003"}, ["g003"]),
        ({"q": "g00"}, []),
        ({"q": "g003", "model": "claude"}, []),
    ],
)
def test_generations_are_found_by_id_and_by_narrow_filters(
    client: Client, project: Project, narrowing: dict[str, str], found: list[str]
) -> None:
    store(project, 5)
    recording.record(
        project,
        [
            GenerationRecord(id="g002", model_id="claude"),
            GenerationRecord(id="g003", tags=("odd",)),
            GenerationRecord(id="g004", error="Overloaded"),
        ],
    )

    page = client.get(listed("generation", project=project.pk, **narrowing))

    assert ids_in(page.content) == found


def test_a_filter_that_cannot_be_asked_finds_nothing_and_says_why(client: Client, project: Project) -> None:
    store(project, 1)

    page = client.get(listed("generation", project=project.pk, from_="yesterday"))

    assert ids_in(page.content) == []
    assert b"expected a time in ISO 8601" in page.content
    assert client.get(listed("generation", project=project.pk, model="%00")).status_code == 200


def test_no_other_column_is_asked_about_through_the_url(client: Client, project: Project) -> None:
    assert client.get(listed("generation", project=project.pk, error__icontains="x")).status_code == 400
    assert client.get(listed("generation", project=project.pk, project__name="x")).status_code == 400


@pytest.mark.parametrize("model", EVENTS)
def test_a_row_is_found_by_its_whole_key_and_is_read_only(client: Client, project: Project, model: str) -> None:
    store(project, 2)
    page = client.get(listed(model, project=project.pk))
    there = re.findall(r'<th class="field-own_id"><a href="([^"?]*)', page.content.decode())[0]

    with CaptureQueriesContext(connection) as captured:
        shown = client.get(there)

    assert shown.status_code == 200
    [sql] = [query["sql"] for query in captured if f'FROM "{model}"' in query["sql"] and "uid" in query["sql"]][:1]
    assert f'"{model}"."project_id" = {project.pk}' in sql
    assert "2026-" in sql
    assert b'name="_save"' not in shown.content
    assert client.post(there, {}).status_code == 403
    for wrong in ("x", f"{project.pk}-{'0' * 32}-1", f"{'9' * 40}-{'0' * 32}-1", f"1-{'0' * 32}-{'9' * 40}"):
        gone = client.get(reverse(f"admin:generations_{model}_change", args=[wrong]))
        assert gone.status_code == 302


def test_a_generations_page_shows_what_was_said_bounded(client: Client, project: Project) -> None:
    store(project, 1, completion="x" * 30_000, metadata={"plan": "<pro>"})
    there = client.get(listed("generation", project=project.pk))
    row = there.context["cl"].result_list[0]

    page = client.get(there.context["cl"].url_for_result(row)).content.decode()

    assert "<pre>Question 0</pre>" in page
    assert f"{'x' * 20_000}\n… 10,000 more characters</pre>" in page
    assert "x" * 20_001 not in page
    assert "&lt;pro&gt;" in page
    assert "exact: 1.0 (CODE, unknown)" in page
    assert f'href="/projects/{project.slug}/generations/g000/"' in page


# ------------------------------------------------------------------------------------------------------------- actions
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


def tags(project: Project) -> dict[str, list[str]]:
    return dict(Generation.objects.in_project(project.pk).order_by("public_id").values_list("public_id", "tags"))


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
def person(*permissions: str, is_staff: bool = True) -> Client:
    user = User.objects.create_user("pat", password="x", is_staff=is_staff)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


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


# ------------------------------------------------------------------------------------------------------ configuration
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
