"""Every statement names its project, the tables are as a cluster takes them, and `manage.py distribute` says so."""

import datetime as dt
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from generations import access, distribution, jobs, retention, rollups, search, tasks
from generations.metrics import answering
from generations.models import Generation, Job, Project, User
from generations.recording import delete
from generations.retention import run_erasure
from tests.doors import literal
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import request as spans
from tests.doors.test_otlp import span
from tests.expiring import patient
from tests.routing import Watched, watching

__all__ = ["patient"]
pytestmark = pytest.mark.django_db


# ------------------------------------------------------------------------------------------------------- statements
@pytest.fixture
def api(settings: Any, tmp_path: Any) -> Caller:
    """A caller in a project among others."""
    settings.DATA_DIR = tmp_path
    location = {"location": str(tmp_path / "media")}
    settings.STORAGES = {**settings.STORAGES, "default": {**settings.STORAGES["default"], "OPTIONS": location}}
    own, other = caller("admin"), caller("admin")
    for one in (other, own):
        send(one)
        search.fill(5)
    return own


def send(api: Caller) -> None:
    """Two calls of a conversation with all that hangs on them, over REST."""
    old = timezone.now() - dt.timedelta(days=40)
    answers = [
        api.post(
            "/api/generations/batch",
            [
                {
                    "id": f"g{n}",
                    "timestamp": (old + dt.timedelta(hours=n)).isoformat(),
                    "model": {"id": "gpt-4o", "provider": "openai"},
                    "input": {"content": f"a walrus {n}"},
                    "output": {"content": "Hello.", "alternatives": [{"content": "Hi."}]},
                    "usage": {"promptTokens": 3, "completionTokens": 4},
                    "metadata": {"userId": "mia", "tags": ["x"], "plan": "pro"},
                    "threadId": "t1",
                    "stepId": "s1",
                }
                for n in range(3)
            ],
        ),
        api.post("/api/steps/batch", [{"id": "s1", "threadId": "t1", "name": "run", "input": {"a": 1}}]),
        api.post("/api/scores", {"generationId": "g1", "name": "quality", "value": 0.5}),
        api.post("/api/generations/g1/feedback", {"rating": 4, "comment": "Good."}),
    ]
    assert {answer.status for answer in answers} <= {200, 201}, [answer.content for answer in answers]


def rest(api: Caller) -> None:
    send(api)
    for path in (
        "/api/generations",
        "/api/generations?model.id=gpt-4o&tags=x&metadata.plan=pro&count=true&limit=1",
        "/api/generations?feedback.rating__gte=4&scores.quality__gte=0.1",
        "/api/generations?search=walrus",
        "/api/generations/g1",
        *("/api/steps", "/api/threads", "/api/participants", "/api/scores", "/api/tags"),
    ):
        assert api.get(path).status == 200, path
    assert api.patch("/api/generations/g1", {"metadata": {"plan": "free"}}).status == 200
    assert api.delete("/api/generations/g2").status in (200, 204)


def graphql(api: Caller) -> None:
    document = """{
      generations(where: {scores: {some: {name: {eq: "quality"}}}, metadata: [{path: "plan", eq: "pro"}]}, first: 2) {
        totalCount { value }
        nodes { id input { content preview } scores { nodes { name } } feedback { rating } thread { id } }
      }
      threads(first: 5) { nodes { id } }
      steps(first: 5) { nodes { id generations { nodes { id } } } }
    }"""
    answer = api.post("/graphql/", {"query": document})
    assert answer.status == 200, answer.content


def literal_ai(api: Caller) -> None:
    now = timezone.now().isoformat()
    step = {"id": "ls", "threadId": "t1", "type": "run", "startTime": now, "tags": ["x"], "input": {"content": "a"}}
    call = {**step, "id": "lc", "type": "llm", "generation": {"model": "gpt-4o", "prompt": "a", "completion": "b"}}
    assert literal.send(api, literal.batch(step, call)).json["data"]["step0"]["ok"]
    literal.ask(api, "query($id: String!) { threadDetail(id: $id) { id steps { id } } }", id="t1")
    literal.ask(api, "{ threads(first: 5) { edges { node { id } } } generations(first: 5) { edges { node { id } } } }")


def otlp(api: Caller) -> None:
    assert api.post("/v1/traces", spans(span(1), span(2, parent=1))).status == 200
    assert api.post("/v1/traces", spans(span(2, parent=1), span(3, parent=1))).status == 200


