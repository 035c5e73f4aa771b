"""An export's file: waited for, fetched, taken up again where the connection broke, and whole or not there at all."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any, Final

from generations.client.connection import Connection, wait_before
from generations.client.errors import GenerationsError

ATTEMPTS: Final = 8
"""How often a download may break in a row without a byte of progress."""
_ENDED: Final = ("failed", "cancelled", "expired")


def fetch(connection: Connection, id: str, to: Path, timeout: float | None) -> Path:
    """Wait for an export and download it to `to`. Raises GenerationsError when it fails, or takes too long."""
    job = _finished(connection, id, None if timeout is None else time.monotonic() + timeout)
    part = to.with_name(f".{to.name}.{id}.part")
    _download(connection, job["download"], job["result"], part)
    part.replace(to)
    return to


def _finished(connection: Connection, id: str, deadline: float | None) -> dict[str, Any]:
    pause = 0.1
    while True:
        job: dict[str, Any] = connection.send("GET", f"/api/exports/{id}")
        if job["state"] == "done":
            return job
        if job["state"] in _ENDED:
            raise GenerationsError(f"The export has {job['state']}. {job.get('error') or ''}".strip(), code="export")
        if deadline is not None and time.monotonic() + pause > deadline:
            raise GenerationsError(f"The export is not ready in time; it goes on as {id}.", code="timeout")
        time.sleep(pause)
        pause = min(pause * 1.5, 2.0)


def _download(connection: Connection, path: str, result: dict[str, Any], part: Path) -> None:
    """
    > A client that has received a partial content may use Range with If-Range to get the rest (RFC 9110, 13.1.5)
    """
    url = path if path.startswith(("http://", "https://")) else connection.url + path
    size, etag, failures = result["bytes"], f'"{result["sha256"]}"', 0
    while (have := _size(part)) < size or not part.exists():
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": etag}
        try:
            with connection.stream(url, headers) as response, part.open("ab" if have else "wb") as file:
                if have and response.status_code != 206:
                    file.truncate(0)
                for piece in response.iter_raw():
                    file.write(piece)
                    failures = 0
                problem = GenerationsError("The download ended before the file did.", code="truncated")
        except GenerationsError as error:
            if not error.is_temporary:
                raise
            problem = error
        if _size(part) < size:
            failures += 1
            if failures >= ATTEMPTS:
                raise problem
            time.sleep(wait_before(failures, problem.retry_after))
    with part.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() == result["sha256"]:
            return
    part.unlink()
    raise GenerationsError("The export arrived damaged; ask for it again.", code="damaged")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
