"""Images, sounds and files inside the messages of spans: kept as attachments, once, and shown with their generation."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from typing import Any, ClassVar

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from pytest_django.fixtures import Settings

from generations import attachments
from generations.ingest import media
from generations.models import Attachment, Generation, GenerationPayload, Membership, Project
from generations.records import GenerationRecord
from generations.retention import removing
from generations.whole_files import WholeFiles
from tests.doors.rest import Caller, caller
from tests.doors.test_otlp import BARE, CHAT, post, span
from tests.own_files import storage
from tests.test_otlp_joining import event, log
from tests.web import person

__all__ = ["storage"]
pytestmark = pytest.mark.django_db

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
SOUND = b"RIFF\x24\x00\x00\x00WAVEfmt a sound of a few bytes"
IMAGE = base64.b64encode(PIXEL).decode()
URL = f"data:image/png;base64,{IMAGE}"
DIGEST = hashlib.sha256(PIXEL).hexdigest()
REFERENCE = f"attachment:{DIGEST}?type=image/png&size={len(PIXEL)}"


@pytest.fixture
def api() -> Caller:
    return caller("ingest")


def genai(*parts: Any) -> dict[str, Any]:
    said = [{"role": "user", "parts": [{"type": "text", "content": "What is this?"}, *parts]}]
    return {**CHAT, "gen_ai.input.messages": json.dumps(said)}


def flattened(url: str) -> dict[str, Any]:
    start = "llm.input_messages.0.message"
    return {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o",
        f"{start}.role": "user",
        f"{start}.contents.0.message_content.type": "image",
        f"{start}.contents.0.message_content.image.image.url": url,
    }


def kept(project: Project) -> list[tuple[str | None, str | None, int | None, bytes]]:
    rows = Attachment.objects.in_project(project.pk).order_by("mime", "public_id")
    return [(r.generation_id, r.mime, r.size, attachments.open_file(r.storage_key or "").read()) for r in rows]


def payload(project: Project) -> GenerationPayload:
    return GenerationPayload.objects.in_project(project.pk).get()


DIALECTS = {
    "a blob of the conventions": genai(
        {"type": "blob", "modality": "image", "mime_type": "image/png", "content": IMAGE}
    ),
    "an address with data, as OpenAI has it": genai({"type": "image_url", "image_url": {"url": URL}}),
    "a source, as Anthropic has it": genai(
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE}}
    ),
    "inline data, as Gemini has it": genai({"inline_data": {"mime_type": "image/png", "data": IMAGE}}),
    "a part of Vercel's": genai({"type": "file", "mediaType": "image/png", "data": IMAGE}),
    "an older part of Vercel's": genai({"type": "image", "image": IMAGE, "mediaType": "image/png"}),
    "a part of Vercel's with an address": genai({"type": "file", "mediaType": "image/png", "url": URL}),
    "attributes of OpenInference": flattened(URL),
}


@pytest.mark.parametrize("attributes", DIALECTS.values(), ids=DIALECTS)
def test_an_image_is_an_attachment_and_its_message_refers_to_it(api: Caller, attributes: dict[str, Any]) -> None:
    for _ in range(2):
        assert post(api, span(1, attributes=attributes)).json == {}

    (call,) = Generation.objects.in_project(api.project.pk)
    assert kept(api.project) == [(call.public_id, "image/png", len(PIXEL), PIXEL)]
    message = payload(api.project).messages[-1]
    (part,) = (part for part in message["content"] if part["type"] != "text")
    assert part == {"type": "image_url", "image_url": {"url": REFERENCE}}


@pytest.mark.parametrize(
    "uri", ["gs://bucket/a.png", "s3://bucket/a.png", "HTTPS://example.com/a.png", "file:///a.png"]
)
def test_an_image_that_is_elsewhere_is_not_taken_for_its_data(api: Caller, uri: str) -> None:
    post(api, span(1, attributes=genai({"type": "uri", "modality": "image", "mime_type": "image/png", "uri": uri})))

    (part,) = payload(api.project).messages[-1]["content"][1:]
    assert part == {"type": "image_url", "image_url": {"url": uri}}


@pytest.mark.parametrize("place", ["https://example.com/a.png", "@@@langfuseMedia:type=image/png|id=x|source=bytes@@@"])
def test_where_an_image_is_stands_in_its_place_and_is_not_taken_for_the_image(api: Caller, place: str) -> None:
    about = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": place}
    other = {"type": "file", "mediaType": "image/png", "data": place}
    post(api, span(1, attributes=genai(about, other)))

    said = payload(api.project).messages[-1]["content"][1:]
    assert said == [{"type": "image_url", "image_url": {"url": place}}] * 2
    assert kept(api.project) == []


def test_sounds_and_files_are_kept_as_what_they_are(api: Caller) -> None:
    sound = {"type": "blob", "modality": "audio", "mime_type": "audio/wav", "content": base64.b64encode(SOUND).decode()}
    file = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{IMAGE}", "filename": "a.pdf"}}
    post(api, span(1, attributes=genai(sound, file)))

    assert [row[1:3] for row in kept(api.project)] == [("application/pdf", len(PIXEL)), ("audio/wav", len(SOUND))]


@pytest.mark.parametrize(("said", "is_"), [("image/jpg", "image/jpeg"), ("Audio/MP3", "audio/mpeg")])
def test_a_type_by_another_name_is_kept_by_the_one_that_browsers_know(api: Caller, said: str, is_: str) -> None:
    post(api, span(1, attributes=genai({"type": "image_url", "image_url": {"url": f"data:{said};base64,{IMAGE}"}})))

    assert [row[1] for row in kept(api.project)] == [is_]
    assert f"?type={is_}&" in json.dumps(payload(api.project).messages)


def test_the_same_image_of_many_calls_is_one_file(api: Caller) -> None:
    post(api, *(span(n, attributes=flattened(URL)) for n in range(1, 6)))

    assert Attachment.objects.in_project(api.project.pk).count() == 5
    assert default_storage.listdir(attachments.folder(api.project))[1] == [DIGEST]
    first, *others = Generation.objects.in_project(api.project.pk).values_list("public_id", flat=True)
    removing.remove(api.project, "generation", [first])
    assert default_storage.exists(attachments.folder(api.project) + DIGEST)
    removing.remove(api.project, "generation", others)
    assert not default_storage.exists(attachments.folder(api.project) + DIGEST)


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_an_image_of_a_span_whose_call_another_tells_is_that_calls(api: Caller, order: tuple[int, ...]) -> None:
    without = {k: v for k, v in CHAT.items() if k != "gen_ai.input.messages"}
    wrapper = {k: v for k, v in genai({"type": "image_url", "image_url": {"url": URL}}).items() if "output" not in k}
    both = [span(1, attributes=wrapper), span(2, parent=1, attributes=without)]
    for n in order:
        post(api, both[n])

    (call,) = Generation.objects.in_project(api.project.pk)
    assert call.span_id == f"{2:016x}"
    # What the other span said of the call stays beside its step, and refers to the file as well.
    assert sorted(map(str, kept(api.project))) == sorted(
        str((id, "image/png", len(PIXEL), PIXEL)) for id in (None, call.public_id)
    )
    assert REFERENCE in json.dumps(payload(api.project).messages)


def test_an_image_in_a_log_event_is_kept_likewise(api: Caller) -> None:
    post(api, span(1, attributes=BARE))
    log(api, event("gen_ai.user.message", {"content": {"type": "image_url", "image_url": {"url": URL}}}))

    (call,) = Generation.objects.in_project(api.project.pk)
    # The event itself stays beside its step, and refers to the file as well.
    assert sorted(map(str, kept(api.project))) == sorted(
        str((id, "image/png", len(PIXEL), PIXEL)) for id in (None, call.public_id)
    )


class Watched(WholeFiles):
    """Files, and which locks were held when each was written: the first half of each, which says what it locks."""

    held: ClassVar[list[set[int]]] = []

    def _save(self, name: str, content: Any) -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT classid FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()")
            self.held.append({int(row[0]) for row in cursor.fetchall()})
        return super()._save(name, content)


@pytest.mark.parametrize("sends", ["span", "log"])
def test_nobody_waits_for_a_storage_to_take_a_file(
    api: Caller, sends: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = {**settings.STORAGES["default"], "BACKEND": f"{__name__}.Watched"}
    settings.STORAGES = {**settings.STORAGES, "default": backend}
    monkeypatch.setattr(Watched, "held", [])

    if sends == "span":
        post(api, span(1, attributes=genai({"type": "image_url", "image_url": {"url": URL}})))
    else:
        log(api, event("gen_ai.user.message", {"content": {"type": "image_url", "image_url": {"url": URL}}}))

    # Neither its project's nor its own.
    assert Watched.held == [set()]


@pytest.mark.parametrize("said", ["data:image/png;base64,%%%", "data:image/png,abc", "attachment:no", "data:"])
def test_what_is_no_file_stays_as_it_was_said(api: Caller, said: str) -> None:
    assert post(api, span(1, attributes=genai({"type": "image_url", "image_url": {"url": said}}))).json == {}

    assert kept(api.project) == []
    assert said in json.dumps(payload(api.project).messages)


def test_files_beyond_their_bounds_stay_in_the_message() -> None:
    found: dict[str, media.Media] = {}
    many = [{"url": f"data:text/plain;base64,{base64.b64encode(b'%05d' % n).decode()}"} for n in range(150)]
    record = media.taken_out(GenerationRecord(id="a", input=many), found)

    assert len(found) == media.MOST
    assert record.input[media.MOST :] == many[media.MOST :]
    large = "data:image/png;base64," + "A" * (media.MAX_BYTES * 4 // 3 + 8)
    assert media.taken_out(GenerationRecord(id="a", input=[large]), {}).input == [large]


def test_the_generations_page_shows_the_image_and_nothing_that_is_not_its_own(api: Caller) -> None:
    post(api, span(1, attributes=genai({"type": "image_url", "image_url": {"url": URL}})), span(2, attributes=CHAT))
    first, second = Generation.objects.in_project(api.project.pk).order_by("public_id")
    user = person()
    Membership.objects.create(project=api.project, user=user)
    client = Client()
    client.force_login(user)
    address = f"/projects/{api.project.slug}/generations/{first.public_id}/"

    page = client.get(address).content.decode()
    assert 'id="attachments"' not in page  # it stands where it was said
    assert "block/?at=%2Fmessages%2F0%2Fcontent%2F1%2Fimage_url%2Furl&amp;as=file" in page
    answer: Any = client.get(address + "block/?at=/messages/0/content/1/image_url/url&as=file", follow=True)
    assert b"".join(answer.streaming_content) == PIXEL
    assert answer.headers["Content-Type"] == "image/png"

    GenerationPayload.objects.in_project(api.project.pk).filter(uid=second.uid).update(
        messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": REFERENCE}}]}]
    )
    other = address.replace(first.public_id, second.public_id)
    assert client.get(other + "block/?at=/messages/0/content/0/image_url/url&as=file").status_code == 404


def test_a_document_that_is_kept_is_downloaded_from_the_page_under_its_name(api: Caller) -> None:
    content = b"%PDF-1.4 of no use"
    inside = f"data:application/pdf;base64,{base64.b64encode(content).decode()}"
    file = {"type": "file", "file": {"filename": "bill.pdf", "file_data": inside}}
    post(api, span(1, attributes=genai(file)))
    call = Generation.objects.in_project(api.project.pk).get()
    user = person()
    Membership.objects.create(project=api.project, user=user)
    client = Client()
    client.force_login(user)
    address = f"/projects/{api.project.slug}/generations/{call.public_id}/"

    at = "block/?at=%2Fmessages%2F0%2Fcontent%2F1%2Ffile%2Ffile_data&amp;as=file"
    assert at in client.get(address).content.decode()
    answer: Any = client.get(address + at.replace("&amp;", "&"), follow=True)

    assert b"".join(answer.streaming_content) == content
    assert answer["Content-Disposition"] == 'inline; filename="bill.pdf"'
    assert answer["Content-Security-Policy"].startswith("default-src 'none'")
