"""OTLP under bad input and pressure: nothing breaks, the good is stored, the bad is told, pages still open."""

from __future__ import annotations

import gzip
import threading
import zlib
from typing import Any, Final

import pytest
from django.db import connection, connections, transaction
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from generations.api import receive
from generations.ingest.otlp import amounts, decode
from generations.models import Generation, GenerationPayload, Step, StepPayload
from generations.recording import grouping, locking
from generations.records import InvalidRecord
from tests.doors.rest import GZIP, Caller, caller
from tests.doors.test_otlp import BARE, PROTOBUF, calls, message, post, request, span, steps
from tests.web import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def send(api: Caller, made: ExportTraceServiceRequest) -> tuple[int, ExportTraceServiceResponse]:
    answer = api.send("POST", "/v1/traces", raw=made.SerializeToString(), type=PROTOBUF)
    return answer.status, ExportTraceServiceResponse.FromString(answer.content)


def test_a_bomb_of_gzip_is_413_before_it_goes_off(api: Caller) -> None:
    bomb = gzip.compress(bytes(100 << 20))
    assert len(bomb) < 200_000

    for path in ("/v1/traces", "/v1/logs"):
        assert api.send("POST", path, raw=bomb, type=PROTOBUF, headers=GZIP).status == 413


def of(tag: bytes, inner: bytes) -> bytes:
    """A field of protobuf that holds `inner`, of any length."""
    length = len(inner)
    size = bytearray()
    while length > 127:
        size.append(length & 127 | 128)
        length >>= 7
    return tag + bytes([*size, length]) + inner


IDS: Final = b"\x0a\x10" + b"t" * 16 + b"\x12\x08" + b"s" * 8
EMPTY: Final = {
    "spans": of(b"\x0a", of(b"\x12", b"\x12\x00" * 600_000)),
    "spans, in a body that breaks off": of(b"\x0a", of(b"\x12", b"\x12\x00" * 200_000))[:-1],
    "spans of few bytes": of(b"\x0a", of(b"\x12", b"\x12\x00" * 150_000)),
    "attributes": of(b"\x0a", of(b"\x12", of(b"\x12", IDS + b"\x4a\x00" * 8_100_000))),
    "values": of(
        b"\x0a", of(b"\x12", of(b"\x12", IDS + of(b"\x4a", of(b"\x12", of(b"\x2a", b"\x0a\x00" * 8_100_000)))))
    ),
    "numbers that nobody knows": of(b"\x0a", of(b"\x12", of(b"\x12", IDS + b"\x38\x00" * 8_100_000))),
    "spans behind a group": of(b"\x0a", of(b"\x12", b"\xa3\x06\xa4\x06" + b"\x12\x00" * 600_000)),
}


@pytest.mark.parametrize("name", EMPTY)
def test_millions_of_what_is_empty_are_counted_before_anything_is_made_of_them(
    api: Caller, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if len(EMPTY[name]) > amounts.SMALL:
        monkeypatch.setattr(ExportTraceServiceRequest, "FromString", None)

    answer = api.send("POST", "/v1/traces", raw=gzip.compress(EMPTY[name], 1), type=PROTOBUF, headers=GZIP)

    assert answer.status == 413
    assert b"Send it in smaller parts." in answer.content
    assert steps(api) == 0


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[%s]}]}]}' % b",".join([b"{}"] * 150_000),
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[%s]}]}]}]}' % b",".join([b"{}"] * 4_100_000),
        b'{"resourceSpans":%s%s}' % (b"[" * 8_100_000, b"]" * 8_100_000),
    ],
    ids=["spans", "attributes", "brackets"],
)
def test_so_are_those_of_json(api: Caller, body: bytes) -> None:
    answer = api.send("POST", "/v1/traces", raw=gzip.compress(body, 1), headers=GZIP)

    assert (answer.status, answer.json["code"]) == (413, 8)
    assert "Send it in smaller parts." in answer.json["message"]


def test_vectors_of_millions_of_numbers_are_no_more_than_they_weigh() -> None:
    vector = of(b"\x2a", of(b"\x0a", b"\x21" + bytes(8)) * 4_100_000)

    amounts.check_protobuf(of(b"\x0a", of(b"\x12", of(b"\x12", IDS + of(b"\x4a", of(b"\x12", vector))))), amounts.SPANS)


def test_text_is_not_counted_whatever_marks_are_in_it(api: Caller) -> None:
    dump = {"key": "app.dump", "value": {"stringValue": '{[,"' * 3_000_000}}

    assert post(api, span(1, attributes=BARE), {**span(2), "attributes": [dump]}).status == 200
    assert steps(api) == 2