def pages(api: Caller) -> None:
    superuser = User.objects.create_superuser("root", password="correct horse")
    client = Client()
    client.force_login(superuser)
    superuser.memberships.create(project=api.project, role="owner")
    home = f"/projects/{api.project.slug}"
    for path in (
        *(f"{home}/generations/", f"{home}/generations/g1/", f"{home}/generations/?q=walrus"),
        *(f"{home}/threads/", f"{home}/threads/t1/", f"{home}/steps/", f"{home}/steps/s1/", f"{home}/users/"),
        *(f"{home}/search/?q=walrus", f"{home}/generations.csv", "/operations/"),
        *(f"/admin/generations/{name}/?project={api.project.pk}" for name in ("generation", "step", "score", "thread")),
    ):
        assert client.get(path).status_code == 200, path
    assert client.post(f"{home}/generations/g1/tags/", {"tag": "new", "name": "new"}).status_code < 500


def numbers(api: Caller) -> None:
    rollups.rebuild(api.project)
    rollups.compact(now=timezone.now() + dt.timedelta(hours=2))
    group = {"$group": {"_id": "$model.id", "n": {"$sum": 1}, "tokens": {"$sum": "$usage.totalTokens"}}}
    sources = []
    for stages in ([group], [{"$match": {"tags": "x"}}, group]):
        sources.append(api.post("/api/generations/aggregate", stages).json["source"])
    assert sources == ["rollup", "rows"]


def exports(api: Caller) -> None:
    for kind in ("generations", "steps", "threads"):
        answer = api.post("/api/exports", {"kind": kind, "format": "jsonl"})
        assert answer.status == 202, answer.content
        tasks.run_job(str(answer.json["id"]))
        assert Job.objects.get(pk=answer.json["id"]).state == "done"


def searches(api: Caller) -> None:
    send(api)
    search.fill(5)
    assert len(search.find(api.project, "walrus", after=None).hits) == 3


def keeping(api: Caller) -> None:
    grant = access.of_system(api.project)
    retention.add_rule(grant, kind="generations", what="text", days=5, document={"model.id": "gpt-4o"})
    retention.add_rule(grant, kind="steps", what="all", days=5, document={})
    assert jobs.find(grant, retention.start(grant, is_dry=True).pk) is not None
    retention.plan(api.project, is_dry=True)
    retention.plan(api.project, is_dry=False)


def months(api: Caller) -> None:
    for project in Project.objects.all():
        retention.add_rule(access.of_system(project), kind="generations", what="text", days=1, document={})
    assert retention.plan(api.project, is_dry=False).months


def erasure(api: Caller) -> None:
    job = retention.erase(access.of_system(api.project), "mia")
    assert run_erasure(job.pk)
    assert not Generation.objects.in_project(api.project.pk).exists()


def deletion(api: Caller) -> None:
    delete(api.project, "thread", ["t1"])


WORK = (
    *(rest, graphql, literal_ai, otlp, pages, numbers, exports, searches, keeping, months, erasure, deletion),
)  # fmt: skip


