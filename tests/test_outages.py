"""No connection, no database, no room on the disk: every door and page says so with `Retry-After`, and soon."""

import errno
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

import psycopg.errors
import psycopg_pool
import pytest
from botocore.stub import Stubber
from celery import Celery
from django.core.files.storage import default_storage
from django.db import DatabaseError, DataError, InterfaceError, InternalError, OperationalError, connection, transaction
from django.utils import timezone

from generations import attachments, operations, outages
from generations.models import User
from tests.doors import literal
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import message, request, span

pytestmark = pytest.mark.django_db

DOORS: dict[str, Callable[[Caller], Any]] = {
    "REST, writing": lambda api: api.post("/api/generations", {"id": "a"}),
    "REST, reading": lambda api: api.get("/api/generations"),
    "REST, one": lambda api: api.get("/api/generations/a"),
    "REST, aggregating": lambda api: api.post("/api/generations/aggregate", [{"$group": {"_id": None}}]),
    "REST, exporting": lambda api: api.post("/api/generations/export", {"format": "jsonl"}),
    "REST, exporting Parquet": lambda api: api.post("/api/generations/export", {"format": "parquet"}),
    "GraphQL": lambda api: api.post("/graphql/", {"query": "{ generations(first: 1) { nodes { id } } }"}),
    "GraphQL, writing": lambda api: api.post(
        "/graphql/", {"query": 'mutation { createGeneration(id: "a", input: {name: "a"}) { id } }'}
    ),
    "Literal AI, writing": lambda api: literal.send(api, literal.batch({"id": "a", "type": "run"})),
    "Literal AI, reading": lambda api: literal.send(
        api, {"query": "{ threads(first: 1) { edges { node { id } } } }", "variables": {}}
    ),
    "OTLP, JSON": lambda api: api.post("/v1/traces", request(span())),
    "OTLP, protobuf": lambda api: api.send(
        "POST", "/v1/traces", raw=message().SerializeToString(), type="application/x-protobuf"
    ),
    "Gantry, writing": lambda api: api.post(
        "/api/v1/logging/openai/completions",
        {"application": "a", "api_request": {"model": "m", "prompt": "Hi"}, "api_response": {"choices": []}},
    ),
    "Gantry, events": lambda api: api.post(
        "/api/v1/ingest/raw", {"events": [{"event_id": "e", "metadata": {"func_name": "a"}}]}
    ),
    "Gantry, reading": lambda api: api.get("/api/v1/applications"),
    "gateway": lambda api: api.post("/v1/chat/completions", {"model": "m", "messages": []}),
    **{
        path: lambda api, path=path: api.get(path)  # type: ignore[misc]
        for path in (
            *("/", "/projects/own/generations/", "/projects/own/generations/a/", "/projects/own/threads/"),
            *("/projects/own/search/?q=x", "/projects/own/settings/", "/admin/", "/operations/"),
        )
    },
}


def status(door: str) -> int:
    """Gantry's client sends again after 502 and not after 503. The others are told what HTTP has for it."""
    return 502 if door.startswith("Gantry") else 503


@pytest.fixture
def api() -> Caller:
    """A caller with a key, who is signed in as well."""
    made = caller("write")
    made.project.slug = "own"
    made.project.save()
    person = User.objects.create_superuser("root", password="correct horse")
    person.memberships.create(project=made.project, role="owner")
    made.client.force_login(person)
    return made


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*args: Any) -> Any:
        raise error

    return fail


def of_database(
    cause: type[psycopg.Error], kind: type[DatabaseError] = OperationalError, said: str = "as PostgreSQL says it"
) -> DatabaseError:
    error = kind("as Django says it")
    error.__cause__ = cause(said)
    return error


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (of_database(psycopg_pool.PoolTimeout), "No connection to the database could be had in time."),
        (of_database(psycopg.errors.DiskFull), "The server's disk is full. Nothing of this was stored"),
        (of_database(psycopg.errors.AdminShutdown), "The database does not answer."),
        (of_database(psycopg.errors.LockNotAvailable), "Somebody else is writing the same."),
        (InterfaceError("the connection is closed"), "The database does not answer."),
        (of_database(psycopg.errors.ReadOnlySqlTransaction, InternalError), "The database takes no changes now."),
        (of_database(psycopg.errors.QueryCanceled, said="canceling statement due to user request"), "was ended by"),
    ],
    ids=["no connection", "disk full", "shut down", "locked", "closed", "read only", "cancelled"],
)
def test_every_door_says_in_its_form_why_it_cannot_answer_now(
    api: Caller, door: str, error: Exception, told: str
) -> None:
    with connection.execute_wrapper(failing(error)):
        answer = DOORS[door](api)

    assert answer.status == status(door), answer.content
    assert int(answer.headers["Retry-After"]) >= 1
    # The apostrophe is written otherwise in HTML.
    assert told.split("'")[-1].encode() in answer.content


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_who_asks_whether_it_is_ready_is_told_when_to_ask_again(api: Caller, path: str) -> None:
    assert "Retry-After" not in api.get(path).headers
    with connection.execute_wrapper(failing(of_database(psycopg.errors.AdminShutdown))):
        answer = api.get(path)

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


