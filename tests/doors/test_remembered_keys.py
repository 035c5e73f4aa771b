"""Keys that a process remembers: what is written asks for them, and what they may not do any more is not done."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DataError, connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import access, horizons, recording, trusting
from generations.models import ApiKey, Generation, Project, Step
from generations.recording import grouping, writing
from generations.records import GenerationRecord
from tests.doors.rest import Answer, Caller, caller
from tests.test_recording_together import held, until, waiting

pytestmark = pytest.mark.django_db(transaction=True)


def span(id: str, **more: Any) -> dict[str, Any]:
    attributes = [{"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}}]
    start = 1_790_000_000_000_000_000
    times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 10**9)}
    return {
        "traceId": "0" * 31 + id,
        "spanId": "0" * 15 + id,
        "name": "call",
        "attributes": attributes,
        **times,
        **more,
    }


def spans(*some: dict[str, Any]) -> dict[str, Any]:
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(some)}]}]}


WAYS: dict[str, Callable[[Caller, str], Answer]] = {
    "a span": lambda api, id: api.post("/v1/traces", spans(span(id))),
    "one generation": lambda api, id: api.post("/api/generations", {"id": id}),
    "a batch": lambda api, id: api.post("/api/generations/batch", [{"id": id}, {"id": id + "0"}]),
}


@pytest.fixture(params=list(WAYS.values()), ids=list(WAYS))
def send(request: pytest.FixtureRequest) -> Callable[[Caller, str], Answer]:
    """Sends something of this id by each of the doors."""
    way: Callable[[Caller, str], Answer] = request.param
    return way


def rows() -> int:
    return Generation.objects.in_project(Project.objects.get().pk).count()


def test_a_key_is_asked_for_once_by_what_is_written(send: Callable[[Caller, str], Answer]) -> None:
    api = caller("ingest")
    send(api, "1")
    with CaptureQueriesContext(connection) as asked:
        answer = send(api, "2")

    assert answer.status in (200, 201)
    assert sum(one["sql"].count("EXECUTE key_") for one in asked) == 1
    # With the first of what is asked before it is written, in one message.
    assert not any(one["sql"].startswith("EXECUTE key_") for one in asked)


def test_a_key_that_is_revoked_or_gone_or_expired_stores_nothing_more(send: Callable[[Caller, str], Answer]) -> None:
    for number, change in enumerate(({"revoked_at": timezone.now()}, {"expires_at": timezone.now()}, None)):
        api = caller("ingest")
        assert send(api, "1").status in (200, 201)
        key = ApiKey.objects.filter(project=api.project)
        if change is None:
            key.delete()
        else:
            key.update(**change)

        refused = send(api, "2")

        assert refused.status == 401, number
        assert set(Generation.objects.in_project(api.project.pk).values_list("public_id", flat=True)) & {"2"} == set()
        assert Step.objects.in_project(api.project.pk).filter(public_id__endswith="2").count() == 0


def test_a_key_whose_scopes_change_may_do_what_it_may_by_then(send: Callable[[Caller, str], Answer]) -> None:
    api = caller("ingest")
    send(api, "1")
    before = rows()
    ApiKey.objects.update(scopes=["read"])

    assert send(api, "2").status == 403
    assert rows() == before

    ApiKey.objects.update(scopes=["ingest"])

    assert send(api, "2").status in (200, 201)
    assert rows() > before


def test_what_a_project_says_holds_from_the_next_request_on() -> None:
    api = caller("ingest")
    api.post("/v1/traces", spans(span("1")))
    Project.objects.update(keep_generic_spans=False)

    api.post("/v1/traces", spans(span("2"), span("3", attributes=[])))

    kept = Step.objects.in_project(api.project.pk).values_list("span_id", flat=True)
    assert sorted(kept) == ["0" * 15 + "1", "0" * 15 + "2"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/traces", {"resourceSpans": []}, 200),
        ("/v1/traces", {"resourceSpans": 5}, 400),
        ("/api/generations", {"usage": 5}, 422),
        ("/api/generations/batch", [{"usage": 5}], 200),
        ("/api/generations/batch", [], 200),
    ],
)
def test_who_writes_nothing_is_known_all_the_same(path: str, body: Any, status: int) -> None:
    api = caller("ingest")
    api.post("/api/generations", {"id": "1"})
    assert api.post(path, body).status == status

    ApiKey.objects.update(revoked_at=timezone.now())

    assert api.post(path, body).status == 401


def test_a_value_that_is_refused_before_the_key_is_told_of_lets_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    api = caller("ingest")
    access.by_key(api.token)
    grant = access.remembered(api.token)
    assert grant is not None and grant.trust is not None
    ApiKey.objects.update(revoked_at=timezone.now())

    def refuses(*given: Any, **named: Any) -> Any:
        monkeypatch.undo()
        raise DataError("a value")

    monkeypatch.setattr(trusting, "fetch", refuses)
    with pytest.raises(trusting.Outdated):
        recording.record(api.project, [GenerationRecord(id="a"), GenerationRecord(id="b")], trust=grant.trust)

    assert not Generation.objects.in_project(api.project.pk).exists()


def test_one_look_confirms_all_who_wait_with_a_key_and_keeps_its_last_use() -> None:
    api = caller("ingest")
    access.by_key(api.token)
    ApiKey.objects.update(last_used_at=timezone.now() - 2 * trusting.LAST_USE_GRAIN)
    trusts = [grant.trust for _ in range(3) if (grant := access.remembered(api.token)) is not None]
    assert not any(trust.is_confirmed for trust in trusts if trust is not None)

    with CaptureQueriesContext(connection) as asked:
        old = trusting.outdated([trust for trust in trusts if trust is not None])

    assert old == set()
    assert [trust is not None and trust.is_confirmed for trust in trusts] == [True] * 3
    assert sum(one["sql"].startswith("EXECUTE key_") for one in asked) == 1
    assert ApiKey.objects.filter(last_used_at__gt=timezone.now() - trusting.LAST_USE_GRAIN).exists()


def test_what_expired_is_known_as_the_project_says_by_then() -> None:
    api = caller("ingest")
    api.post("/api/generations", {"id": "1"})
    moment = timezone.now()
    Project.objects.update(generation_text_from=moment)
    Project.objects.get()
    assert horizons.of(api.project.pk, "generation") == moment
    Project.objects.update(generation_text_from=None)

    api.post("/api/generations", {"id": "2"})

    assert horizons.of(api.project.pk, "generation") is None


@pytest.mark.parametrize("order", [("gone", "good", "fresh"), ("good", "gone", "fresh"), ("fresh", "good", "gone")])
def test_a_key_that_is_revoked_while_it_waits_takes_nobody_along(
    order: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.recording.grouping.PATIENCE", 60.0)
    project = access.create_project("Waiting")
    trusts: dict[str, trusting.Trust | None] = {"fresh": None, "first": None}
    keys = {}
    for name in ("good", "gone"):
        keys[name], token = access.create_key(access.of_system(project), name=name)
        access.by_key(token)
        remembered = access.remembered(token)
        assert remembered is not None
        trusts[name] = remembered.trust
    said: dict[str, str] = {}

    def work(name: str) -> None:
        try:
            said[name] = recording.record(project, [GenerationRecord(id=name)], trust=trusts[name])[0].state
        except trusting.Outdated:
            said[name] = "outdated"
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(name,)) for name in ("first", *order)]
    with held(project) as free:
        threads[0].start()
        until(lambda: bool(said) or is_writing(project))
        for number, thread in enumerate(threads[1:], 1):
            thread.start()
            until(lambda number=number: waiting(project) == number)  # type: ignore[misc]
        line = grouping._lines[(str(connection.settings_dict["NAME"]), "records", project.pk)]
        assert line.number == 1 + len(order)
        access.revoke_key(access.of_system(project), str(keys["gone"].pk))
        free.set()
        for thread in threads:
            thread.join()

    assert said == {"first": "stored", "good": "stored", "fresh": "stored", "gone": "outdated"}
    stored = Generation.objects.in_project(project.pk).values_list("public_id", flat=True)
    assert sorted(stored) == ["first", "fresh", "good"]
    # Nobody is counted who is not there any more, whether written for or let out.
    assert line.number == 0


def is_writing(project: Project) -> bool:
    """Whether the first one writes and the others have not come yet."""
    place = (str(connection.settings_dict["NAME"]), "records", project.pk)
    return place in grouping._lines and not grouping._lines[place].waiting


def test_what_shares_no_transaction_wants_a_grant_that_was_looked_up() -> None:
    api = caller("ingest")
    access.by_key(api.token)
    grant = access.remembered(api.token)
    assert grant is not None

    with pytest.raises(trusting.Outdated):
        recording.record(
            grant.project, [GenerationRecord(id=f"g{n}") for n in range(writing.GROUPED + 1)], trust=grant.trust
        )

    assert Generation.objects.in_project(grant.project.pk).count() == 0
