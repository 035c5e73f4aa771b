"""Langfuse's addresses for files: whichever comes first, the span or its file, the message refers to it in the end."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client

from generations import attachments, recording
from generations.api import otlp_media
from generations.models import Attachment, Generation, GenerationPayload, IngestReject, Membership, Project, StepPayload
from generations.records import AttachmentRecord, GenerationRecord
from generations.retention import removing
from tests.doors.rest import Answer, Caller, caller
from tests.doors.test_otlp import BARE, CHAT, TRACE, post, span
from tests.own_files import storage
from tests.test_otlp_media import DIGEST, PIXEL, REFERENCE, genai
from tests.web import person

__all__ = ["storage"]
pytestmark = pytest.mark.django_db

ADDRESS: Final = "/api/public/media"
SPAN: Final = f"{1:016x}"
HASH: Final = base64.b64encode(hashlib.sha256(PIXEL).digest()).decode()
ID: Final = HASH.replace("+", "-").replace("/", "_")[:22]
MARKER: Final = f"@@@langfuseMedia:type=image/png|id={ID}|source=bytes@@@"
IMAGE: Final = {"type": "image_url", "image_url": {"url": MARKER}}
ASKED: Final = {
    "traceId": TRACE,
    "observationId": SPAN,
    "field": "input",
    "contentType": "image/png",
    "contentLength": len(PIXEL),
    "sha256Hash": HASH,
}
SENT: Final = {"x-amz-checksum-sha256": HASH, "x-ms-blob-type": "BlockBlob"}


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def ask(api: Caller, **other: Any) -> Answer:
    return api.post(ADDRESS, {**ASKED, **other})


def put(api: Caller, url: str, content: bytes = PIXEL, kind: str = "image/png", **other: str) -> Answer:
    path = urlsplit(url).path
    return Caller(api.project, None).send("PUT", path, raw=content, type=kind, headers={**SENT, **other})


def upload(api: Caller, **other: Any) -> None:
    """All that a client does, as far as it is asked to."""
    answer = ask(api, **other)
    assert (answer.status, answer.json["mediaId"]) == (200, ID)
    if (url := answer.json["uploadUrl"]) is not None:
        assert put(api, url, kind=other.get("contentType", "image/png")).status == 200
        report = {"uploadedAt": "2026-09-21T14:13:30Z", "uploadHttpStatus": 200, "uploadTimeMs": 3}
        assert api.send("PATCH", f"{ADDRESS}/{ID}", report).status == 200


def kept(project: Project) -> list[tuple[str | None, str | None, str | None, int | None]]:
    rows = Attachment.objects.in_project(project.pk).order_by("public_id")
    assert all(attachments.open_file(row.storage_key or "").read() == PIXEL for row in rows)
    return [(row.generation_id, row.step_id, row.mime, row.size) for row in rows]


def messages(project: Project) -> str:
    (row,) = GenerationPayload.objects.in_project(project.pk)
    return json.dumps(row.messages)


@pytest.mark.parametrize("order", ["span file", "file span", "span file span file", "file file span"])
def test_whichever_comes_first_the_message_refers_to_its_file(api: Caller, order: str) -> None:
    for name in order.split():
        if name == "file":
            upload(api)
        else:
            assert post(api, span(1, attributes=genai(IMAGE))).json == {}

    assert REFERENCE in messages(api.project)
    assert "langfuseMedia" not in messages(api.project)
    assert kept(api.project) == [(f"{TRACE}-{SPAN}", None, "image/png", len(PIXEL))]


def test_a_file_that_comes_while_its_span_is_written_is_seen_by_one_of_both(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The span has looked for the file before that is there, and the upload for the span before that is committed."""
    look = otlp_media.Places.__call__
    looks: list[str] = []

    def late(places: otlp_media.Places, id: str) -> Any:
        found = look(places, id)
        looks.append(id)
        if looks == [id]:
            upload(api)
        return found

    monkeypatch.setattr(otlp_media.Places, "__call__", late)
    post(api, span(1, attributes=genai(IMAGE)))

    assert REFERENCE in messages(api.project)


@pytest.mark.parametrize("order", ["wrapper call file", "file wrapper call", "wrapper file call", "call file wrapper"])
def test_a_file_of_a_span_whose_call_another_tells_is_that_calls(api: Caller, order: str) -> None:
    without = {k: v for k, v in CHAT.items() if k != "gen_ai.input.messages"}
    around = {k: v for k, v in genai(IMAGE).items() if "output" not in k}
    for name in order.split():
        if name == "file":
            upload(api)
        else:
            post(api, span(1, attributes=around) if name == "wrapper" else span(2, parent=1, attributes=without))

    (call,) = Generation.objects.in_project(api.project.pk)
    assert call.span_id == f"{2:016x}"
    assert REFERENCE in messages(api.project)
    said = StepPayload.objects.in_project(api.project.pk).values_list("attributes", flat=True)
    assert "langfuseMedia" not in json.dumps(list(said))
    assert (call.public_id, None, "image/png", len(PIXEL)) in kept(api.project)