def test_who_only_asks_is_sent_to_a_machine_whose_database_takes_no_changes(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> tuple[int, int, str]:
        well, ready = api.get("/healthz"), api.get("/readyz")
        assert well.json == ready.json
        assert ("Retry-After" in well.headers, "Retry-After" in ready.headers) == (well.status == 503, False)
        return well.status, ready.status, well.json["parts"]["database"]

    monkeypatch.setattr(outages, "_full_at", None)
    assert told() == (200, 200, "ready")
    with pytest.raises(OperationalError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DO $$ BEGIN RAISE disk_full; END $$")
    assert told() == (503, 200, "full")
    monkeypatch.setattr(outages, "_full_at", None)
    assert told() == (200, 200, "ready")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        assert told() == (503, 200, "read-only")
        transaction.set_rollback(True)


def test_a_worker_that_is_started_again_takes_no_requests_from_a_machine(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(**parts: str) -> tuple[int, int]:
        monkeypatch.setattr(operations, "parts", lambda supervisor: parts)
        return api.get("/healthz").status, api.get("/readyz").status

    assert told(web="ready", worker="ready", postgresql="ready") == (200, 200)
    assert told(web="ready", worker="restarting", postgresql="ready") == (503, 200)
    assert told(web="starting", worker="ready", postgresql="ready") == (503, 503)
    assert told(web="ready", worker="ready", postgresql="starting") == (503, 503)


@pytest.mark.parametrize("door", [door for door in DOORS if door.startswith("Literal")])
def test_a_value_that_the_database_refuses_is_told_in_the_form_of_literals_clients(api: Caller, door: str) -> None:
    error = DataError("as Django says it")
    error.__cause__ = psycopg.errors.NumericValueOutOfRange("out of range\nLINE 1: SELECT")

    with connection.execute_wrapper(failing(error)):
        answer = DOORS[door](api)

    assert answer.status == 400
    assert answer.json["errors"] == [{"message": "The database refuses a value of this: out of range"}]


@pytest.mark.parametrize("door", DOORS)
def test_a_database_that_goes_in_the_middle_of_a_request_is_told_as_well(api: Caller, door: str) -> None:
    sent: list[str] = []

    def fail_later(execute: Callable[..., Any], sql: str, *args: Any) -> Any:
        sent.append(sql)
        if len(sent) == 2:
            raise OperationalError("the connection is lost") from psycopg.errors.AdminShutdown("terminated")
        return execute(sql, *args)

    with connection.execute_wrapper(fail_later):
        answer = DOORS[door](api)

    assert len(sent) >= 2
    assert answer.status == status(door), answer.content
    assert answer.headers["Retry-After"] == ("1" if door.startswith("GraphQL") else "5")


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, b"disk is full"), (errno.EROFS, b"cannot be used now"), (errno.EIO, b"cannot be used now")],
)
def test_a_file_that_the_disk_does_not_take_is_refused_until_it_does(
    api: Caller, monkeypatch: pytest.MonkeyPatch, number: int, told: bytes
) -> None:
    signed = literal.upload_address(api)
    monkeypatch.setattr(default_storage, "save", failing(OSError(number, "as the system says it")))

    refused = api.send("PUT", signed, raw=b"x")

    assert refused.status == 503
    assert refused.headers["Retry-After"] == "5"
    assert told in refused.content


def test_an_outage_is_one_line_of_the_log(api: Caller, caplog: pytest.LogCaptureFixture) -> None:
    error = OperationalError("canceling statement\nLINE 1: SELECT 1\n        ^")
    error.__cause__ = psycopg.errors.LockNotAvailable("canceling statement")

    with connection.execute_wrapper(failing(error)):
        assert api.get("/api/generations").status == 503

    assert [told for told in caplog.messages if "busy" in told or "Unavailable" in told] == [
        "busy: canceling statement"
    ]


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bucket at which nobody answers."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    options = {"bucket_name": "calls", "endpoint_url": "http://127.0.0.1:1", "region_name": "eu-west-1"}
    backend = {"BACKEND": "generations.buckets.Bucket", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "default": backend}


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("door", ["OTLP", "upload", "file"])
def test_a_bucket_that_does_not_answer_is_said_so_that_the_caller_comes_again(api: Caller, door: str) -> None:
    api.client.raise_request_exception = False
    part = {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "iVBORw0KGgo="}
    said = json.dumps([{"role": "user", "parts": [part]}])
    sent = span(attributes={"gen_ai.operation.name": "chat", "gen_ai.input.messages": said})
    doors: dict[str, Callable[[], Any]] = {
        "OTLP": lambda: api.post("/v1/traces", request(sent)),
        "upload": lambda: api.send("PUT", literal.upload_address(api), raw=b"x"),
        "file": lambda: api.get(attachments.path(f"attachments/{api.project.pk}/a", "image/png")),
    }

    answer = doors[door]()

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert b"storage of files does not answer" in answer.content


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_goes_away_while_a_file_is_read_is_said_so(api: Caller) -> None:
    """A file of a bucket is there when it is opened, and its bytes come when they are read."""
    storage: Any = default_storage
    stub = Stubber(storage.connection.meta.client)
    there = {"ContentLength": 1, "LastModified": timezone.now(), "ETag": '"x"'}
    with stub:
        stub.add_response("head_object", there)
        file = storage.open("a")
        stub.add_client_error("head_object", "503", "Slow down", 503)
        with pytest.raises(outages.StorageAway):
            file.read()

        stub.add_response("head_object", there)
        file = storage.open("b")
        stub.add_client_error("head_object", "404", "Not found", 404)
        with pytest.raises(FileNotFoundError):
            file.read()


