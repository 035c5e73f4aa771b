"""Files over REST: looked at, imported by a job, watched, and what was refused of them; who may, and what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from generations.importing import refusals, working
from generations.models import DatasetItem, Generation, Job
from tests.doors.rest import Answer, Caller, caller, ids
from tests.exports import folder

__all__ = ["folder"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]

CSV = b"when,prompt,completion,who\n2026-02-02T10:00:00Z,Two and two?,Four.,ann\n2026-02-02T11:00:00Z,Three?,3,bo\n"
PAIR = {
    "request": {"model": "gpt-4o", "messages": [{"role": "user", "content": "Two and two?"}]},
    "response": {"model": "gpt-4o", "choices": [{"message": {"role": "assistant", "content": "Four."}}]},
}
DATA = Path(__file__).parent.parent / "data"
COLUMNS = json.dumps({"when": "timestamp", "who": "metadata.userId"})


@pytest.fixture
def api() -> Caller:
    return caller("write")


def form(api: Caller, content: bytes | None, *, name: str = "log.csv", path: str = "", **fields: Any) -> Answer:
    file = {} if content is None else {"file": SimpleUploadedFile(name, content)}
    answer: Any = api.client.post(f"/api/imports{path}", {**file, **fields})
    return Answer(answer.status_code, answer.headers, answer.content)


def done(api: Caller, started: Answer) -> Any:
    assert started.status == 202, started.content
    assert working.run(started.json["id"])
    return api.get(started.headers["Location"]).json


def waiting() -> list[str]:
    """The files that are kept for an import."""
    return [
        name for one in default_storage.listdir("imports")[0] for name in default_storage.listdir(f"imports/{one}")[1]
    ]


def test_a_table_is_imported_as_its_columns_are_said_and_its_job_is_watched(api: Caller) -> None:
    started = form(api, CSV, columns=COLUMNS)

    assert started.json | {"id": "", "createdAt": ""} == {
        "id": "",
        "state": "queued",
        "fileName": "log.csv",
        "format": "csv",
        "columns": {"when": "timestamp", "prompt": "input.content", "completion": "output.content",
                    "who": "metadata.userId"},
        "dataset": None,
        "progress": {"done": 0, "total": None},
        "result": None,
        "error": None,
        "attempts": 0,
        "createdAt": "",
        "startedAt": None,
        "finishedAt": None,
        "refused": None,
    }  # fmt: skip
    ended = done(api, started)

    assert (ended["state"], ended["progress"]) == ("done", {"done": 2, "total": 2})
    assert ended["result"] == {
        "rows": 2,
        "stored": 2,
        "merged": 0,
        "unchanged": 0,
        "added": None,
        "version": None,
        "refused": 0,
        "refusals": [],
    }
    rows = Generation.objects.in_project(api.project.pk).order_by("started_at")
    assert list(rows.values_list("input_preview", "user_id")) == [("Two and two?", "ann"), ("Three?", "bo")]
    assert ids(api.get("/api/imports")) == [started.json["id"]]


def test_calls_say_themselves_what_they_are_and_a_batchs_results_find_their_requests(api: Caller) -> None:
    line = (DATA / "calls.jsonl").read_bytes().splitlines()[4]
    requests = SimpleUploadedFile("asked.jsonl", (DATA / "batch_requests.jsonl").read_bytes())

    pairs = done(api, form(api, json.dumps(PAIR).encode(), name="calls.jsonl"))
    batch = done(api, form(api, line, name="batch.jsonl", requests=requests))

    assert (pairs["columns"], pairs["result"]["stored"]) == ({}, 1)
    assert batch["result"]["stored"] == 1
    assert not Generation.objects.in_project(api.project.pk).filter(input_preview=None).exists()


def test_rows_become_items_of_a_dataset(api: Caller) -> None:
    dataset = api.post("/api/datasets", {"name": "Sums"}).json["id"]

    ended = done(api, form(api, b"q,a\n1+1,2\n2+2,4\n", dataset=dataset, columns='{"q": "input", "a": "expected"}'))

    assert {name: ended["result"][name] for name in ("rows", "added", "version", "refused", "stored")} == {
        "rows": 2,
        "added": 2,
        "version": 2,
        "refused": 0,
        "stored": None,
    }
    assert set(DatasetItem.objects.values_list("expected_output", flat=True)) == {"2", "4"}


def test_a_look_stores_nothing_and_keeps_no_file(api: Caller) -> None:
    looked = form(api, CSV + b"soon,Four?,4,cy\n", path="/preview", columns=COLUMNS).json

    assert looked["columns"]["who"] == "metadata.userId"
    assert [row["row"] for row in looked["rows"]] == [2, 3, 4]
    assert looked["rows"][0]["document"]["input"] == {"content": "Two and two?"}
    assert looked["rows"][0]["document"]["metadata"] == {"userId": "ann"}
    assert looked["rows"][2]["document"] is None
    assert "when: 'soon' is not valid" in looked["rows"][2]["problem"]
    assert waiting() == []
    assert not Job.objects.exists()
    dataset = api.post("/api/datasets", {"name": "Sums"}).json["id"]
    of_items = form(api, b"q,a\n1+1,2\n,3\n", path="/preview", dataset=dataset).json["rows"]
    assert (of_items[0]["document"]["input"], of_items[1]["problem"]) == (
        "1+1",
        "input: '' is not valid; expected a value",
    )


def test_all_that_was_refused_is_downloaded_within_bounds(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "SHOWN", 2)
    monkeypatch.setattr(refusals, "MOST", 4)
    bad = b"".join(b'soon,"Question, %d",x,y\n' % n for n in range(6))

    ended = done(api, form(api, CSV + bad, columns=COLUMNS))

    assert (ended["result"]["stored"], ended["result"]["refused"]) == (2, 6)
    assert [one["row"] for one in ended["result"]["refusals"]] == [4, 5]
    got = api.get(ended["refused"])
    assert got.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert got.headers["Content-Disposition"].startswith('attachment; filename="refused-')
    lines = got.content.decode().splitlines()
    assert lines[0] == "row,field,reason"
    assert [line.split(",")[:2] for line in lines[1:]] == [[str(n), "when"] for n in (4, 5, 6, 7)]
    Job.objects.update(finished_at="2026-01-01T00:00:00Z")
    assert (api.get(ended["refused"]).status, api.get(f"/api/imports/{ended['id']}").json["refused"]) == (410, None)


def test_what_an_import_refused_is_told_at_its_end_and_where_nothing_was_there_is_no_file(api: Caller) -> None:
    started = form(api, CSV, columns=COLUMNS)
    address = f"/api/imports/{started.json['id']}/refused"

    assert (api.get(address).status, api.get(address).error["code"]) == (409, "not_ready")
    done(api, started)
    assert (api.get(address).status, api.get(address).error["code"]) == (410, "gone")


def test_who_started_it_cancels_it(api: Caller) -> None:
    started = form(api, CSV)

    stopped = api.post(f"/api/imports/{started.json['id']}/cancel", {})

    assert (stopped.status, stopped.json["state"]) == (200, "cancelled")
    assert not working.run(started.json["id"])
    assert not Generation.objects.in_project(api.project.pk).exists()


@pytest.mark.parametrize(
    ("content", "fields", "status", "code", "words"),
    [
        (None, {}, 422, "bad_file", "There is no file"),
        (b"", {}, 422, "bad_file", "The file is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", {"name": "a"}, 422, "bad_file", "cannot be told what this is"),
        (b"PK\x03\x04", {}, 422, "bad_file", "Unpack it"),
        (CSV, {"colums": "{}"}, 400, "bad_field", "no field 'colums'"),
        (CSV, {"requests": "text"}, 400, "bad_field", "no field 'requests' of this kind"),
        (CSV, {"columns": "{"}, 422, "invalid_record", "an object of texts"),
        (CSV, {"columns": '["when"]'}, 422, "invalid_record", "an object of texts"),
        (CSV, {"columns": '{"when": 1}'}, 422, "invalid_record", "an object of texts"),
        (CSV, {"columns": '{"whom": "metadata.userId"}'}, 422, "invalid_record", "did you mean 'who'?"),
        (CSV, {"columns": '{"who": "nothing.known"}'}, 422, "invalid_record", "'nothing.known' is not valid"),
        (CSV, {"as": "sheet"}, 422, "invalid_record", "one of calls, table"),
        (CSV, {"as": "calls"}, 422, "invalid_record", "table: rows of a csv file"),
        (CSV, {"dataset": "none"}, 404, "not_found", "There is no dataset"),
        (CSV, {"readsJson": "perhaps"}, 422, "invalid_record", "one of true, false"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_kept(
    api: Caller, content: bytes | None, fields: dict[str, str], status: int, code: str, words: str
) -> None:
    answer = form(api, content, **fields)

    assert (answer.status, answer.error["code"]) == (status, code), answer.error
    assert words in answer.error["message"] + answer.error.get("expected", "")
    assert not Job.objects.exists()
    assert not default_storage.exists("imports") or waiting() == []


def test_another_type_and_a_body_that_is_no_form_are_refused(api: Caller) -> None:
    other = api.send("POST", "/api/imports", raw=CSV, type="text/csv")
    broken = api.send("POST", "/api/imports", raw=b"--x\r\n", type="multipart/form-data")

    assert (other.status, other.error["expected"]) == (415, "multipart/form-data")
    assert (broken.status, broken.error["code"]) == (400, "malformed_form")


def test_another_projects_import_file_and_dataset_are_not_there(api: Caller) -> None:
    other = caller("admin", name="Others")
    dataset = other.post("/api/datasets", {"name": "Theirs"}).json["id"]
    started = form(other, CSV + b"soon,x,y,z\n", columns=COLUMNS)
    id = done(other, started)["id"]

    for answer in (
        api.get(f"/api/imports/{id}"),
        api.get(f"/api/imports/{id}/refused"),
        api.post(f"/api/imports/{id}/cancel", {}),
        form(api, CSV, dataset=dataset),
    ):
        assert (answer.status, answer.error["code"]) == (404, "not_found")
    assert ids(api.get("/api/imports")) == []
    assert other.get(f"/api/imports/{id}/refused").status == 200


def test_a_key_that_reads_or_only_sends_starts_and_looks_at_nothing(api: Caller) -> None:
    id = form(api, CSV).json["id"]
    for scope in ("read", "ingest"):
        one = caller(scope, project=api.project)
        for path in ("", "/preview"):
            refused = form(one, CSV, path=path)
            assert (refused.status, refused.error["code"]) == (403, "not_allowed")
    reader = caller("read", project=api.project)
    assert reader.get(f"/api/imports/{id}").status == 200
    assert reader.post(f"/api/imports/{id}/cancel", {}).status == 403
    assert Job.objects.count() == 1


def test_a_list_of_fifty_costs_what_one_costs(api: Caller, django_assert_num_queries: Any) -> None:
    form(api, CSV)
    with django_assert_num_queries(2) as one:
        assert len(api.get("/api/imports").data) == 1
    job = Job.objects.get()
    for _ in range(49):
        Job.objects.create(project=job.project, kind=job.kind, parameters=job.parameters)
    with django_assert_num_queries(len(one)):
        assert len(api.get("/api/imports").data) == 50
