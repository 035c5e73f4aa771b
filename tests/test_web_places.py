"""Threads, steps, datasets, exports and settings: each page for whoever may see it and whoever may not."""

import datetime as dt
import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from generations import access, datasets, exporting, recording
from generations.models import ApiKey, AuditEntry, Dataset, DatasetItem, Job, Project
from generations.models.accounts import Role
from generations.records import GenerationRecord, ScoreRecord, StepRecord, ThreadRecord
from tests import web
from tests.web import NOON, recorded, shop_client, shop_project  # noqa: F401  the fixtures `client` and `project`

pytestmark = pytest.mark.django_db


def at(project: Project, *path: str) -> str:
    """An address in the project."""
    return "/".join(["/projects", project.slug, *path, ""])


# ------------------------------------------------------------------------------------------------------------ threads
def test_a_thread_reads_as_the_conversation_its_user_saw(client: Client, project: Project) -> None:
    recording.record(
        project,
        [
            ThreadRecord(id="chat", name="A trip", user_id="user-7"),
            *(
                GenerationRecord(
                    id=f"turn-{n}",
                    thread_id="chat",
                    started_at=NOON + dt.timedelta(minutes=n),
                    messages=[{"role": "user", "content": f"Question {n}"}],
                    message_completion={"role": "assistant", "content": f"**Reply** {n}"},
                )
                for n in range(25)
            ),
            ScoreRecord(name="solved", value=1, thread_id="chat"),
            StepRecord(id="run", type="run", name="planner", thread_id="chat"),
        ],
    )

    first = client.get(at(project, "threads", "chat"))
    last = client.get(at(project, "threads", "chat") + "?order=-timestamp")
    (more,) = [link for link in web.links(first) if link.startswith("?order=timestamp&after=")]
    rest = client.get(at(project, "threads", "chat") + more)

    said = web.text(first)
    assert said.index("Question 0") < said.index("Question 19")
    assert "Question 20" not in said
    assert "<strong>Reply</strong> 0" in first.content.decode()
    assert "A trip" in said
    assert "solved 1" in said
    assert "planner" in said
    assert web.text(last).index("Question 24") < web.text(last).index("Question 5")
    assert "Question 24" in web.text(rest)
    assert at(project, "generations", "turn-3") in web.links(first)


def test_a_thread_takes_as_many_queries_for_one_turn_as_for_twenty(client: Client, project: Project) -> None:
    counts = []
    for thread, turns in (("short", 1), ("long", 20)):
        recording.record(
            project, [GenerationRecord(id=f"{thread}-{n}", thread_id=thread, prompt="x") for n in range(turns)]
        )
        with CaptureQueriesContext(connection) as queries:
            client.get(at(project, "threads", thread))
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_a_thread_of_large_turns_is_bounded(client: Client, project: Project) -> None:
    large = "'" * 100_000
    recording.record(
        project, [GenerationRecord(id=f"g{n}", thread_id="t", prompt=large, completion=large) for n in range(20)]
    )

    response = client.get(at(project, "threads", "t"))

    assert len(response.content) < 150_000


@pytest.mark.parametrize("path", ["threads/none", "steps/none", "threads/a%00b", "steps/a%00b"])
def test_what_is_not_there_is_not_found(client: Client, project: Project, path: str) -> None:
    assert client.get(at(project, *path.split("/"))).status_code == 404


def test_a_cursor_of_another_thread_is_not_found(client: Client, project: Project) -> None:
    recorded(project, thread_id="chat")

    assert client.get(at(project, "threads", "chat") + "?after=rubbish").status_code == 404


# -------------------------------------------------------------------------------------------------------------- steps
def test_a_step_stands_in_its_tree_with_its_generations(client: Client, project: Project) -> None:
    recording.record(
        project,
        [
            StepRecord(id="run", type="run", started_at=NOON, latency=4.0),
            StepRecord(id="plan", type="agent", parent_id="run", started_at=NOON, latency=2.0, input={"n": 1}),
            StepRecord(id="tool", type="tool", parent_id="plan", started_at=NOON, latency=1.0, error="Boom"),
            GenerationRecord(id="call", step_id="plan", started_at=NOON, latency=1.0, prompt="x"),
        ],
    )

    response = client.get(at(project, "steps", "plan"))

    tree = response.context["tree"]
    order = re.findall(r'href="([^"]*/(?:run|plan|tool|call)/)"', tree[tree.index("<ol") :])
    assert order == [
        at(project, "steps", "run"),
        at(project, "steps", "plan"),
        at(project, "generations", "call"),
        at(project, "steps", "tool"),
    ]
    bars = [(bar["x"], bar["width"]) for bar in web.tags(response, "rect")]
    assert bars == [("0.00", "100.00"), ("0.00", "50.00"), ("0.00", "25.00"), ("0.00", "25.00")]
    assert [row.get("aria-current") for row in web.tags(response, "li") if row.get("data-level")] == [
        None,
        "true",
        None,
        None,
    ]