@pytest.mark.parametrize(
    "error", [ValueError("x"), OSError(errno.EPERM, "x"), FileNotFoundError("x"), InternalError("x")]
)
def test_what_is_a_fault_of_ours_is_no_outage(error: Exception) -> None:
    assert outages.of(error) is None


def test_a_fault_of_ours_stays_one(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(default_storage, "save", failing(OSError(errno.EPERM, "not permitted")))
    api.client.raise_request_exception = False

    assert api.send("PUT", literal.upload_address(api), raw=b"x").status == 500


@pytest.mark.slow
def test_whoever_gets_no_connection_is_told_so_instead_of_waiting(api: Caller) -> None:
    taken: list[Any] = []
    pool: Any = connection.pool  # type: ignore[attr-defined]  # of the PostgreSQL backend
    answers: dict[str, Any] = {}

    def ask(door: str) -> None:
        answers[door] = DOORS[door](Caller(api.project, api.token))

    try:
        # Longer than it takes to make one, so that none is on its way when there are no more.
        with pytest.raises(psycopg_pool.PoolTimeout):
            while True:
                taken.append(pool.getconn(timeout=5))
        # In threads of their own, which have no connection yet.
        threads = [threading.Thread(target=ask, args=(door,)) for door in DOORS if not door.startswith("/")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        for one in taken:
            pool.putconn(one)

    assert len(answers) == len(threads)
    assert {door: answer.status for door, answer in answers.items()} == {door: status(door) for door in answers}
    assert {answer.headers["Retry-After"] for answer in answers.values()} == {"1"}
    assert all(b"No connection to the database could be had in time" in a.content for a in answers.values())


def test_a_page_that_will_be_there_soon_asks_again_by_itself(api: Caller) -> None:
    page = "/projects/own/generations/"
    for cause, again in ((psycopg_pool.PoolTimeout, "5"), (psycopg.errors.QueryCanceled, None)):
        with connection.execute_wrapper(failing(of_database(cause))):
            answer = api.get(page)
            part = api.client.get(page, headers={"HX-Request": "true"})
        assert answer.headers.get("Refresh") == again
        assert (b"asks again by itself" in answer.content) == bool(again)
        assert (part.status_code, part.headers.get("Refresh")) == (503, None)


def test_a_form_that_cannot_be_answered_now_keeps_what_was_typed(api: Caller) -> None:
    address = "/projects/own/settings/retention/holds/"
    given = {"reason": "Case <7>, and all of it", "kind": "generations", "filter": "a=b", "opened_by": "root"}

    with connection.execute_wrapper(failing(of_database(psycopg_pool.PoolTimeout))):
        answer = api.client.post(address, given)
        with_key = api.client.post(address, {**given, "password": "secret"})
        empty = api.client.post(address)

    shown = answer.content.decode()
    assert (answer.status_code, answer.headers.get("Refresh")) == (503, None)
    assert f'action="{address}"' in shown
    assert "Case &lt;7&gt;, and all of it" in shown
    assert 'name="filter" value="a=b"' in shown
    assert 'name="opened_by" value="root"' in shown
    assert b"secret" not in with_key.content
    assert b"never sent back: go back" in with_key.content
    assert b"Go back, and send it again" in empty.content


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OperationalError("couldn't get a connection"), "couldn't get a connection"),
        (outages.StorageAway("no answer"), "no answer"),
        (ValueError("ours"), ""),
    ],
)
def test_a_task_that_an_outage_ends_is_a_line_of_the_log(
    caplog: pytest.LogCaptureFixture, error: Exception, said: str
) -> None:
    def work() -> None:
        raise error

    Celery(set_as_current=False).task(name="work", shared=False)(work).apply()

    [record] = [one for one in caplog.records if one.name == "celery.app.trace" and one.levelno == logging.ERROR]
    told = logging.Formatter().format(record)
    if said:
        assert told == f"work was not done and comes again: {said}"
    else:
        assert "Traceback" in told
