"""What Gantry's client asks and what it keeps: rows by filters, files of events, datasets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from generations.access import Scope
from generations.models import (
    DatasetItem,
    Job,
)
from tests.doors.gantry import rows
from tests.doors.rest import Caller, caller

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Caller:
    return caller("write")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"offset": -1}, "offset"),
        ({"filters": {"a": 1}}, "filters"),
        ({"filters": [{"feature_name": "inputs.q"}]}, "filters.inputs.q"),
        ({"filters": [{"feature_name": "inputs.q", "near": 3}]}, "filters.inputs.q"),
        ({"filters": [{"equals": 3}]}, "filters.feature_name"),
        ({"filters": [{"feature_name": "inputs.q", "category_query": "a"}]}, "filters.category_query"),
        ({"tags": []}, ""),
        ({"tags": ["a"]}, "tags"),
    ],
)
def test_a_question_that_cannot_be_answered_names_its_part(api: Caller, asked: dict[str, Any], field: str) -> None:
    api.post("/api/v1/applications", {"model_name": "plain"})

    answer = api.post("/api/v1/applications/plain/raw_data", asked)

    assert answer.status == (400 if field else 200)
    assert answer.json.get("error", "").startswith(field)


def test_pages_of_rows_concatenate_to_the_list_and_filters_are_the_clients(api: Caller) -> None:
    api.post("/api/v1/applications", {"model_name": "plain"})
    events = [
        {
            "event_id": f"e{n:02}",
            "timestamp": f"2026-11-20T12:00:{n:02}",
            "metadata": {"func_name": "plain"},
            "inputs": {"n": n, "word": "ab" if n % 2 else "abc"},
            "outputs": {"big": n > 5},
        }
        for n in range(10)
    ]
    api.post("/api/v1/ingest/raw", {"events": events})

    def ask(**asked: Any) -> Any:
        return api.post("/api/v1/applications/plain/raw_data?start_time=2026-11-20T12:00:00", asked).json

    whole = [row["inputs.n"] for row in ask()["events"]]
    assert whole == list(range(10))
    pages: list[int] = []
    while True:
        answer = ask(limit=3, offset=len(pages))
        pages += [row["inputs.n"] for row in answer["events"]]
        if not answer["metadata"]["has_next"]:
            break
        assert answer["metadata"]["count"] > len(pages)
    assert pages == whole
    assert [row["inputs.n"] for row in ask(order="descending", limit=2)["events"]] == [9, 8]
    for query, found in (
        ({"lower_bound": 7}, [8, 9]),
        ({"inclusive_lower_bound": 8}, [8, 9]),
        ({"upper_bound": 2}, [0, 1]),
        ({"inclusive_upper_bound": 1}, [0, 1]),
        ({"equals": 4}, [4]),
        ({"not_number_query": 4}, [0, 1, 2, 3, 5, 6, 7, 8, 9]),
        ({"null_value": True}, []),
    ):
        rows_ = ask(filters=[{"feature_name": "inputs.n", **query}])["events"]
        assert [row["inputs.n"] for row in rows_] == found, query
    assert len(ask(filters=[{"feature_name": "inputs.word", "string_query": "abc"}])["events"]) == 5
    assert len(ask(filters=[{"feature_name": "inputs.word", "string_query": "^(?!(ab)$).*$"}])["events"]) == 5
    assert len(ask(filters=[{"feature_name": "outputs.big", "boolean_query": True}])["events"]) == 4
    assert len(ask(filters=[{"feature_name": "inputs.word", "category_query": ["ab"]}])["events"]) == 5


def test_each_row_has_every_column_in_its_type_or_null(api: Caller) -> None:
    """The client turns columns as a whole into what they are said to be; one that is missing would break all."""
    api.post("/api/v1/applications", {"model_name": "plain"})
    # The newest 300 tell the columns and their types; what is older may be anything.
    said = [{"good": "maybe", "n": "many"}, {"good": True}, *({"good": False, "n": n} for n in range(300))]
    events = [
        {
            "event_id": f"e{n}",
            "timestamp": f"2026-11-20T12:{n // 60:02}:{n % 60:02}",
            "metadata": {"func_name": "plain"},
            "inputs": {"q": n if n % 2 else f"q{n}"} if n != 300 else {},
            "outputs": {},
            "feedback": one,
            "feedback_id": f"e{n}",
        }
        for n, one in enumerate(said)
    ]
    api.post("/api/v1/ingest/raw", {"events": events})

    address = "/api/v1/applications/plain/raw_data?start_time=2026-11-20T12:00:00"
    events = api.post(address, {}).json["events"]

    told = [[one[name] for name in ("feedback.good", "feedback.n", "inputs.q")] for one in events]
    assert told[:4] == [[None, None, "q0"], [True, None, "1"], [False, 0.0, "q2"], [False, 1.0, "3"]]
    assert told[300] == [False, 298.0, None]


# ---------------------------------------------------------------------------------------------------------------- files
def put(api: Caller, *parts: bytes) -> dict[str, Any]:
    begun = api.get(f"/api/v1/ingest/file-preupload?filename=f&num_parts={len(parts)}&filetype=EVENTS").json
    for url, content in zip(begun["upload_urls"], parts, strict=True):
        answer = Client().put(url, content, content_type="application/octet-stream")
        assert (answer.status_code, answer["ETag"][0]) == (200, '"')
    return {
        "upload_id": begun["upload_id"],
        "key": begun["key"],
        "parts": [{"PartNumber": n} for n in range(1, len(parts) + 1)],
        "data_link": {"file_type": "EVENTS", "application": "plain", "run_name": "r"},
    }


def test_a_file_of_events_in_parts_is_stored_line_by_line_and_sending_it_twice_changes_nothing(api: Caller) -> None:
    lines = [
        json.dumps({"event_id": f"e{n}", "metadata": {"func_name": "plain"}, "inputs": {"n": n}, "outputs": {}})
        for n in range(3)
    ]
    whole = "\n".join([*lines, "no json", ""]).encode()

    answer = api.post("/api/v1/ingest/file", put(api, whole[:70], whole[70:]))
    again = api.post("/api/v1/ingest/file", put(api, whole))

    assert answer.json["response"] == again.json["response"] == "ok"
    assert [row.public_id for row in rows(api)] == ["plain:e0", "plain:e1", "plain:e2"]
    assert [job.result for job in Job.objects.filter(project=api.project)] == [
        {"events": 4, "stored": 3, "refused": 1}
    ] * 2


def test_parts_are_put_only_at_an_address_that_was_signed_and_read_only_by_their_project(api: Caller) -> None:
    asked = put(api, b"{}")
    stranger = caller("write")

    assert Client().put("/api/v1/ingest/parts/forged", b"x").status_code == 403
    refused = stranger.post("/api/v1/ingest/file", asked)
    assert (refused.status, "parts: 1" in refused.json["error"]) == (400, True)
    for number in ("0", "\u00b2", "9" * 5_000):
        assert api.get(f"/api/v1/ingest/file-preupload?num_parts={number}").status == 400


# ------------------------------------------------------------------------------------------------------------- datasets
def test_a_table_that_is_pushed_becomes_items_of_the_dataset(api: Caller) -> None:
    made = api.post("/api/v1/datasets", {"name": "ds"}).json["data"]

    file = SimpleUploadedFile("t.csv", b"q,expected_output\ncats,purr\n")
    answer = api.client.post(f"/api/v1/datasets/{made['id']}/file", {"file": file, "commit_msg": "rows"})

    assert (answer.status_code, answer.json()["data"]["message"]) == (200, "rows")
    (item,) = DatasetItem.objects.filter(dataset=made["id"])
    assert (item.input, item.expected_output) == ({"q": "cats"}, {"content": "purr"})


def test_a_file_of_a_dataset_is_had_only_at_an_address_that_was_signed(api: Caller) -> None:
    made = api.post("/api/v1/datasets", {"name": "ds"}).json["data"]
    put_at = api.post(f"/api/v1/datasets/{made['id']}/presign/putobject", {"obj_keys": ["o/a"]}).json["data"]["o/a"]
    kept = Client().put(put_at, b"bytes", content_type="application/octet-stream")
    info = {"obj_key": "o/a", "version_id": kept["x-amz-version-id"]}
    get_at = api.post(f"/api/v1/datasets/{made['id']}/presign/getobject", {"obj_infos": [info]}).json["data"]["o/a"]

    assert b"".join(Client().get(get_at).streaming_content) == b"bytes"  # type: ignore[attr-defined]
    assert Client().get(put_at).status_code == 404
    assert Client().put(get_at, b"x").status_code == 404
    assert Client().get("/api/v1/dataset-files/forged").status_code == 403
    assert Scope.READ in Scope


def test_what_programs_log_takes_the_short_way_and_other_addresses_beside_it_the_whole(api: Caller) -> None:
    own, other = api.post("/api/v1/logging/openai/completions", {}), api.get("/login/")

    assert (own.status, own.headers["Content-Type"]) == (200, "application/json")
    assert own.headers["Content-Length"] == str(len(own.content))
    assert "default-src 'none'" in own.headers["Content-Security-Policy"]
    assert "X-Frame-Options" not in own.headers
    assert (other.status, other.headers["X-Frame-Options"]) == (200, "DENY")