def test_a_ring_of_steps_is_shown_and_ends(client: Client, project: Project) -> None:
    recording.record(
        project,
        [StepRecord(id="a", parent_id="b"), StepRecord(id="b", parent_id="a"), StepRecord(id="c", parent_id="c")],
    )

    for id in ("a", "b", "c"):
        assert client.get(at(project, "steps", id)).status_code == 200


def test_a_large_tree_and_a_large_step_are_bounded(client: Client, project: Project) -> None:
    large = "<" * 500_000
    recording.record(
        project,
        [
            StepRecord(id="run", input={"x": large}, output=large, error=large, metadata={"x": large}),
            *(StepRecord(id=f"s{n}", parent_id="run", name="step " * 40) for n in range(400)),
        ],
    )

    response = client.get(at(project, "steps", "run"))

    assert len(response.content) < 150_000
    assert "360 more" in web.text(response)


# ----------------------------------------------------------------------------------------------------------- datasets
def test_a_dataset_is_made_filled_and_emptied(client: Client, project: Project) -> None:
    recorded(project, id="one", prompt="Hello?", completion="Hi")
    client.post(at(project, "datasets"), {"name": "Hard ones", "description": "What went wrong"})
    dataset = Dataset.objects.get()
    datasets.add_generations(access.of_system(project), str(dataset.pk), ["one"])

    listed = web.text(client.get(at(project, "datasets")))
    shown = client.get(at(project, "datasets", str(dataset.pk)))

    assert "Hard ones What went wrong 1 2" in listed
    assert "Hello?" in web.text(shown)
    assert "Hi" in web.text(shown)
    assert at(project, "generations", "one") in web.links(shown)

    client.post(at(project, "datasets", str(dataset.pk)), {"remove": str(DatasetItem.objects.get().pk)})

    assert "This dataset is empty" in web.text(client.get(at(project, "datasets", str(dataset.pk))))


def test_a_viewer_makes_no_dataset_and_takes_nothing_out(project: Project) -> None:
    viewer = web.signed_in(project, Role.VIEWER)
    dataset = datasets.create(access.of_system(project), name="Kept")

    assert viewer.get(at(project, "datasets", str(dataset.pk))).status_code == 200
    assert viewer.post(at(project, "datasets"), {"name": "Mine"}).status_code == 403
    assert viewer.post(at(project, "datasets", str(dataset.pk)), {"remove": "x"}).status_code == 403
    assert list(Dataset.objects.values_list("name", flat=True)) == ["Kept"]


def test_another_projects_dataset_and_export_are_not_there(client: Client, project: Project) -> None:
    other = access.of_system(web.project("Other"))
    dataset = datasets.create(other, name="Theirs")
    job = exporting.start(other)

    assert client.get(at(project, "datasets", str(dataset.pk))).status_code == 404
    assert client.get(at(project, "exports", str(job.pk))).status_code == 404
    assert client.post(at(project, "exports", str(job.pk), "cancel")).status_code == 404
    assert Job.objects.get().state == "queued"


# ------------------------------------------------------------------------------------------------------------ exports
def test_an_export_of_the_list_keeps_its_filter_and_order(client: Client, project: Project) -> None:
    client.post(
        at(project, "exports", "start"), {"query": "model.id=gpt-4&order=-usage.cost&limit=25", "format": "csv"}
    )

    job = Job.objects.get()
    assert job.parameters["format"] == "csv"
    assert job.parameters["order"] == "-usage.cost"
    assert job.parameters["filter"] == {"model.id": "gpt-4"}
    assert "model is gpt-4" in web.text(client.get(at(project, "exports")))


def test_an_export_tells_its_progress_until_it_is_done(
    client: Client, project: Project, settings: Any, tmp_path: Any
) -> None:
    settings.DATA_DIR = tmp_path
    recorded(project, prompt="x")
    client.post(at(project, "exports", "start"), {"query": "", "format": "jsonl"})
    job = Job.objects.get()
    address = at(project, "exports", str(job.pk))

    waiting = client.get(address, headers={"HX-Request": "true"})
    Job.objects.update(state="running", progress_done=25, progress_total=100)
    running = client.get(address, headers={"HX-Request": "true"})
    Job.objects.update(state="queued")
    assert exporting.run(job.pk)
    done = client.get(address, headers={"HX-Request": "true"})

    assert "waiting" in web.text(waiting)
    assert 'hx-trigger="every 1s"' in waiting.content.decode()
    assert "25 %" in web.text(running)
    assert web.tags(running, "progress")[0]["value"] == "25"
    assert "hx-trigger" not in done.content.decode()
    assert "done" in web.text(done)
    (download,) = [link for link in web.links(done) if link.startswith("/api/exports/")]
    file = client.get(download)
    assert b'"id":"one"' in b"".join(file)


