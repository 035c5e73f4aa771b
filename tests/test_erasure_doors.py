"""One participant is erased over REST and GraphQL: counted beforehand as on the page, begun once, watched, reported."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from generations import access, recording, retention, tasks
from generations.access import Scope
from generations.models import AuditEntry, Generation, IngestReject, Job
from generations.records import ScoreRecord
from tests.asking import Door
from tests.doors.rest import Caller, caller
from tests.erasing import call
from tests.own_files import storage
from tests.web import NOON

__all__ = ["storage"]
pytestmark = pytest.mark.django_db

PREVIEW = """query($id: ID!) { erasurePreview(participantId: $id) { participantId exact held counts {
  threads steps generations scores feedback files datasetItems experimentItems exports refusedBodies filesToImport
  participants } } }"""
REPORT = """{ id state participantId error attempts delivered { to finishedAt exportId } counts {
  threads generations scores refusedBodies exports } }"""


@pytest.fixture
def api() -> Caller:
    api = caller("admin")
    mia = call("one", "mia", thread_id="talk", scores=(ScoreRecord(name="q", value=1.0),))
    recording.record(api.project, [mia, call("two", "mia"), call("ben's", "ben")])
    IngestReject.objects.create(project=api.project, door="rest", reason="No", body=b'{"userId": "mia"}')
    return api


@pytest.fixture
def graphql(api: Caller) -> Door:
    return Door(api.project)


def held(api: Caller, user: str = "mia") -> Any:
    document = {"metadata.userId": user}
    return retention.add_hold(access.of_system(api.project), reason="Case 7", kind="generations", document=document)


def test_what_would_go_is_counted_as_on_the_page_and_nothing_changes(api: Caller, graphql: Door) -> None:
    foretold = retention.foretell(api.project, "mia")

    told = api.post("/api/erasures/preview", {"participant": "mia"}).json
    asked = graphql.read(PREVIEW, {"id": "mia"})["erasurePreview"]

    assert [told["counts"][name] for name in ("threads", "generations", "scores", "refusedBodies")] == [1, 2, 1, 1]
    assert list(told["counts"].values()) == list(foretold.counts.values())
    assert told["participant"] == asked["participantId"] == "mia"
    assert (told["exact"], told["held"]) == (asked["exact"], asked["held"]) == (True, None)
    assert {name: count for name, count in asked["counts"].items() if count is not None} == told["counts"]
    assert Generation.objects.in_project(api.project.pk).count() == 3
    assert not Job.objects.exists()


def test_an_erasure_over_rest_is_a_job_with_a_report_and_an_audit_entry(api: Caller) -> None:
    begun = api.post("/api/erasures", {"participant": "mia"})
    waiting = api.get(begun.headers["Location"]).json
    tasks.run_job(begun.json["id"])
    done = api.get(begun.headers["Location"]).json

    assert (begun.status, begun.json) == (202, waiting)
    assert (waiting["state"], waiting["participant"], waiting["counts"]) == ("queued", "mia", None)
    assert (done["state"], done["error"], done["delivered"]) == ("done", None, [])
    assert {name: count for name, count in done["counts"].items() if count} == {
        "threads": 1,
        "generations": 2,
        "scores": 1,
        "refusedBodies": 1,
        "participants": 1,
    }
    assert [one["id"] for one in api.get("/api/erasures").data] == [done["id"]]
    (entry,) = AuditEntry.objects.filter(project=api.project, action="erasure.start")
    assert (entry.subject_id, entry.detail, entry.actor[:3]) == (done["id"], {"participant": "mia"}, "key")


def test_an_erasure_over_graphql_is_the_same_job(api: Caller, graphql: Door) -> None:
    begun = graphql.read(f'mutation {{ startErasure(participantId: "mia") {REPORT} }}')["startErasure"]
    tasks.run_job(begun["id"])
    done = graphql.read(f'{{ erasure(id: "{begun["id"]}") {REPORT} erasures {{ nodes {{ id }} }} }}')

    assert (begun["state"], begun["counts"]) == ("queued", None)
    assert done["erasures"]["nodes"] == [{"id": begun["id"]}]
    report = done["erasure"]
    assert (report["state"], report["participantId"], report["delivered"]) == ("done", "mia", [])
    assert report["counts"] == {"threads": 1, "generations": 2, "scores": 1, "refusedBodies": 1, "exports": 0}
    assert api.get(f"/api/erasures/{begun['id']}").json["counts"]["generations"] == 2


def test_one_that_waits_is_the_same_job_and_a_key_is_remembered_after_its_end(api: Caller, graphql: Door) -> None:
    body, again = {"participant": "mia"}, {"Idempotency-Key": "k"}
    first = api.send("POST", "/api/erasures", body, headers=again).json["id"]
    waiting = [
        api.post("/api/erasures", body).json["id"],
        graphql.read('mutation { startErasure(participantId: "mia") { id } }')["startErasure"]["id"],
    ]
    other = api.post("/api/erasures", {"participant": "ben"}).json["id"]
    tasks.run_job(first)
    repeated = api.send("POST", "/api/erasures", body, headers=again)
    without = api.post("/api/erasures", body)

    assert waiting == [first, first]
    assert other != first
    assert (repeated.status, repeated.json["id"], repeated.json["state"]) == (202, first, "done")
    assert (without.status, without.error["code"]) == (404, "not_found")
    assert Job.objects.count() == 2


def test_a_legal_hold_is_told_beforehand_and_refuses_as_a_conflict(api: Caller, graphql: Door) -> None:
    hold = held(api)
    told = api.post("/api/erasures/preview", {"participant": "mia"}).json["held"]
    asked = graphql.read(PREVIEW, {"id": "mia"})["erasurePreview"]["held"]
    refused = api.post("/api/erasures", {"participant": "mia"})
    answer = graphql.ask('mutation { startErasure(participantId: "mia") { id } }')
    other = api.post("/api/erasures", {"participant": "ben"})
    retention.release_hold(access.of_system(api.project), hold.pk)
    released = api.post("/api/erasures", {"participant": "mia"})

    assert (refused.status, refused.error["code"]) == (409, "held")
    assert refused.error["message"] == told == asked == answer.errors[0]["message"]
    assert 'The legal hold "Case 7" keeps something of this participant' in str(told)
    assert answer.codes == ["CONFLICT"]
    assert (other.status, released.status) == (202, 202)


def test_who_is_not_there_or_is_another_projects_is_not_found(api: Caller, graphql: Door) -> None:
    other = caller("admin", name="Other")
    recording.record(other.project, [call("theirs", "zoe")])
    job = other.post("/api/erasures", {"participant": "zoe"}).json["id"]

    for id in ("zoe", "nobody", "a\0b", "x" * 600):
        for path in ("/api/erasures", "/api/erasures/preview"):
            answer = api.post(path, {"participant": id})
            assert (answer.status, answer.error["code"]) == (404, "not_found")
        assert graphql.ask(PREVIEW, {"id": id}).codes == ["NOT_FOUND"]
    for method, path in (("GET", f"/api/erasures/{job}"), ("POST", f"/api/erasures/{job}/cancel")):
        assert api.send(method, path).status == 404
    assert graphql.read(f'{{ erasure(id: "{job}") {{ id }} }}') == {"erasure": None}
    assert api.get("/api/erasures").data == []


@pytest.mark.parametrize("scope", ["ingest", "read", "write"])
def test_a_key_that_may_not_administer_erases_nobody(api: Caller, scope: str) -> None:
    other = caller(scope, project=api.project)

    for path in ("/api/erasures", "/api/erasures/preview"):
        assert other.post(path, {"participant": "mia"}).error["code"] == "not_allowed"
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "participant"),
        ({"participant": None}, "participant"),
        ({"participant": ""}, "participant"),
        ({"participant": 5}, "participant"),
        ({"participant": ["mia"]}, "participant"),
        ({"userId": "mia"}, "userId"),
        ({"participant": "mia", "all": True}, "all"),
    ],
)
def test_what_names_nobody_is_refused_by_field(api: Caller, body: dict[str, Any], field: str) -> None:
    answer = api.post("/api/erasures", body)

    assert (answer.status, answer.error["field"]) == (422, field)
    assert answer.error["expected"]
    assert not Job.objects.exists()


def test_an_erasure_that_waits_is_cancelled_and_one_that_failed_says_what_went(api: Caller, graphql: Door) -> None:
    one = api.post("/api/erasures", {"participant": "mia"}).json["id"]
    cancelled = api.post(f"/api/erasures/{one}/cancel", {}).json
    two = api.post("/api/erasures", {"participant": "mia"}).json["id"]
    held(api)
    tasks.run_job(two)
    failed = api.get(f"/api/erasures/{two}").json
    again = graphql.read(f'mutation {{ cancelErasure(id: "{two}") {REPORT} }}')["cancelErasure"]

    assert (cancelled["state"], two != one) == ("cancelled", True)
    assert (failed["state"], failed["counts"]) == ("failed", None)
    assert "legal hold" in failed["error"]
    assert (again["state"], again["error"]) == ("failed", failed["error"])


def waiting_for_an_import(api: Caller) -> Job:
    """An erasure that was done at once, and waits for an import that began before it."""
    Job.objects.create(
        project=api.project, kind=Job.Kind.IMPORT, state=Job.State.RUNNING, leased_until=NOON + dt.timedelta(days=9_999)
    )
    first = Job.objects.get(pk=api.post("/api/erasures", {"participant": "mia"}).json["id"])
    tasks.run_job(str(first.pk))
    first.refresh_from_db()
    assert first.state == "queued" and first.started_at is not None
    return first


def test_what_came_since_is_erased_at_once_though_another_erasure_of_theirs_waits(api: Caller) -> None:
    first = waiting_for_an_import(api)
    recording.record(api.project, [call("since", "mia")])

    second = api.post("/api/erasures", {"participant": "mia"}).json["id"]
    tasks.run_job(second)

    assert second != str(first.pk)
    assert not Generation.objects.in_project(api.project.pk).filter(user_id="mia").exists()


def test_a_key_is_remembered_also_where_another_erasure_of_theirs_waits(api: Caller) -> None:
    body, again = {"participant": "mia"}, {"Idempotency-Key": "k"}
    api.post("/api/erasures", body)

    first = api.send("POST", "/api/erasures", body, headers=again)
    tasks.run_job(first.json["id"])
    second = api.send("POST", "/api/erasures", body, headers=again)

    assert (first.status, second.status, second.json["id"]) == (202, 202, first.json["id"])


@pytest.mark.parametrize("scope", [Scope.READ, Scope.WRITE])
def test_an_erasure_is_not_cancelled_by_who_may_not_erase(api: Caller, scope: Scope) -> None:
    waiting = api.post("/api/erasures", {"participant": "mia"}).json["id"]
    other = Caller(api.project, access.create_key(access.of_system(api.project), name="other", scopes=[scope])[1])

    answer = other.post(f"/api/erasures/{waiting}/cancel", {})

    assert (answer.status, answer.error["code"]) == (403, "not_allowed")
    assert Job.objects.get(pk=waiting).state == "queued"
