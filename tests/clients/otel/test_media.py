"""Langfuse's SDKs cut images out of what they send and upload them: each is there with its call, and read as it was."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from generations.ingest import media
from tests.clients.otel import running
from tests.stack import Stack
from tests.test_otlp_media import PIXEL

pytestmark = [pytest.mark.slow]
SECTIONS = {
    "otel-newest": ("Langfuse's SDK", "langfuse_media.py"),
    "otel-earlier": ("Langfuse's SDK", "langfuse_media.py"),
    "otel-js": ("JavaScript: Langfuse's SDK", "langfuse_media.mjs"),
}


@pytest.mark.parametrize("environment", SECTIONS)
def test_an_image_that_langfuse_s_sdk_uploads_is_with_its_call(
    environment: str, live_stack: Stack, tmp_path: Path
) -> None:
    section, program = SECTIONS[environment]
    file = tmp_path / "image.png"
    # One that was not uploaded before.
    file.write_bytes(PIXEL + os.urandom(8))
    ran = running.ran(
        live_stack, section, environment, program=program, variables={"IMAGE_FILE": str(file)}, folder=tmp_path
    )

    assert len(ran.generations) == 2
    for call in ran.generations:
        (part,) = (part for part in call["messages"][-1]["content"] if part["type"] != "text")
        (kept,) = call["attachments"]
        assert part["image_url"]["url"].startswith(f"attachment:{kept['sha256']}?type=image/png&size=")
        with live_stack.client() as client:
            told = client.get(f"/api/public/media/{media.media_id(kept['sha256'])}").json()
            assert client.get(told["url"]).content == file.read_bytes()
    with live_stack.client() as client:
        steps = [client.get(f"/api/steps/{step['id']}").text for step in ran.steps]
    assert "langfuseMedia" not in "".join(steps)
