"""Spans and their files that are sent at the same time, to the running server: none is missed by the other."""

from __future__ import annotations

import base64
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from generations.ingest import media
from tests.doors.test_otlp import request, span
from tests.stack import Stack
from tests.test_otlp_media import genai

pytestmark = [pytest.mark.slow]
MANY = 40


def test_spans_and_their_files_at_the_same_time_find_each_other(live_stack: Stack) -> None:
    trace, ids = os.urandom(16).hex(), range(1, MANY + 1)
    files = {n: os.urandom(20) for n in ids}

    def send(client: httpx.Client, n: int) -> None:
        id = media.media_id(hashlib.sha256(files[n]).hexdigest())
        place = {"url": f"@@@langfuseMedia:type=image/png|id={id}|source=bytes@@@"}
        one = span(n, traceId=trace, attributes=genai({"type": "image_url", "image_url": place}))
        client.post("/v1/traces", json=request(one)).raise_for_status()

    def upload(client: httpx.Client, n: int) -> None:
        digest = base64.b64encode(hashlib.sha256(files[n]).digest()).decode()
        about = {"contentType": "image/png", "contentLength": 20, "sha256Hash": digest, "field": "input"}
        asked = client.post(
            "/api/public/media", json={"traceId": trace, "observationId": f"{n:016x}", **about}
        ).raise_for_status()
        httpx.put(asked.json()["uploadUrl"], content=files[n], headers={"Content-Type": "image/png"}).raise_for_status()

    with live_stack.client() as client, ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(partial(work, client, n)) for n in ids for work in (send, upload)]:
            done.result()
        calls = [client.get(f"/api/generations/{trace}-{n:016x}").json() for n in ids]

    assert [[one["sha256"] for one in call.get("attachments", ())] for call in calls] == [
        [hashlib.sha256(files[n]).hexdigest()] for n in ids
    ]
