"""Exports over REST: started, watched, cancelled, and fetched in ranges."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard
from django.core.files.storage import default_storage
from django.utils import timezone

from generations import __version__, access, exporting, importing, outages
from generations.access import Scope
from generations.importing import calls, tables
from generations.models import Job
from tests.doors.rest import GZIP, Answer, Caller, caller, rows

pytestmark = pytest.mark.django_db
CALLS = Path(__file__).parent.parent / "data" / "calls.jsonl"


@pytest.fixture
def api() -> Caller:
    api = caller()
    documents = [
        {"id": f"g{n}", "timestamp": f"2026-03-0{n}T00:00:00Z", "prompt": f"Question {n}", "metadata": {"plan": "pro"}}
        for n in range(1, 6)
    ]
    assert api.post("/api/generations/batch", documents).json["counts"]["stored"] == 5
    return api


def unzstd(packed: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(packed).read()


def done(api: Caller, **asked: Any) -> dict[str, Any]:
    started = api.post("/api/generations/export", asked)
    assert started.status == 202, started.content
    assert exporting.run(started.json["id"])
    document: dict[str, Any] = api.get(f"/api/exports/{started.json['id']}").json
    return document


def test_a_file_that_was_deleted_by_hand_is_offered_nowhere(api: Caller) -> None:
    lost, kept = done(api), done(api)
    default_storage.delete(Job.objects.get(pk=lost["id"]).result["file"])

    offered = {one["id"]: one["download"] is not None for one in api.get("/api/exports").data}

    assert offered == {lost["id"]: False, kept["id"]: True}
    assert api.get(f"/api/exports/{lost['id']}").json["download"] is None
    assert api.get(f"/api/exports/{lost['id']}/download").status == 410


def test_a_file_that_is_past_its_time_is_not_offered_though_it_was_not_deleted_yet(api: Caller) -> None:
    past = done(api)
    Job.objects.filter(pk=past["id"]).update(expires_at=timezone.now())

    assert past["download"] is not None
    assert api.get(f"/api/exports/{past['id']}").json["download"] is None
    assert api.get(f"/api/exports/{past['id']}/download").status == 410


def test_a_list_of_exports_asks_the_storage_once_and_is_there_without_it(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = {done(api)["id"] for _ in range(3)}
    asked: list[str] = []

    def away(folder: str) -> Any:
        asked.append(folder)
        raise outages.StorageAway("No route to it.")

    monkeypatch.setattr(default_storage, "listdir", away)

    assert {one["id"] for one in api.get("/api/exports").data if one["download"]} == ids
    assert asked == [f"exports/{api.project.pk}"]


def test_an_export_is_a_job_until_it_is_a_file(api: Caller) -> None:
    started = api.post("/api/generations/export", {"format": "jsonl", "filters": {"metadata.plan": "pro"}})

    assert started.json["state"] == "queued"
    assert started.json["download"] is None
    early = api.get(f"/api/exports/{started.json['id']}/download")
    assert (early.status, early.error["code"]) == (409, "not_ready")

    exporting.run(started.json["id"])
    document = api.get(f"/api/exports/{started.json['id']}").json

    assert (document["state"], document["progress"], document["error"]) == ("done", {"done": 5, "total": 5}, None)
    file = api.get(document["download"])
    assert len(file.content) == document["result"]["bytes"]
    assert hashlib.sha256(file.content).hexdigest() == document["result"]["sha256"]
    (listed,) = api.get("/api/exports").data
    # The address is signed anew each time it is told.
    assert {**listed, "download": ""} == {**document, "download": ""}


def test_an_export_imported_into_another_project_exports_equal(api: Caller) -> None:
    first = api.get(done(api)["download"]).content
    other = caller()

    packed = other.packed("/api/generations/batch", first, "application/x-ndjson")

    assert packed.json["counts"]["stored"] == 5
    assert other.get(done(other)["download"]).content == first


@pytest.mark.parametrize(("format", "type"), [("jsonl", "application/x-ndjson"), ("csv", "text/csv")])
def test_a_file_says_what_it_is(api: Caller, format: str, type: str) -> None:
    document = done(api, format=format)

    file = api.get(document["download"])

    assert file.headers["Content-Type"].startswith(type)
    assert file.headers["Content-Disposition"].endswith(f'.{format}"')
    assert file.headers["Accept-Ranges"] == "bytes"
    assert file.headers["ETag"] == f'"{document["result"]["sha256"]}"'


@pytest.mark.parametrize(
    ("asked", "ending", "type", "unpacked"),
    [
        ({"format": "jsonl", "compression": "gzip"}, ".jsonl.gz", "application/gzip", gzip.decompress),
        ({"format": "csv", "compression": "zstd"}, ".csv.zst", "application/zstd", unzstd),
        ({"format": "jsonl.gz"}, ".jsonl.gz", "application/gzip", gzip.decompress),
        ({"format": "jsonl", "compression": None}, ".jsonl", "application/x-ndjson", bytes),
        ({"format": "csv", "compression": "none"}, ".csv", "text/csv; charset=utf-8", bytes),
    ],
)
def test_a_packed_file_says_so_and_is_the_same_inside(
    api: Caller, asked: dict[str, Any], ending: str, type: str, unpacked: Callable[[bytes], bytes]
) -> None:
    bare = api.get(done(api, format=asked["format"].partition(".")[0], compression="none")["download"]).content

    document = done(api, **asked)
    file = api.get(document["download"])

    assert unpacked(file.content) == bare
    assert file.headers["Content-Type"] == type
    assert file.headers["Content-Disposition"].endswith(f'{ending}"')
    assert "Content-Encoding" not in file.headers
    assert document["compression"] == ("gzip" if ".gz" in ending else "zstd" if ".zst" in ending else "none")
    # A part of a packed file is a part of what was packed.
    assert api.get(document["download"], range="bytes=3-9").content == file.content[3:10]


@pytest.mark.parametrize(("compression", "codec"), [("none", "UNCOMPRESSED"), ("gzip", "GZIP"), (None, "ZSTD")])
def test_parquet_packs_its_columns(api: Caller, compression: str | None, codec: str) -> None:
    document = done(api, format="parquet", compression=compression)

    file = api.get(document["download"])

    found = pq.ParquetFile(io.BytesIO(file.content)).metadata
    assert (found.num_rows, found.row_group(0).column(0).compression) == (5, codec)
    assert file.headers["Content-Type"] == "application/vnd.apache.parquet"
    assert file.headers["Content-Disposition"].endswith('.parquet"')


def test_a_manifest_says_what_is_in_the_file(api: Caller) -> None:
    started = api.post("/api/generations/export", {"filters": {"id": {"$in": ["g2", "g4"]}}, "fields": ["id"]}).json
    path = f"/api/exports/{started['id']}/manifest"
    early = api.get(path)
    exporting.run(started["id"])
    document = api.get(f"/api/exports/{started['id']}").json

    manifest = api.get(document["manifest"]).json

    assert (early.status, early.error["code"], started["manifest"]) == (409, "not_ready", None)
    assert document["manifest"] == path
    content = api.get(document["download"]).content
    expected = {
        "export": started["id"],
        "project": {"slug": api.project.slug, "name": api.project.name},
        "kind": "generations",
        "filter": {"document": {"id": {"$in": ["g2", "g4"]}}, "sentence": "generations where id is g2 or g4"},
        "fields": ["id"],
        "order": None,
        "format": "jsonl",
        "compression": "none",
        "rows": 2,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "time": {"from": "2026-03-02T00:00:00Z", "to": "2026-03-04T00:00:00Z"},
        "changedSince": None,
        "gone": None,
        "textExpired": None,
        "version": __version__,
    }
    assert {name: manifest[name] for name in expected} == expected
    assert manifest["snapshotAt"] <= manifest["finishedAt"]
    assert set(manifest) - set(expected) == {"schedule", "snapshotAt", "startedAt", "finishedAt"}
    job = Job.objects.get(pk=started["id"])
    with default_storage.open(f"{job.result['file']}.manifest.json") as beside:
        assert json.loads(beside.read()) == manifest
    # It tells of a file that is gone, too.
    Job.objects.filter(pk=job.pk).update(state=Job.State.EXPIRED)
    assert api.get(path).json == manifest
    assert caller().get(path).status == 404
    assert caller(Scope.INGEST, project=api.project).get(path).status == 403


def test_an_export_is_made_again(api: Caller) -> None:
    first = done(api, format="csv", compression="gzip", filters={"id": "g2"}, fields=["id"], order="name")

    again = api.send("POST", f"/api/exports/{first['id']}/retry")

    assert (again.status, again.json["state"]) == (202, "queued")
    same = ("kind", "format", "compression", "filter", "fields", "order")
    assert {name: again.json[name] for name in same} == {name: first[name] for name in same}
    assert again.json["id"] != first["id"]
    assert caller().send("POST", f"/api/exports/{first['id']}/retry").status == 404


def test_a_download_is_taken_up_where_it_broke_off(api: Caller) -> None:
    path = done(api)["download"]
    whole = api.get(path)
    size = len(whole.content)

    def part(range_: str, **headers: str) -> Answer:
        return api.get(path, range=range_, **headers)

    first = part("bytes=0-9")
    assert (first.status, first.content) == (206, whole.content[:10])
    assert first.headers["Content-Range"] == f"bytes 0-9/{size}"
    assert first.headers["Content-Length"] == "10"
    rest = part("bytes=10-", if_range=whole.headers["ETag"])
    assert (rest.status, first.content + rest.content) == (206, whole.content)
    assert part("bytes=-7").content == whole.content[-7:]
    assert part(f"bytes=-{size * 2}").content == whole.content
    assert part(f"bytes=5-{size * 2}").headers["Content-Range"] == f"bytes 5-{size - 1}/{size}"
    assert part("bytes=0-").status == 206
    # Another file under the same address: from the start.
    assert part("bytes=10-", if_range='"other"').status == 200
    # What need not be understood is passed over.
    for ignored in ("bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes=a-b", "bytes=5-1-2", "bytes=5-4"):
        assert (part(ignored).status, part(ignored).content) == (200, whole.content)
    for beyond in (f"bytes={size}-", "bytes=-0", f"bytes={10**17}-", f"Bytes={10**20}-{10**21}"):
        refused = part(beyond)
        assert (refused.status, refused.error["code"]) == (416, "bad_range"), beyond
        assert refused.headers["Content-Range"] == f"bytes */{size}"
    assert api.get(path, if_none_match=whole.headers["ETag"]).status == 304
    # A date says nothing of this file, nor does what is nearly the same.
    assert part("bytes=0-9", if_range="Sun, 06 Nov 2095 08:49:37 GMT").status == 200
    assert part("bytes=0-9", if_range=f"W/{whole.headers['ETag']}").status == 200
    for known in ("*", f'"other", W/{whole.headers["ETag"]}'):
        assert api.get(path, if_none_match=known).status == 304
    assert api.get(path, if_none_match=f'"more{whole.headers["ETag"][1:]}').status == 200
    # Of other methods no ranges are known.
    head = api.send("HEAD", path, headers={"Range": "bytes=0-9"})
    assert (head.status, head.content, head.headers["Content-Length"]) == (200, b"", str(size))


def test_an_empty_export_is_a_file_too(api: Caller) -> None:
    document = done(api, filters={"id": "nope"})

    assert api.get(document["download"]).content == b""
    assert api.get(document["download"], range="bytes=0-").status == 416
    assert api.get(document["download"], range="bytes=-5").status == 200


def test_a_cancelled_or_expired_export_has_no_file(api: Caller) -> None:
    started = api.post("/api/generations/export", {}).json
    finished = done(api)

    cancelled = api.send("POST", f"/api/exports/{started['id']}/cancel")
    Job.objects.filter(pk=finished["id"]).update(state=Job.State.EXPIRED)

    assert (cancelled.status, cancelled.json["state"]) == (200, "cancelled")
    for id in (started["id"], finished["id"]):
        gone = api.get(f"/api/exports/{id}/download")
        assert (gone.status, gone.error["code"]) == (410, "gone")


def test_other_lists_are_exported_too(api: Caller) -> None:
    api.post("/api/steps/batch", [{"id": "s1", "type": "tool", "name": "search"}])

    started = api.post("/api/exports", {"kind": "steps", "format": "jsonl", "fields": ["id", "name"]})
    exporting.run(started.json["id"])

    file = api.get(f"/api/exports/{started.json['id']}/download")
    assert json.loads(file.content) == {"id": "s1", "name": "search"}


def test_the_task_is_sent_after_the_commit(api: Caller, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        api.post("/api/generations/export", {})

    assert len(callbacks) == 1


@pytest.mark.parametrize(
    ("path", "asked", "field"),
    [
        ("/api/generations/export", {"format": "xml"}, "format"),
        ("/api/generations/export", {"format": 1}, "format"),
        ("/api/generations/export", {"compression": "brotli"}, "compression"),
        ("/api/generations/export", {"compression": 1}, "compression"),
        ("/api/generations/export", {"format": "jsonl.gz", "compression": "zstd"}, "format"),
        ("/api/generations/export", {"filters": {"modl.id": 1}}, "modl.id"),
        ("/api/generations/export", {"filters": {"model.id": {"$like": 1}}}, "model.id"),
        ("/api/generations/export", {"filters": []}, "filters"),
        ("/api/generations/export", {"filters": "model.id=x"}, "filters"),
        ("/api/generations/export", {"filter": {}, "filters": {}}, "filter"),
        ("/api/generations/export", {"fields": ["inptu"]}, "fields"),
        ("/api/generations/export", {"fields": "input"}, "fields"),
        ("/api/generations/export", {"fields": [1]}, "fields"),
        ("/api/generations/export", {"fields": []}, "fields"),
        ("/api/generations/export", {"order": "colour"}, "order"),
        ("/api/generations/export", {"order": 1}, "order"),
        ("/api/generations/export", {"kind": "steps"}, "kind"),
        ("/api/generations/export", {"filtres": {}}, "filtres"),
        ("/api/exports", {"kind": "colours"}, "kind"),
        ("/api/exports", {"kind": 1}, "kind"),
    ],
)
def test_an_export_that_cannot_be_made_is_refused_before_it_is_one(
    api: Caller, path: str, asked: Any, field: str
) -> None:
    before = rows()

    answer = api.post(path, asked)

    assert (answer.status, answer.error["code"]) == (400, "bad_filter")
    assert answer.error["field"] == field
    assert rows() == before


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"format": 5}, "format: 5 is not valid; expected one of jsonl, csv, parquet"),
        ({"format": None}, "format: null is not valid; expected one of jsonl, csv, parquet"),
        ({"order": "-"}, "order: '-' is not valid; expected a field of generations"),
        ({"order": "-metadata"}, "order: '-metadata' is not valid; expected a name behind it, such as metadata.plan"),
        ({"filters": 5}, 'filters: 5 is not valid; expected an object of conditions, such as {"model.id": "gpt-4"}'),
        (
            {"fromat": "csv"},
            (
                "fromat: 'csv' is not valid; expected one of format, compression, filters, filter, fields, order,"
                " version; did you mean format?"
            ),
        ),
    ],
)
def test_what_is_wrong_with_an_export_is_said_by_the_name_and_with_the_value_that_were_sent(
    api: Caller, asked: Any, said: str
) -> None:
    assert api.post("/api/generations/export", asked).error["message"] == said


def test_a_filter_may_come_packed(api: Caller) -> None:
    body = gzip.compress(json.dumps({"filters": {"id": "g1"}}).encode())

    answer = api.send("POST", "/api/generations/export", raw=body, headers=GZIP)

    assert answer.status == 202


def test_calls_of_other_formats_imported_and_exported_come_back_over_rest_equal() -> None:
    first, second = caller(), caller()
    with CALLS.open("rb") as file:
        report = importing.run(access.of_system(first.project), tables.rows(file, "jsonl"), calls.reader())
    assert report.stored > 5

    exported = first.get(done(first)["download"]).content
    sent = second.packed("/api/generations/batch", exported, "application/x-ndjson")

    assert sent.json["counts"] == {"stored": report.stored, "merged": 0, "unchanged": 0, "rejected": 0}
    again = second.get(done(second)["download"]).content
    # Calls of the same moment stand in an order of each project's own.
    assert sorted(again.splitlines()) == sorted(exported.splitlines())
