"""A static file that changes under a running copy is sent whole."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from generations.web.static_files import StaticFiles


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.WHITENOISE_ROOT = tmp_path
    return tmp_path


def test_a_file_that_has_changed_is_sent_whole_and_one_that_is_gone_is_not_there(folder: Path) -> None:
    file = folder / "page.js"
    file.write_text("old")
    served = StaticFiles(lambda request: HttpResponse(status=404))

    def asked(**headers: str) -> Any:
        return served(RequestFactory().get("/page.js", headers=headers))

    def body(answer: Any) -> bytes:
        return b"".join(answer.streaming_content)

    first = asked()
    assert (body(first), first["Content-Length"]) == (b"old", "3")
    assert asked(if_none_match=first["ETag"]).status_code == 304

    file.write_text("new, and longer than it was")
    os.utime(file, (2e9, 2e9))
    second = asked(if_none_match=first["ETag"])
    assert (body(second), second["Content-Length"]) == (b"new, and longer than it was", "27")
    assert asked(if_none_match=second["ETag"]).status_code == 304

    file.unlink()
    assert asked().status_code == 404