def test_a_file_of_a_trace_is_that_of_its_root_and_one_of_a_step_is_beside_it(api: Caller) -> None:
    said = {"langfuse.observation.type": "span", "langfuse.observation.input": json.dumps({"picture": MARKER})}
    post(api, span(1, attributes=said))
    upload(api, observationId=None)

    (row,) = StepPayload.objects.in_project(api.project.pk)
    assert row.input == {"picture": REFERENCE}
    assert kept(api.project) == [(None, f"{TRACE}-{SPAN}", "image/png", len(PIXEL))]


def test_a_type_by_another_name_is_shown_as_what_it_is(api: Caller) -> None:
    place = {"url": MARKER.replace("image/png", "image/jpg")}
    post(api, span(1, attributes=genai({"type": "image_url", "image_url": place})))
    upload(api, contentType="image/jpg")

    assert f"attachment:{DIGEST}?type=image/jpeg&" in messages(api.project)
    assert [mime for *_, mime, _ in kept(api.project)] == ["image/jpeg"]


def test_one_file_of_many_spans_is_uploaded_once(api: Caller) -> None:
    for n in (1, 2):
        post(api, span(n, attributes=genai(IMAGE)))
    for n in (1, 2):
        upload(api, observationId=f"{n:016x}")

    assert ask(api).json == {"mediaId": ID, "uploadUrl": None}
    assert len(kept(api.project)) == 2
    assert default_storage.listdir(attachments.folder(api.project))[1] == [DIGEST]


def test_a_file_that_was_removed_with_its_calls_is_asked_for_again(api: Caller) -> None:
    upload(api)
    post(api, span(1, attributes=genai(IMAGE)))
    removing.remove(api.project, "generation", [f"{TRACE}-{SPAN}"])

    assert default_storage.listdir(f"attachments/{api.project.pk}/media")[1] == []
    assert ask(api).json["uploadUrl"]
    upload(api)
    default_storage.delete(attachments.folder(api.project) + DIGEST)  # by whoever was ended before the rest
    assert ask(api).json["uploadUrl"]


def test_a_file_that_is_only_called_like_one_kept_by_its_digest_is_removed_as_any(api: Caller) -> None:
    """Doors that take attachments with their keys let callers name these."""
    file = AttachmentRecord(id="f1", storage_key=f"attachments/{api.project.pk}/sha256/of-mine", generation_id="g1")
    recording.record(api.project, [GenerationRecord(id="g1", attachments=(file,))])

    removing.remove(api.project, "generation", ["g1"])

    assert not Attachment.objects.in_project(api.project.pk).exists()


def test_a_file_stays_known_when_another_that_is_called_like_it_is_removed(api: Caller) -> None:
    upload(api)
    file = AttachmentRecord(
        id="f1", storage_key=f"attachments/{api.project.pk}/mine/sha256/{DIGEST}", generation_id="g1"
    )
    recording.record(api.project, [GenerationRecord(id="g1", attachments=(file,))])

    removing.remove(api.project, "generation", ["g1"])

    assert attachments.placed(api.project, ID) is not None


