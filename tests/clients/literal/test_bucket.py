"""Files in a bucket: the real client, the server with its `STORAGE_` settings, and a server that speaks S3."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.clients import environments
from tests.clients.literal import running
from tests.stack import Stack, free_port

pytestmark = [pytest.mark.slow]


@pytest.fixture
def store() -> Iterator[str]:
    """The address of an S3-compatible server with an empty bucket `files`."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    python = environments.python("moto-5.2.5")
    process = subprocess.Popen([python, "-m", "moto.server", "-p", str(port)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 240
        while True:
            try:
                assert httpx.put(f"{address}/files", timeout=60).status_code == 200
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(120)


def test_a_file_goes_into_the_bucket_comes_from_it_and_is_gone_when_deleted(store: str, tmp_path: Path) -> None:
    stack = Stack(
        tmp_path / "data",
        STORAGE_BUCKET="files",
        STORAGE_ENDPOINT_URL=store,
        AWS_ACCESS_KEY_ID="id",
        AWS_SECRET_ACCESS_KEY="secret",
        AWS_DEFAULT_REGION="us-east-1",
    )
    try:
        stack.start(within=120)
        answer = running.results(stack, [environments.python("literalai-0.1.300"), "files.py"])
    finally:
        stack.discard()

    assert answer["results"] == {"read": "in a bucket", "read again": "in a bucket", "key": True, "afterwards": 404}
    assert "<Key>" not in httpx.get(f"{store}/files").text
    assert not list((tmp_path / "data").glob("media/attachments/**/*"))
