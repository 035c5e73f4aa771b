"""Files at their signed addresses: shown where that is harmless, whole or in ranges, for a day, to any origin."""

from __future__ import annotations

import os
import time
from io import BytesIO
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from generations import attachments, outages, recording
from generations.ingest.media import Media
from generations.models import Attachment, Project
from generations.records import AttachmentRecord, StepRecord
from tests import web

CONTENT = b"0123456789"
# Two processes that run tests may share a folder.
KEY = f"attachments/{os.getpid()}/file-of-a-test"


@pytest.fixture(autouse=True)
def stored() -> Any:
    attachments.save(KEY, BytesIO(CONTENT))
    yield
    default_storage.delete(KEY)


def got(mime: str, *, name: str | None = None, method: str = "get", **headers: str) -> Any:
    asked = getattr(Client(), method)
    return asked(attachments.path(KEY, mime, name), headers={"origin": "http://elsewhere", **headers})


INLINE = ["image/png", "image/jpeg", "image/gif", "image/webp", "audio/mpeg", "video/mp4"]
ACTIVE = ["text/html", "TEXT/HTML", "application/xhtml+xml", "text/xml", "application/xml", "application/javascript"]
ACTIVE += ["text/html,image/png", "multipart/x-mixed-replace", "", "nonsense\r\nX: y"]


@pytest.mark.parametrize("mime", INLINE)
def test_what_cannot_carry_a_script_is_shown_as_what_it_is(mime: str) -> None:
    answer = got(mime)

    assert answer.status_code == 200
    assert answer.getvalue() == CONTENT
    assert answer["Content-Type"] == mime
    assert answer["Content-Disposition"] == 'inline; filename="file-of-a-test"'
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


@pytest.mark.parametrize("mime", ACTIVE)
def test_what_can_is_a_download_of_no_type(mime: str) -> None:
    answer = got(mime)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="file-of-a-test"'
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_a_drawing_is_an_image_inside_a_page_and_a_download_by_itself() -> None:
    answer = got("image/svg+xml; charset=utf-8", name="plan.svg")

    assert answer["Content-Type"] == "image/svg+xml"
    assert answer["Content-Disposition"] == 'attachment; filename="plan.svg"'
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_nothing_that_is_said_of_a_file_becomes_another_header() -> None:
    answer = got("image/png;\r\nX-One: 1", name='a"b\r\nX-Two: 2.png')

    assert answer["Content-Type"] == "image/png"
    assert answer["Content-Disposition"] == 'inline; filename="a\\"b X-Two: 2.png"'
    assert got("text/plain; charset=latin-1")["Content-Type"] == "text/plain; charset=latin-1"


def test_text_is_read_as_utf_8_and_a_pdf_is_not_kept_from_the_viewer() -> None:
    text, pdf = got("text/plain"), got("application/pdf")

    assert text["Content-Type"] == "text/plain; charset=utf-8"
    assert "sandbox" not in pdf["Content-Security-Policy"]
    assert "default-src 'none'" in pdf["Content-Security-Policy"]
    assert "X-Frame-Options" not in pdf


@pytest.mark.django_db
def test_other_origins_may_read_files_and_nothing_else_of_the_site() -> None:
    asked = got("image/png", method="options", **{"access-control-request-headers": "range"})

    assert got("image/png")["Access-Control-Allow-Origin"] == "*"
    assert (asked.status_code, asked["Access-Control-Allow-Headers"]) == (204, "Range, If-Range, If-None-Match")
    assert got("image/png")["Cross-Origin-Resource-Policy"] == "cross-origin"
    for path in ("/login/", "/healthz", "/api/generations", "/api/graphql"):
        answer = Client().get(path, headers={"origin": "http://elsewhere"})
        assert "Access-Control-Allow-Origin" not in answer, path