@pytest.mark.django_db(transaction=True)
def test_nobody_waits_for_a_storage_of_files_while_these_are_looked_for(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be a bucket that does not answer: what holds a lock meanwhile keeps everybody from writing."""
    looked: list[bool] = []
    placed = attachments.placed

    def watched(project: Project, id: str) -> Any:
        looked.append(connection.in_atomic_block)
        return placed(project, id)

    monkeypatch.setattr(attachments, "placed", watched)
    post(api, span(1, attributes=genai(IMAGE)))
    upload(api)

    assert kept(api.project) != []
    assert looked
    assert not any(looked)


def test_of_too_many_files_some_are_looked_for(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp_media, "MOST", 2)
    upload(api)
    places = otlp_media.Places(api.project)

    assert [places(id) is not None for id in ("x" * 22, ID, "y" * 22, ID)] == [False, True, False, True]
    assert not places.have_come()


def test_what_cannot_be_an_id_is_nowhere(api: Caller) -> None:
    upload(api)
    reader = caller("ingest", "read", project=api.project)

    assert reader.get(f"{ADDRESS}/{chr(0x20000) * 64}").status == 404


def test_the_page_of_the_call_shows_the_image(api: Caller) -> None:
    post(api, span(1, attributes=genai(IMAGE)))
    upload(api)
    user = person()
    Membership.objects.create(project=api.project, user=user)
    client = Client()
    client.force_login(user)
    at = "block/?at=/messages/0/content/1/image_url/url&as=file"

    answer: Any = client.get(f"/projects/{api.project.slug}/generations/{TRACE}-{SPAN}/{at}", follow=True)

    assert b"".join(answer.streaming_content) == PIXEL
    assert answer.headers["Content-Type"] == "image/png"


def test_what_a_client_asks_of_a_file_is_told_to_a_key_that_may_read(api: Caller) -> None:
    upload(api)
    reader = Caller(api.project, caller("write", project=api.project).token)

    told = reader.get(f"{ADDRESS}/{ID}").json

    assert (told["mediaId"], told["contentType"], told["contentLength"]) == (ID, "image/png", len(PIXEL))
    assert told["uploadedAt"] < told["urlExpiry"]
    file: Any = Client().get(told["url"].removeprefix("http://testserver"))
    assert b"".join(file.streaming_content) == PIXEL
    assert api.get(f"{ADDRESS}/{ID}").status == 403


def test_a_file_of_another_project_is_never_reached(api: Caller) -> None:
    other = caller("write")
    upload(other)
    post(api, span(1, attributes=genai(IMAGE)))

    assert "langfuseMedia" in messages(api.project)
    assert ask(api).json["uploadUrl"]
    assert caller("write", project=api.project).get(f"{ADDRESS}/{ID}").status == 404
    assert api.send("PATCH", f"{ADDRESS}/{ID}", {"uploadHttpStatus": 200}).status == 404


@pytest.mark.parametrize(
    ("other", "status", "said"),
    [
        ({"traceId": None, "datasetId": "d"}, 400, "traceId"),
        ({"contentType": "png"}, 400, "contentType"),
        ({"contentLength": 0}, 400, "contentLength"),
        ({"contentLength": "ten"}, 400, "contentLength"),
        ({"contentLength": (32 << 20) + 1}, 413, "contentLength"),
        ({"sha256Hash": "abc"}, 400, "sha256Hash"),
        ({"traceId": "t" * 600}, 400, "traceId"),
    ],
)
def test_what_cannot_be_taken_is_refused_before_it_is_sent(
    api: Caller, other: dict[str, Any], status: int, said: str
) -> None:
    answer = ask(api, **other)

    assert (answer.status, sorted(answer.json)) == (status, ["error", "message"])
    assert said in answer.json["message"]
    (note,) = IngestReject.objects.filter(project_id=api.project.pk)
    assert (note.door, note.count) == ("langfuse", 1)


@pytest.mark.parametrize(
    ("content", "kind", "headers"),
    [
        (PIXEL[:-1] + b"x", "image/png", {}),
        (PIXEL + b"x", "image/png", {}),
        (PIXEL, "text/html", {}),
        (PIXEL, "image/png", {"x-amz-checksum-sha256": "A" * 43 + "="}),
        (PIXEL, "image/png", {"x-amz-checksum-sha256": "abc"}),
    ],
)
def test_bytes_that_are_not_those_announced_are_not_kept(
    api: Caller, content: bytes, kind: str, headers: dict[str, str]
) -> None:
    url = ask(api).json["uploadUrl"]

    answer = put(api, url, content, kind, **headers)

    assert (answer.status, sorted(answer.json)) == (400, ["error", "message"])
    assert not default_storage.exists(attachments.folder(api.project) + DIGEST)
    assert ask(api).json["uploadUrl"]
    assert put(api, url).status == put(api, url).status == 200


def test_an_address_that_was_changed_or_was_made_for_another_door_takes_nothing(api: Caller) -> None:
    url = ask(api).json["uploadUrl"]
    foreign = attachments.upload_token(api.project, attachments.folder(api.project) + DIGEST, "image/png")

    assert put(api, url[:-1] + ("a" if url[-1] != "a" else "b")).status == 403
    assert put(api, f"{ADDRESS}/upload/{foreign}").status == 403
    token = url.rpartition("/")[2]
    assert Client().put(f"/api/upload/{token}", b"x", content_type="image/png").status_code == 403
    assert Caller(api.project, None).post(ADDRESS, ASKED).status == 401
    assert caller("read").post(ADDRESS, ASKED).status == 403
    assert api.get(ADDRESS).status == 405


def test_a_span_without_a_marker_looks_for_no_file(api: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(attachments, "placed", lambda project, id: asked.append(id))

    post(api, span(1, attributes=CHAT), span(2, attributes=BARE))
    for n, text in enumerate((f"It says {MARKER}.", f"{MARKER} is said."), 3):
        post(api, span(n, attributes=genai({"type": "image_url", "image_url": {"url": text}})))
    assert asked == []
    post(api, span(5, attributes=genai(IMAGE)))
    assert set(asked) == {ID}