def test_of_a_span_only_so_many_events_and_links_are_read(api: Caller) -> None:
    made = message(1)
    (only,) = made.resource_spans[0].scope_spans[0].spans
    for _ in range(amounts.MAX_LINKS + 5):
        only.links.add(trace_id=b"t" * 16, span_id=b"s" * 8)
    for n in range(amounts.MAX_EVENTS + 5):
        only.events.add(name=f"e{n}")

    assert send(api, made)[0] == 200
    (read,) = decode.spans_of_protobuf(made.SerializeToString())
    assert not isinstance(read, InvalidRecord)
    assert (len(read.links), len(read.events)) == (amounts.MAX_LINKS, amounts.MAX_EVENTS)


def test_a_million_members_of_gzip_that_are_empty_cost_what_they_weigh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each member was looked for in a whole piece, which was copied twice for it: half a minute for 20 MB."""
    seen = 0

    class Counted(bytes):
        def __getitem__(self, place: Any) -> Any:
            nonlocal seen
            found = super().__getitem__(place)
            seen += len(found)
            return found

    packed = Counted(gzip.compress(b"") * 5_000 + gzip.compress(b"all of it"))

    assert receive.unpacked(packed, 1 << 20) == b"all of it"
    assert seen < 10 * len(packed)


def test_deflate_is_unpacked_and_its_bombs_and_breaks_are_refused_as_those_of_gzip(api: Caller) -> None:
    headers = {"Content-Encoding": "deflate"}
    whole = zlib.compress(message(3).SerializeToString())

    answers = [
        api.send("POST", "/v1/traces", raw=raw, type=PROTOBUF, headers=headers).status
        for raw in (whole, whole[:-20], zlib.compress(bytes(100 << 20)))
    ]

    assert answers == [200, 400, 413]
    assert steps(api) == 3


@pytest.mark.parametrize("encoding", ["identity", "identity, gzip", "gzip,identity", "Gzip ,", "gzip, gzip"])
def test_an_encoding_that_says_nothing_beside_another_is_passed_over(api: Caller, encoding: str) -> None:
    sent = message(2).SerializeToString()
    body = gzip.compress(sent) if "gzip" in encoding.lower() else sent

    answer = api.send("POST", "/v1/traces", raw=body, type=PROTOBUF, headers={"Content-Encoding": encoding})

    assert (answer.status, steps(api)) == ((415, 0) if encoding == "gzip, gzip" else (200, 2))


def test_what_breaks_off_within_gzip_is_400(api: Caller) -> None:
    half = gzip.compress(message(50).SerializeToString())[:-20]

    assert api.send("POST", "/v1/traces", raw=half, type=PROTOBUF, headers=GZIP).status == 400


def test_one_attribute_of_30_mb_is_stored_whole_as_content_and_cut_elsewhere(api: Caller) -> None:
    made = message(2)
    first, second = made.resource_spans[0].scope_spans[0].spans
    first.attributes.add(key="gen_ai.input.messages").value.string_value = "x" * (30 << 20)
    second.attributes.add(key="app.dump").value.string_value = "y" * (30 << 20)

    status, answer = send(api, made)

    assert (status, answer.partial_success.rejected_spans) == (200, 0)
    sizes = sorted(
        len(payload.messages[0]["content"]) if payload.messages else 0
        for payload in GenerationPayload.objects.in_project(api.project.pk)
    )
    assert sizes == [0, 30 << 20]
    kept = [(p.attributes or {}).get("app.dump") for p in StepPayload.objects.in_project(api.project.pk)]
    assert [len(k) < 70_000 and k.endswith("(31457280 characters)") for k in kept if k] == [True]


def test_attributes_without_end_are_counted_as_dropped(api: Caller) -> None:
    made = message(1)
    for n in range(100_000):
        made.resource_spans[0].scope_spans[0].spans[0].attributes.add(key=f"a{n}").value.int_value = n

    assert send(api, made)[0] == 200
    (payload,) = StepPayload.objects.in_project(api.project.pk)
    assert (payload.attributes or {})["droppedAttributesCount"] == 80_001


def test_the_good_spans_of_every_kind_of_bad_batch_are_stored_and_each_bad_one_is_told(api: Caller) -> None:
    made = message(7)
    spans = made.resource_spans[0].scope_spans[0].spans
    spans[1].span_id = b""
    spans[2].trace_id = bytes(16)
    spans[3].span_id = b"short"
    spans[4].start_time_unix_nano, spans[4].end_time_unix_nano = 0, 0
    spans[5].start_time_unix_nano, spans[5].end_time_unix_nano = 2**64 - 1, 2**63

    status, answer = send(api, made)

    assert (status, answer.partial_success.rejected_spans) == (200, 3)
    assert "spanId" in answer.partial_success.error_message
    assert "traceId" in answer.partial_success.error_message
    assert steps(api) == 4


def test_a_number_that_json_does_not_have_is_a_text_and_loses_no_call(api: Caller) -> None:
    made = message(1)
    given = made.resource_spans[0].scope_spans[0].spans[0].attributes
    given.add(key="gen_ai.request.top_p").value.double_value = float("inf")
    given.add(key="judged").value.array_value.values.add().double_value = float("-inf")
    given.add(key="measured").value.double_value = float("nan")

    status, answer = send(api, made)

    assert (status, answer.partial_success.rejected_spans) == (200, 0)
    (payload,) = StepPayload.objects.in_project(api.project.pk)
    kept = payload.attributes or {}
    assert (kept["judged"], kept["measured"], kept["gen_ai.request.top_p"]) == (["-Infinity"], "NaN", "Infinity")


@pytest.mark.parametrize("length", [1, 2, 3, 40])
def test_pages_open_on_spans_that_are_their_own_ancestors(api: Caller, length: int) -> None:
    around = [span(n, parent=n % length + 1, attributes=BARE if n % 2 else {"a": "b"}) for n in range(1, length + 1)]
    for one in around:
        assert post(api, one).status == 200
    browser = signed_in(api.project)

    base = f"/projects/{api.project.slug}"
    for step in Step.objects.in_project(api.project.pk)[:3]:
        assert browser.get(f"{base}/steps/{step.public_id}/").status_code == 200
    for call in calls(api)[:3]:
        assert browser.get(f"{base}/generations/{call.public_id}/").status_code == 200
    assert steps(api) == length
    assert calls(api)


def test_a_trace_is_found_by_its_id_and_a_span_by_its(api: Caller) -> None:
    post(api, span(1), span(2, traceId="f" * 32))
    (first,) = Generation.objects.in_project(api.project.pk).exclude(trace_id="f" * 32)
    reader = caller("read", project=api.project)

    for question in (f"traceId={first.trace_id}", f"spanId={first.span_id}"):
        for kind in ("generations", "steps"):
            found = reader.get(f"/api/{kind}?{question}").json["data"]
            assert [row["id"] for row in found] == [first.public_id], (kind, question)


# ------------------------------------------------------------------------------------------------------------ pressure
@pytest.mark.django_db(transaction=True)
def test_requests_that_come_while_another_writes_share_a_transaction_and_each_has_its_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The first to come waits for the last, however slow the machine is.
    monkeypatch.setattr(grouping, "PATIENCE", 60.0)
    api = caller("ingest")
    held, free = threading.Event(), threading.Event()
    answers: dict[int, Any] = {}

    def hold() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            locking.lock(cursor, api.project.pk)
            held.set()
            free.wait(240)
        connections.close_all()

    def one(n: int) -> None:
        other = Caller(api.project, api.token)
        bad = {**span(900), "spanId": ""} if n % 2 else span(100 + n)
        answers[n] = other.post("/v1/traces", request(span(n), bad))
        connections.close_all()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(240)
    # Six, the holder and this thread: fewer than the pool has connections, even while one is being given back.
    threads = [threading.Thread(target=one, args=(n,)) for n in range(1, 7)]
    for thread in threads:
        thread.start()
    place = (str(connection.settings_dict["NAME"]), "spans", api.project.pk)
    for _ in range(24_000):
        line = grouping._lines.get(place)
        if line is not None and len(line.waiting) == 5:
            break
        threading.Event().wait(0.01)
    free.set()
    for thread in [holder, *threads]:
        thread.join()

    assert {n: a.json.get("partialSuccess", {}).get("rejectedSpans") for n, a in answers.items()} == {
        n: "1" if n % 2 else None for n in range(1, 7)
    }
    assert steps(api) == 9


@pytest.mark.django_db(transaction=True)
def test_too_many_at_once_are_503_with_a_time_to_come_back_and_nothing_of_them_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = caller("ingest")
    monkeypatch.setattr(grouping, "MOST_WAITING", 0)
    place = (str(connection.settings_dict["NAME"]), "spans", api.project.pk)
    line = grouping._lines[place] = grouping._Line()
    line.writing = 1
    try:
        answer = post(api, span(1))
    finally:
        del grouping._lines[place]

    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert steps(api) == 0
    assert post(api, span(1)).status == 200