def test_an_export_is_cancelled(client: Client, project: Project) -> None:
    client.post(at(project, "exports", "start"), {})
    job = Job.objects.get()

    client.post(at(project, "exports", str(job.pk), "cancel"))

    job.refresh_from_db()
    assert job.state == "cancelled"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"query": "model.idd=x"}, "did you mean model.id?"),
        ({"format": "xlsx"}, "format"),
        ({"kind": "secrets"}, "secrets"),
        ({"query": "order=rubbish"}, "rubbish"),
    ],
)
def test_an_export_that_cannot_be_made_is_refused_and_not_begun(
    client: Client, project: Project, sent: dict[str, str], words: str
) -> None:
    response = client.post(at(project, "exports", "start"), sent, follow=True)

    assert words in web.text(response)
    assert Job.objects.count() == 0


def test_the_list_of_exports_takes_as_many_queries_for_one_as_for_fifty(client: Client, project: Project) -> None:
    grant = access.of_system(project)
    counts = []
    for more in (1, 49):
        for _ in range(more):
            exporting.start(grant)
        with CaptureQueriesContext(connection) as queries:
            assert client.get(at(project, "exports")).status_code == 200
        counts.append(len(queries))

    assert counts[0] == counts[1]


# ----------------------------------------------------------------------------------------------------------- settings
def test_an_administrator_makes_a_key_that_is_shown_once_and_works(project: Project) -> None:
    admin = web.signed_in(project, Role.ADMIN)

    made = admin.post(at(project, "settings", "keys"), {"name": "CI", "scopes": ["ingest", "read"], "days": "30"})
    again = admin.get(at(project, "settings", "keys"))

    token = re.search(r"gen_[\w-]{40,}", web.text(made))
    assert token is not None
    assert token[0] not in again.content.decode()
    assert access.by_key(token[0]).scopes == {"ingest", "read"}
    key = ApiKey.objects.get()
    assert key.expires_at is not None
    assert (key.expires_at - key.created_at).days in (29, 30)
    assert "no-store" in made["Cache-Control"]
    assert f"CI {key.prefix}…" in web.text(again)


def test_a_key_is_revoked_for_good(project: Project) -> None:
    admin = web.signed_in(project, Role.ADMIN)
    key, token = access.create_key(access.of_system(project), name="CI")

    admin.post(at(project, "settings", "keys", str(key.pk), "revoke"))

    with pytest.raises(access.NotAuthenticated):
        access.by_key(token)
    assert "revoked" in web.text(admin.get(at(project, "settings", "keys")))


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"name": "", "scopes": "read"}, "name:"),
        ({"name": "x"}, "scopes:"),
        ({"name": "x", "scopes": "root"}, "scopes:"),
        ({"name": "x", "scopes": "read", "days": "-1"}, "days:"),
    ],
)
def test_a_key_that_cannot_be_made_is_refused(project: Project, sent: dict[str, str], words: str) -> None:
    response = web.signed_in(project, Role.ADMIN).post(at(project, "settings", "keys"), sent)

    assert response.status_code == 400
    assert words in web.text(response)
    assert ApiKey.objects.count() == 0


@pytest.mark.parametrize("role", [Role.VIEWER, Role.MEMBER])
def test_only_administrators_make_and_revoke_keys_and_change_the_project(project: Project, role: str) -> None:
    client = web.signed_in(project, role)
    key, _ = access.create_key(access.of_system(project), name="CI")

    shown = client.get(at(project, "settings", "keys"))

    assert "CI" in web.text(shown)
    assert "New key" not in web.text(shown)
    assert client.post(at(project, "settings", "keys"), {"name": "x", "scopes": "read"}).status_code == 403
    assert client.post(at(project, "settings", "keys", str(key.pk), "revoke")).status_code == 403
    assert client.post(at(project, "settings"), {"name": "Mine", "time_zone": "UTC"}).status_code == 403
    assert ApiKey.objects.get().revoked_at is None
    assert Project.objects.get().name == "Shop"


def test_a_project_is_renamed_and_moved_to_another_zone(project: Project) -> None:
    admin = web.signed_in(project, Role.ADMIN)

    admin.post(at(project, "settings"), {"name": "Store", "time_zone": "Europe/Berlin"})
    refused = admin.post(at(project, "settings"), {"name": "Store", "time_zone": "Europe/Atlantis"})

    project.refresh_from_db()
    assert (project.name, project.time_zone) == ("Store", "Europe/Berlin")
    assert refused.status_code == 400
    assert "no such time zone" in web.text(refused)
    assert AuditEntry.objects.filter(action="project.update").count() == 1