@pytest.mark.parametrize("work", WORK)
def test_every_statement_to_an_event_table_names_its_project(
    api: Caller, work: Callable[[Caller], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # So few are read from the rows otherwise.
    monkeypatch.setattr(answering, "FEW", 1)

    with watching() as watched:
        work(api)

    assert watched.wrong == []
    assert watched.seen, "it touched no event table at all"


@pytest.fixture
def watched() -> Iterator[Watched]:
    with watching() as watched:
        yield watched


@pytest.mark.parametrize(
    ("statement", "is_wrong"),
    [
        ("SELECT count(*) FROM generation", True),
        ("SELECT count(*) FROM generation WHERE project_id > 3", True),
        ("SELECT count(*) FROM generation WHERE project_id = 3", False),
        ("SELECT 1 FROM generation g JOIN thread t ON t.project_id = g.project_id WHERE g.project_id = 3", False),
        ("SELECT 1 FROM generation g JOIN thread t ON t.public_id = g.thread_id WHERE g.project_id = 3", True),
        ("SELECT (SELECT max(started_at) FROM step WHERE project_id = p.id) FROM project p", True),
        ("UPDATE score SET value = 1 WHERE name = 'x'", True),
        ("DELETE FROM score WHERE project_id = 3 AND name = 'x'", False),
        ("SELECT name FROM project", False),
        ("SET LOCAL lock_timeout = 0; DO $$ BEGIN NULL; END $$; SELECT count(*) FROM generation; SELECT 1", True),
        ("SELECT 1; UPDATE score SET value = 1 WHERE project_id = 3 AND name = 'a; b'; SELECT 'it''s; so'", False),
    ],
)
def test_what_looks_at_statements_sees_one_that_names_no_project(
    watched: Watched, statement: str, is_wrong: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.routing._is_ours", lambda: True)

    with connection.cursor() as cursor:
        cursor.execute(statement)

    assert bool(watched.wrong) == is_wrong


@pytest.mark.parametrize("before", ["", "SELECT pg_advisory_xact_lock(1, 2); "])
@pytest.mark.parametrize(("where", "is_wrong"), [("name = $1", True), ("project_id = 3 AND name = $1", False)])
def test_a_statement_that_was_prepared_before_is_looked_at_when_it_is_asked(
    watched: Watched, before: str, where: str, is_wrong: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE asked (text) AS SELECT count(*) FROM score WHERE {where}")
        try:
            monkeypatch.setattr("tests.routing._is_ours", lambda: True)
            cursor.execute(f"{before}EXECUTE asked(%s)", ["q"])
        finally:
            cursor.execute("DEALLOCATE asked")

    assert watched.seen == {"score"}
    assert bool(watched.wrong) == is_wrong


@pytest.mark.parametrize(("where", "is_wrong"), [("", True), (" WHERE project_id = 3", False)])
def test_a_cursor_of_the_server_is_looked_at(
    watched: Watched, where: str, is_wrong: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.routing._is_ours", lambda: True)
    connection.ensure_connection()

    with connection.connection.cursor(name="rows") as cursor:
        cursor.execute(f"SELECT uid FROM generation{where}")

    assert bool(watched.wrong) == is_wrong


# ----------------------------------------------------------------------------------------------------------- tables
def plan() -> str:
    out = StringIO()
    call_command("distribute", "--plan", stdout=out)
    return out.getvalue()


def test_the_plan_spreads_every_event_table_by_its_project_and_nothing_else() -> None:
    lines = plan().splitlines()

    spread = [line.split("'")[1] for line in lines if "create_distributed_table" in line]
    assert spread == sorted(spread)
    assert {"generation", "generation_payload", "step", "thread", "score", "rollup_day", "search_mark"} <= set(spread)
    assert not {"project", "user", "job", "api_key", "tag", "dataset"} & set(spread)
    assert lines[1] == "SELECT create_distributed_table('alternative', 'project_id', colocate_with => 'none');"
    assert lines[2] == "SELECT create_distributed_table('attachment', 'project_id', colocate_with => 'alternative');"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE thread ADD CONSTRAINT one_name UNIQUE (name)", "thread: the unique index one_name is without"),
        (
            "ALTER TABLE score ADD CONSTRAINT whose FOREIGN KEY (project_id) REFERENCES project (id)",
            "score: the foreign key whose leads to project",
        ),
        (
            "ALTER TABLE feedback ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY",
            "feedback: number draws its values from a sequence",
        ),
        ("ALTER TABLE rollup_day ALTER COLUMN project_id DROP NOT NULL", "rollup_day: project_id is no bigint"),
        (
            """CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
            CREATE TRIGGER watch BEFORE INSERT ON attachment FOR EACH ROW EXECUTE FUNCTION nothing()""",
            "attachment: it has the trigger watch",
        ),
    ],
)
def test_the_tables_are_as_a_cluster_wants_them_and_the_plan_tells_of_one_that_is_not(change: str, told: str) -> None:
    assert distribution.obstacles() == []
    with connection.cursor() as cursor:
        # The key of a primary key is not null whatever is said of its column.
        if "DROP NOT NULL" in change:
            cursor.execute("ALTER TABLE rollup_day DROP CONSTRAINT rollup_day_pkey")
        cursor.execute(change)

    with pytest.raises(CommandError, match="A cluster would refuse 1 of these"):
        call_command("distribute", "--plan", stdout=(out := StringIO()))

    assert told in out.getvalue().splitlines()[0]


def has_citus() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'citus'")
        return cursor.fetchone() is not None


def test_without_the_extension_nothing_is_changed_and_the_reason_is_told() -> None:
    if has_citus():
        pytest.skip("This server has Citus.")

    with pytest.raises(CommandError, match=r"This PostgreSQL has no Citus\. Install it on the coordinator"):
        call_command("distribute")
    assert plan().splitlines()[-1].startswith("-- not yet: This PostgreSQL has no Citus.")


def test_on_a_cluster_everything_works_as_it_does_on_one_server(
    django_db_blocker: Any, request: pytest.FixtureRequest
) -> None:
    if not has_citus():
        pytest.skip("CITUS IS NOT TESTED: this PostgreSQL has no such extension; neither PyPI nor Debian offers one.")
    # The server of DATABASE_URL is a coordinator with its workers: the database of this run is spread over them.
    with connection.cursor() as cursor:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS citus")
    assert [one.table for one in distribution.distribute()] == list(distribution.tables())
    for work in WORK:
        work(request.getfixturevalue("api"))
