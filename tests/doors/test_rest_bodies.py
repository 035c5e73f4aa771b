"""Bodies over REST: batches in every packing, their receipts, and what is refused without a trace."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from typing import Any

import pytest
from django.test import override_settings

from generations.api import receive
from generations.models import Generation
from tests.doors.rest import GZIP, Caller, caller, rows

pytestmark = pytest.mark.django_db

NDJSON = "application/x-ndjson"
BATCH = [{"id": "a", "input": {"content": "Hi"}}, {"id": "b", "metadata": {"tags": ["x"]}}]
LINES = "\n".join(map(json.dumps, BATCH)).encode()


@pytest.fixture
def api() -> Caller:
    return caller()


def stored(api: Caller) -> list[str]:
    rows = Generation.objects.in_project(api.project.pk).order_by("public_id")
    return list(rows.values_list("public_id", flat=True))


# ---------------------------------------------------------------------------------------------- batches
@pytest.mark.parametrize(
    ("body", "type", "packed"),
    [
        (json.dumps(BATCH).encode(), "application/json", False),
        (json.dumps({"generations": BATCH}).encode(), "application/json; charset=UTF-8", False),
        (b"\xef\xbb\xbf" + json.dumps(BATCH).encode(), "application/json", False),
        (LINES, NDJSON, False),
        (LINES.replace(b"\n", b"\r\n\r\n") + b"\n", "application/jsonl", False),
        (json.dumps(BATCH).encode(), "application/vnd.ours+json", False),
        (json.dumps(BATCH).encode(), "application/json", True),
        (LINES, NDJSON, True),
    ],
)
def test_a_batch_comes_as_an_array_an_object_or_lines_packed_or_not(
    api: Caller, body: bytes, type: str, packed: bool
) -> None:
    if packed:
        answer = api.packed("/api/generations/batch", body, type)
    else:
        answer = api.send("POST", "/api/generations/batch", raw=body, type=type)

    assert answer.status == 200
    assert answer.json == {
        "counts": {"stored": 2, "merged": 0, "unchanged": 0, "rejected": 0},
        "receipts": [{"index": 0, "id": "a", "state": "stored"}, {"index": 1, "id": "b", "state": "stored"}],
    }
    assert stored(api) == ["a", "b"]


def test_good_items_are_stored_and_bad_ones_named(api: Caller) -> None:
    api.post("/api/generations", {"id": "known", "name": "x"})

    answer = api.post(
        "/api/generations/batch",
        [
            {"id": "good"},
            {"id": "bad1", "usage": {"promptTokens": "abc"}},
            {"id": "bad2", "usage": {"prompt_tokens": 1}},
            "not an object",
            {"id": "known", "name": "y"},
            {"id": "known", "name": "y"},
            {"id": "bad3", "model": {"id": "m" * 600}},
            {"id": "bad4", "metadata": {"deep": nested(150)}, "messages": nested_list(400)},
            {"id": "x" * 513},
        ],
    )

    assert answer.status == 200
    assert answer.json["counts"] == {"stored": 1, "merged": 2, "unchanged": 0, "rejected": 6}
    receipts = answer.json["receipts"]
    assert receipts[1] == {
        "index": 1,
        "id": "bad1",
        "state": "rejected",
        "field": "usage.promptTokens",
        "value": "'abc'",
        "expected": "a whole number",
        "reason": "usage.promptTokens: 'abc' is not valid; expected a whole number",
    }
    assert receipts[2]["reason"].endswith("there is no such field; did you mean 'usage.promptTokens'?")
    assert receipts[3]["field"] == "generation"
    assert (receipts[6]["field"], receipts[6]["reason"][:9]) == ("model.id", "model.id:")
    assert receipts[6]["expected"] == "at most 512 characters, got 600"
    assert receipts[7]["field"].startswith("messages")
    assert receipts[8]["field"] == "id"
    assert stored(api) == ["good", "known"]


def test_a_line_that_is_no_json_is_rejected_alone(api: Caller) -> None:
    body = b'{"id": "a"}\nnot json\n{"id": "b", "id": "c"}\n\n{"id": NaN}\n[1]\n{"id": "d"}\n{"id": "e'

    answer = api.send("POST", "/api/generations/batch", raw=body, type=NDJSON)

    assert [receipt["state"] for receipt in answer.json["receipts"]] == [
        "stored", "rejected", "rejected", "rejected", "rejected", "stored", "rejected",
    ]  # fmt: skip
    assert [receipt.get("field") for receipt in answer.json["receipts"]] == [
        None, "line 2", "line 3", "line 5", "generation", None, "line 8",
    ]  # fmt: skip
    assert "the name 'id' comes twice" in answer.json["receipts"][2]["reason"]
    assert stored(api) == ["a", "d"]


def test_a_replayed_batch_changes_nothing(api: Caller) -> None:
    api.post("/api/generations/batch", BATCH)
    before = rows()

    answer = api.post("/api/generations/batch", BATCH)

    assert answer.json["counts"] == {"stored": 0, "merged": 0, "unchanged": 2, "rejected": 0}
    assert rows() == before


def test_an_empty_batch_is_answered(api: Caller) -> None:
    assert api.post("/api/generations/batch", []).json["receipts"] == []
    assert api.send("POST", "/api/generations/batch", raw=b"\n\n", type=NDJSON).json["receipts"] == []


def test_what_no_store_can_hold_is_cleaned(api: Caller) -> None:
    body = b'{"id": "a", "prompt": "nul \\u0000 and half an emoji \\ud83d", "metadata": {"n": 123456789012345678901}}'

    answer = api.send("POST", "/api/generations", raw=body)

    assert answer.status == 201
    assert answer.json["prompt"] == "nul  and half an emoji �"
    # Written out or with an exponent, it is the same number of JSON.
    assert float(answer.json["metadata"]["n"]) == 123456789012345680000.0


def test_packed_members_may_follow_one_another(api: Caller) -> None:
    half = len(LINES) // 2
    body = gzip.compress(LINES[:half]) + gzip.compress(LINES[half:])

    answer = api.send("POST", "/api/generations/batch", raw=body, type=NDJSON, headers=GZIP)

    assert answer.json["counts"]["stored"] == 2


def test_large_bodies_unpack_to_what_was_packed() -> None:
    for body in (b"", b"x", b"ab" * 1_000_000, bytes(range(256)) * 5_000, b"\0" * (receive.PIECE * 3)):
        for level in (0, 1, 9):
            assert receive.unpacked(gzip.compress(body, level), 1 << 24) == body


# ---------------------------------------------------------------------------------------------- bombs
def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


def nested_list(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [{"role": "user", "content": value}]
    return value


def test_a_gzip_bomb_is_refused_while_it_unpacks(api: Caller) -> None:
    # 100 MiB of zeros in 100 KiB, and again packed: what comes out first is small.
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(100)) + packer.flush()
    before = rows()

    answer = api.send("POST", "/api/generations/batch", raw=bomb, type=NDJSON, headers=GZIP)

    assert (answer.status, answer.error["code"]) == (413, "too_large")
    assert "once unpacked" in answer.error["message"]
    assert rows() == before


def test_a_body_up_to_the_bound_is_taken_and_a_byte_more_is_not(api: Caller) -> None:
    body = json.dumps([{"id": "a", "prompt": ""}]).encode()
    with override_settings(INGEST_MAX_BYTES=10_000):
        fits = body.replace(b'""', b'"' + b"x" * (10_000 - len(body)) + b'"')
        assert len(fits) == 10_000
        assert api.send("POST", "/api/generations/batch", raw=fits).json["counts"]["stored"] == 1
        assert api.packed("/api/generations/batch", fits).status == 200
        for answer in (
            api.send("POST", "/api/generations/batch", raw=fits + b" "),
            api.packed("/api/generations/batch", fits + b" "),
            api.send("POST", "/api/generations", raw=b"{}" + b" " * 10_000),
        ):
            assert (answer.status, answer.error["code"]) == (413, "too_large")


def test_a_question_is_bounded_far_below_a_batch(api: Caller) -> None:
    huge = {"filter": {"id": {"$in": ["x" * 100] * 11_000}}}

    for path in ("/api/generations/query", "/api/generations/aggregate", "/api/generations/export", "/api/exports"):
        assert (api.post(path, huge).status, api.post(path, huge).error["code"]) == (413, "too_large"), path


def test_a_batch_of_too_many_items_is_refused(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "MAX_ITEMS", 3)

    answer = api.post("/api/generations/batch", [{"id": str(n)} for n in range(4)])

    assert (answer.status, answer.error["code"]) == (413, "too_large")
    assert stored(api) == []


def test_a_body_of_too_many_objects_is_refused(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "MAX_OBJECTS", 3)

    answer = api.post("/api/generations", {"id": "a", "metadata": {"x": [{}, {}]}})

    assert answer.status == 400
    assert "more than 3 objects" in answer.error["message"]
    assert stored(api) == []


@pytest.mark.slow
def test_a_list_of_more_than_the_database_makes_one_of_costs_its_call_alone(api: Caller) -> None:
    many = b"[" + b"1," * 17_000_000 + b"1]"

    answer = api.packed(
        "/api/generations/batch", b'[{"id": "a"}, {"id": "b", "input": {"content": %s}}, {"id": "c"}]' % many
    )

    assert answer.status == 200, answer.content
    assert [one.get("expected") for one in answer.json["receipts"]] == [None, "at most 8000000 values", None]
    assert stored(api) == ["a", "c"]


# ---------------------------------------------------------------------------------------------- malformed
PATHS = (
    ("POST", "/api/generations"),
    ("POST", "/api/generations/batch"),
    ("PATCH", "/api/generations/known"),
    ("POST", "/api/generations/known/feedback"),
    ("POST", "/api/generations/known/scores"),
    ("PUT", "/api/generations/known/tags"),
    ("POST", "/api/generations/query"),
    ("POST", "/api/generations/aggregate"),
    ("POST", "/api/generations/export"),
    ("POST", "/api/exports"),
    ("POST", "/api/scores"),
    ("PUT", "/api/scores/s"),
    ("POST", "/api/steps/batch"),
    ("POST", "/api/datasets"),
)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"{", "Expecting property name enclosed in double quotes at line 1, column 2"),
        (b'{"id": "a",\n "id": "b"}', "the name 'id' comes twice"),
        (b'{"id": NaN}', "NaN is not a JSON value"),
        (b'{"id": -Infinity}', "-Infinity is not a JSON value"),
        (b'{"id": "a"} {"id": "b"}', "Extra data at line 1, column 13"),
        (b'{"id": "a"}\n{"id": "b"}', "Send JSON Lines as application/x-ndjson"),
        (b'{"id": "\xff"}', "not UTF-8: byte 8 is 0xff"),
        (b'{"id": "a', "Unterminated string"),
        (b"\x00", "Expecting value"),
        (b'{"id": ' + b"9" * 5000 + b"}", "too many digits"),
        (b"[" * 100_000, "nested too deep"),
        (b'{"a":' * 100_000, "nested too deep"),
        ('{"id": "a"}'.encode("utf-16"), "not UTF-8"),
    ],
)
def test_malformed_json_is_refused_with_its_place_at_every_door(api: Caller, body: bytes, sentence: str) -> None:
    api.post("/api/generations", {"id": "known"})
    before = rows()

    for method, path in PATHS:
        answer = api.send(method, path, raw=body)
        assert (answer.status, answer.error["code"]) == (400, "malformed_json"), path
        assert sentence in answer.error["message"], path

    assert rows() == before


@pytest.mark.parametrize("body", [b"[]", b"3", b'"x"', b"null", b"true", b"", b"1e400"])
def test_a_body_of_the_wrong_kind_is_refused(api: Caller, body: bytes) -> None:
    api.post("/api/generations", {"id": "known"})
    before = rows()
    fine = {("POST", "/api/generations/batch"), ("POST", "/api/steps/batch"), ("POST", "/api/generations/aggregate")}
    may_be_empty = {
        ("POST", "/api/generations/query"), ("POST", "/api/generations/export"), ("POST", "/api/exports"),
        ("PUT", "/api/generations/known/tags"),
    }  # fmt: skip

    for method, path in PATHS:
        if (body == b"[]" and (method, path) in fine) or (body == b"" and (method, path) in may_be_empty):
            continue
        answer = api.send(method, path, raw=body)
        assert answer.status in (400, 422), (path, answer.content)
        assert answer.error["message"]

    assert rows() == before


@pytest.mark.parametrize(
    ("type", "headers", "status", "code"),
    [
        ("text/plain", {}, 415, "unsupported_type"),
        ("application/x-www-form-urlencoded", {}, 415, "unsupported_type"),
        ("multipart/form-data; boundary=x", {}, 415, "unsupported_type"),
        ("application/json; charset=latin-1", {}, 415, "unsupported_charset"),
        ("application/json", {"Content-Encoding": "br"}, 415, "unsupported_encoding"),
        ("application/json", {"Content-Encoding": "gzip, gzip"}, 415, "unsupported_encoding"),
        ("application/json", GZIP, 400, "malformed_gzip"),
    ],
)
def test_a_type_or_encoding_that_is_not_read_is_refused(
    api: Caller, type: str, headers: dict[str, str], status: int, code: str
) -> None:
    before = rows()

    for path in ("/api/generations", "/api/generations/batch", "/api/generations/query"):
        answer = api.send("POST", path, raw=json.dumps(BATCH).encode(), type=type, headers=headers)
        assert (answer.status, answer.error["code"]) == (status, code), path

    assert rows() == before


def test_a_packed_body_that_breaks_off_or_goes_on_is_refused(api: Caller) -> None:
    packed = gzip.compress(json.dumps(BATCH).encode())

    for body, code in (
        (packed[:-1], "truncated_gzip"),
        (packed[:-9], "truncated_gzip"),
        (packed[:5], "truncated_gzip"),
        (packed + b"junk", "malformed_gzip"),
        (packed[:-8] + b"\0" * 8, "malformed_gzip"),
        (b"", "malformed_batch"),
    ):
        answer = api.send("POST", "/api/generations/batch", raw=body, headers=GZIP)
        assert answer.status == 400
        assert answer.error["code"] in (code, "malformed_json")

    assert stored(api) == []


def test_a_body_that_is_shorter_than_it_says_is_refused(api: Caller) -> None:
    short: dict[str, Any] = {"wsgi.input": io.BytesIO(b'[{"id": "a"}]'), "CONTENT_LENGTH": "100"}

    answer = api.send("POST", "/api/generations/batch", raw=b"", **short)

    assert (answer.status, answer.error["code"]) == (400, "truncated_body")
    assert stored(api) == []


def test_a_content_length_that_is_too_large_is_refused_before_a_byte_is_read(api: Caller) -> None:
    class Untouched(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise AssertionError("read")

    huge: dict[str, Any] = {"wsgi.input": Untouched(), "CONTENT_LENGTH": str(1 << 40)}

    assert api.send("POST", "/api/generations/batch", raw=b"", **huge).status == 413