@pytest.mark.parametrize(
    ("asked", "status", "content", "said"),
    [
        ("bytes=2-5", 206, b"2345", "bytes 2-5/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-3", 206, b"789", "bytes 7-9/10"),
        ("bytes=-99", 206, CONTENT, "bytes 0-9/10"),
        ("bytes=4-99", 206, b"456789", "bytes 4-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=-0", 416, b"", "bytes */10"),
        ("bytes=5-2", 200, CONTENT, None),
        ("bytes=1-2,4-5", 200, CONTENT, None),
        ("lines=1-2", 200, CONTENT, None),
    ],
)
def test_a_range_of_a_file_is_given(asked: str, status: int, content: bytes, said: str | None) -> None:
    answer = got("video/mp4", range=asked)

    assert (answer.status_code, answer.getvalue(), answer.get("Content-Range")) == (status, content, said)
    if status == 206:
        assert (answer["Content-Length"], answer["Content-Type"]) == (str(len(content)), "video/mp4")


def test_head_says_what_get_would() -> None:
    head, get = got("image/png", method="head"), got("image/png")

    assert (head.status_code, head.getvalue(), head["Content-Length"]) == (200, b"", "10")
    assert {name: head[name] for name in get.headers} == dict(get.headers)
    assert head["Accept-Ranges"] == "bytes"


def test_a_file_that_another_may_take_the_place_of_is_not_gone_on_with() -> None:
    answer = got("video/mp4", range="bytes=2-5", if_range='"anything"')
    head = got("video/mp4", method="head", range="bytes=2-5")

    assert (answer.status_code, answer.getvalue(), "ETag" in answer) == (200, CONTENT, False)
    assert (head.status_code, head["Content-Length"]) == (200, "10")


def test_a_storage_that_is_away_is_told_to_pages_of_other_origins_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(key: str) -> Any:
        raise outages.StorageAway("no answer")

    monkeypatch.setattr(attachments, "open_file", away)
    answer = got("image/png")

    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (503, "*")
    assert answer["Retry-After"] == "5" and "Retry-After" in answer["Access-Control-Expose-Headers"]
    assert b"storage of files does not answer" in answer.content


def test_a_file_that_is_kept_by_its_digest_is_gone_on_with_and_known_again() -> None:
    project = Project(pk=os.getpid())
    one = Media(content=CONTENT, mime="application/pdf", sha256="ab12" * 16)
    attachments.keep(project, [one])
    path = attachments.path(f"{attachments.folder(project)}{one.sha256}", "application/pdf", "a.pdf")

    def got(**headers: str) -> Any:
        return Client().get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    tag = got()["ETag"]
    assert tag == f'"{one.sha256}"'
    part = got(range="bytes=2-5", if_range=tag)
    assert (part.status_code, part.getvalue(), part["ETag"]) == (206, b"2345", tag)
    assert got(range="bytes=2-5", if_range='"other"').status_code == 200
    again = got(if_none_match=tag)
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)


def test_an_address_is_good_for_a_day_and_for_what_it_was_made_for(monkeypatch: pytest.MonkeyPatch) -> None:
    address = attachments.path(KEY, "image/png", "a.png")
    for changed in (
        address.replace("type=image%2Fpng", "type=text%2Fhtml"),
        address.replace("name=a.png", "name=b.html"),
        address.replace("file-of-a-test", "another"),
        address.replace("X-Amz-Date=", "X-Amz-Date=9"),
        address.split("?")[0],
    ):
        answer = Client().get(changed)
        assert (answer.status_code, answer["Content-Type"]) == (403, "text/plain; charset=utf-8"), changed
    now = time.time()

    monkeypatch.setattr(time, "time", lambda: now + 24 * 3_600 - 5)
    assert Client().get(address).status_code == 200
    monkeypatch.setattr(time, "time", lambda: now + 24 * 3_600 + 5)
    assert Client().get(address).status_code == 403


def test_a_file_that_is_gone_is_not_found() -> None:
    assert Client().get(attachments.path("attachments/1/none", "image/png")).status_code == 404
    assert Client().post(attachments.path(KEY, "image/png")).status_code == 405


@pytest.mark.django_db
def test_a_page_signs_no_file_of_another_project() -> None:
    project = web.project()
    client = web.signed_in(project)
    key = f"attachments/{project.pk + 1}/theirs"
    recording.record(
        project, [StepRecord(id="s", attachments=(AttachmentRecord(id="a", name="stolen.png", storage_key=key),))]
    )

    page = client.get(f"/projects/{project.slug}/steps/s/")

    assert Attachment.objects.in_project(project.pk).get().storage_key == key
    assert "stolen.png" in web.text(page)
    assert [link for link in web.links(page) if "/files/" in link] == []
